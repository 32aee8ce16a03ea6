#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# stunnel.bats - both ends of a tunnel with keys of the service, through reloads

setup_file()
{
    load programs
    programs_world stunnel4
    certified web/shop shop
    certified rsa/shop shop-rsa
    certified client/shop client stunnel.shop.example
    certified client-rsa/shop client-rsa stunnel.shop.example
    # What the suite itself shows to the server.
    software_certificate tester
    export PORT PORT2 INSIDE
}

setup()
{
    load programs
    # A test that failed may have left it stopped.
    [ -s "$W/keysvcd.pid" ] || start
    PORT=$(free_port) PORT2=$(free_port) INSIDE=$(free_port)
    start_inside
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

# ---------------------------------------------------------------- stunnel

# stunnel_conf [SERVER [CLIENT]]: what the manual says, with other references and certificates in the place of shop's and
# client's. Only root can become another user.
stunnel_conf()
{
    {
        echo "foreground = yes"
        echo "pid ="
        [ "$ME" != 0 ] || documented stunnel-global
        documented stunnel-server | sed -e "s|/shop\.|/${1-shop}.|" -e "s|\b8080\b|$INSIDE|"
        documented stunnel-client | sed "s|/client\.|/${2-client}.|"
    } >"$W/stunnel.conf"
    # After setuid it is read again.
    chmod 644 "$W/stunnel.conf"
}

start_stunnel()
{
    stunnel_conf "$@"
    run_stunnel
}

run_stunnel()
{
    background with_provider stunnel "$W/stunnel.conf"
    STUNNEL=$!
    wait_for said "Configuration successful"
}

# What is at the end of the tunnel.
start_inside()
{
    background socat "TCP-LISTEN:$INSIDE,bind=127.0.0.1,reuseaddr,fork" EXEC:"echo hello"
    wait_for listens "$INSIDE"
}

listens()
{
    (exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Through both ends.
tunnel()
{
    [ "$(socat -t 20 - "TCP:127.0.0.1:$PORT2" </dev/null)" = hello ]
}

serial()
{
    openssl x509 -in "$1" -noout -serial
}

# serves CERTIFICATE [OPTION...]: a handshake that meets this one.
serves()
{
    local certificate=$1
    shift
    handshake "$PORT" -cert "$W/etc/tester.crt" -key "$W/tester.key" "$@" &&
        [ "$(serial "$W/handshake")" = "$(serial "$certificate")" ]
}

# stunnel says so when it has read its file; a moment later it listens again, with what it has read.
reload_stunnel()
{
    : >"$W/program.log"
    kill -HUP "$STUNNEL"
    wait_for said "$1"
}

# ---------------------------------------------------------------- it works

@test "a tunnel with a key at each end; TLS 1.2 and 1.3" {
    start_stunnel
    tunnel
    said "Certificate accepted at depth=0: CN=stunnel.shop.example"
    said "Certificate accepted at depth=0: CN=localhost"
    serves "$W/etc/shop.crt" -tls1_3
    serves "$W/etc/shop.crt" -tls1_2
    sed -i 's/^client = yes/&\nsslVersionMax = TLSv1.2/' "$W/stunnel.conf"
    reload_stunnel "Configuration successful"
    wait_for tunnel
    # Decryption is not offered, and not agreed on.
    not handshake "$PORT" -tls1_2 -cipher AES128-GCM-SHA256
    # Nor is a client without a certificate.
    not handshake "$PORT" -tls1_2
}

@test "the same with RSA keys" {
    start_stunnel shop-rsa client-rsa
    tunnel
    serves "$W/etc/shop-rsa.crt" -tls1_3
    serves "$W/etc/shop-rsa.crt" -tls1_2 -sigalgs RSA+SHA256:ECDSA+SHA256
    sed -i 's/^client = yes/&\nsslVersionMax = TLSv1.2/' "$W/stunnel.conf"
    reload_stunnel "Configuration successful"
    wait_for tunnel
}

@test "many tunnels at once, a thread each" {
    start_stunnel
    seq 40 | xargs -P 8 -I '{}' socat -t 20 -u "TCP:127.0.0.1:$PORT2" - >"$W/answers"
    [ "$(grep -cx hello "$W/answers")" = 40 ]
}

@test "reference and certificate in one file" {
    cat "$W/etc/shop.pem" "$W/etc/shop.crt" >"$W/etc/one.crt"
    stunnel_conf one
    sed -i "/^key = .*one/d" "$W/stunnel.conf"
    run_stunnel
    serves "$W/etc/shop.crt"
}

@test "it is stunnel4 who asks the service" {
    need_root
    start_stunnel
    [ "$(stat -c %U "/proc/$STUNNEL")" = stunnel4 ]
    serves "$W/etc/shop.crt"
    audit_show --json --key web/shop | tail -n 1 >"$W/shown"
    grep -q "\"uid\":$(id -u stunnel4)" "$W/shown"
}

@test "the unit's drop-in names what is run here; without it stunnel refuses the reference" {
    documented stunnel-unit | grep -x "Environment=OPENSSL_CONF=$W/openssl.cnf"
    stunnel_conf
    fails 1 "shop.pem" timeout 20 stunnel "$W/stunnel.conf"
}

@test "in a jail that has the socket's folder, and in one that has not" {
    need_root
    mkdir -p "$W/jail$W/run"
    stunnel_conf
    sed -i "1ichroot = $W/jail" "$W/stunnel.conf"
    run_stunnel
    not serves "$W/etc/shop.crt"
    wait_for said NO_SERVICE
    kill "$STUNNEL"
    wait_for is_gone "$STUNNEL"
    : >"$W/program.log"
    background with_provider unshare --mount --propagation private -- sh -ec '
        mount --bind "$W/run" "$W/jail$W/run"
        exec stunnel "$W/stunnel.conf"'
    STUNNEL=$!
    wait_for said "Configuration successful"
    serves "$W/etc/shop.crt"
    restart_service
    serves "$W/etc/shop.crt"
    # The files are not in the jail.
    kill -HUP "$STUNNEL"
    wait_for said "Failed to reload the configuration file"
    serves "$W/etc/shop.crt"
}

# ---------------------------------------------------------------- reload

@test "HUP takes the new reference and certificate; those that are wrong leave what was" {
    certified web/next next
    start_stunnel
    serves "$W/etc/shop.crt"
    stunnel_conf next
    reload_stunnel "Configuration successful"
    wait_for serves "$W/etc/next.crt"
    cp "$W/etc/next.crt" "$W/etc/wrong.crt"
    cp "$W/etc/shop.pem" "$W/etc/wrong.pem"
    stunnel_conf wrong
    reload_stunnel "key values mismatch"
    serves "$W/etc/next.crt"
}

# ---------------------------------------------------------------- faults

@test "keysvcd is restarted, a token process is killed, and the same stunnel goes on" {
    start_stunnel
    tunnel
    restart_service
    tunnel
    kill_tokens
    tunnel
    serves "$W/etc/shop.crt" -tls1_2
}

@test "it starts while keysvcd is down, says what is missing, and serves as soon as it is there" {
    stop
    start_stunnel
    not serves "$W/etc/shop.crt"
    wait_for said "web/shop@1: NO_SERVICE"
    start
    serves "$W/etc/shop.crt"
    tunnel
}

@test "a key that is no more, and one that is another now" {
    vanished_key web/vanished vanished
    changed_key web/changed changed
    start_stunnel vanished
    not serves "$W/etc/vanished.crt"
    wait_for said "web/vanished@1: NO_KEY"
    stunnel_conf changed
    reload_stunnel "Configuration successful"
    wait_for changed_is_said
}

changed_is_said()
{
    not serves "$W/etc/changed.crt"
    said "web/changed@1: KEY_CHANGED"
}

@test "a client's key that is no more" {
    vanished_key client/vanished vanished
    start_stunnel shop vanished
    not tunnel
    wait_for said "client/vanished@1: NO_KEY"
}

@test "a certificate of another key, a reference cut short, a file that is none" {
    cp "$W/etc/shop.crt" "$W/etc/wrong.crt"
    cp "$W/etc/client.pem" "$W/etc/wrong.pem"
    stunnel_conf wrong
    fails 1 "key values mismatch" with_provider timeout 20 stunnel "$W/stunnel.conf"
    sed 3d "$W/etc/shop.pem" >"$W/etc/wrong.pem"
    fails 1 wrong.pem with_provider timeout 20 stunnel "$W/stunnel.conf"
    rm "$W/etc/wrong.pem"
    fails 1 wrong.pem with_provider timeout 20 stunnel "$W/stunnel.conf"
}

@test "a user without a rule" {
    need_root
    allowed_users
    start_stunnel
    not serves "$W/etc/shop.crt"
    wait_for said "web/shop@1: DENIED"
    allowed_users stunnel4
    serves "$W/etc/shop.crt"
}
