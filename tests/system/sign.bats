#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# sign.bats - signatures, as `keysvc sign` makes them and openssl sees them

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

@test "a user's signature is one that openssl verifies" {
    as $ALICE keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
    echo changed >>"$W/data2"
    not verify web/shop "$W/data2" "$W/signature"
}

@test "two signatures by ECDSA differ" {
    as $ALICE keysvc sign web/shop --in "$W/data" >"$W/one"
    as $ALICE keysvc sign web/shop --in "$W/data" >"$W/two"
    not cmp -s "$W/one" "$W/two"
}

@test "a version can be named" {
    as $ALICE keysvc sign web/shop@1 --in "$W/data" >"$W/versioned"
    verify web/shop@1 "$W/data" "$W/versioned"
    fails 4 web/shop as $ALICE keysvc sign web/shop@2 --in "$W/data"
}

@test "RSA with PKCS #1 and with PSS" {
    as $ALICE keysvc sign rsa/shop --in "$W/data" >"$W/pkcs1"
    verify rsa/shop "$W/data" "$W/pkcs1"
    as $ALICE keysvc sign rsa/shop --in "$W/data" --algorithm rsa-pss-sha256 >"$W/pss"
    verify rsa/shop "$W/data" "$W/pss" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32
    not verify rsa/shop "$W/data" "$W/pss"
}

@test "an algorithm of another key type is refused" {
    fails 2 rsa-pss-sha256 as $ALICE keysvc sign web/shop --in "$W/data" --algorithm rsa-pss-sha256
}

@test "every curve, Ed25519 and every RSA length sign, by every algorithm of theirs" {
    {
        default_rules
        for type in ec-p384 ec-p521 ed25519 rsa-3072; do
            printf 'keys "%s/**" {\n    token = main\n    type = %s\n    purpose = sign\n    names = {"shop.example"}\n}\n' $type $type
        done
    } | rules
    sed -i 's|keys = {"web/\*\*", "tls/\*\*", "rsa/\*\*"}|keys = {"**"}|' "$W/keysvcd.conf"
    keysvc reload
    for type in ec-p384 ec-p521 ed25519 rsa-3072; do
        keysvc key generate $type/key
        keysvc key public $type/key >"$W/$type.pem"
    done
    for hash in sha256 sha384 sha512; do
        for type in ec-p384 ec-p521; do
            as $ALICE keysvc sign $type/key --in "$W/data" --algorithm ecdsa-$hash >"$W/each"
            openssl dgst -$hash -verify "$W/$type.pem" -signature "$W/each" "$W/data"
        done
        as $ALICE keysvc sign rsa-3072/key --in "$W/data" --algorithm rsa-pkcs1-$hash >"$W/each"
        openssl dgst -$hash -verify "$W/rsa-3072.pem" -signature "$W/each" "$W/data"
        as $ALICE keysvc sign rsa-3072/key --in "$W/data" --algorithm rsa-pss-$hash >"$W/each"
        openssl dgst -$hash -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -verify "$W/rsa-3072.pem" \
            -signature "$W/each" "$W/data"
    done
    as $ALICE keysvc sign ed25519/key --in "$W/data" >"$W/each"
    openssl pkeyutl -verify -pubin -inkey "$W/ed25519.pem" -rawin -in "$W/data" -sigfile "$W/each"
}

@test "a digest with its hash named" {
    openssl dgst -sha256 -binary "$W/data" >"$W/digest"
    as $ALICE keysvc sign web/shop --in "$W/digest" --prehashed sha256 >"$W/prehashed"
    verify web/shop "$W/data" "$W/prehashed"
}

@test "a digest that is too short for its hash is refused" {
    printf 'short' >"$W/short"
    fails 2 "32 bytes" as $ALICE keysvc sign web/shop --in "$W/short" --prehashed sha256
}

@test "a message larger than a frame is hashed by the library" {
    head -c 3000000 /dev/zero >"$W/large"
    as $ALICE keysvc sign web/shop --in "$W/large" >"$W/large.signature"
    verify web/shop "$W/large" "$W/large.signature"
}

@test "an empty message" {
    : >"$W/empty"
    as $ALICE keysvc sign web/shop --in "$W/empty" >"$W/empty.signature"
    verify web/shop "$W/empty" "$W/empty.signature"
}

@test "a TLS server's key signs a TLS 1.3 handshake" {
    {
        printf '%64s' ''
        printf 'TLS 1.3, server CertificateVerify\0'
        openssl dgst -sha256 -binary "$W/data"
    } >"$W/tls13"
    as $ALICE keysvc sign tls/shop --in "$W/tls13" >"$W/tls13.signature"
    verify tls/shop "$W/tls13" "$W/tls13.signature"
}

@test "a TLS server's key signs nothing else" {
    fails 8 tls/shop as $ALICE keysvc sign tls/shop --in "$W/data"
    # What a certificate or a CSR is made of: one SEQUENCE.
    printf '\060\003\002\001\000' >"$W/der"
    fails 8 tls/shop as $ALICE keysvc sign tls/shop --in "$W/der"
    # The client's side of the handshake.
    { printf '%64s' ''; printf 'TLS 1.3, client CertificateVerify\0'; openssl dgst -sha256 -binary "$W/data"; } >"$W/client13"
    fails 8 tls/shop as $ALICE keysvc sign tls/shop --in "$W/client13"
}

@test "a TLS server's key signs no digest" {
    openssl dgst -sha256 -binary "$W/data" >"$W/digest2"
    fails 8 tls/shop as $ALICE keysvc sign tls/shop --in "$W/digest2" --prehashed sha256
}

@test "an unknown key, no service, a wrong command line: each has its exit code" {
    fails 4 web/nothing as $ALICE keysvc sign web/nothing --in "$W/data"
    fails 17 "$W/none.sock" as $ALICE keysvc --socket "$W/none.sock" status
    fails 2 "" keysvc sign
    fails 2 "" keysvc sing web/shop
}

@test "with --json an error is one object" {
    run as $ALICE keysvc sign web/nothing --in "$W/data" --json
    [ "$status" = 4 ]
    [ "$(json 'd["error"]["code"]' <<<"$output")" = NO_KEY ]
    [ "$(json 'd["error"]["retryable"]' <<<"$output")" = False ]
    [ -n "$(json 'd["error"]["hint"]' <<<"$output")" ]
}
