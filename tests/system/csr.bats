#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# csr.bats - certificate signing requests, and the names that may stand in them

setup_file()
{
    load harness
    world
    start
    for name in web/shop tls/shop rsa/shop; do
        keysvc key generate "$name"
    done
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

csr()
{
    as $ALICE keysvc csr "$@"
}

@test "openssl verifies a request and finds what was asked for" {
    csr web/shop --common-name shop.example --alternative-names DNS:shop.example,DNS:www.shop.example,IP:10.1.2.3 \
        >"$W/request.pem"
    openssl req -in "$W/request.pem" -verify -noout
    openssl req -in "$W/request.pem" -noout -text >"$W/text"
    grep 'Subject:.*CN = shop.example' "$W/text"
    grep 'DNS:shop.example, DNS:www.shop.example, IP Address:10.1.2.3' "$W/text"
}

@test "the request holds the key's public half" {
    csr web/shop --common-name shop.example --alternative-names DNS:shop.example >"$W/same.pem"
    openssl req -in "$W/same.pem" -noout -pubkey >"$W/of-request.pem"
    keysvc key public web/shop >"$W/of-key.pem"
    diff "$W/of-request.pem" "$W/of-key.pem"
}

@test "a TLS server's request asks for server authentication and for no more" {
    csr tls/shop --common-name shop.example --alternative-names DNS:shop.example >"$W/tls.pem"
    openssl req -in "$W/tls.pem" -verify -noout -text >"$W/tls.text"
    grep 'TLS Web Server Authentication' "$W/tls.text"
    not grep 'TLS Web Client Authentication' "$W/tls.text"
    not grep 'CA:TRUE' "$W/tls.text"
}

@test "an RSA key's request" {
    csr rsa/shop --common-name shop.example --alternative-names DNS:shop.example >"$W/rsa.pem"
    openssl req -in "$W/rsa.pem" -verify -noout
}

@test "a certificate is made of it" {
    csr tls/shop --common-name shop.example --alternative-names DNS:shop.example >"$W/issue.pem"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/ca.key" -out "$W/ca.pem" \
        -subj /CN=CA 2>/dev/null
    openssl x509 -req -in "$W/issue.pem" -CA "$W/ca.pem" -CAkey "$W/ca.key" -copy_extensions copyall -out "$W/leaf.pem"
    openssl verify -CAfile "$W/ca.pem" -purpose sslserver "$W/leaf.pem"
}

@test "a wildcard is a name of its own" {
    csr web/shop --common-name shop.example --alternative-names 'DNS:*.shop.example' >"$W/wildcard.pem"
    openssl req -in "$W/wildcard.pem" -verify -noout
    # Below tls/ only names below it are listed, not the wildcard.
    fails 9 '*.shop.example' as $ALICE keysvc csr tls/shop --common-name shop.example \
        --alternative-names 'DNS:*.shop.example'
}

@test "a name that the class does not allow is refused and named" {
    fails 9 bank.example as $ALICE keysvc csr web/shop --common-name bank.example
    fails 9 bank.example as $ALICE keysvc csr web/shop --common-name shop.example \
        --alternative-names DNS:shop.example,DNS:bank.example
    fails 9 192.168.0.1 as $ALICE keysvc csr web/shop --common-name shop.example --alternative-names IP:192.168.0.1
    fails 9 notshop.example as $ALICE keysvc csr web/shop --common-name notshop.example
    fails 9 "" as $ALICE keysvc csr rsa/shop --common-name www.shop.example
}

@test "a name with a newline or too many bytes is refused" {
    fails 6 "control character" as $ALICE keysvc csr web/shop --common-name $'shop.example\nbank.example'
    run as $ALICE keysvc csr web/shop --common-name "$(head -c 300 /dev/zero | tr '\0' a).shop.example"
    [ "$status" = 6 ] || [ "$status" = 7 ] || [ "$status" = 9 ]
}

@test "an unknown key" {
    fails 4 web/nothing as $ALICE keysvc csr web/nothing --common-name shop.example
}
