#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# openvpn.bats - both ends of a VPN with keys of the service, without a tunnel device

setup_file()
{
    load programs
    programs_world nobody
    certified web/shop shop
    certified rsa/shop shop-rsa
    certified client/shop client vpn.shop.example
    certified client-rsa/shop client-rsa vpn.shop.example
    export PORT
}

setup()
{
    load programs
    PORT=$(free_port)
    # A test that failed may have left it stopped.
    [ -s "$W/keysvcd.pid" ] || start
    : >"$W/server.log"
    : >"$W/client.log"
}

teardown()
{
    end_programs
    show_log_if_failed
    if [ -z "${BATS_TEST_COMPLETED-}" ]; then
        tail -n 40 "$W/server.log" "$W/client.log"
    fi
}

teardown_file()
{
    load programs
    end_world
}

# ---------------------------------------------------------------- OpenVPN

# What the manual says. Only root can become another user.
manual()
{
    documented "$1" | if [ "$ME" = 0 ]; then cat; else grep -v '^user '; fi
}

# Point to point over loopback, without a tunnel device: what is left of the manual's blocks is all about keys.
without_network()
{
    grep -vE '^(dev|server|topology) ' | sed 's/^client$/tls-client/'
    echo "dev null"
    echo "ifconfig-noexec"
    echo "route-noexec"
}

# server_conf [FILE]: with another reference and certificate in the place of shop's.
server_conf()
{
    {
        manual openvpn-server | sed "s|/shop\.|/${1-shop}.|" | without_network
        echo "tls-server"
        echo "local 127.0.0.1"
    } >"$W/server.conf"
    # It is read again after it has become nobody.
    chmod 644 "$W/server.conf"
}

client_conf()
{
    {
        manual openvpn-client | sed "s|/client\.|/${1-client}.|" | without_network
        echo "connect-retry 1 1"
        echo "server-poll-timeout 5"
    } >"$W/client.conf"
    chmod 644 "$W/client.conf"
}

start_server()
{
    server_conf "$@"
    background with_provider openvpn --config "$W/server.conf" --verb 3 --log-append "$W/server.log"
    SERVER=$!
    wait_for server_said "UDPv4 link remote"
}

# start_client [OPTION...]: another client in the place of the one before, with its configuration as it stands.
start_client()
{
    if [ -n "${CLIENT-}" ]; then
        kill "$CLIENT" || true
        wait_for is_gone "$CLIENT"
    fi
    : >"$W/client.log"
    background with_provider openvpn --config "$W/client.conf" --verb 3 --log-append "$W/client.log" "$@"
    CLIENT=$!
}

connects()
{
    start_client "$@"
    wait_for client_said "Initialization Sequence Completed"
}

server_said()
{
    grep -qF -- "$1" "$W/server.log"
}

client_said()
{
    grep -qF -- "$1" "$W/client.log"
}

# n_said TEXT: how often the server has said so.
n_said()
{
    grep -cF -- "$1" "$W/server.log" || true
}

said_more_than()
{
    [ "$(n_said "$2")" -gt "$1" ]
}

# ---------------------------------------------------------------- it works

@test "both ends with keys of the service, TLS 1.3 and 1.2" {
    start_server
    client_conf
    connects
    client_said "Control Channel: TLSv1.3"
    wait_for server_said "[vpn.shop.example] Peer Connection Initiated"
    connects --tls-version-max 1.2
    client_said "Control Channel: TLSv1.2, cipher TLSv1.2 ECDHE-ECDSA"
}

@test "the same with RSA keys" {
    start_server shop-rsa
    client_conf client-rsa
    connects
    client_said "Control Channel: TLSv1.3"
    connects --tls-version-max 1.2
    client_said "Control Channel: TLSv1.2, cipher TLSv1.2 ECDHE-RSA"
}

@test "both ends are nobody, and so is who asks the service" {
    need_root
    start_server
    client_conf
    connects
    [ "$(stat -c %U "/proc/$SERVER" "/proc/$CLIENT" | sort -u)" = nobody ]
    for key in web/shop client/shop; do
        audit_show --json --key "$key" | tail -n 1 >"$W/shown"
        grep -q "\"uid\":$(id -u nobody)" "$W/shown"
    done
}

@test "the unit's drop-in names what is run here; without it OpenVPN refuses the reference" {
    documented openvpn-unit | grep -x "Environment=OPENSSL_CONF=$W/openssl.cnf"
    server_conf
    fails 1 "shop.pem" timeout 20 openvpn --config "$W/server.conf"
    [[ $output == *"Cannot load private key file"* ]]
}

@test "the manual's configurations as they stand, with tunnel devices in a network of their own" {
    need_root
    [ -c /dev/net/tun ] || skip "no tunnel devices here"
    manual openvpn-server >"$W/server.conf"
    manual openvpn-client >"$W/client.conf"
    background with_provider unshare --net sh -ec '
        ip link set lo up
        exec openvpn --config "$W/server.conf" --verb 3 --log-append "$W/server.log"'
    SERVER=$!
    wait_for server_said "Initialization Sequence Completed"
    background with_provider nsenter --net="/proc/$SERVER/ns/net" openvpn --config "$W/client.conf" --verb 3 \
        --log-append "$W/client.log"
    CLIENT=$!
    wait_for client_said "Initialization Sequence Completed"
    nsenter --net="/proc/$SERVER/ns/net" ip -br address >"$W/addresses"
    grep -q '^tun0 .* 10.8.0.1/24' "$W/addresses"
    grep -q '^tun1 .* 10.8.0.2/24' "$W/addresses"
    # One client's failure is not the other's.
    : >"$W/server.log"
    keysvc_down_for_a_client
    server_said "web/shop@1: NO_SERVICE"
    not grep -q "process restarting" "$W/server.log"
}

keysvc_down_for_a_client()
{
    stop
    background with_provider nsenter --net="/proc/$SERVER/ns/net" openvpn --config "$W/client.conf" --dev tun2 \
        --connect-retry-max 1 --verb 3 --log-append "$W/client.log"
    wait_for server_said "web/shop@1: NO_SERVICE"
    start
}

# ---------------------------------------------------------------- reload

@test "HUP and USR1 take the new reference and certificate" {
    certified web/next next
    start_server
    client_conf
    connects
    server_conf next
    : >"$W/server.log"
    kill -HUP "$SERVER"
    wait_for server_said "UDPv4 link remote"
    connects
    signed=$(signatures_of web/next)
    [ "$signed" -gt 0 ]
    # Another key under the same name of a file.
    cp "$W/etc/shop.pem" "$W/etc/next.pem"
    cp "$W/etc/shop.crt" "$W/etc/next.crt"
    : >"$W/server.log"
    kill -USR1 "$SERVER"
    wait_for server_said "UDPv4 link remote"
    connects
    [ "$(signatures_of web/next)" = "$signed" ]
    # The two that do not match end OpenVPN; its unit starts it again.
    cp "$W/etc/client.crt" "$W/etc/next.crt"
    kill -HUP "$SERVER"
    wait_for is_gone "$SERVER"
    server_said "key values mismatch"
}

# How many signatures the token process made with a key.
signatures_of()
{
    audit_show --json --key "$1" | grep -c '"operation":"sign"'
}

# ---------------------------------------------------------------- faults

@test "an open VPN renews its keys after keysvcd was restarted and a token process killed" {
    start_server
    client_conf
    connects --reneg-sec 1
    before=$(n_said "Control Channel: TLSv1.3")
    wait_for said_more_than "$before" "Control Channel: TLSv1.3"
    restart_service
    before=$(n_said "Control Channel: TLSv1.3")
    wait_for said_more_than "$before" "Control Channel: TLSv1.3"
    kill_tokens
    before=$(n_said "Control Channel: TLSv1.3")
    wait_for said_more_than "$before" "Control Channel: TLSv1.3"
    [ "$(n_said "Initialization Sequence Completed")" = 1 ]
}

@test "it starts while keysvcd is down, says what is missing, and serves as soon as it is there" {
    stop
    start_server
    client_conf
    start_client
    wait_for server_said "web/shop@1: NO_SERVICE"
    start
    connects
}

@test "a key that is no more, and one that is another now" {
    vanished_key web/vanished vanished
    changed_key web/changed changed
    start_server vanished
    client_conf
    start_client
    wait_for server_said "web/vanished@1: NO_KEY"
    kill "$SERVER"
    wait_for is_gone "$SERVER"
    : >"$W/server.log"
    start_server changed
    start_client
    wait_for server_said "web/changed@1: KEY_CHANGED"
}

@test "a client's key that is no more" {
    vanished_key client/vanished vanished
    start_server
    client_conf vanished
    start_client
    wait_for client_said "client/vanished@1: NO_KEY"
}

@test "a certificate of another key, a reference cut short, a file that is none" {
    cp "$W/etc/shop.crt" "$W/etc/wrong.crt"
    cp "$W/etc/client.pem" "$W/etc/wrong.pem"
    server_conf wrong
    fails 1 "key values mismatch" with_provider timeout 20 openvpn --config "$W/server.conf"
    sed 3d "$W/etc/shop.pem" >"$W/etc/wrong.pem"
    fails 1 wrong.pem with_provider timeout 20 openvpn --config "$W/server.conf"
    rm "$W/etc/wrong.pem"
    fails 1 wrong.pem with_provider timeout 20 openvpn --config "$W/server.conf"
}

@test "a user without a rule" {
    need_root
    allowed_users
    start_server
    client_conf
    start_client
    wait_for server_said "web/shop@1: DENIED"
    allowed_users nobody
    connects
}
