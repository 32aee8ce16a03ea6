#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# git.bats - git over HTTPS with a client certificate whose key is a PKCS#11 URI
#
# nginx, with a key in a file, serves a bare repository as files and requires client certificates.

setup_file()
{
    load programs
    programs_world
    certified_on_token sign/ec/client client
    certified sign/rsa/client rsa
    certified client/client tls-client
    repository
    server_certificate
    serve
    client_config git-config gitconfig
    client_config git-config-token gitconfig-token
}

setup()
{
    load programs
    # What the machine's own git goes by.
    unset "${!GIT_@}" https_proxy HTTPS_PROXY all_proxy ALL_PROXY
    rm -rf "$W/clone"
    mkdir "$W/clone"
    chown "$ALICE" "$W/clone"
}

teardown()
{
    show_log_if_failed
}

teardown_file()
{
    load programs
    end_programs
    end_world
}

# ---------------------------------------------------------------- helpers

repository()
{
    git init -q --bare -b main "$W/www/shop.git"
    commit first
}

# A commit on the server's side; what a fetch brings.
commit()
{
    local tree commit parent
    parent=$(git -C "$W/www/shop.git" rev-parse -q --verify main || true)
    tree=$(git -C "$W/www/shop.git" mktree </dev/null)
    commit=$(git -C "$W/www/shop.git" -c user.name=test -c user.email=test@shop.example \
        commit-tree "$tree" ${parent:+-p "$parent"} -m "$1")
    git -C "$W/www/shop.git" update-ref refs/heads/main "$commit"
    git -C "$W/www/shop.git" update-server-info
    chmod -R a+rX "$W/www"
}

server_certificate()
{
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout "$W/server.key" -out "$W/server.csr" 2>/dev/null
    openssl x509 -req -in "$W/server.csr" -CA "$W/etc/ca.crt" -CAkey "$W/ca.key" -days 30 -copy_extensions copyall \
        -out "$W/server.crt" 2>/dev/null
}

serve()
{
    local try
    mkdir -p "$W/nginx"
    for try in 1 2 3; do
        PORT=$(free_port) PORT2=$(free_port)
        export PORT PORT2
        nginx_config >"$W/nginx.conf"
        : >"$W/program.log"
        background /usr/sbin/nginx -e stderr -c "$W/nginx.conf"
        SERVER=$!
        wait_for serves_or_is_gone
        is_gone "$SERVER" || return 0
    done
    return 1
}

serves_or_is_gone()
{
    test -s "$W/nginx.pid" || is_gone "$SERVER"
}

# TLS 1.2 on the second port.
nginx_config()
{
    cat <<END
daemon off;
worker_processes 1;
pid $W/nginx.pid;
error_log stderr;
events { }
http {
    access_log off;
    client_body_temp_path $W/nginx; proxy_temp_path $W/nginx; fastcgi_temp_path $W/nginx;
    uwsgi_temp_path $W/nginx; scgi_temp_path $W/nginx;
    root $W/www;
    ssl_certificate $W/server.crt;
    ssl_certificate_key $W/server.key;
    ssl_client_certificate $W/etc/ca.crt;
    ssl_verify_client on;
    server { listen 127.0.0.1:$PORT ssl; ssl_protocols TLSv1.3; }
    server { listen 127.0.0.1:$PORT2 ssl; ssl_protocols TLSv1.2; }
}
END
}

client_config()
{
    documented "$1" >"$W/etc/$2"
    documented "$1" | sed "s/:$PORT\"/:$PORT2\"/" >>"$W/etc/$2"
}

# git_as UID CONFIG COMMAND...: git and no configuration but this one of $W/etc.
git_as()
{
    local user=$1 config=$2
    shift 2
    GIT_CONFIG_GLOBAL=$W/etc/$config GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 \
        with_p11_kit as "$user" git "$@"
}

# clone [OPTION...]: with TLS 1.3, into a fresh folder.
clone()
{
    rm -rf "$W/clone/shop"
    git_as "$ALICE" gitconfig "$@" clone -q "https://localhost:$PORT/shop.git" "$W/clone/shop"
}

# The key and certificate of another name, for one command.
with_key()
{
    echo "-c http.https://localhost:$PORT.sslKey=pkcs11:token=keysvc;object=$(sed 's|/|%2F|g' <<<"$1")%401;type=private"
    echo "-c http.https://localhost:$PORT.sslCert=$W/etc/$2.crt"
}

# ---------------------------------------------------------------- tests

@test "git clones and fetches with its client certificate, TLS 1.3 and 1.2" {
    clone
    commit second
    git_as "$ALICE" gitconfig -C "$W/clone/shop" fetch -q
    [ "$(git_as "$ALICE" gitconfig -C "$W/clone/shop" log -1 --format=%s origin/main)" = second ]
    git_as "$ALICE" gitconfig clone -q "https://localhost:$PORT2/shop.git" "$W/clone/other"
}

@test "without a certificate the server serves nothing" {
    printf '[http]\n    sslCAInfo = %s\n' "$W/etc/ca.crt" >"$W/etc/gitconfig-without"
    fails 128 "400" git_as "$ALICE" gitconfig-without clone -q "https://localhost:$PORT/shop.git" "$W/clone/shop"
}

@test "this git has no OpenSSL" {
    fails 128 "Unsupported SSL backend 'openssl'" clone -c http.sslBackend=openssl
}

@test "with an RSA key" {
    clone $(with_key sign/rsa/client rsa)
}

@test "with the certificate that lies beside the key" {
    git_as "$ALICE" gitconfig-token clone -q "https://localhost:$PORT/shop.git" "$W/clone/shop"
}

@test "a wrong name, a vanished key, a changed key" {
    fails 128 "keysvc-pkcs11: no key sign/ec/nothing@1" clone $(with_key sign/ec/nothing client)
    [[ $output = *"error reading X.509 key or certificate file"* ]]
    vanished_key sign/ec/vanished vanished
    fails 128 "keysvc-pkcs11: no key sign/ec/vanished@1" clone $(with_key sign/ec/vanished vanished)
    keysvc key generate sign/ec/vanished >/dev/null
    fails 128 "error reading X.509 key or certificate file" clone $(with_key sign/ec/vanished vanished)
}

@test "a key of purpose tls-client signs no digest" {
    fails 128 "purpose tls-client" clone $(with_key client/client tls-client)
}

@test "keysvcd is stopped: git says so, and clones when it is back and when its token process was killed" {
    stop
    run clone
    start
    [ "$status" = 128 ]
    [[ $output = *"keysvc-pkcs11: "*"is keysvcd running?"* ]]
    clone
    kill_tokens
    clone
}

@test "a user without a rule" {
    need_root
    chown "$BOB" "$W/clone"
    fails 128 "uid $BOB may not get sign/ec/client: no rule allows it" git_as "$BOB" gitconfig clone -q "https://localhost:$PORT/shop.git" "$W/clone/shop"
}
