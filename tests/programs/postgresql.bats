#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# postgresql.bats - a server of PostgreSQL and its clients with keys of the service
#
# As root the server is postgres, with its account from Debian's package, since root may not run one; otherwise it is who
# runs the tests.

setup_file()
{
    load programs
    has_account || return 0
    programs_world postgres
    certified web/shop shop
    certified rsa/shop shop-rsa
    certified client/shop client shop.example
    certified client-rsa/shop client-rsa shop.example
    chmod 600 "$W"/etc/client*.pem
    make_database
    export PORT
}

setup()
{
    load programs
    has_account || skip "needs a user with an account"
    PORT=$(free_port)
    # A test that failed may have left it stopped.
    [ -s "$W/keysvcd.pid" ] || start
    server_key shop
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

# ---------------------------------------------------------------- PostgreSQL

BIN=/usr/lib/postgresql/15/bin

# PostgreSQL asks for its user's name.
has_account()
{
    getent passwd "$ME" >/dev/null
}

# What makes a command the server's user; an array and not a function, so that `background` knows the server's own pid.
AS_SERVER=(setpriv --reuid postgres --regid postgres --clear-groups --)
[ "$(id -u)" = 0 ] || AS_SERVER=()

make_database()
{
    mkdir -m 755 "$W/postgresql"
    [ "$ME" != 0 ] || chown postgres:postgres "$W/postgresql"
    "${AS_SERVER[@]}" "$BIN/initdb" -D "$W/postgresql/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >"$W/initdb.log"
    {
        documented postgresql-hba
        echo "local all postgres trust"
    } | own_file "$W/postgresql/data/pg_hba.conf"
    documented postgresql-ident | own_file "$W/postgresql/data/pg_ident.conf"
}

# Standard input as a file that is the server's.
own_file()
{
    cat >"$1"
    [ "$ME" != 0 ] || chown postgres:postgres "$1"
    chmod 600 "$1"
}

# server_key REFERENCE [CERTIFICATE]: etc/server.pem and what stands in postgresql.conf.
server_key()
{
    own_file "$W/etc/server.pem" <"$W/etc/$1.pem"
    {
        documented postgresql-server | sed "s|/shop\.crt|/${2-$1}.crt|"
        echo "listen_addresses = '127.0.0.1'"
        echo "port = $PORT"
        echo "unix_socket_directories = '$W/postgresql'"
        echo "fsync = off"
        echo "shared_buffers = 1MB"
        echo "autovacuum = off"
    } | own_file "$W/postgresql/data/postgresql.conf"
}

start_server()
{
    background with_provider "${AS_SERVER[@]}" "$BIN/postgres" -D "$W/postgresql/data"
    SERVER=$!
    wait_for said "database system is ready to accept connections"
    plain "SELECT 'CREATE ROLE shop LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop') \gexec" >"$W/role"
}

# Through the Unix socket, without TLS.
plain()
{
    psql -h "$W/postgresql" -p "$PORT" -U postgres -d postgres -qAtX <<<"$1"
}

# client WORDS [REFERENCE]: a query as the manual says; WORDS are added to the connection's.
client()
{
    local command
    command=$(documented postgresql-client | tr '\n' ' ' | sed "s|/client\.|/${2-client}.|g; s|\" *\$| $1\"|")
    eval "with_provider $command -qAtX -v ON_ERROR_STOP=1 -c \"\$QUERY\""
}

QUERY="SELECT current_user || ' ' || version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"

answers()
{
    [ "$(client "${1-}" "${2-client}")" = "shop ${3-TLSv1.3}" ]
}

serial()
{
    openssl x509 -in "$1" -noout -serial
}

# serves CERTIFICATE [OPTION...]: a handshake that meets this one; the server asks for no certificate to shake hands.
serves()
{
    local certificate=$1
    shift
    handshake "$PORT" -starttls postgres "$@" && [ "$(serial "$W/handshake")" = "$(serial "$certificate")" ]
}

reload_server()
{
    kill -HUP "$SERVER"
    wait_for said "received SIGHUP"
}

# ---------------------------------------------------------------- it works

@test "server and client with keys of the service, TLS 1.3 and 1.2" {
    start_server
    answers
    answers ssl_max_protocol_version=TLSv1.2 client TLSv1.2
    serves "$W/etc/shop.crt"
    # Decryption is not offered, and not agreed on.
    not handshake "$PORT" -starttls postgres -tls1_2 -cipher AES128-GCM-SHA256
    # Without its certificate nobody is shop; nor with that of a server.
    fails 2 "connection requires a valid client certificate" client "sslcert=$W/none sslkey=$W/none"
    certified web/other other shop.example
    chmod 600 "$W/etc/other.pem"
    fails 2 "" client "" other
}

@test "the same with RSA keys" {
    server_key shop-rsa
    start_server
    answers "" client-rsa
    answers ssl_max_protocol_version=TLSv1.2 client-rsa TLSv1.2
    serves "$W/etc/shop-rsa.crt" -tls1_3
    serves "$W/etc/shop-rsa.crt" -tls1_2 -sigalgs RSA+SHA256
}

@test "it is postgres who asks the service for the server, and the client for itself" {
    need_root
    start_server
    answers
    audit_show --json --key web/shop | tail -n 1 >"$W/shown"
    grep -q "\"uid\":$(id -u postgres)" "$W/shown"
    audit_show --json --key client/shop | tail -n 1 >"$W/shown"
    grep -q '"uid":0' "$W/shown"
}

@test "pg_ctlcluster would set the variable; without it both sides refuse the reference" {
    documented postgresql-environment >"$W/environment"
    [ "$(perl -I/usr/share/postgresql-common -MPgCommon -e '
        my %environment = PgCommon::read_conf_file($ARGV[0]); print $environment{OPENSSL_CONF}' "$W/environment")" = "$W/openssl.cnf" ]
    fails 1 "could not load private key file" "${AS_SERVER[@]}" timeout 20 "$BIN/postgres" -D "$W/postgresql/data"
    start_server
    with_provider() { "$@"; }
    fails 2 "could not load private key file" client
}

@test "a connection from inside of the server" {
    start_server
    own_file "$W/etc/inside.pem" <"$W/etc/client.pem"
    cp "$W/etc/client.crt" "$W/etc/inside.crt"
    words="host=localhost port=$PORT user=shop dbname=postgres sslmode=verify-full sslrootcert=$W/etc/ca.crt"
    plain "CREATE EXTENSION dblink"
    plain "SELECT who FROM dblink('$words sslcert=$W/etc/inside.crt sslkey=$W/etc/inside.pem', 'SELECT current_user') AS t(who text)" \
        >"$W/answers"
    [ "$(cat "$W/answers")" = shop ]
}

# ---------------------------------------------------------------- modes

@test "the reference's mode: 0600 of one's own; as root's 0640, and no more" {
    documented postgresql-mode | grep -q "^install -o postgres -g postgres -m 0600 "
    chmod 644 "$W/etc/server.pem"
    fails 1 "has group or world access" with_provider "${AS_SERVER[@]}" timeout 20 "$BIN/postgres" -D "$W/postgresql/data"
    chmod 600 "$W/etc/server.pem"
    start_server
    chmod 644 "$W/etc/client.pem"
    fails 2 "has group or world access" client
    chmod 600 "$W/etc/client.pem"
    answers
}

@test "root's reference with 0640 and the server's group" {
    need_root
    chown root:postgres "$W/etc/server.pem"
    chmod 640 "$W/etc/server.pem"
    start_server
    answers
}

# ---------------------------------------------------------------- reload

@test "HUP takes the new reference and certificate; those that do not match leave what was" {
    certified web/next next
    start_server
    serves "$W/etc/shop.crt"
    server_key next
    reload_server
    wait_for serves "$W/etc/next.crt"
    answers
    server_key shop next
    : >"$W/program.log"
    reload_server
    wait_for said "key values mismatch"
    serves "$W/etc/next.crt"
}

# ---------------------------------------------------------------- faults

@test "keysvcd is restarted, a token process is killed, and the same server goes on" {
    start_server
    answers
    restart_service
    answers
    kill_tokens
    answers
}

@test "an open connection outlives the service" {
    start_server
    {
        echo "SELECT 1;"
        wait_for stopped
        echo "SELECT 'still';"
    } | QUERY='\i /dev/stdin' client >"$W/answers" &
    wait_for grep -qx 1 "$W/answers"
    stop
    wait $!
    grep -qx still "$W/answers"
    start
}

stopped()
{
    [ ! -e "$W/keysvcd.pid" ]
}

@test "it starts while keysvcd is down, both sides say what is missing, and it serves as soon as it is there" {
    stop
    start_server
    fails 2 "" client
    wait_for said "web/shop@1: NO_SERVICE"
    start
    serves "$W/etc/shop.crt"
    stop
    start nowait
    wait_ready
    answers
}

@test "a key of the server's that is no more, and one that is another now" {
    vanished_key web/vanished vanished
    changed_key web/changed changed
    server_key vanished
    start_server
    not serves "$W/etc/vanished.crt"
    wait_for said "web/vanished@1: NO_KEY"
    server_key changed
    reload_server
    wait_for changed_is_said
}

changed_is_said()
{
    not serves "$W/etc/changed.crt"
    said "web/changed@1: KEY_CHANGED"
}

@test "a key of the client's that is no more, and one that is another now" {
    vanished_key client/vanished vanished shop.example
    changed_key client/changed changed shop.example
    chmod 600 "$W/etc/vanished.pem" "$W/etc/changed.pem"
    start_server
    fails 2 "client/vanished@1: NO_KEY" client "" vanished
    fails 2 "client/changed@1: KEY_CHANGED" client "" changed
}

@test "a certificate of another key, a reference cut short, a file that is none" {
    server_key shop client
    fails 1 "key values mismatch" with_provider "${AS_SERVER[@]}" timeout 20 "$BIN/postgres" -D "$W/postgresql/data"
    server_key shop
    sed 3d "$W/etc/shop.pem" | own_file "$W/etc/server.pem"
    fails 1 "server.pem" with_provider "${AS_SERVER[@]}" timeout 20 "$BIN/postgres" -D "$W/postgresql/data"
    rm "$W/etc/server.pem"
    fails 1 "server.pem" with_provider "${AS_SERVER[@]}" timeout 20 "$BIN/postgres" -D "$W/postgresql/data"
    server_key shop
    start_server
    fails 2 "key values mismatch" client "sslcert=$W/etc/shop.crt"
}

@test "a user without a rule, on either side" {
    need_root
    allowed_users
    start_server
    not serves "$W/etc/shop.crt"
    wait_for said "web/shop@1: DENIED"
    # Why is in the server's log alone.
    fails 2 "tlsv1 alert internal error" client sslmode=verify-ca
    allowed_users postgres
    answers
    # BOB has no rule; the reference is his.
    install -o "$BOB" -m 600 "$W/etc/client.pem" "$W/etc/bob.pem"
    cp "$W/etc/client.crt" "$W/etc/bob.crt"
    fails 2 "client/shop@1: DENIED" client_of_bob
}

client_of_bob()
{
    local command
    command=$(documented postgresql-client | tr '\n' ' ' | sed "s|/client\.|/bob.|g")
    eval "with_provider as $BOB $command -qAtX -c 'SELECT 1'"
}
