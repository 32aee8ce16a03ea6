#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# python.bats - python's ssl module as server and as client, with keys it never sees

setup_file()
{
    load programs
    programs_world
    documented python-errors >>"$W/openssl.cnf"
    for type in web p384 rsa ed25519 client client-p384 client-rsa client-ed25519; do
        certified "$type/shop" "$type"
    done
    for type in ec rsa ed25519; do
        certified "sign/$type/release" "sign-$type"
    done
    vanished_key web/vanished vanished
    vanished_key client/vanished client-vanished
    changed_key web/changed changed
    changed_key client/changed client-changed
    software_certificate software
    install -m 644 "$W/software.key" "$W/etc/software.pem"
    mkdir "$W/www"
    echo "a page over TLS" >"$W/www/index.html"
}

setup()
{
    load programs
    serving
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

# serve FILE [STATEMENT]: the server as docs/programs.md has it, with the reference FILE.pem, by ALICE (USER_OF_SERVER: by
# that one). $PORT is its port, $server its pid.
serve()
{
    : >"$W/program.log"
    PORT=$(free_port)
    documented python-server | sed "s|/shop\\.|/$1.|g" >"$W/server.py"
    cd "$W/www"
    background with_provider as "${USER_OF_SERVER-$ALICE}" /usr/bin/python3 -u "$W/server.py"
    server=$!
    wait_for listens
}

listens()
{
    is_gone "$server" || grep -q "$(printf ':%04X 00000000:0000 0A' "$PORT")" /proc/net/tcp
}

# fetch FILE: the client as docs/programs.md has it, with the reference FILE.pem.
fetch()
{
    documented python-client | sed "s|/client\\.|/$1.|g" >"$W/client.py"
    run with_provider as "${USER_OF_CLIENT-$ALICE}" /usr/bin/python3 "$W/client.py"
    [ "$status" = 0 ] && [ "$output" = "a page over TLS" ]
}

# softly [OPTION...]: a request by a client whose key is in software.
softly()
{
    curl --silent --cacert "$W/etc/ca.crt" --cert "$W/etc/software.crt" --key "$W/etc/software.pem" "$@" \
        "https://localhost:$PORT/" | grep -qx "a page over TLS"
}

@test "a server with each type of key, TLS 1.2 and 1.3" {
    for type in web p384 rsa ed25519; do
        serve "$type"
        softly --tls-max 1.2
        softly --tlsv1.3
    done
    not curl --silent --cacert "$W/etc/ca.crt" "https://localhost:$PORT/"
}

@test "a client with each type of key, TLS 1.2 and 1.3" {
    for version in 2 3; do
        serve software "context.maximum_version = ssl.TLSVersion.TLSv1_$version"
        for type in client client-p384 client-rsa client-ed25519; do
            fetch "$type"
        done
    done
}

@test "references on both sides" {
    serve web
    fetch client
}

@test "a reference to a key that is gone, or to another key than it says, says so" {
    serve vanished
    not softly
    wait_for said "keysvc: web/vanished@1: NO_KEY: "
    wait_for said "ssl.SSLError: [SSL] EVP lib"
    serve changed
    not softly
    wait_for said "keysvc: web/changed@1: KEY_CHANGED: "
    serve software
    not fetch client-vanished
    [[ $output == *"keysvc: client/vanished@1: NO_KEY: "*"[SSL] EVP lib"* ]]
    not fetch client-changed
    [[ $output == *"keysvc: client/changed@1: KEY_CHANGED: "* ]]
}

@test "without the option python says no more than EVP lib" {
    serve software
    sed -i 's/^errors/# errors/' "$W/openssl.cnf"
    not fetch client-vanished
    sed -i 's/^# errors = stderr/errors = stderr/' "$W/openssl.cnf"
    [[ $output == *"[SSL] EVP lib"* && $output != *vanished@1* ]]
}

@test "a server's key is no client's, and the other way round" {
    serve software
    not fetch web
    [[ $output == *"keysvc: web/shop@1: PURPOSE: "* ]]
    serve client
    not softly
    wait_for said "keysvc: client/shop@1: PURPOSE: "
}

@test "a reference does not go with another key's certificate" {
    documented python-client | sed "s|/client\.pem|/web.pem|" >"$W/client.py"
    fails 1 "key values mismatch" with_provider as "$ALICE" /usr/bin/python3 "$W/client.py"
}

@test "a user without a rule is told so" {
    need_root
    USER_OF_SERVER=$BOB serve web
    not softly
    wait_for said "keysvc: web/shop@1: DENIED: uid $BOB may not sign"
    serve software
    USER_OF_CLIENT=$BOB not fetch client
    [[ $output == *"keysvc: client/shop@1: DENIED: uid $BOB may not sign"* ]]
}

@test "while keysvcd is stopped a server starts and says what is missing, and serves when it is there" {
    stop
    serve web
    not softly
    wait_for said "keysvc: web/shop@1: NO_SERVICE: $KEYSVC_SOCKET: "
    not fetch client
    start
    softly
    fetch client
}

@test "a server goes on over a restart of keysvcd and after a token process was killed" {
    serve web
    softly --tlsv1.3
    restart_service
    softly --tlsv1.3
    softly --tls-max 1.2
    kill_tokens
    softly --tlsv1.3
    softly --tls-max 1.2
    not is_gone "$server"
}

@test "without the provider a reference is no key" {
    documented python-client >"$W/client.py"
    fails 1 "ssl.SSLError: [SSL]" as "$ALICE" /usr/bin/python3 "$W/client.py"
}

@test "python3-cryptography signs with Ed25519, and cannot load RSA and EC keys" {
    mkdir "$W/out"
    [ "$ME" != 0 ] || chown "$ALICE" "$W/out"
    cd "$W/out"
    cp "$W/data" data
    for type in ec rsa ed25519; do
        documented python-cryptography | sed "s|/release\.|/sign-$type.|g" >"$W/$type.py"
    done
    with_provider as "$ALICE" /usr/bin/python3 "$W/ed25519.py"
    openssl x509 -in "$W/etc/sign-ed25519.crt" -noout -pubkey >"$W/verify.pem"
    openssl pkeyutl -verify -rawin -pubin -inkey "$W/verify.pem" -in data -sigfile data.sig
    for type in ec rsa; do
        fails 1 "keymgmt export failure" with_provider as "$ALICE" /usr/bin/python3 "$W/$type.py"
    done
}
