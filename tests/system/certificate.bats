#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# certificate.bats - certificates beside keys, and those that a key signs for itself

setup_file()
{
    load harness
    world
    start
    keysvc key generate web/shop
    keysvc key generate tls/shop
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/ca.key" -out "$W/ca.pem" \
        -subj /CN=CA 2>/dev/null
    issue web/shop >"$W/leaf.pem"
    cat "$W/leaf.pem" "$W/ca.pem" >"$W/chain.pem"
    chmod 644 "$W"/*.pem
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

# A certificate by our CA for a key's own request.
issue()
{
    keysvc csr "$1" --common-name shop.example --alternative-names DNS:shop.example >"$W/issue.csr"
    openssl x509 -req -in "$W/issue.csr" -CA "$W/ca.pem" -CAkey "$W/ca.key" -copy_extensions copyall -days 30 2>/dev/null
}

certificate()
{
    as $ALICE keysvc key certificate "$@"
}

@test "a chain is put, got and deleted" {
    fails 4 web/shop certificate web/shop get
    certificate web/shop put --in "$W/chain.pem" | grep -x 'beside web/shop@1: 2 certificates'
    certificate web/shop get >"$W/got.pem"
    diff <(grep -v '^subject\|^issuer' "$W/chain.pem") "$W/got.pem"
    certificate web/shop delete
    fails 4 web/shop certificate web/shop get
    fails 4 web/shop certificate web/shop delete
}

# How many records of a put name that certificate.
recorded()
{
    grep -c "\"operation\":\"certificate-put\".*\"certificate\":\"$1\"" "$W/audit/main-1.log" || true
}

@test "as DER it is the key's own, as JSON each one is described" {
    fingerprint=$(openssl x509 -in "$W/leaf.pem" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f)
    before=$(recorded "$fingerprint")
    certificate web/shop put --in "$W/chain.pem"
    # The audit names it, before and after.
    [ "$(recorded "$fingerprint")" = $((before + 2)) ]
    certificate web/shop get --format der >"$W/der"
    openssl x509 -inform DER -in "$W/der" -noout -subject | grep shop.example
    certificate web/shop get --json >"$W/json"
    [ "$(json 'len(d["certificates"])' <"$W/json")" = 2 ]
    [ "$(json 'd["certificates"][0]["issuer"]' <"$W/json")" = CN=CA ]
    [ "$(json 'd["certificates"][1]["subject"]' <"$W/json")" = CN=CA ]
    [ "$(json 'd["certificates"][0]["sha256"]' <"$W/json")" = "$fingerprint" ]
    json 'd["certificates"][0]["not_after"]' <"$W/json" | grep -E '^20[0-9-]+T[0-9:]+Z$'
}

@test "put replaces what was there" {
    certificate web/shop put --in "$W/chain.pem"
    openssl x509 -in "$W/leaf.pem" -outform DER -out "$W/leaf.der"
    chmod 644 "$W/leaf.der"
    certificate web/shop put --in "$W/leaf.der"
    [ "$(certificate web/shop get --json | json 'len(d["certificates"])')" = 1 ]
}

@test "another key's certificate, another order, a private key: refused, and nothing is lost" {
    certificate web/shop put --in "$W/chain.pem"
    fails 6 web/shop certificate web/shop put --in "$W/ca.pem"
    cat "$W/ca.pem" "$W/leaf.pem" >"$W/order.pem"
    fails 6 "not the issuer" certificate web/shop put --in "$W/order.pem"
    cat "$W/leaf.pem" "$W/ca.key" >"$W/mixed.pem"
    chmod 644 "$W/mixed.pem"
    fails 6 "PRIVATE KEY" certificate web/shop put --in "$W/mixed.pem"
    fails 2 missing certificate web/shop put
    fails 2 "No such file" certificate web/shop put --in "$W/none"
    [ "$(certificate web/shop get --json | json 'len(d["certificates"])')" = 2 ]
}

@test "a version has certificates of its own, and they go with it" {
    keysvc key generate web/old
    issue web/old >"$W/old.pem"
    chmod 644 "$W/old.pem"
    certificate web/old@1 put --in "$W/old.pem"
    keysvc key rotate web/old --from 1
    fails 4 web/old certificate web/old get
    certificate web/old@1 get | openssl x509 -noout -subject | grep shop.example
    keysvc key destroy web/old@1 --yes
    pkcs11 --list-objects --type cert >"$W/objects" || true
    not grep web/old@1 "$W/objects"
}

@test "who has no rule sees none" {
    need_root
    fails 3 web/shop as $BOB keysvc key certificate web/shop get
}

# ---------------------------------------------------------------- self-signed

@test "a self-signed certificate verifies, has its names, and is no CA's" {
    as $ALICE keysvc self-sign tls/shop --common-name shop.example --organization 'Shop, Inc.' --country DE \
        --alternative-names DNS:shop.example,DNS:www.shop.example --days 30 >"$W/self.pem"
    openssl verify -CAfile "$W/self.pem" -purpose sslserver -verify_hostname www.shop.example "$W/self.pem"
    openssl x509 -in "$W/self.pem" -noout -text >"$W/self.text"
    grep 'O = "Shop, Inc."' "$W/self.text"
    grep 'TLS Web Server Authentication' "$W/self.text"
    not grep 'CA:TRUE' "$W/self.text"
    diff <(openssl x509 -in "$W/self.pem" -noout -pubkey) <(keysvc key public tls/shop)
    openssl x509 -in "$W/self.pem" -noout -checkend $((29 * 86400))
    not openssl x509 -in "$W/self.pem" -noout -checkend $((31 * 86400))
}

@test "a self-signed certificate as DER and as JSON, and it can be put beside its key" {
    as $ALICE keysvc self-sign web/shop --common-name shop.example --format der >"$W/self.der"
    openssl x509 -inform DER -in "$W/self.der" -noout -subject | grep shop.example
    chmod 644 "$W/self.der"
    certificate web/shop put --in "$W/self.der"
    as $ALICE keysvc self-sign web/shop --common-name shop.example --json >"$W/self.json"
    [ "$(json 'd["certificates"][0]["subject"]' <"$W/self.json")" = CN=shop.example ]
    [ "$(json 'd["name"], d["version"]' <"$W/self.json")" = "('web/shop', 1)" ]
}

@test "a self-signed certificate has the class's names only, and lives 3650 days at most" {
    fails 9 bank.example as $ALICE keysvc self-sign tls/shop --common-name bank.example
    fails 2 3651 as $ALICE keysvc self-sign tls/shop --common-name shop.example --days 3651
    fails 4 web/nothing as $ALICE keysvc self-sign web/nothing --common-name shop.example
}
