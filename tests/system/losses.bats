#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# losses.bats - a token that is taken out and put in again, and what is put in instead: nothing signs in another's name, and
# nothing is forgotten because it was absent
#
# The module that breaks on purpose does to SoftHSM what only hands do to a real token.

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_world
}

# Two keys, and a copy of the token as it was before any were made: the same label, serial and PINs.
ready_world()
{
    world break
    mkdir -m 755 "$W/break/other"
    cp -a "$W/tokens" "$W/break/other/tokens"
    echo "directories.tokendir = $W/break/other/tokens" >"$W/break/other/softhsm2.conf"
    start
    # SoftHSM makes no key while another process starts.
    wait_for all_ready "${WORKERS-1}"
    keysvc key generate web/shop
    keysvc key generate web/second
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    keysvc key public web/shop >"$W/shop.pem"
    # The audit key is known from the first checkpoint on.
    wait_for test -s "$W/state/main.audit-key.pem"
}

# pkcs11-tool on that copy: `other PIN ARGUMENTS...`
other()
{
    local pin=$1
    shift
    as "$TOKEN" env SOFTHSM2_CONF="$W/break/other/softhsm2.conf" \
        pkcs11-tool --module "$TOKEN_MODULE" --token-label keysvc --login --pin "$pin" "$@" 2>&1
}

other_keys()
{
    other "$PIN" --keypairgen --key-type EC:prime256v1 --label keysvc/audit@1 --usage-sign
    other "$PIN" --keypairgen --key-type EC:prime256v1 --label web/shop@1 --usage-sign
}

# What an administrator is told of the first token.
token_text()
{
    keysvc status --json | json 'd["tokens"][0]["text"]'
}

token_says()
{
    token_text | grep -qF "$1"
}

# all_ready N: as many processes of the token are.
all_ready()
{
    [[ $(keysvc status --json) =~ \"ready_workers\":\ *$1 ]]
}

looked()
{
    [ "$(calls C_GetTokenInfo)" -ge "$1" ]
}

# No signature, whatever it is that is answered: one request by the protocol itself, which waits for no better time.
no_signature()
{
    "$KEYSVC_BUILD/tests/load/load" --key "$1" --via protocol --count 1 --json >"$W/none.json"
    [ "$(json 'd["outcomes"].get("OK", 0), sum(d["outcomes"].values())' <"$W/none.json")" = "(0, 1)" ]
}

signs_as_before()
{
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    openssl dgst -sha256 -verify "$W/shop.pem" -signature "$W/signature" "$W/data"
}

@test "a token that is pulled out and put in again: the same keys, and one login a process" {
    local before
    ready_world
    before=$(token_pids)
    break_rules token:removed
    no_signature web/shop
    wait_for token_is absent
    break_rules
    wait_ready
    signs_as_before
    keysvc sign web/second --in "$W/data" >"$W/signature"
    verify web/second "$W/data" "$W/signature"
    not [ "$(token_pids)" = "$before" ]
    # The one that was there, and the one that is: whoever finds no token does not log in.
    [ "$(calls C_Login)" = 2 ]
    audit_verify
}

# Nobody asks the token for anything; status is the front's to answer.
@test "a token that is pulled out while nobody asks it is said to be absent, and is back when it is put in" {
    local before
    WORKERS=2 ready_world
    wait_for all_ready 2
    before=$(token_pids)
    [ "$(calls C_Login)" = 2 ]
    # It is looked at, by the same processes, and no login is spent on it.
    looks=$(calls C_GetTokenInfo)
    wait_for looked $((looks + 2))
    [ "$(token_pids)" = "$before" ]
    [ "$(calls C_Login)" = 2 ]
    token_is ready
    break_rules token:removed
    wait_for token_is absent
    [ "$(calls C_Login)" = 2 ]
    break_rules
    wait_ready
    wait_for all_ready 2
    [ "$(calls C_Login)" = 4 ]
    signs_as_before
    audit_verify
}

@test "a token that was out and is in again before anybody asked: a new session, and the same process" {
    local before logins
    ready_world
    before=$(token_pids) logins=$(calls C_Login)
    # A loss that one call of the look sees, and nobody else.
    break_rules "C_GetSessionInfo:$(next C_GetSessionInfo):CKR_SESSION_HANDLE_INVALID"
    wait_for grep -q "event=session-lost" "$W/log"
    break_rules
    token_is ready
    [ "$(token_pids)" = "$before" ]
    [ "$(calls C_Login)" -le $((logins + 1)) ]
    signs_as_before
    audit_verify
}

# SoftHSM says so while another process logs in.
@test "one vague answer to a look costs nothing, and a module that says nothing else is replaced" {
    local before looks
    ready_world
    before=$(token_pids) looks=$(calls C_GetTokenInfo)
    break_rules "C_GetTokenInfo:$((looks + 1)):CKR_GENERAL_ERROR"
    wait_for looked $((looks + 3))
    [ "$(token_pids)" = "$before" ]
    break_rules "C_GetTokenInfo:*:CKR_GENERAL_ERROR"
    wait_for is_gone "$before"
    break_rules
    wait_ready
    signs_as_before
}

@test "a session that is opened again and gets no login is left with its process, and no key is taken for gone" {
    local before
    ready_world
    before=$(token_pids)
    break_rules "C_SignInit:$(next C_SignInit):CKR_SESSION_HANDLE_INVALID" \
        "C_GetSessionInfo:*:CKR_FUNCTION_CANCELED" "C_Login:*:CKR_FUNCTION_CANCELED"
    fails 10 "" keysvc sign web/shop --in "$W/data" --timeout 1s
    for ((i = 0; i < 3; i++)); do
        run keysvc key show web/shop
        [ "$status" = 0 ] || [ "$status" = 10 ]
    done
    wait_for is_gone "$before"
    break_rules
    wait_ready
    signs_as_before
}

@test "a module that hangs while nobody asks costs one process" {
    local before
    HANG_TIMEOUT=1s ready_world
    before=$(token_pids)
    break_rules "C_GetTokenInfo:$(next C_GetTokenInfo):hang"
    replaced()
    {
        not is_gone "$(pid)" && is_gone "$before"
    }
    wait_for replaced
    break_rules
    wait_ready
    signs_as_before
    grep "event=.*hang\|event=hung" "$W/log"
    audit_verify
}

@test "a token whose profile says so is not looked at" {
    local looks
    PROFILE_OPTIONS='idle-check = 0' ready_world
    looks=$(calls C_GetSessionInfo)
    break_rules token:removed
    sleep 7
    token_is ready
    [ "$(calls C_GetSessionInfo)" = "$looks" ]
    no_signature web/shop
    wait_for token_is absent
}

@test "another token of the same label and serial is refused, gets no PIN, and the right one just works again" {
    ready_world
    other_keys
    other "$PIN" --change-pin --new-pin another-pin-1
    break_rules "token:other $W/break/other"
    no_signature web/shop
    wait_for token_says "another token than before"
    token_says "its audit key is another"
    token_says "move away $W/state/main.audit-key.pem"
    not token_says "token init"
    token_is absent
    fails 10 "not ready" keysvc sign web/shop --in "$W/data" --timeout 1s
    [ "$(calls C_Login)" = 1 ]
    run keysvc doctor --timeout 1s --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
    [[ $output == *"Put the right token back"* ]]
    # And after a restart of everything.
    stop
    start nowait
    wait_for token_says "another token than before"
    break_rules
    wait_ready
    signs_as_before
    audit_verify
}

@test "a token without its audit key is refused, and nothing is generated on it" {
    ready_world
    break_rules "token:other $W/break/other"
    no_signature web/shop
    wait_for token_says "its audit key is not there"
    no_signature web/shop
    run keysvc key generate web/new --timeout 300ms
    [ "$status" != 0 ]
    run other "$PIN" --list-objects
    [ "$status" = 0 ]
    [[ $output != *label* ]]
    # What was known is known still: the answer is not that there is no such key.
    fails 10 "not ready" keysvc sign web/second --in "$W/data" --timeout 1s
    break_rules
    wait_ready
    signs_as_before
}

known_as_another()
{
    keysvc key public web/shop >"$W/known.pem" && not cmp -s "$W/known.pem" "$W/shop.pem"
}

@test "another token is taken when the administrator says so, and still signs for no reference to the old key" {
    ready_world
    keysvc key reference web/shop --out-file "$W/shop.ref"
    other_keys
    break_rules "token:other $W/break/other"
    no_signature web/shop
    wait_for token_says "another token than before"
    # Its first process signs a checkpoint before it tells the front its keys: nobody is told "ready" until it has.
    break_rules "token:other $W/break/other" "C_Sign:$(next C_Sign):slow 3000"
    mv "$W/state/main.audit-key.pem" "$W/old-audit-key.pem"
    wait_ready
    known_as_another
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    not openssl dgst -sha256 -verify "$W/shop.pem" -signature "$W/signature" "$W/data"
    verify web/shop "$W/data" "$W/signature"
    sed "s|@MODULE@|$PROGRAMS/client/provider/keysvc.so|" "$SOURCE/client/provider/openssl.cnf.in" >"$W/openssl.cnf"
    run with_module OPENSSL_CONF="$W/openssl.cnf" openssl dgst -sha256 -sign "$W/shop.ref" -out "$W/none" "$W/data"
    [ "$status" != 0 ] && [ ! -s "$W/none" ]
    [[ $output == *KEY_CHANGED* ]]
    # It is the one that is known from now on.
    wait_for test -s "$W/state/main.audit-key.pem"
    not cmp "$W/state/main.audit-key.pem" "$W/old-audit-key.pem"
    audit_verify
}

@test "a key that is missing when the token is back is neither made again nor taken for another" {
    ready_world
    break_rules token:removed
    no_signature web/shop
    wait_for token_is absent
    pkcs11 --delete-object --type privkey --label web/shop@1
    pkcs11 --delete-object --type pubkey --label web/shop@1
    break_rules
    wait_ready
    fails 4 web/shop keysvc sign web/shop --in "$W/data"
    not grep -q web/shop <<<"$(pkcs11 --list-objects)"
    keysvc sign web/second --in "$W/data" >"$W/signature"
    verify web/second "$W/data" "$W/signature"
    # What was recorded of it stays.
    audit_show | grep web/shop
    audit_verify
}

@test "the first signature after a loss is verified, and a wrong one never leaves" {
    ready_world
    # In the same process: a new session, the key found again.
    break_rules "C_SignInit:$(next C_SignInit):CKR_SESSION_HANDLE_INVALID" "C_Sign:*:wrong"
    no_signature web/shop
    # In a new one.
    break_rules token:removed
    no_signature web/shop
    wait_for token_is absent
    break_rules "C_Sign:*:wrong"
    wait_ready
    no_signature web/shop
    break_rules
    signs_as_before
}

@test "a public key that is a lie signs nothing" {
    ready_world
    break_rules "C_GetAttributeValue:*:lie"
    keysvc token rescan main
    no_signature web/shop
    break_rules
    wait_ready
    keysvc token rescan main
    signs_as_before
}

@test "a wrong PIN costs one of the token's tries however often processes start" {
    world break
    break_rules pin:3
    printf 'wrong' >"$W/pin"
    start nowait
    wait_for token_is login-blocked
    [ "$(od -An -tu8 "$W/break/pin-tries" | tr -d ' ')" = 1 ]
    stop
    start nowait
    wait_for token_is login-blocked
    [ "$(od -An -tu8 "$W/break/pin-tries" | tr -d ' ')" = 1 ]
}

@test "a token with room for one session serves with one process" {
    WORKERS=2 STORE=yes world break
    break_rules sessions:1
    start
    keysvc key generate web/shop
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
    wait_for grep -q CKR_SESSION_COUNT "$W/log"
    keysvc sign web/shop --in "$W/data" >"$W/signature"
}
