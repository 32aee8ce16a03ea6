#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# python_client.bats - a client in another language, written from keysvc.proto and docs/protocol.md alone

setup_file()
{
    load harness
    world
    start
    for name in web/shop web/more rsa/shop; do
        keysvc key generate "$name"
    done
    python_client
}

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
}

teardown_file()
{
    load harness
    end_world
}

@test "Hello, and who the service says is calling" {
    run as $ALICE client hello
    [ "$status" = 0 ]
    [[ $output == *"protocol 1"* ]]
    [[ $output == *"uid $ALICE"* ]]
}

@test "all keys, page by page" {
    # The administrator, who without root is the same user, also sees the audit's own key.
    as $ALICE client list | grep -v '^keysvc/' >"$W/list"
    [ "$(cat "$W/list")" = "rsa/shop@1
web/more@1
web/shop@1" ]
    run as $ALICE client list 'web/*'
    [ "$output" = "web/more@1
web/shop@1" ]
}

@test "the public key is the one that the command line shows" {
    as $ALICE client public web/shop >"$W/python.pem"
    keysvc key public web/shop >"$W/cli.pem"
    openssl pkey -pubin -in "$W/python.pem" | diff - "$W/cli.pem"
}

@test "a signature" {
    for key in web/shop rsa/shop; do
        as $ALICE client sign $key "$W/data" >"$W/signature"
        verify $key "$W/data" "$W/signature"
    done
}

@test "a request for a certificate" {
    as $ALICE client csr web/shop shop.example DNS:shop.example DNS:www.shop.example IP:10.0.0.1 >"$W/csr.der"
    openssl req -inform DER -in "$W/csr.der" -verify -noout -text >"$W/csr.text"
    grep 'DNS:shop.example, DNS:www.shop.example, IP Address:10.0.0.1' "$W/csr.text"
}

@test "200 requests open on one connection, each answered once" {
    run as $ALICE client pipeline web/shop "$W/data" 200
    [ "$status" = 0 ]
    [ "$output" = "200 answered, 200 different signatures" ]
}

@test "what the library would not send is refused by the service too" {
    # An algorithm of another key type; a digest of the wrong length; a hash that is not the algorithm's; no such number.
    for wrong in algorithm=7 prehashed=1 "algorithm=1 prehashed=2" algorithm=99 prehashed=99; do
        # shellcheck disable=SC2086
        run as $ALICE client sign web/shop "$W/data" $wrong
        # BAD_REQUEST, or UNSUPPORTED by a key of this type.
        [ "$status" = 6 ] || [ "$status" = 19 ] || { echo "$wrong: $output"; return 1; }
    done
    # No version, and a key that is not the one that is meant.
    fails 6 "6 " as $ALICE client sign web/shop "$W/data" version=0
    fails 15 "15 " as $ALICE client sign web/shop "$W/data" "public_key_sha256=$(printf '%064d' 0)"
    fails 6 "6 " as $ALICE client sign web/shop "$W/data" public_key_sha256=00
}

@test "errors carry the code of the one table" {
    fails 4 "4 " as $ALICE client sign web/nothing "$W/data"
    fails 9 "9 " as $ALICE client csr web/shop bank.example
    need_root
    fails 3 "allow " as $BOB client sign web/shop "$W/data"
}
