#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# certificates_verified.bats - requests, self-signed certificates and certificates beside keys, from the command line to
# the three programs that verify them (../integration/verified.py: openssl, GnuTLS, Python's cryptography)

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

verified()
{
    /usr/bin/python3 -B "$SOURCE/tests/integration/verified.py" "$@"
}

# An authority in $W/ca.*, and what it makes of the request $1 in $2.
issue()
{
    [ -e "$W/ca.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/ca.key" \
        -out "$W/ca.pem" -subj /CN=CA 2>/dev/null
    openssl x509 -req -in "$1" -CA "$W/ca.pem" -CAkey "$W/ca.key" -copy_extensions copyall -out "$2" 2>/dev/null
}

@test "requests of every class" {
    for name in web/shop tls/shop rsa/shop; do
        as $ALICE keysvc csr $name --common-name shop.example --organization 'Köhler & Söhne' --country DE \
            --alternative-names DNS:shop.example >"$W/request.pem"
        verified request "$W/request.pem" --names 1
    done
}

@test "self-signed certificates of every class" {
    for name in web/shop tls/shop rsa/shop; do
        as $ALICE keysvc self-sign $name --common-name shop.example --alternative-names DNS:shop.example --days 30 \
            >"$W/self.pem"
        verified certificate "$W/self.pem" --names 1
    done
}

@test "a self-signed certificate's dates and names are those that were asked for" {
    as $ALICE keysvc self-sign tls/shop --common-name shop.example --alternative-names DNS:www.shop.example --days 2 \
        >"$W/short.pem"
    openssl x509 -in "$W/short.pem" -checkend 172700 -noout
    not openssl x509 -in "$W/short.pem" -checkend 172900 -noout
    openssl x509 -in "$W/short.pem" -checkhost www.shop.example -noout | grep 'does match'
    fails 9 bank.example as $ALICE keysvc self-sign tls/shop --common-name bank.example
    fails 6 subject as $ALICE keysvc self-sign tls/shop --alternative-names DNS:shop.example
}

@test "a challenge password stands in the request" {
    echo 'Sesam 12' >"$W/challenge"
    chmod 644 "$W/challenge"
    as $ALICE keysvc csr tls/shop --common-name shop.example --challenge-password-file "$W/challenge" >"$W/challenge.pem"
    verified request "$W/challenge.pem" --challenge 'Sesam 12'
}

@test "a thousand names, and not one more" {
    as $ALICE keysvc csr web/shop --common-name shop.example \
        --alternative-names "$(seq -f DNS:n%g.shop.example -s , 1000)" >"$W/many.pem"
    verified request "$W/many.pem" --names 1000
    as $ALICE keysvc self-sign web/shop --common-name shop.example \
        --alternative-names "$(seq -f DNS:n%g.shop.example -s , 1000)" >"$W/many-self.pem"
    verified certificate "$W/many-self.pem" --names 1000
    fails 7 1000 as $ALICE keysvc csr web/shop --common-name shop.example \
        --alternative-names "$(seq -f DNS:n%g.shop.example -s , 1001)"
}

@test "a chain beside a key is put, got and deleted" {
    as $ALICE keysvc csr tls/shop --common-name shop.example --alternative-names DNS:shop.example >"$W/tls.pem"
    issue "$W/tls.pem" "$W/leaf.pem"
    cat "$W/leaf.pem" "$W/ca.pem" >"$W/chain.pem"
    chmod 644 "$W/chain.pem"
    as $ALICE keysvc key certificate tls/shop put --in "$W/chain.pem"
    as $ALICE keysvc key certificate tls/shop get >"$W/got.pem"
    diff "$W/chain.pem" "$W/got.pem"
    openssl verify -CAfile "$W/ca.pem" -purpose sslserver "$W/got.pem"
    as $ALICE keysvc key certificate tls/shop delete
    fails 4 "" as $ALICE keysvc key certificate tls/shop get
    fails 4 "" as $ALICE keysvc key certificate tls/shop delete
}

@test "a certificate of another key, or in the wrong order, is refused" {
    as $ALICE keysvc csr tls/shop --common-name shop.example --alternative-names DNS:shop.example >"$W/order.csr"
    issue "$W/order.csr" "$W/order.pem"
    chmod 644 "$W/order.pem" "$W/ca.pem"
    cat "$W/ca.pem" "$W/order.pem" >"$W/wrong.pem"
    chmod 644 "$W/wrong.pem"
    fails 6 "certificate 1" as $ALICE keysvc key certificate tls/shop put --in "$W/wrong.pem"
    fails 6 "certificate 1" as $ALICE keysvc key certificate web/shop put --in "$W/order.pem"
    fails 4 "" as $ALICE keysvc key certificate web/shop get
}

@test "a key that is destroyed takes its certificates with it" {
    keysvc key generate tls/old
    as $ALICE keysvc self-sign tls/old --common-name shop.example >"$W/old.pem"
    chmod 644 "$W/old.pem"
    as $ALICE keysvc key certificate tls/old put --in "$W/old.pem"
    as $ALICE keysvc key destroy tls/old@1 --yes
    fails 4 tls/old as $ALICE keysvc key show tls/old
    keysvc key generate tls/old
    fails 4 "" as $ALICE keysvc key certificate tls/old get
}
