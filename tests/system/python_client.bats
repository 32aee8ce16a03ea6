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

@test "a certificate that a key signs for itself" {
    as $ALICE client self-sign web/shop 30 shop.example DNS:shop.example >"$W/self.der"
    openssl x509 -inform DER -in "$W/self.der" -out "$W/self.pem"
    openssl verify -CAfile "$W/self.pem" -partial_chain "$W/self.pem"
    openssl x509 -in "$W/self.pem" -noout -checkend $((29 * 86400))
    run openssl x509 -in "$W/self.pem" -noout -checkend $((31 * 86400))
    [ "$status" = 1 ]
    fails 6 "days" as $ALICE client self-sign web/shop 3651 shop.example
    fails 9 "9 " as $ALICE client self-sign web/shop 30 bank.example
}

@test "certificates beside a key: put, get, delete" {
    as $ALICE client self-sign web/more 30 shop.example DNS:shop.example >"$W/more.der"
    openssl x509 -inform DER -in "$W/more.der" -out "$W/more.pem"
    fails 4 "4 " as $ALICE client certificate-get web/more
    as $ALICE client certificate-put web/more "$W/more.pem"
    as $ALICE client certificate-get web/more | diff - "$W/more.pem"
    # Another key's.
    as $ALICE client self-sign web/shop 30 shop.example DNS:shop.example | openssl x509 -inform DER -out "$W/other.pem"
    fails 6 "6 " as $ALICE client certificate-put web/more "$W/other.pem"
    as $ALICE client certificate-delete web/more
    fails 4 "4 " as $ALICE client certificate-get web/more
}

@test "a key from a file, by descriptors, and away again" {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$W/key.pem"
    openssl req -x509 -key "$W/key.pem" -subj /CN=shop.example -days 30 -out "$W/key.crt"
    printf secret >"$W/password"
    printf wrong >"$W/wrong"
    openssl pkcs12 -export -inkey "$W/key.pem" -in "$W/key.crt" -passout "file:$W/password" -out "$W/key.p12"
    chmod 644 "$W"/key.* "$W/password" "$W/wrong"
    fails 6 "6 " as $ALICE client import web/imported pkcs12 "$W/key.p12" "$W/wrong"
    [ "$(as $ALICE client import web/imported pkcs12 "$W/key.p12" "$W/password")" = "web/imported@1 $(openssl x509 -in "$W/key.crt" -noout -fingerprint -sha1 | sed "s/.*=//; s/://g" | tr A-F a-f) 1" ]
    as $ALICE client public web/imported | openssl pkey -pubin | diff - <(openssl pkey -in "$W/key.pem" -pubout)
    as $ALICE client sign web/imported "$W/data" >"$W/signature"
    verify web/imported "$W/data" "$W/signature"
    as $ALICE client certificate-get web/imported | diff - "$W/key.crt"
    # The name is taken; the next version is not.
    fails 5 "5 " as $ALICE client import web/imported pkcs8 "$W/key.pem"
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$W/next.pem"
    chmod 644 "$W/next.pem"
    [ "$(as $ALICE client import web/imported@1 pkcs8 "$W/next.pem")" = "web/imported@2 - 0" ]
    as $ALICE client destroy web/imported@1
    fails 4 "4 " as $ALICE client sign web/imported@1 "$W/data"
    as $ALICE client destroy web/imported@2 any
    fails 4 "4 " as $ALICE client public web/imported
}

@test "what a token says of itself" {
    client token-info main >"$W/info"
    json 'd["label"]' <"$W/info" | grep -x keysvc
    json '"CKM_ECDSA" in d["mechanisms"]' <"$W/info" | grep -x True
    need_root
    fails 3 "3 " as $ALICE client token-info main
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
