#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# nginx.bats - nginx with an EC and an RSA key, as a server and as a client of another, through reloads and rotations

setup_file()
{
    load programs
    load web
    programs_world www-data
    certified web/shop shop
    certified rsa/shop shop-rsa
    certified client/nginx nginx-client nginx.shop.example
    software_certificate backend
    mkdir -m 755 "$W/nginx"
    export PORT PORT2 PLAIN
}

setup()
{
    load programs
    load web
    serving
    openssl_conf
    PORT=$(free_port) PORT2=$(free_port) PLAIN=$(free_port)
    rm -f "$W/nginx/error.log" "$W/nginx/pid"
}

teardown()
{
    # Whatever an upgrade left running.
    [ ! -s "$W/nginx/pid" ] || cat "$W/nginx/pid" >>"$W/program.pids"
    end_programs
    show_log_if_failed
    if [ -z "${BATS_TEST_COMPLETED-}" ] && [ -s "$W/nginx/error.log" ]; then
        tail -n 20 "$W/nginx/error.log"
    fi
}

teardown_file()
{
    load programs
    end_world
}

# ---------------------------------------------------------------- nginx

# nginx.conf with what docs/programs.md says in it; around it a server without TLS and the one behind the proxy, whose key
# is in software. `nginx_conf FILE`: the server's EC key and certificate are FILE's instead of shop's.
nginx_conf()
{
    {
        documented nginx-main
        # The same for the sanitizer's runtime.
        [ -z "${KEYSVC_SANITIZED-}" ] || printf 'env LD_PRELOAD;\nenv ASAN_OPTIONS;\n'
        echo "worker_processes 2;"
        [ "$ME" != 0 ] || echo "user www-data;"
        echo "pid $W/nginx/pid;"
        echo "error_log $W/nginx/error.log;"
        echo "events {}"
        echo "http {"
        echo "    access_log off;"
        for kind in client_body proxy fastcgi uwsgi scgi; do
            echo "    ${kind}_temp_path $W/nginx/$kind;"
        done
        documented nginx-server | sed "s|/shop\.|/${1-shop}.|"
        echo "    server {"
        echo "        listen $PLAIN;"
        echo '        location / { return 200 "plain\n"; }'
        documented nginx-proxy
        echo "    }"
        echo "    server {"
        echo "        listen $PORT2 ssl;"
        echo "        ssl_certificate $W/etc/backend.crt;"
        echo "        ssl_certificate_key $W/backend.key;"
        echo "        ssl_protocols TLSv1.2 TLSv1.3;"
        echo "        ssl_client_certificate $W/etc/ca.crt;"
        echo "        ssl_verify_client on;"
        echo '        location / { return 200 "hello $ssl_client_s_dn by $ssl_protocol\n"; }'
        echo "    }"
        echo "}"
    } >"$W/nginx/nginx.conf"
}

# By its path, as an upgrade executes it again.
nginx_with_conf()
{
    with_provider "$(command -v nginx)" -e stderr -c "$W/nginx/nginx.conf" "$@"
}

# start_nginx [FILE]: as nginx_conf.
start_nginx()
{
    nginx_conf "$@"
    background with_provider nginx -e stderr -c "$W/nginx/nginx.conf" -g "daemon off;"
    NGINX=$!
    wait_for answers
}

answers()
{
    [ "$(request "http://localhost:$PLAIN/")" = plain ]
}

logged()
{
    grep -qF -- "$1" "$W/nginx/error.log"
}

workers()
{
    pgrep -P "$NGINX" -x nginx
}

# Waits until no worker of before is left.
reload()
{
    local old
    old=$(workers)
    nginx_with_conf -s reload
    wait_for workers_are_others_than "$old"
}

workers_are_others_than()
{
    local worker
    [ -n "$(workers)" ] || return 1
    for worker in $1; do
        is_gone "$worker" || return 1
    done
}

# ---------------------------------------------------------------- it works

@test "two certificates, TLS 1.2 and 1.3, clients that ask for each" {
    start_nginx
    serves_both_kinds
    [ "$(request "https://localhost:$PORT/")" = hello ]
}

@test "the workers are www-data, and so is who asks the service" {
    need_root
    start_nginx
    wait_for two_workers_of_www_data
    request "https://localhost:$PORT/"
    audit_show --json --key web/shop | tail -n 1 >"$W/shown"
    grep -q "\"uid\":$(id -u www-data)" "$W/shown"
}

two_workers_of_www_data()
{
    [ "$(workers | sed 's|^|/proc/|' | xargs stat -c %U | tr '\n' ' ')" = "www-data www-data " ]
}

@test "a client of a server that wants a certificate" {
    start_nginx
    [ "$(request "http://localhost:$PLAIN/backend")" = "hello CN=nginx.shop.example by TLSv1.3" ]
    sed -i 's/\(proxy_ssl_protocols *\).*/\1TLSv1.2;/' "$W/nginx/nginx.conf"
    reload
    [ "$(request "http://localhost:$PLAIN/backend")" = "hello CN=nginx.shop.example by TLSv1.2" ]
    # Without one it is no client of that server.
    [[ "$(request --connect-to "localhost:$PORT2:127.0.0.1:$PORT2" "https://localhost:$PORT2/")" == *"No required SSL certificate"* ]]
}

# ---------------------------------------------------------------- the variable

@test "the unit's drop-in names what is run here; without it nginx says that it cannot read the reference" {
    documented nginx-unit | grep -x "Environment=OPENSSL_CONF=$W/openssl.cnf"
    nginx_conf
    fails 1 "shop.pem" nginx -t -e stderr -c "$W/nginx/nginx.conf"
    [[ $output == *"DECODER routines::unsupported:No supported data to decode"* ]]
    # Whatever reads the configuration needs it, to send a signal as well.
    fails 1 "DECODER routines::unsupported" nginx -s stop -e stderr -c "$W/nginx/nginx.conf"
    nginx_with_conf -t
}

@test "workers need no variable; the upgrade of a running nginx does" {
    start_daemon
    # With `env OPENSSL_CONF;` the new program takes over.
    old=$NGINX
    kill -USR2 "$old"
    wait_for new_master
    NGINX=$(cat "$W/nginx/pid")
    echo "$NGINX" >>"$W/program.pids"
    kill -QUIT "$old"
    wait_for is_gone "$old"
    serves "$W/etc/shop.crt"
    # Without it the new one ends at the reference and the old one serves on.
    sed -i '/^env OPENSSL_CONF;/d' "$W/nginx/nginx.conf"
    reload
    serves "$W/etc/shop.crt"
    kill -USR2 "$NGINX"
    wait_for logged "shop.pem"
    wait_for no_new_master
    serves "$W/etc/shop.crt"
}

# As a daemon: nginx that stayed its parent's child takes no upgrade.
start_daemon()
{
    nginx_conf
    nginx_with_conf 3>&-
    wait_for answers
    NGINX=$(cat "$W/nginx/pid")
    echo "$NGINX" >>"$W/program.pids"
}

# USR2 has started one.
new_master()
{
    [ -s "$W/nginx/pid.oldbin" ] && [ -s "$W/nginx/pid" ]
}

no_new_master()
{
    [ ! -e "$W/nginx/pid.oldbin" ] && [ "$(cat "$W/nginx/pid")" = "$NGINX" ]
}

# ---------------------------------------------------------------- reload and rotation

@test "a rotation with its new certificate loses no request, and the old version can go" {
    start_nginx
    start_requests
    cd "$W"
    documented nginx-rotate | sed s/DNS:shop.example/DNS:localhost/ >rotate
    sh -e rotate
    issue shop.csr etc/shop.crt.new
    chmod 644 etc/shop.pem*
    old=$(workers)
    serves etc/shop.crt
    documented nginx-replace | sed "s/^systemctl reload nginx/kill -HUP $NGINX/" >replace
    sh -e replace
    wait_for workers_are_others_than "$old"
    serves etc/shop.crt
    keysvc key destroy web/shop@1 --yes
    end_requests
    [ "$(seen tls1.3)" = 2 ]
    [ "$(seen ecdsa)" = 2 ]
    [ "$(seen rsa)" = 1 ]
    # Those of the last requests are the new one's.
    [ "$(last_seen ecdsa)" = "$(serial etc/shop.crt)" ]
}

@test "reloads alone lose no request, and one in the middle of a replacement keeps what was" {
    certified web/next next
    start_nginx
    start_requests
    for _ in 1 2 3; do
        reload
    done
    # The reference is new, the certificate not yet.
    old=$(workers)
    cp "$W/etc/shop.pem" "$W/shop.pem.kept"
    cp "$W/etc/next.pem" "$W/etc/shop.pem"
    kill -HUP "$NGINX"
    wait_for logged "key values mismatch"
    [ "$(workers)" = "$old" ]
    mv "$W/shop.pem.kept" "$W/etc/shop.pem"
    chmod 644 "$W/etc/shop.pem"
    end_requests
    [ "$(seen ecdsa)" = 1 ]
}

# ---------------------------------------------------------------- faults

@test "a killed token process costs no request, nor does a killed front" {
    start_nginx
    start_requests
    kill_tokens
    kill_tokens
    front=$(front_pid)
    kill -KILL "$front"
    wait_for is_gone "$front"
    wait_ready
    end_requests
    serves "$W/etc/shop.crt"
}

@test "keysvcd is restarted, and the same nginx goes on, without a lost request" {
    start_nginx
    start_requests
    wait_for all_asked 2
    restart_service
    end_requests
    serves "$W/etc/shop.crt"
    served -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
}

@test "nginx starts while keysvcd is down, says what is missing, and serves as soon as it is there" {
    stop
    start_nginx
    not handshake "$PORT"
    wait_for logged "web/shop@"
    wait_for logged NO_SERVICE
    start
    serves "$W/etc/shop.crt"
}

@test "a stuck daemon holds a worker no longer than the time that openssl.cnf says" {
    echo "timeout = 2s" >>"$W/openssl.cnf"
    start_nginx
    serves "$W/etc/shop.crt"
    held_for_the_timeout
}

@test "a key that is no more, and one that is another now" {
    vanished_key web/vanished vanished
    changed_key web/changed changed
    start_nginx vanished
    not handshake "$PORT" -tls1_3 -sigalgs ECDSA+SHA256
    wait_for logged "web/vanished@1"
    wait_for logged NO_KEY
    # The other key serves on.
    served -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
    nginx_conf changed
    reload
    not handshake "$PORT" -tls1_3 -sigalgs ECDSA+SHA256
    wait_for logged "web/changed@1"
    wait_for logged KEY_CHANGED
}

@test "a user without a rule" {
    need_root
    allowed_users
    start_nginx
    not handshake "$PORT"
    wait_for logged "web/shop@"
    wait_for logged DENIED
    allowed_users www-data
    serves "$W/etc/shop.crt"
}

@test "nginx -t: a certificate of another key, a reference cut short, a file that is none" {
    cp "$W/etc/nginx-client.pem" "$W/etc/wrong.pem"
    cp "$W/etc/shop.crt" "$W/etc/wrong.crt"
    nginx_conf wrong
    fails 1 "key values mismatch" nginx_with_conf -t
    sed 3d "$W/etc/shop.pem" >"$W/etc/wrong.pem"
    fails 1 wrong.pem nginx_with_conf -t
    echo nonsense >"$W/etc/wrong.pem"
    fails 1 wrong.pem nginx_with_conf -t
    rm "$W/etc/wrong.pem"
    fails 1 "No such file" nginx_with_conf -t
    nginx_conf
    nginx_with_conf -t
}
