#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# reload_hangs.bats - another configuration while a token is in a call that does not end: nobody else waits for it

setup()
{
    load harness
    load two_tokens
}

teardown()
{
    show_log_if_failed
    end_world
}

# begun FUNCTION NUMBER: the module was called so often.
begun()
{
    [ "$(calls "$1")" -ge "$2" ]
}

# make_slowly MS: a key that takes so long; $slow waits for it.
make_slowly()
{
    local nth
    nth=$(next C_GenerateKeyPair)
    break_rules "C_GenerateKeyPair:$nth:slow $1"
    keysvc key generate web/slow 3>&- &
    slow=$!
    wait_for begun C_GenerateKeyPair "$nth"
}

both_ready()
{
    [[ $(keysvc status --json) =~ \"ready_workers\":\ *2 ]]
}

allow()
{
    echo "allow $1 { user = {\"$1\"} keys = {\"$2\"} operations = {get, sign} }" >>"$W/keysvcd.conf"
}

generation_is()
{
    [ "$(keysvc status --json | json 'd["generation"]')" = "$1" ]
}

# bats test_tags=uninstrumented
@test "one token makes a key for long: the new rules count at once, the other token signs on, and the reload ends" {
    need_root
    local slow processes
    world_of_two
    allow "$BOB" 'web/**'
    keysvc reload
    as "$BOB" keysvc sign web/shop --in "$W/data" >"$W/signature"
    processes=$(token_pids)
    make_slowly 16000
    # Two that were let in by the rule that is taken away wait behind it, one by a rule that stays.
    as "$BOB" keysvc sign web/shop --in "$W/data" --timeout 40s >"$W/bobs" 2>"$W/bobs.err" 3>&- &
    bobs=$!
    keysvc sign web/shop --in "$W/data" --timeout 40s >"$W/signature" 3>&- &
    mine=$!
    wait_for queued 3
    sed -i "/^allow $BOB/d" "$W/keysvcd.conf"
    allow "$BOB" 'spare/**'
    kill -HUP "$(pid)"
    wait_for generation_is 3
    as "$BOB" keysvc sign spare/shop --in "$W/data" --timeout 2s >"$W/other"
    fails 3 "" as "$BOB" keysvc sign web/shop --in "$W/data"
    # The next one does not wait for this one's end.
    kill -HUP "$(pid)"
    PATIENCE=4 wait_for generation_is 4
    not is_gone "$slow"
    # It waits for whoever is in a call no longer than for whoever is idle, and says whom it left behind.
    wait_for grep -q 'event=reload outcome=ok generation=4' "$W/log"
    not is_gone "$slow"
    grep -q 'child=main/1 event=config-late' "$W/log"
    wait "$slow"
    wait "$mine"
    verify web/shop "$W/data" "$W/signature"
    code=0
    wait "$bobs" || code=$?
    [ "$code" = 3 ] || { cat "$W/bobs.err"; false; }
    [ ! -s "$W/bobs" ]
    grep -q 'event=reload token=main generation=4' "$W/log"
    [ "$(token_pids)" = "$processes" ]
    audit_verify
}

# Bob may do everything with web/**; a signature of his, the end of a key and a look at all keys wait behind the making of another one, which takes
# three seconds. The rule is gone from the file.
bob_waits()
{
    need_root
    world break
    echo "allow $BOB { user = {\"$BOB\"} keys = {\"web/**\"} operations = {all, administer} }" >>"$W/keysvcd.conf"
    start
    keysvc key generate web/shop
    keysvc key generate web/kept
    make_slowly 3000
    as "$BOB" keysvc sign web/shop --in "$W/data" --timeout 40s >"$W/bobs" 3>&- &
    signs=$!
    as "$BOB" keysvc key destroy web/kept@1 --yes --timeout 40s 3>&- &
    destroys=$!
    as "$BOB" keysvc token rescan main --timeout 40s 3>&- &
    rescans=$!
    wait_for queued 4
    sed -i "/^allow $BOB/d" "$W/keysvcd.conf"
}

queued()
{
    [ "$(keysvc status --json | json '[t["queued"] for t in d["tokens"] if t["name"] == "main"][0]')" = "$1" ]
}

bob_is_denied()
{
    local child code
    wait "$slow"
    for child in "$signs" "$destroys" "$rescans"; do
        code=0
        wait "$child" || code=$?
        [ "$code" = 3 ]
    done
    [ ! -s "$W/bobs" ]
    wait_ready
    keysvc key show web/kept@1
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    audit_verify
}

@test "what waits behind a long call is not done by a rule that is gone, nor is a key destroyed by it" {
    bob_waits
    kill -HUP "$(pid)"
    wait_for generation_is 2
    not is_gone "$slow"
    bob_is_denied
}

# The process gets the first part of it while it is in the call, and the rest behind.
@test "nor by a configuration that is too large for a socket" {
    local i list
    bob_waits
    for ((i = 0; i < 60; i++)); do
        list+="${list:+, }\"nothing/$i/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/**\""
    done
    for ((i = 0; i < 120; i++)); do
        echo "allow large$i { user = {\"$ALICE\"} keys = {$list} operations = {get} }"
    done >>"$W/keysvcd.conf"
    kill -HUP "$(pid)"
    wait_for generation_is 2
    not is_gone "$slow"
    bob_is_denied
}

@test "nor by a process that leaves, since the same reload changes its token" {
    bob_waits
    sed -i 's/^token main {/&\n    workers = 2/' "$W/keysvcd.conf"
    kill -HUP "$(pid)"
    wait_for generation_is 2
    bob_is_denied
}

# bob_is_slow FUNCTION COMMAND...: Bob's command is in that call when the rule by which it was let in goes. The next signature
# finds its login lost.
bob_is_slow()
{
    local function=$1 nth code=0
    echo "allow $BOB { user = {\"$BOB\"} keys = {\"web/**\"} operations = {all} }" >>"$W/keysvcd.conf"
    start
    keysvc key generate web/shop
    keysvc key generate web/kept
    nth=$(next "$function")
    break_rules "$function:$nth:slow 3000" "C_SignInit:$(next C_SignInit):CKR_USER_NOT_LOGGED_IN"
    shift
    as "$BOB" "$@" >"$W/bobs" 3>&- &
    child=$!
    wait_for begun "$function" "$nth"
    sed -i "/^allow $BOB/d" "$W/keysvcd.conf"
    kill -HUP "$(pid)"
    wait_for generation_is 2
    not is_gone "$child"
    wait "$child" || code=$?
    [ "$code" = 3 ]
    keysvc key show web/kept@1
    audit_verify
}

@test "nor what was being looked up when the rule went" {
    need_root
    world break
    bob_is_slow C_FindObjectsInit keysvc key destroy web/kept@1 --yes --timeout 20s
    not grep -q '"event":"intent".*web/kept.*destroy' "$W/audit/main-1.log"
}

@test "nor what needed a login first" {
    need_root
    world break
    bob_is_slow C_Login keysvc sign web/shop --in "$W/data" --timeout 20s
    [ ! -s "$W/bobs" ]
}

@test "a key is adopted while another one is made: the other process signs on, and the key is there behind it" {
    local slow
    WORKERS=2 STORE=yes world break
    pkcs11 --keypairgen --key-type EC:prime256v1 --label old --id 01 --usage-sign >/dev/null
    start
    wait_for both_ready
    keysvc key generate web/shop
    make_slowly 4000
    echo 'key web/old { uri = "pkcs11:object=old" }' >>"$W/keysvcd.conf"
    kill -HUP "$(pid)"
    wait_for generation_is 2
    keysvc sign web/shop --in "$W/data" --timeout 2s >"$W/signature"
    not is_gone "$slow"
    wait "$slow"
    wait_for keysvc sign web/old --in "$W/data" --out-file "$W/signature"
}

# bats test_tags=uninstrumented
@test "a login that hangs and may not be ended: a reload ends, the other process signs, and so does the next reload" {
    need_root
    local hung
    HANG_TIMEOUT=2s WORKERS=2 STORE=yes world break
    start
    wait_for both_ready
    keysvc key generate web/shop
    allow "$BOB" 'web/**'
    keysvc reload
    break_rules "C_Sign:$(next C_Sign):CKR_USER_NOT_LOGGED_IN" "C_Login:$(next C_Login)+:hang"
    keysvc sign web/shop --in "$W/data" --timeout 1s >"$W/signature" || true
    wait_for grep -q 'event=hang .*not killed' "$W/log"
    hung=$(sed -n 's|.*child=\(main/[12]\) event=hang .*|\1|p' "$W/log" | head -n 1)
    sed -i "/^allow $BOB/d" "$W/keysvcd.conf"
    keysvc reload --timeout 20s
    fails 3 "" as "$BOB" keysvc sign web/shop --in "$W/data"
    as "$ALICE" keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
    allow "$BOB" 'web/**'
    keysvc reload --timeout 20s
    as "$BOB" keysvc sign web/shop --in "$W/data" >"$W/signature"
    generation_is 4
    # Nobody else may end it.
    kill -KILL "$(sed -n "s|.*child=$hung event=ready pid=\([0-9]*\).*|\1|p" "$W/log" | tail -n 1)"
    break_rules
}
