#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# init.bats - a token that nobody has initialised, made and used with keysvc alone

setup()
{
    load ../system/harness
    need_token
    TOKEN_BLANK=yes world
    OLD=()
    (umask 077 && printf '%s' "$SO_PIN" >"$W/so-pin" && printf '%s' "$FACTORY_SO_PIN" >"$W/factory-so-pin")
    [ -z "$FACTORY_SO_PIN" ] || OLD=(--old-so-pin-file "$W/factory-so-pin")
    rules <<END
keys "rsa/**" {
    token = main
    type = rsa-2048
    purpose = sign
    names = {"shop.example"}
}
allow admins {
    user = {"$ME"}
    keys = {"**"}
    operations = {all, administer}
}
END
}

teardown()
{
    show_log_if_failed
    end_world
}

init()
{
    keysvc token init main --so-pin-file "$W/so-pin" --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)" "$@"
}

@test "a blank token is initialised, serves, and is not initialised twice" {
    init "${OLD[@]}"
    fails 5 "there is a token with the label keysvc" init "${OLD[@]}"
    start
    keysvc key generate rsa/shop
    keysvc sign rsa/shop --in "$W/data" >"$W/signature"
    verify rsa/shop "$W/data" "$W/signature"
    pkcs11 --list-objects --type privkey | grep rsa/shop@1
    # The SO PIN is the one that was given: who has it can set a user PIN.
    stop
    as "$TOKEN" pkcs11-tool --module "$TOKEN_MODULE" --token-label keysvc --init-pin --so-pin "$SO_PIN" --pin "$PIN" 2>&1
}

@test "without an SO PIN, or with a wrong one, nothing is changed, and it is said" {
    : >"$W/empty"
    run keysvc token init main --so-pin-file "$W/empty" --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)" </dev/null
    [ "$status" != 0 ]
    [[ $output == *"Security officer's PIN"* ]]
    if [ -n "$FACTORY_SO_PIN" ]; then
        fails 10 "token main: the token is not initialised" init
    fi
    init "${OLD[@]}"
    start
    keysvc key generate rsa/shop
}
