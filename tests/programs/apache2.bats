#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# apache2.bats - Apache's MPM event with an EC and an RSA key, through graceful reloads and a rotation

setup_file()
{
    load programs
    load web
    programs_world www-data
    certified web/shop shop
    certified rsa/shop shop-rsa
    certified client/apache apache-client apache.shop.example
    mkdir -m 755 "$W/apache" "$W/apache/html"
    echo hello >"$W/apache/html/index.html"
    export PORT PORT2
}

setup()
{
    load programs
    load web
    serving
    openssl_conf
    PORT=$(free_port) PORT2=$(free_port)
    rm -f "$W/apache/error.log" "$W/apache/pid"
}

teardown()
{
    end_programs
    show_log_if_failed
    if [ -z "${BATS_TEST_COMPLETED-}" ] && [ -s "$W/apache/error.log" ]; then
        tail -n 20 "$W/apache/error.log"
    fi
}

teardown_file()
{
    load programs
    end_world
}

# ---------------------------------------------------------------- Apache

# A ServerRoot of our own around what docs/programs.md says. `apache_conf FILE`: the server's EC key and certificate are FILE's
# instead of shop's. Two children of few threads each.
apache_conf()
{
    local name
    {
        for name in mpm_event authz_core dir ssl proxy proxy_http; do
            echo "LoadModule ${name}_module /usr/lib/apache2/modules/mod_$name.so"
        done
        [ "$ME" != 0 ] || printf 'User www-data\nGroup www-data\n'
        echo "ServerRoot $W/apache"
        echo "DefaultRuntimeDir $W/apache"
        echo "PidFile $W/apache/pid"
        echo "ErrorLog $W/apache/error.log"
        echo "ServerName localhost"
        printf 'StartServers 2\nServerLimit 4\nThreadsPerChild 8\nMinSpareThreads 1\nMaxRequestWorkers 32\n'
        documented apache-server | sed -e "s|/shop\.|/${1-shop}.|" -e "s|/var/www/html|$W/apache/html|"
    } >"$W/apache/apache2.conf"
}

apache_with_conf()
{
    with_provider apache2 -f "$W/apache/apache2.conf" "$@"
}

# start_apache [FILE]: as apache_conf.
start_apache()
{
    apache_conf "$@"
    background with_provider apache2 -f "$W/apache/apache2.conf" -D FOREGROUND
    APACHE=$!
    wait_for logged "resuming normal operations"
}

graceful()
{
    local old
    old=$(children)
    apache_with_conf -k graceful
    wait_for children_are_others_than "$old"
}

children()
{
    pgrep -P "$APACHE" -x apache2
}

children_are_others_than()
{
    local child
    [ -n "$(children)" ] || return 1
    for child in $1; do
        is_gone "$child" || return 1
    done
}

logged()
{
    grep -qF -- "$1" "$W/apache/error.log"
}

# ---------------------------------------------------------------- it works

@test "two certificates, TLS 1.2 and 1.3, clients that ask for each" {
    start_apache
    serves_both_kinds
    [ "$(request "https://localhost:$PORT/")" = hello ]
}

@test "the children are www-data, and so is who asks the service" {
    need_root
    start_apache
    wait_for children_are_www_data
    request "https://localhost:$PORT/"
    audit_show --json --key web/shop | tail -n 1 >"$W/shown"
    grep -q "\"uid\":$(id -u www-data)" "$W/shown"
}

children_are_www_data()
{
    [ "$(children | sed 's|^|/proc/|' | xargs stat -c %U | sort -u)" = www-data ]
}

@test "apachectl and its envvars; without the variable Apache does not start and says why" {
    apache_conf
    documented apache-envvars >"$W/apache/envvars"
    grep -x "export OPENSSL_CONF=$W/openssl.cnf" "$W/apache/envvars"
    echo "export APACHE_PID_FILE=$W/apache/pid APACHE_RUN_DIR=$W/apache APACHE_LOCK_DIR=$W/apache" >>"$W/apache/envvars"
    [ "$ME" = 0 ] || echo "export APACHE_RUN_USER=$ME" >>"$W/apache/envvars"
    APACHE_CONFDIR=$W/apache instrumented apachectl start 3>&-
    wait_for logged "resuming normal operations"
    cat "$W/apache/pid" >>"$W/program.pids"
    serves "$W/etc/shop.crt"
    APACHE_CONFDIR=$W/apache instrumented apachectl graceful
    wait_for logged "Doing graceful restart"
    serves "$W/etc/shop.crt"
    end_programs
    not apache2 -f "$W/apache/apache2.conf" -D FOREGROUND
    logged "$W/etc/shop.pem"
}

# ---------------------------------------------------------------- reload and rotation

@test "a rotation with its new certificate loses no request, and the old version can go" {
    start_apache
    start_requests
    cd "$W"
    documented nginx-rotate | sed s/DNS:shop.example/DNS:localhost/ >rotate
    sh -e rotate
    issue shop.csr etc/shop.crt.new
    chmod 644 etc/shop.pem*
    documented nginx-replace | sed /systemctl/d >replace
    sh -e replace
    graceful
    wait_for serves etc/shop.crt
    keysvc key destroy web/shop@1 --yes
    end_requests
    [ "$(seen tls1.3)" = 2 ]
    [ "$(seen ecdsa)" = 2 ]
    [ "$(seen rsa)" = 1 ]
    [ "$(last_seen ecdsa)" = "$(serial etc/shop.crt)" ]
}

@test "graceful reloads alone lose no request" {
    start_apache
    start_requests
    for _ in 1 2 3; do
        graceful
    done
    end_requests
    [ "$(seen ecdsa)" = 1 ]
}

# ---------------------------------------------------------------- faults

@test "a killed token process costs no request, nor does a killed front" {
    start_apache
    start_requests
    kill_tokens
    front=$(front_pid)
    kill -KILL "$front"
    wait_for is_gone "$front"
    wait_ready
    end_requests
}

@test "keysvcd is restarted, and the same Apache goes on, without a lost request" {
    start_apache
    start_requests
    wait_for all_asked 2
    restart_service
    end_requests
    serves "$W/etc/shop.crt"
    served -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
}

@test "Apache starts while keysvcd is down, says what is missing, and serves as soon as it is there" {
    stop
    start_apache
    not handshake "$PORT"
    wait_for logged "web/shop@"
    wait_for logged NO_SERVICE
    start
    serves "$W/etc/shop.crt"
}

@test "a stuck daemon holds a thread no longer than the time that openssl.cnf says" {
    echo "timeout = 2s" >>"$W/openssl.cnf"
    start_apache
    serves "$W/etc/shop.crt"
    held_for_the_timeout
}

@test "a key that is no more, and one that is another now" {
    vanished_key web/vanished vanished
    changed_key web/changed changed
    start_apache vanished
    not handshake "$PORT" -tls1_3 -sigalgs ECDSA+SHA256
    wait_for logged "web/vanished@1"
    wait_for logged NO_KEY
    # The other key serves on.
    served -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
    apache_conf changed
    graceful
    not handshake "$PORT" -tls1_3 -sigalgs ECDSA+SHA256
    wait_for logged "web/changed@1"
    wait_for logged KEY_CHANGED
}

@test "a user without a rule" {
    need_root
    allowed_users
    start_apache
    not handshake "$PORT"
    wait_for logged "web/shop@"
    wait_for logged DENIED
    allowed_users www-data
    serves "$W/etc/shop.crt"
}

# ---------------------------------------------------------------- what does not work

@test "a reference of another key than the certificate's: Apache does not start, and ends at a graceful reload" {
    cp "$W/etc/apache-client.pem" "$W/etc/wrong.pem"
    cp "$W/etc/shop.crt" "$W/etc/wrong.crt"
    apache_conf wrong
    not apache_with_conf -D FOREGROUND
    logged "wrong.pem do not match"
    # configtest reads no keys.
    apache_with_conf -t
    start_apache
    apache_conf wrong
    apache_with_conf -k graceful
    wait_for is_gone "$APACHE"
}

@test "a proxy's client certificate cannot have a reference" {
    cat "$W/etc/apache-client.crt" "$W/etc/apache-client.pem" >"$W/etc/both.pem"
    apache_conf
    sed -i "s|</VirtualHost>|SSLProxyEngine on\nSSLProxyMachineCertificateFile $W/etc/both.pem\n&|" "$W/apache/apache2.conf"
    background with_provider apache2 -f "$W/apache/apache2.conf" -D FOREGROUND
    wait_for logged "no client certs found for SSL proxy"
}
