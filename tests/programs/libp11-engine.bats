#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# libp11-engine.bats - openssl by libp11's engine: dgst, req and a server that stays while the service comes and goes

setup_file()
{
    load programs
    programs_world
    certified sign/ec/shop shop
    certified sign/p384/shop p384
    certified sign/rsa/shop rsa
    certified web/shop web
    documented libp11-engine-conf >"$W/etc/engine.cnf"
    chmod 644 "$W/etc/engine.cnf"
    cp "$W/data" "$W/home/shop.txt"
    chmod 777 "$W/home"
}

setup()
{
    load programs
    serving
    rm -f "$W/home/shop.sig" "$W/home/shop.csr"
}

teardown()
{
    end_programs
    show_log_if_failed
}

teardown_file()
{
    load programs
    end_world
}

# script NAME [KEY CERTIFICATE]: as docs/programs.md has it, with another key than sign/ec/shop@1.
script()
{
    local name=$1 key=${2-sign/ec/shop@1} file=${3-shop}
    documented "libp11-engine-$name" | sed "s|sign%2Fec%2Fshop@1|${key//\//%2F}|; s|shop\.crt|$file.crt|" >"$W/$name.sh"
}

engine_as()
{
    local uid=$1
    shift
    script "$@"
    cd "$W/home"
    with_module as "$uid" bash "$W/$1.sh"
}

# serve KEY CERTIFICATE: until it answers; another process may take the port before.
serve()
{
    local try
    for try in 1 2 3; do
        PORT=$(free_port)
        script server "$@"
        background with_module as "$ALICE" bash "$W/server.sh"
        wait_for accepting || return 1
        ! said 'Address already in use' || continue
        return 0
    done
    return 1
}

accepting()
{
    said ACCEPT || said 'Address already in use'
}

# Of that file's content, by the key's own public half.
signed()
{
    verify "$1" "$W/home/shop.txt" "$W/home/shop.sig"
}

@test "dgst signs with EC and RSA keys of purpose sign" {
    local key
    for key in sign/ec/shop sign/p384/shop sign/rsa/shop; do
        engine_as "$ALICE" dgst "$key@1"
        signed "$key"
        rm "$W/home/shop.sig"
    done
}

@test "req makes requests" {
    engine_as "$ALICE" req
    openssl req -in "$W/home/shop.csr" -noout -verify
    engine_as "$ALICE" req sign/rsa/shop@1
    openssl req -in "$W/home/shop.csr" -noout -verify
}

@test "s_server serves TLS 1.3 and 1.2 with EC and RSA keys of purpose sign" {
    local pair
    for pair in 'sign/ec/shop shop' 'sign/p384/shop p384' 'sign/rsa/shop rsa'; do
        # shellcheck disable=SC2086
        serve ${pair/ /@1 }
        handshake "$PORT" -tls1_3
        handshake "$PORT" -tls1_2
        end_programs
    done
}

# The engine hashes before it asks, and a TLS key signs no digest.
@test "a TLS key is refused and named" {
    serve web/shop@1 web
    not handshake "$PORT"
    wait_for said 'keysvc-pkcs11: web/shop@1: purpose tls-server'
    fails 1 'keysvc-pkcs11: web/shop@1: purpose tls-server' engine_as "$ALICE" dgst web/shop@1
}

@test "the same server goes on after keysvcd is restarted and after its token process is killed" {
    serve sign/ec/shop@1 shop
    handshake "$PORT"
    restart_service
    handshake "$PORT"
    kill_tokens
    handshake "$PORT"
}

@test "a stopped service is named; the server that was running goes on when it is back" {
    serve sign/ec/shop@1 shop
    stop
    not handshake "$PORT"
    wait_for said "keysvc-pkcs11: sign/ec/shop@1: $KEYSVC_SOCKET"
    fails 1 "$KEYSVC_SOCKET" engine_as "$ALICE" dgst
    start
    handshake "$PORT"
}

@test "a rule that is taken away fails the handshake and is named; given back, the server goes on" {
    need_root
    serve sign/ec/shop@1 shop
    no_users
    not handshake "$PORT"
    wait_for said "keysvc-pkcs11: sign/ec/shop@1: uid $ALICE may not sign"
    allowed_users
    handshake "$PORT"
}

@test "a user without a rule finds no key" {
    need_root
    fails 1 'object not found' engine_as "$BOB" dgst
}

@test "a wrong name finds no key; a key that vanished or is another now is named" {
    fails 1 'object not found' engine_as "$ALICE" dgst sign/ec/none@1
    certified sign/ec/gone gone
    certified sign/ec/changed changed
    serve sign/ec/gone@1 gone
    handshake "$PORT"
    keysvc key destroy sign/ec/gone@1 --yes
    not handshake "$PORT"
    wait_for said 'keysvc-pkcs11: sign/ec/gone@1: no key'
    end_programs
    serve sign/ec/changed@1 changed
    keysvc key destroy sign/ec/changed@1 --yes
    keysvc key generate sign/ec/changed
    not handshake "$PORT"
    wait_for said 'keysvc-pkcs11: sign/ec/changed@1 on token main is another key'
}

# libp11 0.4.12 gives up its list of keys at the first type that it does not know.
@test "one Ed25519 key that the user may see hides all others" {
    keysvc key generate sign/ed25519/shop
    fails 1 'object not found' engine_as "$ALICE" dgst
    keysvc key destroy sign/ed25519/shop@1 --yes
    engine_as "$ALICE" dgst
}
