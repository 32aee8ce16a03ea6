#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# gnutls.bats - GnuTLS by p11-kit and the PKCS#11 module: gnutls-serv and gnutls-cli, whose keys are URIs
#
# The other side is openssl with keys in files, so that neither judges itself.

setup_file()
{
    load programs
    programs_world
    for type in ec p384 rsa; do
        certified "sign/$type/shop" "$type"
    done
    certified_on_token sign/ec/client client
    cp "$W/etc/ec.crt" "$W/etc/shop.crt"
    certified web/shop web
    certified ed25519/shop ed25519
    peer_certificate
}

setup()
{
    load programs
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

# ---------------------------------------------------------------- helpers

# $W/peer.key and $W/etc/peer.crt: of our CA, in software.
peer_certificate()
{
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout "$W/peer.key" -out "$W/peer.csr" 2>/dev/null
    openssl x509 -req -in "$W/peer.csr" -CA "$W/etc/ca.crt" -CAkey "$W/ca.key" -days 30 -copy_extensions copyall \
        -out "$W/etc/peer.crt" 2>/dev/null
}

# The URI of a key's first version; as the page has it, encoded.
uri()
{
    echo "pkcs11:token=keysvc;object=$(encoded "$1");type=private"
}

encoded()
{
    echo "${1//\//%2F}%401"
}

# command_for NAME KEY FILE: COMMAND becomes that command of the page with another key and certificate; options may follow.
command_for()
{
    local command
    command=$(documented "$1" | sed -E -e "s|sign%2Fec%2F[a-z]+%401|$(encoded "$2")|" \
        -e "s#/(shop|client).crt#/$3.crt#" -e 's|localhost$|127.0.0.1|')
    COMMAND=(bash -c "exec $command \"\$@\"" bash)
}

# serve KEY FILE [OPTION...]: the documented gnutls-serv with that key and certificate, until it serves or has ended.
serve()
{
    local key=$1 file=$2 try
    shift 2
    for try in 1 2 3; do
        PORT=$(free_port)
        : >"$W/program.log"
        command_for gnutls-serv "$key" "$file"
        background with_p11_kit as "${BY-$ALICE}" "${COMMAND[@]}" "$@"
        SERVER=$!
        wait_for listens_or_is_gone
        said "Address already in use" || return 0
    done
}

listens_or_is_gone()
{
    said "port $PORT...done" || is_gone "$SERVER"
}

# A client that is not GnuTLS, with a certificate in software.
handshake_with_peer()
{
    handshake "$PORT" -cert "$W/etc/peer.crt" -key "$W/peer.key" "$@"
}

same_server()
{
    not is_gone "$SERVER"
}

# A server that is not GnuTLS and requires client certificates.
serve_by_openssl()
{
    local try
    for try in 1 2 3; do
        PORT=$(free_port)
        : >"$W/program.log"
        background openssl s_server -accept "127.0.0.1:$PORT" -cert "$W/etc/peer.crt" -key "$W/peer.key" \
            -CAfile "$W/etc/ca.crt" -Verify 1 -verify_return_error -www "$@"
        SERVER=$!
        wait_for accepts_or_is_gone
        is_gone "$SERVER" || return 0
    done
}

accepts_or_is_gone()
{
    said ACCEPT || is_gone "$SERVER"
}

# client KEY FILE [OPTION...]: the documented gnutls-cli with that key and certificate asks for a page.
client()
{
    local key=$1 file=$2
    shift 2
    command_for gnutls-cli "$key" "$file"
    with_p11_kit as "${BY-$ALICE}" "${COMMAND[@]}" --sni-hostname localhost --verify-hostname localhost "$@" \
        <<<$'GET / HTTP/1.0\r\n\r'
}

# ---------------------------------------------------------------- the server

@test "gnutls-serv serves TLS 1.2 and 1.3 with EC and RSA keys" {
    for type in ec p384 rsa; do
        serve "sign/$type/shop" "$type"
        handshake_with_peer -tls1_2
        grep -q "Verify return code: 0" "$W/handshake"
        handshake_with_peer -tls1_3
        grep -q "Verify return code: 0" "$W/handshake"
        # Without a certificate nobody comes in.
        not handshake "$PORT" -tls1_2
        end_programs
    done
}

@test "gnutls-serv with a key that is not there, or is not there any more, does not start" {
    serve sign/ec/nothing ec
    is_gone "$SERVER"
    said "requested data were not available"
    said "keysvc-pkcs11: no key sign/ec/nothing@1"
    vanished_key sign/ec/vanished vanished
    serve sign/ec/vanished vanished
    is_gone "$SERVER"
    said "keysvc-pkcs11: no key sign/ec/vanished@1"
}

@test "gnutls-serv with another key than its certificate's does not start" {
    changed_key sign/ec/changed changed
    serve sign/ec/changed changed
    is_gone "$SERVER"
    said "The certificate and the given key do not match"
    keysvc key destroy sign/ec/changed@1 --yes >/dev/null
}

@test "a running gnutls-serv whose key vanishes, and then is another one, serves nobody and says why" {
    certified sign/ec/fleeting fleeting
    serve sign/ec/fleeting fleeting
    handshake_with_peer
    keysvc key destroy sign/ec/fleeting@1 --yes >/dev/null
    not handshake_with_peer
    said "keysvc-pkcs11: sign/ec/fleeting@1: no key sign/ec/fleeting"
    keysvc key generate sign/ec/fleeting >/dev/null
    not handshake_with_peer
    said "is another key than the one that is meant"
    keysvc key destroy sign/ec/fleeting@1 --yes >/dev/null
    same_server
}

@test "the same gnutls-serv goes on after keysvcd is stopped, is restarted, and its token process is killed" {
    serve sign/ec/shop shop
    handshake_with_peer
    stop
    run handshake_with_peer
    start
    [ "$status" != 0 ]
    said "is keysvcd running?"
    handshake_with_peer
    kill_tokens
    handshake_with_peer -tls1_2
    same_server
}

@test "gnutls-serv as a user without a rule does not start, and one whose user loses the rule serves nobody" {
    need_root
    BY=$BOB serve sign/ec/shop shop
    is_gone "$SERVER"
    said "uid $BOB may not get sign/ec/shop: no rule allows it"
    serve sign/ec/shop shop
    handshake_with_peer
    no_users
    run handshake_with_peer
    allowed_users
    [ "$status" != 0 ]
    said "keysvc-pkcs11: "
    said "may not sign sign/ec/shop"
    handshake_with_peer
    same_server
}

@test "a key of purpose tls-server signs no digest, and so serves nobody, unless it is Ed25519" {
    serve web/shop web
    not handshake_with_peer -tls1_3
    not handshake_with_peer -tls1_2
    said "keysvc-pkcs11: "
    said "purpose tls-server"
    end_programs
    serve ed25519/shop ed25519
    handshake_with_peer -tls1_3
}

@test "static RSA key exchange needs decryption, which is not offered" {
    serve sign/rsa/shop rsa
    not handshake_with_peer -tls1_2 -cipher AES256-GCM-SHA384
    end_programs
    serve sign/rsa/shop rsa --priority NORMAL:-RSA
    not handshake_with_peer -tls1_2 -cipher AES256-GCM-SHA384
    handshake_with_peer -tls1_2
}

# ---------------------------------------------------------------- the client

@test "gnutls-cli shows its certificate with TLS 1.2 and 1.3, EC and RSA" {
    for version in tls1_2 tls1_3; do
        serve_by_openssl "-$version"
        for type in ec p384 rsa; do
            run -0 client "sign/$type/shop" "$type"
            [[ $output = *"Handshake was completed"* && $output = *"Client certificate"* ]]
        done
        end_programs
    done
}

@test "gnutls-cli finds the certificate beside its key" {
    serve_by_openssl
    run -0 with_p11_kit as "$ALICE" bash -c "$(documented gnutls-list)"
    [[ $output = *"X.509 Certificate"* ]]
    run -0 client sign/ec/client client --x509certfile "$(uri sign/ec/client | sed s/private/cert/)"
    [[ $output = *"Handshake was completed"* ]]
    # The newest version, and without encoding.
    run -0 client sign/ec/client client --x509keyfile 'pkcs11:token=keysvc;object=sign/ec/client;type=private'
    [[ $output = *"Handshake was completed"* ]]
}

@test "gnutls-cli and gnutls-serv with each other" {
    serve sign/rsa/shop rsa
    for version in 1.2 1.3; do
        run -0 client sign/ec/client client --priority "NORMAL:-VERS-ALL:+VERS-TLS$version"
        [[ $output = *"Handshake was completed"* ]]
    done
}

@test "gnutls-cli fails clearly: wrong name, stopped keysvcd, TLS key, no rule" {
    serve_by_openssl
    fails 1 "no key sign/ec/nothing" client sign/ec/nothing client
    fails 1 "purpose tls-server" client web/shop web
    stop
    run client sign/ec/client client
    start
    [ "$status" = 1 ]
    [[ $output = *"keysvc-pkcs11: "*"is keysvcd running?"* ]]
    kill_tokens
    run -0 client sign/ec/client client
    if [ "$ME" = 0 ]; then
        BY=$BOB fails 1 "uid $BOB may not get sign/ec/client: no rule allows it" client sign/ec/client client
    fi
}
