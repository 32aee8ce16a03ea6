#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# keys.bats - keys on the token: made, listed, rotated, found again, and never taken out

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_world
}

@test "a generated key is sensitive and never extractable, says the token" {
    world
    start
    keysvc key generate web/shop
    keysvc key generate rsa/shop
    pkcs11 --list-objects --type privkey >"$W/objects"
    [ "$(grep -c 'Private Key Object' "$W/objects")" -ge 2 ]
    for label in web/shop@1 rsa/shop@1; do
        grep -A6 -E "label: *$label" "$W/objects" | grep 'Access: *sensitive, always sensitive, never extractable, local'
    done
}

@test "a name is taken once" {
    world
    start
    keysvc key generate web/shop
    fails 5 web/shop keysvc key generate web/shop
    [ "$(keysvc key list --json | json 'len([k for k in d["keys"] if k["name"] == "web/shop"])')" = 1 ]
}

@test "rotating makes the next version and changes nothing for the one before" {
    world
    start
    keysvc key generate web/shop
    keysvc key public web/shop@1 >"$W/before.pem"
    keysvc key rotate web/shop --from 1
    fails 5 web/shop keysvc key rotate web/shop --from 1
    keysvc key public web/shop@1 | diff - "$W/before.pem"
    not diff -q <(keysvc key public web/shop) "$W/before.pem"
    keysvc sign web/shop@1 --in "$W/data" >"$W/old"
    keysvc sign web/shop --in "$W/data" >"$W/new"
    verify web/shop@1 "$W/data" "$W/old"
    verify web/shop@2 "$W/data" "$W/new"
}

@test "keys outlive keysvcd: the token is the only store" {
    world
    start
    keysvc key generate web/shop
    keysvc key public web/shop >"$W/before.pem"
    stop
    start
    keysvc key public web/shop | diff - "$W/before.pem"
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
}

@test "a key made by another tool appears after a rescan" {
    world
    start
    pkcs11 --keypairgen --key-type EC:prime256v1 --label web/foreign@1 --usage-sign
    fails 4 web/foreign keysvc sign web/foreign --in "$W/data"
    keysvc token rescan main
    keysvc sign web/foreign --in "$W/data" >"$W/signature"
    verify web/foreign "$W/data" "$W/signature"
}

@test "two private keys with one label are both refused" {
    world
    start
    keysvc key generate web/shop
    pkcs11 --keypairgen --key-type EC:prime256v1 --label web/shop@1 --id 99 --usage-sign
    keysvc token rescan main
    fails 16 web/shop keysvc sign web/shop@1 --in "$W/data"
}

@test "names that are no names, types that are no types, keys in no class" {
    world
    start
    for name in /web web//shop web/../shop 'web/sh op' "$(printf 'web/%0120d' 0)"; do
        run keysvc key generate "$name"
        [ "$status" = 6 ] || [ "$status" = 2 ]
    done
    fails 2 "" keysvc key generate web/shop --type ec-p999
    run keysvc key generate nowhere/shop
    [ "$status" != 0 ]
    [[ $output == *nowhere/shop* ]]
    [ "$(keysvc key list --json | json 'len([k for k in d["keys"] if not k["name"].startswith("keysvc/")])')" = 0 ]
}

@test "list and show know what was made, as a table and as JSON" {
    world
    start
    keysvc key generate web/shop
    keysvc key list | grep 'web/shop@1'
    keysvc key show web/shop | grep -i 'ec-p256'
    [ "$(keysvc key show web/shop --json | json 'd["name"]')" = web/shop ]
    [ "$(keysvc key show web/shop --json | json 'd["version"]')" = 1 ]
    [ "$(keysvc key show web/shop --json | json 'd["token"]')" = main ]
}

@test "destroying removes exactly one version, and only with --yes" {
    world
    start
    keysvc key generate web/shop
    keysvc key rotate web/shop --from 1
    fails 2 "this would destroy web/shop@1" keysvc key destroy web/shop@1
    fails 2 version keysvc key destroy web/shop --yes
    keysvc key show web/shop@1
    keysvc key destroy web/shop@1 --yes
    fails 4 web/shop@1 keysvc key show web/shop@1
    fails 4 web/shop keysvc key destroy web/shop@1 --yes
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop@2 "$W/data" "$W/signature"
    pkcs11 --list-objects >"$W/objects"
    grep 'web/shop@2' "$W/objects"
    not grep 'web/shop@1' "$W/objects"
    keysvc key destroy web/shop@2 --yes --json | json 'd["done"]' | grep True
    keysvc key generate web/shop
}

@test "of two keys with one label none is destroyed" {
    world
    start
    keysvc key generate web/shop
    pkcs11 --keypairgen --key-type EC:prime256v1 --label web/shop@1 --id 99 --usage-sign
    keysvc token rescan main
    fails 16 "neither is destroyed" keysvc key destroy web/shop@1 --yes
    [ "$(pkcs11 --list-objects --type privkey | grep -c 'web/shop@1')" = 2 ]
}

@test "who has no rule destroys nothing" {
    need_root
    world
    start
    keysvc key generate web/shop
    fails 3 web/shop as $BOB keysvc key destroy web/shop@1 --yes
    keysvc key show web/shop@1
}

@test "what an import that was cut off in the middle has left is removed by destroying it" {
    world break
    start
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$W/key.pem"
    # The public half is made, the process dies with the private one.
    break_rules "C_CreateObject:$(($(next C_CreateObject) + 1)):abort"
    run keysvc key import web/shop --pkcs8 "$W/key.pem"
    [ "$status" = 13 ]
    wait_ready
    fails 5 "web/shop@1" keysvc key generate web/shop
    fails 4 "with --yes" keysvc key destroy web/shop@1
    keysvc key destroy web/shop@1 --yes
    fails 4 "web/shop@1" keysvc key destroy web/shop@1 --yes
    keysvc key import web/shop --pkcs8 "$W/key.pem"
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
}
