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
    default_rules | sed '0,/names = {"shop.example"/s//names = {"email:@shop.example", "uri:https:\/\/shop.example\/", "shop.example"/' \
        >"$W/rules.full"
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

@test "every attribute of the subject and every kind of name" {
    rules <"$W/rules.full"
    keysvc reload
    csr web/shop --common-name shop.example --organization 'Shop & Söhne, Inc.' --organization-unit Web --country DE \
        --state Bayern --locality München --email admin@shop.example \
        --alternative-names DNS:shop.example,IP:10.1.2.3,EMAIL:admin@shop.example,URI:https://shop.example/a,b >"$W/full.pem"
    openssl req -in "$W/full.pem" -verify -noout
    openssl req -in "$W/full.pem" -noout -subject -nameopt utf8,sep_multiline >"$W/full.subject"
    grep 'O=Shop & Söhne, Inc.' "$W/full.subject"
    grep 'OU=Web' "$W/full.subject"
    grep 'C=DE' "$W/full.subject"
    grep 'ST=Bayern' "$W/full.subject"
    grep 'L=München' "$W/full.subject"
    grep 'emailAddress=admin@shop.example' "$W/full.subject"
    openssl req -in "$W/full.pem" -noout -text | grep 'email:admin@shop.example, URI:https://shop.example/a,b'
    fails 6 country as $ALICE keysvc csr web/shop --common-name shop.example --country Germany
}

@test "a challenge password comes from a file and stands in the request" {
    (umask 077 && printf 'horse and staple\nsecond line\n' >"$W/challenge")
    [ "$ME" != 0 ] || chown "$ALICE" "$W/challenge"
    csr web/shop --common-name shop.example --challenge-password-file "$W/challenge" >"$W/challenge.pem"
    openssl req -in "$W/challenge.pem" -verify -noout
    openssl req -in "$W/challenge.pem" -noout -text | grep 'challengePassword *: *horse and staple$'
    : >"$W/empty"
    fails 2 empty as $ALICE keysvc csr web/shop --common-name shop.example --challenge-password-file "$W/empty"
    fails 2 none as $ALICE keysvc csr web/shop --common-name shop.example --challenge-password-file "$W/none"
    fails 2 "No such file" as $ALICE keysvc csr web/shop --challenge-password horse
}

@test "a thousand alternative names, and not one more" {
    names=$(seq -f 'DNS:h%g.shop.example' -s , 1000)
    csr web/shop --common-name shop.example --alternative-names "$names" >"$W/thousand.pem"
    openssl req -in "$W/thousand.pem" -verify -noout
    [ "$(openssl req -in "$W/thousand.pem" -noout -text | grep -o 'DNS:' | wc -l)" = 1000 ]
    fails 7 1000 as $ALICE keysvc csr web/shop --common-name shop.example --alternative-names "$names,DNS:shop.example"
}
