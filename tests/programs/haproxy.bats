#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# haproxy.bats - HAProxy with an EC and an RSA key: master and worker, in a jail, as a client of its servers, through reloads

setup_file()
{
    load programs
    programs_world haproxy
    certified web/shop shop
    certified rsa/shop shop-rsa
    certified client/haproxy client haproxy.shop.example
    documented haproxy-bundle | sh -e
    cat "$W/etc/client.crt" "$W/etc/client.pem" >"$W/etc/client-bundle.pem"
    export PORT PORT2
}

setup()
{
    load programs
    # A test that failed may have left it stopped.
    [ -s "$W/keysvcd.pid" ] || start
    PORT=$(free_port) PORT2=$(free_port)
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

# ---------------------------------------------------------------- haproxy

# haproxy_conf SECTION [BUNDLE]: what the manual says, with another bundle in the place of the EC key's. Only root can be
# another user.
haproxy_conf()
{
    {
        documented haproxy-global
        documented "haproxy-$1" | sed "s|/shop-bundle|/${2-shop-bundle}|"
    } >"$W/haproxy.cfg"
    [ "$ME" = 0 ] || sed -i -E '/^ *(user|group) haproxy$/d' "$W/haproxy.cfg"
}

# One more line in `global`.
global_option()
{
    sed -i "s|^global\$|&\n    $1|" "$W/haproxy.cfg"
}

# start_haproxy SECTION [BUNDLE]: as its unit starts it, in the foreground.
start_haproxy()
{
    haproxy_conf "$@"
    run_haproxy
}

run_haproxy()
{
    background with_provider haproxy -W -f "$W/haproxy.cfg" "$@"
    HAPROXY=$!
    wait_for said "Loading success"
}

# The configuration as it stands, in a mount namespace of its own where $W/jail may be given the socket's folder.
run_jailed()
{
    background with_provider unshare --mount --propagation private -- sh -ec "$1"'
        exec haproxy -W -f "$W/haproxy.cfg"' jail
    HAPROXY=$!
    wait_for said "Loading success"
}

workers()
{
    pgrep -P "$HAPROXY" -x haproxy
}

request()
{
    curl -sS --noproxy '*' --cacert "$W/etc/ca.crt" --max-time 30 "$@"
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
    handshake "$PORT" "$@" && [ "$(serial "$W/handshake")" = "$(serial "$certificate")" ]
}

ec()
{
    serves "$W/etc/${1-shop}.crt" -sigalgs ECDSA+SHA256
}

# ---------------------------------------------------------------- it works

@test "both bundles, reference first and last, TLS 1.2 and 1.3, clients that ask for each" {
    start_haproxy frontend
    serves "$W/etc/shop.crt" -tls1_3 -sigalgs ECDSA+SHA256
    # To HAProxy a client knows RSA if it names PKCS#1 v1.5, which TLS 1.3 does not use for signatures any more.
    serves "$W/etc/shop-rsa.crt" -tls1_3 -sigalgs rsa_pss_rsae_sha256:RSA+SHA256
    serves "$W/etc/shop.crt" -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256
    serves "$W/etc/shop-rsa.crt" -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
    serves "$W/etc/shop-rsa.crt" -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 -sigalgs RSA+SHA256
    [ "$(request "https://localhost:$PORT/")" = hello ]
    # Decryption is not offered, and not agreed on.
    not handshake "$PORT" -tls1_2 -cipher AES128-GCM-SHA256
    grep -q 'alert handshake failure' "$W/handshake"
}

@test "many clients at once, two threads" {
    haproxy_conf frontend
    global_option "nbthread 2"
    run_haproxy
    seq 40 | xargs -P 8 -I '{}' curl -sS --noproxy '*' --cacert "$W/etc/ca.crt" --max-time 30 \
        "https://localhost:$PORT/{}" >"$W/answers"
    [ "$(grep -o hello "$W/answers" | wc -l)" = 40 ]
}

# The master says that it has begun before its worker gives up root.
worker_is_haproxy()
{
    [ "$(stat -c %U "/proc/$(workers)")" = haproxy ]
}

worker_is_in_jail()
{
    [ "$(readlink "/proc/$(workers)/root")" = "$W/jail" ]
}

@test "the worker is haproxy, and so is who asks the service" {
    need_root
    start_haproxy frontend
    wait_for worker_is_haproxy
    ec
    audit_show --json --key web/shop | tail -n 1 >"$W/shown"
    grep -q "\"uid\":$(id -u haproxy)" "$W/shown"
}

@test "the variable is in the file that Debian's unit reads; without it the bundle is refused" {
    documented haproxy-environment | grep -x "OPENSSL_CONF=$W/openssl.cnf"
    grep -qx 'EnvironmentFile=-/etc/default/haproxy' /lib/systemd/system/haproxy.service
    haproxy_conf frontend
    fails 1 "shop-bundle.pem" haproxy -c -f "$W/haproxy.cfg"
    [[ $output == *"No Private Key found in"* ]]
    with_provider haproxy -c -f "$W/haproxy.cfg"
}

@test "a client of a server that wants a certificate, TLS 1.2 and 1.3" {
    software_certificate inside
    start_haproxy backend
    for version in 1_3 1_2; do
        background openssl s_server -accept "127.0.0.1:$PORT2" -cert "$W/etc/inside.crt" -key "$W/inside.key" \
            -CAfile "$W/etc/ca.crt" -Verify 1 -verify_return_error "-tls$version" -www
        server=$!
        wait_for asks_inside
        grep -q "Subject: CN.*haproxy.shop.example" "$W/answer"
        grep -q "Peer signature type: ECDSA" "$W/answer"
        grep -q "TLSv${version/_/.}" "$W/answer"
        kill "$server"
        wait_for is_gone "$server"
    done
}

asks_inside()
{
    request "http://localhost:$PORT/" >"$W/answer" && grep -q "^    Protocol" "$W/answer"
}

@test "the reference in a file of its own beside the certificate" {
    mkdir "$W/etc/beside"
    cp "$W/etc/shop.crt" "$W/etc/beside/shop.crt"
    cp "$W/etc/shop.pem" "$W/etc/beside/shop.key"
    haproxy_conf frontend
    global_option ssl-load-extra-del-ext
    sed -i "s|crt .*|crt $W/etc/beside/shop.crt|" "$W/haproxy.cfg"
    run_haproxy
    ec
}

# ---------------------------------------------------------------- chroot

@test "in a jail that has the socket's folder; keysvcd may be restarted" {
    need_root
    mkdir -p "$W/jail"
    documented haproxy-chroot | sed -e "s|/run/keysvc|$W/run|g" -e "s|/var/lib/haproxy|$W/jail|g" >"$W/make-jail"
    grep -qF "mount --bind $W/run $W/jail$W/run" "$W/make-jail"
    haproxy_conf frontend
    global_option "chroot $W/jail"
    run_jailed '. "$W/make-jail"'
    wait_for worker_is_in_jail
    ec
    restart_service
    ec
}

@test "the unit's drop-in is one that systemd takes" {
    mkdir -p "$W/units/haproxy.service.d"
    cp /lib/systemd/system/haproxy.service "$W/units"
    documented haproxy-unit >"$W/units/haproxy.service.d/keysvc.conf"
    # What it does not know it only remarks.
    systemd-analyze verify --man=no "$W/units/haproxy.service" >"$W/verified" 2>&1
    not grep keysvc.conf "$W/verified"
}

@test "in a jail without it: it starts, and says what is missing at each handshake" {
    need_root
    mkdir -p "$W/empty"
    haproxy_conf frontend
    global_option "chroot $W/empty"
    run_jailed ''
    not handshake "$PORT"
    wait_for said "web/shop@1: NO_SERVICE"
}

# ---------------------------------------------------------------- reload and rotation

# rotated: another version of the key, its bundle put in place.
rotated()
{
    certified web/next next
    cp "$W/etc/shop-bundle.pem" "$W/shop-bundle.kept"
    cat "$W/etc/next.pem" "$W/etc/next.crt" >"$W/etc/shop-bundle.pem.new"
    mv "$W/etc/shop-bundle.pem.new" "$W/etc/shop-bundle.pem"
}

unrotated()
{
    mv "$W/shop-bundle.kept" "$W/etc/shop-bundle.pem"
}

worker_is_another_than()
{
    local now
    now=$(workers) && [ -n "$now" ] && is_gone "$1"
}

@test "USR2 to the master takes the new bundle; one that is wrong leaves what was" {
    start_haproxy frontend
    ec
    rotated
    worker=$(workers)
    kill -USR2 "$HAPROXY"
    wait_for worker_is_another_than "$worker"
    wait_for ec next
    # The certificate of another key.
    cat "$W/etc/shop.crt" "$W/etc/next.pem" >"$W/etc/shop-bundle.pem"
    kill -USR2 "$HAPROXY"
    wait_for said "inconsistencies between private key and certificate"
    ec next
    unrotated
}

@test "-sf: a new process takes over from the old one" {
    haproxy_conf frontend
    background with_provider haproxy -db -f "$W/haproxy.cfg"
    old=$!
    wait_for ec
    rotated
    background with_provider haproxy -db -f "$W/haproxy.cfg" -sf "$old"
    wait_for is_gone "$old"
    ec next
    unrotated
}

@test "through the admin socket, without a reload" {
    haproxy_conf frontend
    global_option "stats socket $W/admin.sock level admin"
    run_haproxy
    ec
    worker=$(workers)
    certified web/next new
    documented haproxy-rotate | sed "s|/run/haproxy/admin.sock|$W/admin.sock|" >"$W/rotate"
    sh -e "$W/rotate" >"$W/rotated"
    grep -q 'Success!' "$W/rotated"
    ec new
    [ "$(workers)" = "$worker" ]
}

# ---------------------------------------------------------------- faults

@test "keysvcd is restarted, a token process is killed, and the same worker goes on" {
    start_haproxy frontend
    worker=$(workers)
    ec
    restart_service
    ec
    serves "$W/etc/shop-rsa.crt" -tls1_2 -sigalgs RSA+SHA256
    kill_tokens
    ec
    [ "$(workers)" = "$worker" ]
}

@test "it starts while keysvcd is down, says what is missing, and serves as soon as it is there" {
    stop
    start_haproxy frontend
    not handshake "$PORT" -sigalgs ECDSA+SHA256
    wait_for said "web/shop@1: NO_SERVICE"
    start
    ec
}

@test "a key that is no more, and one that is another now" {
    vanished_key web/vanished vanished
    changed_key web/changed changed
    for file in vanished changed; do
        cat "$W/etc/$file.crt" "$W/etc/$file.pem" >"$W/etc/$file-bundle.pem"
    done
    start_haproxy frontend vanished-bundle
    not handshake "$PORT" -sigalgs ECDSA+SHA256
    wait_for said "web/vanished@1: NO_KEY"
    # The other key serves on.
    serves "$W/etc/shop-rsa.crt" -sigalgs rsa_pss_rsae_sha256:RSA+SHA256
    haproxy_conf frontend changed-bundle
    worker=$(workers)
    kill -USR2 "$HAPROXY"
    wait_for worker_is_another_than "$worker"
    not handshake "$PORT" -sigalgs ECDSA+SHA256
    wait_for said "web/changed@1: KEY_CHANGED"
}

@test "a client's key that is no more" {
    vanished_key client/vanished vanished
    cat "$W/etc/vanished.crt" "$W/etc/vanished.pem" >"$W/etc/client-vanished.pem"
    software_certificate inside
    background openssl s_server -accept "127.0.0.1:$PORT2" -cert "$W/etc/inside.crt" -key "$W/inside.key" \
        -CAfile "$W/etc/ca.crt" -Verify 1 -verify_return_error -www
    wait_for said ACCEPT
    haproxy_conf backend
    # Without waiting a second before each retry.
    sed -i 's|/client-bundle|/client-vanished|; s|^listen.*|&\n    retries 0|' "$W/haproxy.cfg"
    run_haproxy
    [[ $(request "http://localhost:$PORT/") == *503* ]]
    wait_for said "client/vanished@1: NO_KEY"
}

@test "a certificate of another key, a reference cut short, a file that is none" {
    haproxy_conf frontend wrong-bundle
    cat "$W/etc/shop.crt" "$W/etc/client.pem" >"$W/etc/wrong-bundle.pem"
    fails 1 "inconsistencies between private key and certificate" with_provider haproxy -c -f "$W/haproxy.cfg"
    sed 3d "$W/etc/shop-bundle.pem" >"$W/etc/wrong-bundle.pem"
    fails 1 wrong-bundle.pem with_provider haproxy -c -f "$W/haproxy.cfg"
    sed '$d' "$W/etc/shop-bundle.pem" >"$W/etc/wrong-bundle.pem"
    fails 1 wrong-bundle.pem with_provider haproxy -c -f "$W/haproxy.cfg"
    rm "$W/etc/wrong-bundle.pem"
    fails 1 wrong-bundle.pem with_provider haproxy -c -f "$W/haproxy.cfg"
}

@test "a user without a rule" {
    need_root
    allowed_users
    start_haproxy frontend
    not handshake "$PORT" -sigalgs ECDSA+SHA256
    wait_for said "web/shop@1: DENIED"
    allowed_users haproxy
    ec
}
