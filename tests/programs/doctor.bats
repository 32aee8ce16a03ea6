#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# doctor.bats - `keysvc doctor --program` finds what keeps a program from its key: each fault with a real program
#
# The programs are copies under names of their own: those of other suites run at the same time.

setup_file()
{
    load programs
    programs_world
    certified web/shop shop
    certified web/other other
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 3 \
        -keyout "$W/etc/software.key" -out "$W/etc/software.crt" 2>/dev/null
    chmod 644 "$W/etc/software.key"
    mkdir -m 755 "$W/conf"
    NAME=kst$$
    cp "$(command -v openssl)" "$W/$NAME"
    export NAME
}

setup()
{
    load programs
    rm -f "$W"/conf/*
    conf shop shop
    NGINX=
}

teardown()
{
    [ -z "$NGINX" ] || kill -QUIT "$NGINX" 2>/dev/null || true
    end_programs
    show_log_if_failed
    openssl_conf
}

teardown_file()
{
    load programs
    end_world
}

# conf REFERENCE CERTIFICATE: a configuration in no language at all that names them.
conf()
{
    echo "key: \"$W/etc/$1.pem\"; certificate: \"$W/etc/$2.crt\";" >"$W/conf/main.conf"
}

doctor()
{
    keysvc doctor --program "$NAME" --config-dir "$W/conf" "$@"
}

# finding VERDICT CHECK TEXT [OPTION...]: there is one with that text, and something to do about it.
finding()
{
    local verdict=$1 check=$2 text=$3
    shift 3
    doctor --json "$@" >"$W/doctor.json" || true
    judge "$verdict" "$check" "$text"
}

# As finding, in what was found last.
judge()
{
    /usr/bin/python3 - "$W/doctor.json" "$@" <<'END'
import json, sys
path, verdict, check, text = sys.argv[1:]
found = json.load(open(path))["findings"]
hits = [f for f in found if f["verdict"] == verdict and f["check"] == check and text in f["text"]]
if not hits or verdict in ("wrong", "note") and not all(f["mend"] for f in hits):
    print(f"no finding: {verdict} {check} {text}", *found, sep="\n")
    sys.exit(1)
END
}

# serve KEY CERTIFICATE [COMMAND...]: s_server under the name, by ALICE; what stands before it may be `with_provider`. $SERVER is its pid.
serve()
{
    local key=$1 certificate=$2
    shift 2
    PORT=$(free_port)
    : >"$W/program.log"
    background "$@" as "${USER_OF_SERVER-$ALICE}" "$W/$NAME" s_server -accept "127.0.0.1:$PORT" -www \
        -key "$key" -cert "$certificate"
    SERVER=$!
    wait_for said ACCEPT
}

serve_by_reference()
{
    serve "$W/etc/shop.pem" "$W/etc/shop.crt" with_provider
}

# With a key of its own, so that it starts in spite of everything.
serve_in_software()
{
    serve "$W/etc/software.key" "$W/etc/software.crt" "$@"
}

# ---------------------------------------------------------------- what is good

@test "a program that serves with its reference: nothing is wrong" {
    serve_by_reference
    handshake "$PORT"
    doctor --json >"$W/doctor.json"
    judge ok environment "OPENSSL_CONF=$W/openssl.cnf"
    judge ok openssl.cnf "configures keysvc"
    judge ok module "is a provider for this machine"
    judge ok module "processes that have loaded it: 1 of 1"
    judge ok socket "reaches $KEYSVC_SOCKET"
    judge ok reference "$W/etc/shop.pem names web/shop@1, which is there"
    judge ok certificate "$W/etc/shop.crt is for web/shop@1"
    judge ok rules "may sign with web/shop: rule programs"
    doctor | grep -q '^ok .*reference'
}

@test "a program that does not run: its openssl.cnf and files alone" {
    doctor --openssl-conf "$W/openssl.cnf" --user "$ALICE" --json >"$W/doctor.json"
    judge skipped program "no process is called $NAME"
    judge ok module "is a provider"
    judge ok socket "$KEYSVC_SOCKET"
    judge ok reference web/shop@1
    judge ok rules "rule programs"
    keysvc doctor --program "$NAME" --openssl-conf "$W/openssl.cnf" --file "$W/etc/shop.pem" --file "$W/etc/shop.crt" \
        --json >"$W/doctor.json"
    judge ok certificate "is for web/shop@1"
    judge skipped rules "say --user"
}

@test "what is asked must make sense" {
    fails 2 "need --program" keysvc doctor --file x
    fails 2 "need --program" keysvc doctor --pid 1
    fails 2 "not the name of a program" keysvc doctor --program /usr/sbin/nginx
    fails 2 "not the name of a program" keysvc doctor --program ..
    finding skipped reference "No such file" --config-dir /proc/nonexistent
    finding wrong rules "no such user" --user no-such-user
    finding wrong reference "No such file" --file /proc/nonexistent/x.pem
}

# ---------------------------------------------------------------- configuration and module

@test "no OPENSSL_CONF in its environment" {
    serve_in_software
    finding wrong environment "process $SERVER has no OPENSSL_CONF"
    judge wrong module "process $SERVER has not loaded keysvc.so"
    run doctor
    [ "$status" = 2 ]
}

@test "the module is missing, of another machine, or no provider" {
    sed -i "s|^module = .*|module = $W/none/keysvc.so|" "$W/openssl.cnf"
    serve_in_software with_provider
    finding wrong module "the module $W/none/keysvc.so cannot be loaded: $W/none: No such file"
    judge wrong module "process $SERVER has not loaded keysvc.so"
    mkdir -p "$W/none"
    cp "$PROGRAMS/client/provider/keysvc.so" "$W/none/keysvc.so"
    printf '\026\000' | dd of="$W/none/keysvc.so" bs=1 seek=18 conv=notrunc 2>/dev/null
    finding wrong module "for another kind of machine"
    cp "$PROGRAMS/client/lib/libkeysvc.so" "$W/none/keysvc.so"
    finding wrong module "is no OpenSSL provider"
    cp "$PROGRAMS/client/provider/keysvc.so" "$W/none/keysvc.so"
    finding ok module "is a provider"
    judge wrong module "process $SERVER has not loaded keysvc.so"
    rm -r "$W/none"
}

@test "keysvc before default, and default not activated" {
    sed -i '/^default = /d; s/^keysvc = keysvc_provider/&\ndefault = default_provider/' "$W/openssl.cnf"
    finding wrong openssl.cnf "keysvc stands before default" --openssl-conf "$W/openssl.cnf"
    openssl_conf
    sed -i '/^\[default_provider\]/,/^activate/{/^activate/d}' "$W/openssl.cnf"
    finding wrong openssl.cnf "the default provider is not activated" --openssl-conf "$W/openssl.cnf"
}

@test "no process, a reference in the configuration, and nothing that sets OPENSSL_CONF" {
    finding wrong environment "there are references for it, and nothing that would start it sets OPENSSL_CONF"
    grep -q 'systemctl edit' "$W/doctor.json"
    run doctor
    [ "$status" = 2 ]
    echo "key: none" >"$W/conf/main.conf"
    finding skipped environment "say --openssl-conf"
}

@test "the machine's openssl.cnf is not proposed for a change, and a misspelt option is told" {
    finding wrong openssl.cnf "no providers are configured" --openssl-conf /etc/ssl/openssl.cnf
    grep -q 'Point OPENSSL_CONF to .*share/keysvc/openssl.cnf' "$W/doctor.json"
    echo "timout = 3" >>"$W/openssl.cnf"
    finding wrong openssl.cnf "nobody reads it: timout" --openssl-conf "$W/openssl.cnf"
    openssl_conf
    sed -i 's/^timeout = .*//' "$W/openssl.cnf"
    echo "timeout = 3h" >>"$W/openssl.cnf"
    finding wrong openssl.cnf "timeout is no time from 1ms to 10m" --openssl-conf "$W/openssl.cnf"
    # The provider says so itself, with each reference.
    not with_provider openssl pkey -in "$W/etc/shop.pem" -pubout >"$W/said" 2>&1
    grep -q 'timeout = "3h"' "$W/said"
}

@test "an openssl.cnf that is not there" {
    finding wrong openssl.cnf "No such file" --openssl-conf "$W/none.cnf"
}

# As root nginx's worker begins as root, too.
worker_is_nobody()
{
    local worker
    worker=$(pgrep -P "$NGINX") && { [ "$ME" != 0 ] || [ "$(stat -c %U "/proc/$worker")" = nobody ]; }
}

@test "nginx, which writes its title over its environment, and whose workers are others" {
    command -v nginx >/dev/null || skip "no nginx"
    local name=ksn$$
    cp "$(command -v nginx)" "$W/$name"
    mkdir -p "$W/nginx"
    cat >"$W/conf/nginx.conf" <<END
$([ "$ME" != 0 ] || echo 'user nobody nogroup;')
pid $W/nginx/pid; error_log $W/nginx/error.log;
events {}
http {
    access_log off;
    $(for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $W/nginx/$kind;"; done)
    server {
        listen 127.0.0.1:$(free_port) ssl;
        ssl_certificate $W/etc/shop.crt;
        ssl_certificate_key $W/etc/shop.pem;
    }
}
END
    with_provider "$W/$name" -c "$W/conf/nginx.conf" -e "$W/nginx/error.log" 3>&-
    wait_for test -s "$W/nginx/pid"
    NGINX=$(cat "$W/nginx/pid")
    wait_for worker_is_nobody
    NAME=$name
    finding skipped environment "wrote its title over its environment"
    judge ok module "processes that have loaded it: 2 of 2"
    judge ok certificate "$W/etc/shop.crt is for web/shop@1"
    finding ok openssl.cnf "configures keysvc" --openssl-conf "$W/openssl.cnf"
    if [ "$ME" = 0 ]; then
        # It is the worker's user who signs: no rule is for nobody.
        judge wrong rules "nobody may not sign with web/shop"
        grep -q 'allow .*sign' "$W/doctor.json"
        not judge wrong rules "root may not sign"
    fi
    kill -QUIT "$NGINX"
    wait_for is_gone "$NGINX"
    rm "$W/conf/nginx.conf" "$W/$name"
}

# ---------------------------------------------------------------- the socket

@test "a socket that the program's user may not come to" {
    need_root
    serve_by_reference
    chmod 700 "$W/run"
    finding wrong socket "$W/run has mode 700"
    chmod 755 "$W/run"
    finding ok socket "reaches"
}

@test "a stopped service" {
    serve_by_reference
    stop
    finding wrong socket "process $SERVER"
    judge skipped reference "the service does not answer"
    judge ok certificate "is for web/shop@1"
    run doctor
    [ "$status" = 17 ]
    start
}

@test "a socket out of reach in a chroot" {
    need_root
    local name=ksh$$
    cp "$(command -v haproxy)" "$W/$name"
    mkdir -m 755 "$W/jail"
    cat "$W/etc/shop.crt" "$W/etc/shop.pem" >"$W/etc/bundle.pem"
    PORT=$(free_port)
    printf 'global\n    chroot %s\n    uid %s\n    gid %s\ndefaults\n    mode http\n    timeout client 5s\nfrontend f\n    bind 127.0.0.1:%s ssl crt %s\n' \
        "$W/jail" "$ALICE" "$ALICE" "$PORT" "$W/etc/bundle.pem" >"$W/conf/main.conf"
    background with_provider "$W/$name" -db -f "$W/conf/main.conf"
    in_jail()
    {
        [ "$(readlink "/proc/$(tail -n 1 "$W/program.pids")/root")" = "$W/jail" ]
    }
    wait_for in_jail
    NAME=$name
    finding wrong socket "in its root $W/jail does not see $KEYSVC_SOCKET"
    grep -q "mount --bind $W/run $W/jail$W/run" "$W/doctor.json"
    judge ok module "processes that have loaded it"
    judge ok openssl.cnf "configures keysvc"
    judge ok reference "$W/etc/bundle.pem names web/shop@1"
    judge ok certificate "$W/etc/bundle.pem is for web/shop@1"
    not handshake "$PORT"
}

# ---------------------------------------------------------------- keys, certificates, rules

@test "a vanished version, a vanished key, and a changed one" {
    vanished_key web/vanished vanished
    conf vanished vanished
    finding wrong reference "$W/etc/vanished.pem names web/vanished@1: there is no key web/vanished"
    run doctor --openssl-conf "$W/openssl.cnf"
    [ "$status" = 4 ]
    certified web/turned turned
    keysvc key rotate web/turned --from 1
    keysvc key destroy web/turned@1 --yes
    conf turned turned
    finding wrong reference "names web/turned@1, which is no more; the newest is web/turned@2"
    changed_key web/changed changed
    conf changed changed
    finding wrong reference "was made for another key than web/changed@1 is now"
    run doctor --openssl-conf "$W/openssl.cnf"
    [ "$status" = 15 ]
}

@test "a rotation of which the program was given one half" {
    certified web/half old
    conf old old
    keysvc key rotate web/half --from 1
    finding note reference "web/half@2 is newer"
    certified web/half new
    conf old new
    finding wrong certificate "$W/etc/new.crt is for web/half@2, but $W/etc/old.pem names web/half@1"
    conf new old
    finding wrong certificate "$W/etc/old.crt is for web/half@1, but $W/etc/new.pem names web/half@2"
    conf new new
    finding ok certificate "$W/etc/new.crt is for web/half@2"
    not judge note reference "newer"
}

@test "a certificate of another key, a damaged reference, a reference that cannot be read" {
    conf shop other
    finding wrong certificate "$W/etc/other.crt is for another key"
    head -n 3 "$W/etc/shop.pem" >"$W/etc/cut.pem"
    conf cut shop
    finding wrong reference "$W/etc/cut.pem: its PEM is cut off"
    conf none shop
    finding wrong reference "$W/etc/none.pem: No such file or directory, and $W/conf/main.conf names it in line 1"
    [ "$ME" = 0 ] || return 0
    conf shop shop
    serve_by_reference
    chmod 600 "$W/etc/shop.pem"
    finding wrong reference "$W/etc/shop.pem cannot be read by process $SERVER"
    chmod 644 "$W/etc/shop.pem"
    finding ok reference "is there"
}

@test "a rule that is only for another unit is the one that is named, and no weaker one is proposed" {
    need_root
    {
        program_rules none
        echo "allow shop { user = {\"$ALICE\"} unit = {\"shop.service\"} keys = {\"web/**\"} operations = {get, sign} }"
    } | rules
    reload_if_running
    finding wrong rules "rule shop: is for unit shop.service and not for a caller without a unit" --user "$ALICE"
    grep -q 'Start it as that unit' "$W/doctor.json"
    not grep -q 'Add to keysvcd.conf' "$W/doctor.json"
    run as "$ALICE" keysvc sign web/shop --in "$W/doctor.json"
    [ "$status" = 3 ]
    [[ $output = *"the nearest, shop, is for unit shop.service"*"start the program as unit shop.service"* ]]
    run -3 keysvc policy explain --user "$ALICE" --key web/shop --operation sign --unit shop2.service
    [[ $output = *'unit = {"shop2.service"}'* ]]
    allowed_users
}

@test "a program whose user has no rule; who is no administrator is told that much" {
    need_root
    # The provider is asked at the first signature: BOB's server starts.
    USER_OF_SERVER=$BOB
    serve_by_reference
    finding wrong rules "uid $BOB may not sign with web/shop"
    grep -q 'Add to keysvcd.conf' "$W/doctor.json"
    as "$ALICE" keysvc doctor --program "$NAME" --config-dir "$W/conf" --json >"$W/doctor.json" || true
    judge skipped rules "administrators only"
    judge skipped environment "ask as root"
    judge ok reference "is there"
}

@test "a key for clients in a server" {
    certified client/agent agent
    conf agent agent
    openssl x509 -req -in "$W/agent.csr" -CA "$W/etc/ca.crt" -CAkey "$W/ca.key" -days 3 -out "$W/etc/agent.crt" \
        -extfile <(echo extendedKeyUsage=serverAuth) 2>/dev/null
    finding note purpose "has purpose tls-client, its certificate is a server's"
}

@test "two instances of one program: which one is meant can be said" {
    serve_by_reference
    first=$SERVER
    serve_in_software
    finding note program "2 instances of it run"
    doctor --pid "$first" --json >"$W/doctor.json"
    judge ok module "processes that have loaded it: 1 of 1"
    finding wrong environment "process $SERVER has no OPENSSL_CONF" --pid "$SERVER"
    finding wrong program "no such process is called" --pid 4194305
    fails 2 "not the number of a process" doctor --pid x
}

@test "a program with the PKCS#11 module needs no OPENSSL_CONF, and mostly a key of purpose sign" {
    certified web/token token
    conf token token
    cp /usr/bin/python3 "$W/$NAME.py"
    mkfifo "$W/end"
    background with_module as "$ALICE" sh -c \
        'exec "$1" -c "import ctypes, sys; ctypes.CDLL(sys.argv[1]); open(sys.argv[2]).read()" "$2" "$3"' sh \
        "$W/$NAME.py" "$(module_path)" "$W/end"
    program=$!
    loaded()
    {
        grep -q libkeysvc-pkcs11 "/proc/$program/maps"
    }
    wait_for loaded
    keysvc doctor --program "$NAME.py" --config-dir "$W/conf" --json >"$W/doctor.json"
    judge ok program "needs no OPENSSL_CONF"
    judge ok socket "process $program"
    judge ok rules "may sign with web/token"
    judge note purpose "web/token@1 has purpose tls-server"
    not grep -q '"environment"' "$W/doctor.json"
    : >"$W/end"
    wait_for is_gone "$program"
}
