#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# pin.bats - the PIN: tried once for each version of its file, and seen nowhere; pin_restarts.bats restarts it

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_world
}

# A world in which logins are counted, with a wrong PIN in the file.
wrong_pin()
{
    world break
    printf 'wrong' >"$W/pin"
}

blocked()
{
    token_is login-blocked
}

@test "while logins are blocked the caller is told, and told what to do" {
    wrong_pin
    start nowait
    wait_for blocked
    keysvc token list | grep login-blocked
    keysvc status --json | json 'd["tokens"][0]["text"]' | grep -i pin
    run keysvc key generate web/shop
    [ "$status" = 18 ] || [ "$status" = 10 ]
}

@test "a corrected PIN file is noticed" {
    wrong_pin
    start nowait
    wait_for blocked
    printf '%s' "$PIN" >"$W/pin"
    wait_ready
    keysvc key generate web/shop
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
    [ "$(calls C_Login)" = 2 ]
}

@test "another wrong PIN costs one more login and no third" {
    wrong_pin
    start nowait
    wait_for blocked
    printf 'wrong again' >"$W/pin"
    two_logins()
    {
        [ "$(calls C_Login)" = 2 ] && blocked
    }
    wait_for two_logins
    stop
    start nowait
    wait_for blocked
    [ "$(calls C_Login)" = 2 ]
}

@test "retry-login is one more try" {
    world break
    break_rules 'C_Login:1:CKR_PIN_INCORRECT'
    start nowait
    wait_for blocked
    keysvc token retry-login main | grep 'one more login is allowed'
    wait_ready
    [ "$(calls C_Login)" = 2 ]
    # Of a token that is logged in nothing is tried, and nothing else is said.
    keysvc token retry-login main | grep -x 'token main: it is logged in; no login is tried'
    [ "$(calls C_Login)" = 2 ]
}

@test "a right PIN: each start logs in once, and no marker stays" {
    world break
    start
    stop
    start
    [ "$(calls C_Login)" = 2 ]
    [ ! -e "$W/state/main.login-tried" ]
}

@test "a token that reports a low PIN count is left alone" {
    world break
    break_rules 'C_GetTokenInfo:*:flags 0x10000'
    start nowait
    wait_for blocked
    [ "$(calls C_Login)" = 0 ]
    # An administrator may insist, once.
    keysvc token retry-login main
    wait_ready
    [ "$(calls C_Login)" = 1 ]
}

@test "a token whose PIN is locked is left alone whoever says so" {
    world break
    break_rules 'C_GetTokenInfo:*:flags 0x40000'
    start nowait
    wait_for blocked
    looked=$(calls C_GetTokenInfo)
    keysvc token retry-login main || true
    looked_again()
    {
        [ "$(calls C_GetTokenInfo)" -gt "$looked" ]
    }
    wait_for looked_again
    wait_for blocked
    [ "$(calls C_Login)" = 0 ]
}

@test "a process that dies in C_Login leaves the marker" {
    world break
    break_rules 'C_Login:*:abort'
    start nowait
    marked()
    {
        [ -e "$W/state/main.login-tried" ] && blocked
    }
    wait_for marked
    stop
    start nowait
    wait_for blocked
    [ "$(calls C_Login)" = 1 ]
}

@test "the PIN stands in no argument, environment, log or audit file" {
    world
    start
    keysvc key generate web/shop
    for process in $(pid) $(front_pid) $(token_pids); do
        not grep -qa "$PIN" "/proc/$process/cmdline"
        not grep -qa "$PIN" "/proc/$process/environ"
    done
    not grep -q "$PIN" "$W/log"
    not grep -rq "$PIN" "$W/audit" "$W/state"
    not as "$TOKEN" grep -rqa "$PIN" "$W/tokens"
}

@test "a missing PIN file is named" {
    world
    rm "$W/pin"
    start nowait
    named()
    {
        grep -q "$W/pin" "$W/log"
    }
    wait_for named
    (umask 077 && printf '%s' "$PIN" >"$W/pin")
    wait_ready
}

@test "token init makes a token with the PIN of the file" {
    world
    as "$TOKEN" find "$W/tokens" -mindepth 1 -delete
    (umask 077 && printf '%s' "$SO_PIN" >"$W/so-pin")
    keysvc token init main --so-pin-file "$W/so-pin" --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
    start
    keysvc key generate web/shop
}

# init_token SO-PIN PIN [ARGUMENT...]
init_token()
{
    (umask 077 && printf '%s' "$1" >"$W/so-pin" && printf '%s' "$2" >"$W/user-pin")
    shift 2
    keysvc token init main --so-pin-file "$W/so-pin" --pin-file "$W/user-pin" --config "$W/keysvcd.conf" \
        --keysvcd "$(own_keysvcd)" "$@"
}

@test "token init with an SO PIN that the token does not take says what may be wrong with it" {
    world
    fails 10 "the token is not initialised: C_InitToken: CKR_PIN_INCORRECT" init_token 27182818 "$PIN" --force
    fails 10 "A token that has one already wants it in --old-so-pin-file" init_token 27182818 "$PIN" --force
}

@test "token init with PINs of a length that the token does not take destroys nothing" {
    world
    start
    keysvc key generate web/shop
    stop
    fails 6 "User PIN: this token takes 4 to 255 bytes" init_token "$SO_PIN" abc --force
    fails 6 "Security officer's PIN: this token takes 4 to 255 bytes" init_token abc "$PIN" --force
    start
    keysvc sign web/shop --in "$W/data" >"$W/signature"
}

@test "token init that fails after the token was emptied says so, and how to go on" {
    world break
    break_rules "C_InitPIN:1:CKR_PIN_INVALID" "C_InitToken:2:after CKR_GENERAL_ERROR"
    fails 13 "what was on it is gone, but it has no user PIN yet" init_token "$SO_PIN" "$PIN" --force
    [[ $output == *"do the same again with --force"* ]]
    fails 13 "what was on the token may be gone: C_InitToken: CKR_GENERAL_ERROR" init_token "$SO_PIN" "$PIN" --force
    fails 5 "--force destroys it" init_token "$SO_PIN" "$PIN"
    init_token "$SO_PIN" "$PIN" --force
    start
}

@test "change-pin changes token and file together" {
    world
    start
    keysvc key generate web/shop
    (umask 077 && printf 'Other-31415' >"$W/pin.new")
    keysvc token change-pin main --new-pin-file "$W/pin.new" --config "$W/keysvcd.conf" \
        --keysvcd "$(own_keysvcd)"
    [ "$(cat "$W/pin")" = Other-31415 ]
    stop
    start
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    not pkcs11 --list-objects --type privkey
}
