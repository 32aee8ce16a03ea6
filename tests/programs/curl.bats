#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# curl.bats - curl shows a client certificate whose key it never sees

setup_file()
{
    load programs
    programs_world
    certified client/shop client
    certified client-rsa/shop client-rsa
    certified client-p384/shop client-p384
    certified client-ed25519/shop client-ed25519
    certified peer/shop peer
    certified web/shop shop
    vanished_key client/vanished vanished
    changed_key client/changed changed
    software_server
}

# A server that demands a certificate of each client. Its key is in software, it knows nothing of us.
software_server()
{
    software_certificate server
    export PORT
    PORT=$(free_port)
    openssl s_server -accept "127.0.0.1:$PORT" -cert "$W/etc/server.crt" -key "$W/server.key" -CAfile "$W/etc/ca.crt" \
        -Verify 1 -verify_return_error -www >>"$W/server.log" 2>&1 </dev/null 3>&- &
    echo $! >"$W/server.pid"
    wait_for grep ACCEPT "$W/server.log"
}

setup()
{
    load programs
    export LEAKS=1 # curl itself has none
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
    [ ! -s "$W/server.pid" ] || kill "$(cat "$W/server.pid")"
    end_world
}

# curl as docs/programs.md has it, with FILE.pem instead of client.pem, by ALICE; the options are added.
get()
{
    local file=$1
    shift
    documented curl | sed "s|/client\\.|/$file.|g" >"$W/curl"
    with_provider as "${USER_OF_CURL-$ALICE}" bash -c "$(<"$W/curl") --silent --show-error $*"
}

# The server saw a certificate, and liked it.
liked()
{
    run get "$@"
    [ "$status" = 0 ]
    [[ $output == *"Client certificate"* ]]
}

@test "each type of key, TLS 1.2 and 1.3" {
    for type in client client-rsa client-p384 client-ed25519 peer; do
        liked "$type" --tls-max 1.2
        liked "$type" --tlsv1.3
    done
}

@test "without a certificate the server refuses" {
    not curl --silent --cacert "$W/etc/ca.crt" --tls-max 1.2 "https://localhost:$PORT/"
}

@test "options from a file, certificate and reference in one" {
    documented curl-config >"$W/etc/curlrc"
    with_provider as "$ALICE" curl --silent --config "$W/etc/curlrc" "https://localhost:$PORT/" | grep -q 'Client certificate'
    cat "$W/etc/client.crt" "$W/etc/client.pem" >"$W/etc/both.pem"
    with_provider as "$ALICE" curl --silent --cacert "$W/etc/ca.crt" --cert "$W/etc/both.pem" "https://localhost:$PORT/" |
        grep -q 'Client certificate'
}

@test "a reference to a key that is gone, or to another key than it says, says so" {
    fails 35 "keysvc::client/vanished@1: NO_KEY: " get vanished
    fails 35 "keysvc::client/changed@1: KEY_CHANGED: " get changed
    fails 35 "keysvc::client/changed@1: KEY_CHANGED: " get changed --tls-max 1.2
}

@test "a server's key is no client's" {
    fails 35 "keysvc::web/shop@1: PURPOSE: purpose tls-server: " get shop
    fails 35 "keysvc::web/shop@1: PURPOSE: purpose tls-server: " get shop --tls-max 1.2
}

@test "a user without a rule is told so" {
    need_root
    USER_OF_CURL=$BOB fails 35 "keysvc::client/shop@1: DENIED: uid $BOB may not sign" get client
}

@test "a reference does not go with another key's certificate" {
    fails 58 "unable to set private key file: '$W/etc/peer.pem'" get client --key "$W/etc/peer.pem"
}

@test "what curl cannot: keysvc: URIs, and references without the provider" {
    fails 58 "unable to set private key file: 'keysvc:client/shop'" get client --key keysvc:client/shop
    fails 58 "unable to set private key file" curl --silent --show-error --cacert "$W/etc/ca.crt" \
        --cert "$W/etc/client.crt" --key "$W/etc/client.pem" "https://localhost:$PORT/"
}

@test "while keysvcd is stopped curl says so, and works again" {
    stop
    fails 35 "keysvc::client/shop@1: NO_SERVICE: $KEYSVC_SOCKET: No such file" get client
    start
    liked client
}

@test "one curl makes connections before and after a restart of keysvcd and the end of a token process" {
    mkfifo -m 666 "$W/first" "$W/second"
    : >"$W/server.log"
    background with_provider as "$ALICE" curl --silent --show-error --no-sessionid --cacert "$W/etc/ca.crt" \
        --cert "$W/etc/client.crt" --key "$W/etc/client.pem" "https://localhost:$PORT/" --output "$W/first" \
        "https://localhost:$PORT/" --output "$W/second" "https://localhost:$PORT/"
    program=$!
    connected_and_waiting
    restart_service
    not is_gone "$program"
    grep -q 'Client certificate' "$W/first"
    connected_and_waiting
    kill_tokens
    not is_gone "$program"
    grep -q 'Client certificate' "$W/second"
    wait_for is_gone "$program"
    said 'Client certificate'
}

# curl has made a connection and cannot write its answer before somebody opens the fifo.
connected_and_waiting()
{
    wait_for grep 'CN = localhost' "$W/server.log"
    : >"$W/server.log"
}
