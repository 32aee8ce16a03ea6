#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# nss.bats - NSS: modutil, certutil, cmsutil, and a TLS server of NSS's own that stays while the service comes and goes

setup_file()
{
    load programs
    programs_world
    # NSS mixes certificates of one subject up.
    certified_on_token sign/ec/shop shop ec.shop.example
    certified_on_token sign/p384/shop p384 p384.shop.example
    certified_on_token sign/rsa/shop rsa rsa.shop.example
    certified_on_token web/shop web web.shop.example
    documented nss-database >"$W/database.sh"
    with_module bash "$W/database.sh"
    chmod -R a+rwX "$W/etc/nssdb"
    cp "$W/data" "$W/home/shop.txt"
    chmod 777 "$W/home"
}

setup()
{
    load programs
    serving
    rm -f "$W/home/shop.csr" "$W/home/shop.p7s"
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

# script NAME [KEY]: as docs/programs.md has it, with another key than sign/ec/shop@1.
script()
{
    documented "nss-$1" | sed "s|keysvc:sign/ec/shop@1|${2-keysvc:sign/ec/shop@1}|" >"$W/$1.sh"
}

nss_as()
{
    local uid=$1
    shift
    script "$@"
    cd "$W/home"
    with_module as "$uid" bash "$W/$1.sh"
}

# serve KEY: until it answers; another process may take the port before.
serve()
{
    local try
    for try in 1 2 3; do
        PORT=$(free_port)
        script server "$1"
        background with_module as "$ALICE" bash "$W/server.sh"
        if PATIENCE=20 wait_for listening; then
            return 0
        fi
    done
    return 1
}

listening()
{
    (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null
}

# A request with a key, signed with it.
requested()
{
    openssl req -in "$W/home/shop.csr" -noout -verify
    cmp <(openssl req -in "$W/home/shop.csr" -noout -pubkey) <(keysvc key public "$1")
    rm "$W/home/shop.csr"
}

# A message that openssl verifies, of that key.
signed()
{
    openssl cms -verify -inform DER -in "$W/home/shop.p7s" -CAfile "$W/etc/ca.crt" -purpose any \
        -signer "$W/signer.crt" -out "$W/content"
    cmp "$W/content" "$W/home/shop.txt"
    cmp <(openssl x509 -in "$W/signer.crt" -noout -pubkey) <(keysvc key public "$1")
}

# for_mail KEY: another certificate, of a kind that NSS signs messages with.
for_mail()
{
    keysvc csr "$1" --common-name "${1//\//-}.shop.example" --out-file "$W/mail.csr"
    openssl x509 -req -in "$W/mail.csr" -CA "$W/etc/ca.crt" -CAkey "$W/ca.key" -days 30 -out "$W/mail.crt" \
        -extfile <(echo extendedKeyUsage=emailProtection) 2>/dev/null
    keysvc key certificate "$1" put --in "$W/mail.crt"
}

# The last handshake was with this key.
with_key()
{
    cmp <(openssl x509 -in "$W/handshake" -noout -pubkey) <(keysvc key public "$1")
}

@test "modutil knows the module, certutil lists keys and certificates" {
    with_module as "$ALICE" modutil -dbdir "sql:$W/etc/nssdb" -list >"$W/list"
    grep -A5 '2\. keysvc' "$W/list" | grep 'status: loaded'
    grep 'token: keysvc' "$W/list"
    nss_as "$ALICE" list >"$W/list"
    grep 'keysvc:sign/ec/shop@1 .*u,u,u' "$W/list"
    grep ' ec  .* sign/ec/shop@1$' "$W/list"
    grep ' rsa .* sign/rsa/shop@1$' "$W/list"
}

@test "certutil makes a request with keys of purpose sign" {
    nss_as "$ALICE" request
    requested sign/ec/shop
    nss_as "$ALICE" request keysvc:sign/p384/shop@1
    requested sign/p384/shop
    # By its nickname NSS looks for an RSA key under the SHA-1 of its modulus.
    fails 255 'keysvc:sign/rsa/shop@1 is neither' nss_as "$ALICE" request keysvc:sign/rsa/shop@1
    nss_as "$ALICE" request "$(nss_as "$ALICE" list | sed -n 's|.* rsa *\([0-9a-f]*\) *sign/rsa/shop@1$|\1|p')"
    requested sign/rsa/shop
}

@test "cmsutil signs a message, if the certificate is good for e-mail" {
    local key
    for key in sign/ec/mail sign/rsa/mail; do
        keysvc key generate "$key"
        for_mail "$key"
        nss_as "$ALICE" sign "keysvc:$key@1"
        signed "$key"
    done
    fails 1 'the corresponding cert for key "keysvc:sign/ec/shop@1" does not exist' nss_as "$ALICE" sign
}

@test "a server of NSS's serves TLS 1.3 and 1.2 with EC and RSA keys of purpose sign" {
    local key
    for key in sign/ec/shop sign/p384/shop sign/rsa/shop; do
        serve "keysvc:$key@1"
        handshake "$PORT" -tls1_3
        handshake "$PORT" -tls1_2
        with_key "$key"
        end_programs
    done
}

# NSS hashes before it asks, and a TLS key signs no digest.
@test "a TLS key is refused and named" {
    serve keysvc:web/shop@1
    not handshake "$PORT"
    wait_for said 'keysvc-pkcs11: web/shop@1: purpose tls-server'
    fails 255 'keysvc-pkcs11: web/shop@1: purpose tls-server' nss_as "$ALICE" request keysvc:web/shop@1
}

@test "the same server goes on after keysvcd is restarted and after its token process is killed" {
    serve keysvc:sign/ec/shop@1
    handshake "$PORT"
    restart_service
    handshake "$PORT"
    kill_tokens
    handshake "$PORT"
}

@test "a stopped service is named; the server that was running goes on when it is back" {
    serve keysvc:sign/ec/shop@1
    handshake "$PORT"
    stop
    not handshake "$PORT"
    wait_for said "keysvc-pkcs11: sign/ec/shop@1: $KEYSVC_SOCKET"
    fails 255 "$KEYSVC_SOCKET" nss_as "$ALICE" request
    start
    handshake "$PORT"
}

@test "a rule that is taken away fails the handshake and is named; given back, the server goes on" {
    need_root
    serve keysvc:sign/ec/shop@1
    handshake "$PORT"
    no_users
    not handshake "$PORT"
    wait_for said "keysvc-pkcs11: sign/ec/shop@1: uid $ALICE may not sign"
    allowed_users
    handshake "$PORT"
}

@test "a user without a rule finds no key" {
    need_root
    fails 255 'sign/ec/shop@1 is neither' nss_as "$BOB" request
}

@test "a wrong name finds no key; a key that vanished or is another now is named" {
    fails 255 'sign/ec/none@1 is neither' nss_as "$ALICE" request keysvc:sign/ec/none@1
    certified_on_token sign/ec/gone gone gone.shop.example
    certified_on_token sign/ec/changed changed changed.shop.example
    serve keysvc:sign/ec/gone@1
    handshake "$PORT"
    keysvc key destroy sign/ec/gone@1 --yes
    not handshake "$PORT"
    wait_for said 'keysvc-pkcs11: sign/ec/gone@1: no key'
    end_programs
    serve keysvc:sign/ec/changed@1
    handshake "$PORT" # it listens before it has looked for its certificate
    keysvc key destroy sign/ec/changed@1 --yes
    keysvc key generate sign/ec/changed
    not handshake "$PORT"
    wait_for said 'keysvc-pkcs11: sign/ec/changed@1 on token main is another key'
}

@test "NSS makes no key on the token and removes none" {
    head -c 64 "$W/ca.key" >"$W/noise"
    chmod 644 "$W/noise"
    fails 255 'unable to generate key' with_module as "$ALICE" certutil -G -d "sql:$W/etc/nssdb" -h keysvc -k ec \
        -q nistp256 -z "$W/noise"
    # It says nothing, and the key is where it was.
    with_module as "$ALICE" certutil -F -d "sql:$W/etc/nssdb" -h keysvc -n keysvc:sign/ec/shop@1
    nss_as "$ALICE" request
}
