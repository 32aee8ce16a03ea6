#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# store.bats - tokens that are made of files: one keysvcd at a time, and no token lost to a kill

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_second
    end_world
}

# A world whose token says where its files are, and whose profile says which a crash can destroy.
world_with_store()
{
    STORE=yes world
    echo 'copies = {"*/token.object"}' >>"$W/profile.conf"
}

# Everything of its own but the tokens: another keysvcd, as an administrator starts it by mistake.
second_config()
{
    mkdir -p -m 755 "$W/second"
    mkdir -p -m 700 "$W/second/state" "$W/second/audit"
    sed "s|$KEYSVC_SOCKET|$W/run/second.sock|; s|$W/state|$W/second/state|; s|$W/audit|$W/second/audit|" \
        "$W/keysvcd.conf" >"$W/second/keysvcd.conf"
}

start_second()
{
    keysvcd --config "$W/second/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$SOURCE/hsm-profiles" \
        >>"$W/log" 2>&1 3>&- &
    echo $! >"$W/second.pid"
}

end_second()
{
    if [ -n "${W-}" ] && [ -s "$W/second.pid" ]; then
        kill -TERM "$(cat "$W/second.pid")" || true
        wait_for is_gone "$(cat "$W/second.pid")"
        rm -f "$W/second.pid"
    fi
}

second_state()
{
    KEYSVC_SOCKET=$W/run/second.sock keysvc status --json | json 'd["tokens"][0]["'"$1"'"]'
}

second_is()
{
    [ "$(second_state state)" = "$1" ]
}

empty_token()
{
    local file
    for file in "$W"/tokens/*/token.object; do
        truncate -s 0 "$file"
    done
}

blocked()
{
    token_is login-blocked
}

@test "a second keysvcd on the same tokens is kept out, says so, and takes over when the first ends" {
    world_with_store
    start
    keysvc key generate web/shop
    second_config
    start_second
    wait_for second_is absent
    second_state text | grep "store $W/tokens is used by another keysvcd"
    token_is ready
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    second_is absent
    # Not once a try: it tries each second.
    [ "$(grep -c 'child=main/1 event=ended' "$W/log")" = 1 ]
    stop
    wait_for second_is ready
    KEYSVC_SOCKET=$W/run/second.sock keysvc sign web/shop --in "$W/data" >"$W/signature"
}

@test "the lock ends with a killed keysvcd" {
    world_with_store
    start
    kill -KILL "$(pid)"
    wait_for is_gone "$(pid)"
    wait_for nobody_listens
    start
    keysvc key generate web/shop
    stop
}

@test "a second keysvcd on the same socket or state folder ends at once and says why" {
    world_with_store
    start
    second_config
    sed -i "s|$W/run/second.sock|$KEYSVC_SOCKET|" "$W/second/keysvcd.conf"
    refused=(timeout 20 keysvcd --config "$W/second/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc"
        --profile-dir "$SOURCE/hsm-profiles")
    run "${refused[@]}"
    [ "$status" != 0 ] && [ "$status" != 124 ]
    [[ $output == *"$KEYSVC_SOCKET"* ]]
    second_config
    sed -i "s|$W/second/state|$W/state|" "$W/second/keysvcd.conf"
    fails 11 "another keysvcd works with the state folder $W/state" "${refused[@]}"
    token_is ready
}

@test "two tokens with stores of their own do not keep each other out" {
    world_with_store
    start
    mkdir -m 700 "$W/tokens2"
    [ "$ME" != 0 ] || chown "$TOKEN:$TOKEN" "$W/tokens2"
    second_config
    sed "s|$W/tokens|$W/tokens2|" "$W/softhsm2.conf" >"$W/second/softhsm2.conf"
    sed "s|$W/softhsm2.conf|$W/second/softhsm2.conf|" "$W/profile.conf" >"$W/second/profile.conf"
    sed -i "s|$W/tokens|$W/tokens2|; s|$W/profile.conf|$W/second/profile.conf|" "$W/second/keysvcd.conf"
    as "$TOKEN" env SOFTHSM2_CONF="$W/second/softhsm2.conf" softhsm2-util --init-token --free --label keysvc \
        --pin "$PIN" --so-pin "$SO_PIN"
    start_second
    wait_for second_is ready
    token_is ready
}

@test "a token that a kill has emptied is put back before the module sees it" {
    world_with_store
    start
    keysvc key generate web/shop
    stop
    empty_token
    start
    grep "event=store-restored token=main store=\"$W/tokens\" file=\"token.object\"" "$W/log"
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
}

@test "the module's own tools are not disturbed by copies, lock and gate" {
    world_with_store
    start
    keysvc key generate web/shop
    [ -s "$(echo "$W"/tokens/*/token.object.keysvc-copy)" ]
    [ "$(as "$TOKEN" softhsm2-util --show-slots | grep -c 'Label: *keysvc')" = 1 ]
    pkcs11 --list-objects --type privkey | grep web/shop@1
    as "$TOKEN" softhsm2-util --init-token --free --label other --pin 4321 --so-pin "$SO_PIN"
    [ "$(as "$TOKEN" softhsm2-util --show-slots | grep -c 'Initialized: *yes')" = 2 ]
}

@test "change-pin beside a running keysvcd: it signs on, the copy is renewed, and new processes log in" {
    world_with_store
    start
    keysvc key generate web/shop
    before=$(cat "$W"/tokens/*/token.object.keysvc-copy | sha256sum)
    (umask 077 && printf 'Other-31415' >"$W/pin.new")
    keysvc token change-pin main --new-pin-file "$W/pin.new" --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    [ "$(cat "$W"/tokens/*/token.object.keysvc-copy | sha256sum)" != "$before" ]
    cmp "$W"/tokens/*/token.object "$W"/tokens/*/token.object.keysvc-copy
    old=$(token_pids)
    kill -KILL $old
    another()
    {
        [ -n "$(token_pids)" ] && [ "$(token_pids)" != "$old" ] && token_is ready
    }
    wait_for another
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    stop
    # Not the old PIN: what is put back is what the last login saw.
    empty_token
    start
    keysvc sign web/shop --in "$W/data" >"$W/signature"
}

@test "a wrong old PIN changes nothing and names the token" {
    world_with_store
    start
    (umask 077 && printf 'Other-31415' >"$W/pin.new" && printf 'wrong' >"$W/pin.wrong")
    fails 18 "token main: the old PIN is refused" keysvc token change-pin main --pin-file "$W/pin.wrong" \
        --new-pin-file "$W/pin.new" --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
    [ "$(cat "$W/pin")" = "$PIN" ]
    token_is ready
}

@test "init makes the first copy, and a service that waits for the token takes it" {
    world_with_store
    as "$TOKEN" find "$W/tokens" -mindepth 1 -delete
    start nowait
    wait_for token_is absent
    (umask 077 && printf '%s' "$SO_PIN" >"$W/so-pin")
    keysvc token init main --so-pin-file "$W/so-pin" --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
    [ -s "$(echo "$W"/tokens/*/token.object.keysvc-copy)" ]
    wait_ready
    keysvc key generate web/shop
}

@test "a store that is not there is named, and taken when it comes" {
    world_with_store
    mv "$W/tokens" "$W/away"
    start nowait
    wait_for token_is absent
    keysvc status --json | json 'd["tokens"][0]["text"]' | grep "cannot open its store $W/tokens"
    mv "$W/away" "$W/tokens"
    wait_ready
}

@test "keysvcd and its processes killed at random moments, again and again, lose no token" {
    world_with_store
    start
    keysvc key generate web/shop
    rounds=25
    [ -z "${KEYSVC_SANITIZED-}" ] || rounds=5
    RANDOM=$$
    echo "seed $$"
    for ((i = 0; i < rounds; i++)); do
        kill -KILL $(pid) $(token_pids)
        wait_for is_gone "$(pid)"
        wait_for nobody_listens
        start nowait
        sleep "0.0$((RANDOM % 10))"
    done
    settled()
    {
        token_is ready || blocked
    }
    wait_for settled
    # Who was killed inside of C_Login cannot say whether the PIN was right: an administrator does.
    ! blocked || keysvc token retry-login main
    wait_ready
    echo "put back $(grep -c event=store-restored "$W/log") times"
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
    stop
    audit_verify
}

# SoftHSM loses an object that one process writes while another one starts and reads it (softhsm/SoftHSMv2 573).
@test "a key is made and destroyed only while no other process starts or logs in" {
    WORKERS=2 world_with_store
    start
    both()
    {
        [ "$(keysvc status --json | json 'd["tokens"][0]["ready_workers"]')" = 2 ]
    }
    wait_for both
    keysvc key generate web/shop
    keysvc key generate web/old
    # Somebody starts: holds the gate, says so, and lets go when it is told.
    mkfifo "$W/go"
    (
        flock 9
        touch "$W/held"
        read -r _ <"$W/go"
        touch "$W/released"
    ) 9<"$W/tokens/.keysvc-gate" &
    wait_for test -e "$W/held"
    for change in "key generate web/more" "key rotate web/shop --from 1" "key destroy web/old@1 --yes" "token rescan main"; do
        (
            keysvc $change
            [ -e "$W/released" ] || echo "$change" >>"$W/too-early"
        ) 3>&- &
        changes+=($!)
    done
    # Who only signs does not wait.
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    [ ! -e "$W/released" ]
    echo go >"$W/go"
    for pid in "${changes[@]}"; do
        wait "$pid"
    done
    [ ! -e "$W/too-early" ] || { cat "$W/too-early"; return 1; }
    keysvc key show web/more
}

# The gate is held longer than a reload waits, and longer than a change waits for the gate: behind the first one the process takes
# the configuration, and the others are asked for again. Twenty seconds of waiting, in which a sanitizer sees nothing.
# bats test_tags=uninstrumented
@test "a reload while changes wait for the gate ends no process, and the changes are made" {
    world_with_store
    start
    for name in web/a web/b web/c; do
        keysvc key generate "$name"
    done
    worker=$(token_pids)
    flock --no-fork "$W/tokens/.keysvc-gate" sleep 60 3>&- &
    holder=$!
    wait_for not flock -n "$W/tokens/.keysvc-gate" true
    # It gets them together.
    kill -STOP "$worker"
    for name in web/a web/b web/c; do
        keysvc --timeout 60s key destroy "$name@1" --yes 3>&- &
        changes+=($!)
    done
    sleep 1
    kill -CONT "$worker"
    sleep 1
    kill -HUP "$(pid)"
    wait_for grep 'event=reload outcome=ok' "$W/log"
    not grep 'event=reload token=main' "$W/log"
    wait_for grep 'event=reload token=main' "$W/log"
    not flock -n "$W/tokens/.keysvc-gate" true
    kill "$holder"
    for pid in "${changes[@]}"; do
        wait "$pid"
    done
    [ "$(token_pids)" = "$worker" ]
    not grep event=kill "$W/log"
}

@test "keys that are made while processes start are all there afterwards" {
    WORKERS=8 world_with_store
    for ((round = 0; round < 3; round++)); do
        start
        for ((i = 0; i < 4; i++)); do
            keysvc key generate "web/r$round-$i" 3>&- &
            makers[i]=$!
        done
        for ((i = 0; i < 4; i++)); do
            wait "${makers[i]}"
        done
        stop
    done
    start
    for ((round = 0; round < 3; round++)); do
        for ((i = 0; i < 4; i++)); do
            keysvc sign "web/r$round-$i" --in "$W/data" >"$W/signature"
            verify "web/r$round-$i" "$W/data" "$W/signature"
        done
    done
}

@test "a PIN is not changed when the copy could not be renewed" {
    need_root
    world_with_store
    start
    keysvc key generate web/shop
    stop
    (umask 077 && printf 'Other-31415' >"$W/pin.new")
    # Where the copy would be written stands a folder.
    as "$TOKEN" mkdir "$(echo "$W"/tokens/*/token.object).keysvc-copy.keysvc-new"
    fails 1 "the copy of" keysvc token change-pin main --new-pin-file "$W/pin.new" --config "$W/keysvcd.conf" \
        --keysvcd "$(own_keysvcd)"
    [ -e "$W/pin.new" ]
    as "$TOKEN" rmdir "$(echo "$W"/tokens/*/token.object).keysvc-copy.keysvc-new"
    start
    keysvc sign web/shop --in "$W/data" >"$W/signature"
}
