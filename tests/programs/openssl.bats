#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# openssl.bats - the openssl command line signs files, messages, requests and certificates with keys it never sees

setup_file()
{
    load programs
    programs_world
    for type in ec p384 rsa ed25519; do
        certified "sign/$type/release" "$type"
    done
    certified sign/ec/uri uri
    certified web/shop shop
    vanished_key sign/ec/vanished vanished
    changed_key sign/ec/changed changed
    mkdir "$W/out"
    [ "$ME" != 0 ] || chown "$ALICE" "$W/out"
    head -c 5242880 /dev/urandom >"$W/large"
}

setup()
{
    load programs
    export LEAKS=1 # openssl itself has none
    serving
    cp "$W/data" "$W/out/data"
}

teardown()
{
    end_programs
    show_log_if_failed
    rm -f "${W:?}"/out/*
}

teardown_file()
{
    load programs
    end_world
}

# commands NAME FILE: what docs/programs.md says there, by ALICE, with the reference FILE.pem instead of release.pem.
commands()
{
    documented "$1" | sed "s/release/$2/g" >"$W/commands"
    cd "$W/out"
    with_provider as "$ALICE" bash -e "$W/commands"
}

# With the provider, by ALICE, in $W/out.
openssl_with()
{
    cd "$W/out"
    with_provider as "$ALICE" openssl "$@"
}

# verified FILE DATA [OPTION...]: an openssl without the provider, and with the certificate alone, accepts $W/out/data.sig.
verified()
{
    local file=$1 data=$2
    shift 2
    openssl x509 -in "$W/etc/$file.crt" -noout -pubkey >"$W/verify.pem"
    openssl dgst -sha256 "$@" -verify "$W/verify.pem" -signature "$W/out/data.sig" "$data"
}

@test "dgst signs with each type of key, and verifies with the reference" {
    for type in ec p384 rsa; do
        commands openssl-dgst "$type"
        verified "$type" "$W/data"
        echo changed >>"$W/out/data"
        fails 1 "Verification failure" openssl_with dgst -sha256 -prverify "$W/etc/$type.pem" -signature data.sig data
        cp "$W/data" "$W/out/data"
    done
}

@test "dgst signs with RSA-PSS" {
    openssl_with dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest \
        -sign "$W/etc/rsa.pem" -out data.sig data
    verified rsa "$W/data" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32
    not verified rsa "$W/data"
}

@test "pkeyutl signs messages with Ed25519" {
    commands openssl-ed25519 ed25519
    openssl x509 -in "$W/etc/ed25519.crt" -noout -pubkey >"$W/verify.pem"
    openssl pkeyutl -verify -rawin -pubin -inkey "$W/verify.pem" -in "$W/data" -sigfile "$W/out/data.sig"
}

@test "pkeyutl signs a digest whose hash is named, and no other" {
    for type in ec rsa; do
        commands openssl-pkeyutl "$type"
        verified "$type" "$W/data"
    done
    fails 1 "sign/ec/release@1: 13 bytes are the length of no digest" openssl_with pkeyutl -sign -inkey "$W/etc/ec.pem" -in data -out data.sig
}

@test "cms signs and verifies" {
    for type in ec p384 rsa; do
        commands openssl-cms "$type"
        cmp "$W/data" "$W/out/data.verified"
        openssl cms -verify -binary -inform DER -in "$W/out/data.p7s" -content "$W/data" -purpose any \
            -CAfile "$W/etc/ca.crt" -out /dev/null
    done
}

@test "cms with Ed25519 fails, with a key in software as well" {
    fails 3 "no default digest" commands openssl-cms ed25519
    openssl req -x509 -newkey ed25519 -nodes -subj /CN=localhost -keyout "$W/soft.key" -out "$W/soft.crt" 2>/dev/null
    fails 3 "no default digest" openssl cms -sign -binary -signer "$W/soft.crt" -inkey "$W/soft.key" -in "$W/data"
}

@test "req and x509 sign with a key of purpose sign" {
    for type in ec p384 rsa ed25519; do
        commands openssl-req "$type"
        openssl req -verify -in "$W/out/$type.csr" -noout
        openssl verify -CAfile "$W/out/self.crt" "$W/out/self.crt" "$W/out/issued.crt"
    done
}

@test "a key is named by a keysvc: URI" {
    commands openssl-store uri
    verified uri "$W/data"
    openssl x509 -in "$W/etc/uri.crt" -noout -pubkey | cmp - "$W/out/uri.pub"
    fails 1 "sign/ec/nothing: NO_KEY: " openssl_with dgst -sha256 -sign keysvc:sign/ec/nothing data
    fails 1 "sign/ec/uri@7: NO_KEY: " openssl_with pkey -in keysvc:sign/ec/uri@7 -pubout
    keysvc key rotate sign/ec/uri --from 1 >/dev/null
    openssl_with dgst -sha256 -sign keysvc:sign/ec/uri -out data.sig data
    not verified uri "$W/data"
    openssl_with dgst -sha256 -sign keysvc:sign/ec/uri@1 -out data.sig data
    verified uri "$W/data"
}

@test "large files are signed with a key of purpose sign, and not with a TLS key" {
    for type in ec rsa; do
        openssl_with dgst -sha256 -sign "$W/etc/$type.pem" -out data.sig "$W/large"
        verified "$type" "$W/large"
        openssl_with cms -sign -binary -signer "$W/etc/$type.crt" -inkey "$W/etc/$type.pem" -in "$W/large" \
            -outform DER -out data.p7s
        openssl cms -verify -binary -inform DER -in "$W/out/data.p7s" -content "$W/large" -purpose any \
            -CAfile "$W/etc/ca.crt" -out /dev/null
    done
    fails 1 "web/shop@1: PURPOSE: " openssl_with dgst -sha256 -sign "$W/etc/shop.pem" -out data.sig "$W/large"
    not [ -s "$W/out/data.sig" ]
}

@test "a TLS key signs no file, no digest, no request, no certificate and no message" {
    for block in dgst pkeyutl cms req; do
        not commands "openssl-$block" shop >"$W/said" 2>&1
        grep -q 'web/shop@1: PURPOSE: purpose tls-server' "$W/said"
        [ -z "$(find "$W/out" -name 'data.sig' -size +0 -o -name '*.c*' -size +0)" ]
    done
    fails 1 "web/shop@1: PURPOSE" openssl_with req -x509 -key "$W/etc/shop.pem" -subj /CN=shop.example -out self.crt
}

@test "MD5 and SHA-1 are not signed" {
    for type in ec rsa; do
        fails 1 "$type/release@1: no signature with sha1" openssl_with dgst -sha1 -sign "$W/etc/$type.pem" -out data.sig data
        fails 1 "Error signing SPKAC" openssl_with spkac -key "$W/etc/$type.pem"
        openssl_with spkac -digest sha256 -key "$W/etc/$type.pem" -out spkac
        openssl spkac -in "$W/out/spkac" -verify -noout
    done
}

@test "a reference holds a public key and nothing else" {
    openssl_with pkey -in "$W/etc/ec.pem" -pubout -out public.pem
    openssl x509 -in "$W/etc/ec.crt" -noout -pubkey | cmp - "$W/out/public.pem"
    fails 1 "" openssl_with pkey -in "$W/etc/ec.pem" -out private.pem
    [ -z "$output" ]
    fails 1 "unable to write key" openssl_with rsa -in "$W/etc/rsa.pem" -out private2.pem
    fails 1 "Error creating PKCS12" openssl_with pkcs12 -export -in "$W/etc/ec.crt" -inkey "$W/etc/ec.pem" -passout pass: \
        -out private.p12
    [ -z "$(find "$W/out" -name 'private*' -size +0)" ]
}

@test "nothing is decrypted or derived" {
    # CMS goes on with a random key where there is none: its exit code and what it writes are random, too.
    openssl cms -encrypt -binary -in "$W/data" -out "$W/out/secret" "$W/etc/rsa.crt"
    openssl_with cms -decrypt -in secret -recip "$W/etc/rsa.crt" -inkey "$W/etc/rsa.pem" -out plain || true
    not grep -q "data to sign" "$W/out/plain"
    fails 1 "operation not supported for this keytype" openssl_with pkeyutl -decrypt -inkey "$W/etc/rsa.pem" -in secret
    fails 1 "operation not supported for this keytype" openssl_with pkeyutl -derive -inkey "$W/etc/ec.pem" \
        -peerkey "$W/etc/uri.pem"
}

@test "without the provider a reference is no key" {
    fails 1 "Could not read private key" openssl dgst -sha256 -sign "$W/etc/ec.pem" "$W/data"
}

@test "a reference to a key that is gone, or to another key than it says, says so" {
    fails 1 "sign/ec/vanished@1: NO_KEY: " openssl_with dgst -sha256 -sign "$W/etc/vanished.pem" data
    fails 1 "sign/ec/changed@1: KEY_CHANGED: " openssl_with dgst -sha256 -sign "$W/etc/changed.pem" data
}

@test "a reference does not go with another key's certificate" {
    fails 3 "does not match certificate" openssl_with cms -sign -signer "$W/etc/p384.crt" -inkey "$W/etc/ec.pem" -in data
}

@test "a user without a rule is told so" {
    need_root
    fails 1 "sign/ec/release@1: DENIED: uid $BOB may not sign" with_provider as "$BOB" openssl dgst -sha256 \
        -sign "$W/etc/ec.pem" "$W/data"
}

@test "while keysvcd is stopped commands say so, and those that only need the public key work" {
    stop
    fails 1 "sign/ec/release@1: NO_SERVICE: " openssl_with dgst -sha256 -sign "$W/etc/ec.pem" data
    fails 1 "sign/ec/release: NO_SERVICE: " openssl_with pkey -in keysvc:sign/ec/release -pubout
    openssl_with pkey -in "$W/etc/ec.pem" -pubout -out public.pem
    start
    commands openssl-dgst ec
}

# Starts a command that has its key and the first half of its data, and waits for the rest; `ended` gives it that.
waiting()
{
    mkfifo -m 644 "$W/out/fifo"
    background feed
    background with_provider as "$ALICE" openssl dgst -sha256 -sign "$W/etc/ec.pem" -out "$W/out/data.sig" "$W/out/fifo"
    program=$!
    wait_for reads_fifo
}

feed()
{
    {
        head -c 4 "$W/data"
        wait_for test -e "$W/out/go"
        tail -c +5 "$W/data"
    } >"$W/out/fifo"
}

reads_fifo()
{
    find "/proc/$program/fd" -lname "$W/out/fifo" | grep -q .
}

ended()
{
    not is_gone "$program"
    touch "$W/out/go"
    wait_for is_gone "$program"
    verified ec "$W/data"
}

@test "a command goes on over a restart of keysvcd" {
    waiting
    restart_service
    ended
}

@test "a command goes on after a token process was killed" {
    waiting
    kill_tokens
    ended
}
