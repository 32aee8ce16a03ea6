#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# openssl-tls.bats - s_server and s_client, each type of key, TLS 1.2 and 1.3, with certificates on both sides

setup_file()
{
    load programs
    programs_world
    for type in web p384 rsa ed25519; do
        certified "$type/shop" "$type"
    done
    for type in client client-p384 client-rsa client-ed25519; do
        certified "$type/shop" "$type"
    done
    certified peer/shop peer
    vanished_key web/vanished vanished
    changed_key web/changed changed
    vanished_key client/vanished client-vanished
    software_certificate software
    install -m 644 "$W/software.key" "$W/etc/software.pem"
    printf 'GET / HTTP/1.0\r\n\r\n' >"$W/request"
}

setup()
{
    load programs
    export LEAKS=1 # openssl itself has none
    serving
}

teardown()
{
    [ -n "${BATS_TEST_COMPLETED-}" ] || tail -n 20 "$W/handshake" "$W/connection" || true
    end_programs
    show_log_if_failed
}

teardown_file()
{
    load programs
    end_world
}

# serve FILE [OPTION...]: s_server as docs/programs.md has it, with the reference FILE.pem, by ALICE (USER: by that one);
# it demands a certificate of its clients. $PORT is its port, $server its pid.
serve()
{
    local file=$1
    shift
    : >"$W/program.log"
    PORT=$(free_port)
    documented openssl-s_server | sed "s|/shop\.|/$file.|g" >"$W/server"
    background with_provider as "${USER_OF_SERVER-$ALICE}" bash -c "exec $(<"$W/server") $*"
    server=$!
    wait_for said ACCEPT
}

# connect FILE [OPTION...]: the same for s_client; a request and its whole answer, so that the server's judgement of our
# certificate, which comes after the handshake in TLS 1.3, is seen. The output is in $W/connection.
connect()
{
    local file=$1
    shift
    documented openssl-s_client | sed "s|/client\.|/$file.|g" >"$W/client"
    with_provider as "${USER_OF_CLIENT-$ALICE}" bash -c "exec $(<"$W/client") -ign_eof $*" <"$W/request" >"$W/connection" 2>&1
    grep -q 'HTTP/1.0 200' "$W/connection"
}

# softly VERSION [OPTION...]: a client with a key in software, by an openssl without the provider.
softly()
{
    local version=$1
    shift
    handshake "$PORT" "-$version" -cert "$W/etc/software.crt" -key "$W/etc/software.pem" "$@"
}

protocol()
{
    grep -q "^New, TLSv1\.${1#tls1_}\b" "$W/${2-connection}"
}

@test "a server with each type of key" {
    for type in web p384 rsa ed25519; do
        serve "$type"
        for version in tls1_2 tls1_3; do
            softly "$version"
            protocol "$version" handshake
        done
        case $type in
        rsa) grep -q 'Peer signature type: RSA-PSS' "$W/handshake" ;;
        ed25519) grep -q 'Peer signature type: ed25519' "$W/handshake" ;;
        *) grep -q 'Peer signature type: ECDSA' "$W/handshake" ;;
        esac
    done
}

@test "a server's RSA key signs with PKCS #1 in TLS 1.2" {
    serve rsa
    softly tls1_2 -sigalgs RSA+SHA256:ECDSA+SHA256
    grep -q 'Peer signature type: RSA$' "$W/handshake"
}

@test "a client with each type of key, and none without" {
    serve software
    for type in client client-p384 client-rsa client-ed25519; do
        for version in tls1_2 tls1_3; do
            connect "$type" "-$version"
            protocol "$version"
            grep -q 'Client certificate' "$W/connection"
        done
    done
    not handshake "$PORT" -tls1_2
    wait_for said "peer did not return a certificate"
}

@test "references on both sides, and one key for both" {
    for type in web p384 rsa ed25519; do
        serve "$type"
        for version in tls1_2 tls1_3; do
            client=client-$type
            connect "${client%-web}" "-$version"
            protocol "$version"
        done
    done
    serve peer
    connect peer -tls1_2
    connect peer -tls1_3
}

@test "a server's key is no client's, and the other way round" {
    serve software
    for version in tls1_2 tls1_3; do
        not connect web "-$version"
        grep -q 'web/shop@1: PURPOSE: ' "$W/connection"
    done
    serve client
    for version in tls1_2 tls1_3; do
        not softly "$version"
        wait_for said "client/shop@1: PURPOSE: "
        : >"$W/program.log"
    done
}

@test "static RSA would be decryption" {
    serve rsa -cipher DEFAULT
    softly tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
    not softly tls1_2 -cipher AES128-GCM-SHA256
    wait_for said "operation not supported for this keytype"
    serve rsa
    not softly tls1_2 -cipher AES128-GCM-SHA256
    wait_for said "no shared cipher"
}

@test "what a TLS key does not sign: finite field groups, x448 in TLS 1.2, TLS 1.1" {
    serve rsa -cipher DEFAULT:@SECLEVEL=0
    softly tls1_2
    not softly tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256
    wait_for said "rsa/shop@1: PURPOSE: "
    not softly tls1_2 -groups X448
    wait_for said "the group of the TLS 1.2 ServerKeyExchange is none of"
    softly tls1_3 -groups X448
    not softly tls1_1 -cipher DEFAULT:@SECLEVEL=0
    wait_for said "rsa/shop@1: no signature with"
}

@test "a reference to a key that is gone, or to another key than it says, says so at the first connection" {
    serve vanished
    not softly tls1_3
    wait_for said "web/vanished@1: NO_KEY: "
    serve changed
    not softly tls1_2
    wait_for said "web/changed@1: KEY_CHANGED: "
    serve software
    not connect client-vanished
    grep -q 'client/vanished@1: NO_KEY: ' "$W/connection"
}

@test "a reference does not go with another key's certificate" {
    PORT=$(free_port)
    documented openssl-s_server | sed 's|/shop.crt|/web.crt|; s|/shop.pem|/vanished.pem|' >"$W/server"
    fails 1 "key values mismatch" with_provider as "$ALICE" bash "$W/server"
    documented openssl-s_client | sed 's|/client.crt|/client-rsa.crt|' >"$W/client"
    fails 1 "Private key does not match the certificate public key" with_provider as "$ALICE" bash "$W/client"
}

@test "a user without a rule is told so" {
    need_root
    USER_OF_SERVER=$BOB serve web
    not softly tls1_3
    wait_for said "web/shop@1: DENIED: uid $BOB may not sign"
    serve software
    USER_OF_CLIENT=$BOB not connect client
    grep -q "client/shop@1: DENIED: uid $BOB may not sign" "$W/connection"
}

@test "a server starts while keysvcd is stopped, says what is missing, and serves when it is there" {
    stop
    serve web
    not softly tls1_3
    wait_for said "web/shop@1: NO_SERVICE: "
    start
    softly tls1_3
    softly tls1_2
}

@test "a client says so while keysvcd is stopped" {
    serve software
    stop
    not connect client
    start
    grep -q 'client/shop@1: NO_SERVICE: ' "$W/connection"
    connect client
}

@test "a server goes on over a restart of keysvcd and after a token process was killed" {
    serve web
    softly tls1_3
    restart_service
    softly tls1_3
    softly tls1_2
    kill_tokens
    softly tls1_3
    softly tls1_2
    not is_gone "$server"
}
