# SPDX-License-Identifier: Apache-2.0
#
# programs.bash - what the suites of unmodified programs share: keys, certificates, their configuration from the manual
#
# Each suite shows one program of docs/programs.md: it works; it fails clearly with a wrong reference, a stopped daemon
# and a user without a rule; it goes on after keysvcd is restarted and after a token process is killed. What it gives the
# program stands in docs/programs.md: `documented` takes it from there. A suite reads as
#
#     setup_file()    { programs_world www-data; certified web/shop shop; }      one world for all tests of the file
#     teardown()      { end_programs; show_log_if_failed; }
#     teardown_file() { end_world; }
#
# Whatever a test breaks it mends itself. ../system/harness.bash has the rest.

. "$BATS_TEST_DIRNAME/../system/harness.bash"

# programs_world [USER...]: a service with a class of keys for each need, and a CA in software. ALICE and these users may
# use every key, BOB has no rule. $W/etc stands for /etc/keysvc.
programs_world()
{
    world
    mkdir -m 755 "$W/etc"
    openssl_conf
    allowed_users "$@"
    start
    make_ca
}

# allowed_users [USER...]: nobody else but ALICE and them may use the keys; `no_users`: nobody at all.
allowed_users()
{
    program_rules "$@" | rules
    reload_if_running
}

no_users()
{
    program_rules none | rules
    reload_if_running
}

reload_if_running()
{
    if [ -s "$W/keysvcd.pid" ] && ! is_gone "$(pid)"; then
        keysvc reload
    fi
}

program_rules()
{
    local user users="\"$ALICE\""
    for user in "$@"; do
        users="$users, \"$user\""
    done
    program_class "web/**" ec-p256 tls-server
    program_class "rsa/**" rsa-2048 tls-server
    program_class "p384/**" ec-p384 tls-server
    program_class "ed25519/**" ed25519 tls-server
    program_class "client/**" ec-p256 tls-client
    program_class "client-rsa/**" rsa-2048 tls-client
    program_class "client-p384/**" ec-p384 tls-client
    program_class "client-ed25519/**" ed25519 tls-client
    program_class "peer/**" ec-p256 tls
    program_class "sign/ec/**" ec-p256 sign
    program_class "sign/p384/**" ec-p384 sign
    program_class "sign/rsa/**" rsa-2048 sign
    program_class "sign/ed25519/**" ed25519 sign
    if [ "${1-}" != none ]; then
        echo "allow programs { user = {$users} keys = {\"**\"} operations = {get, sign} }"
    fi
    echo "allow admins { user = {\"$ME\"} keys = {\"**\"} operations = {all, administer} }"
}

program_class()
{
    echo "keys \"$1\" {"
    echo "    token = main"
    echo "    type = $2"
    echo "    purpose = $3"
    [ "$3" != sign ] || echo '    usage = {"serverAuth", "clientAuth"}'
    echo '    names = {"localhost", "shop.example", ".shop.example", "127.0.0.0/8", "email:.shop.example"}'
    echo "}"
}

# openssl.cnf as it is installed, with this world's paths: what a program gets as OPENSSL_CONF.
openssl_conf()
{
    {
        sed "s|@MODULE@|$PROGRAMS/client/provider/keysvc.so|" "$SOURCE/client/provider/openssl.cnf.in"
        echo "socket = $KEYSVC_SOCKET"
    } >"$W/openssl.cnf"
}

# with_provider COMMAND...: as the program's administrator would start it. Not exported: the suites' own openssl has none.
with_provider()
{
    local -x OPENSSL_CONF=$W/openssl.cnf
    instrumented "$@"
}

# with_module COMMAND...: a program that loads the PKCS#11 module; where that is said is each program's own.
with_module()
{
    instrumented "$@"
}

# with_p11_kit as USER COMMAND...: a program that asks p11-kit finds the module, and no other one of this machine. p11-kit
# reads a user's own configuration unless that user is root: there has to be an `as`.
with_p11_kit()
{
    local -x XDG_CONFIG_HOME=$W/p11-kit
    if [ ! -d "$XDG_CONFIG_HOME" ]; then
        mkdir -p "$XDG_CONFIG_HOME/pkcs11/modules"
        echo 'user-config: only' >"$XDG_CONFIG_HOME/pkcs11/pkcs11.conf"
        sed "s|@MODULE@|$(module_path)|" "$SOURCE/client/pkcs11/keysvc.module.in" \
            >"$XDG_CONFIG_HOME/pkcs11/modules/keysvc.module"
        chmod -R a+rX "$XDG_CONFIG_HOME"
    fi
    with_module "$@"
}

# Under the sanitizer both libraries need its runtime in front of everything else, and a foreign program has none. Its own
# leaks are not ours to judge: most programs leave all they have to the end of the process.
instrumented()
{
    if [ -n "${KEYSVC_SANITIZED-}" ]; then
        [ -s "$W/no-locale.so" ] || no_locale
        local -x LD_PRELOAD ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=${LEAKS-0}
        LD_PRELOAD="$(gcc -print-file-name=libasan.so) $W/no-locale.so"
    fi
    in_place "$@"
}

# With gcc 12's runtime in front, a program that is linked with libp11-kit (curl, psql) waits for ever in its first
# setlocale(), or at its end: glibc's lock for locales is out of count by then, before anything of ours is loaded. They
# get no locale.
no_locale()
{
    gcc -shared -fPIC -x c - -o "$W/no-locale.so" <<'END'
char *setlocale(int category, const char *locale) { (void)category, (void)locale; return "C"; }
char *textdomain(const char *domain) { return (char *)domain; }
char *bindtextdomain(const char *domain, const char *folder) { (void)domain; return (char *)folder; }
char *dcgettext(const char *domain, const char *text, int category) { (void)domain, (void)category; return (char *)text; }
void freelocale(void *locale) { (void)locale; }
END
    chmod 755 "$W/no-locale.so"
}

# A program that `background` starts takes the shell's place, so that the pid we know is its own; a suite's function stays.
in_place()
{
    case $1 in
    as | with_provider | with_module | with_p11_kit)
        "$@"
        ;;
    *)
        if declare -F "$1" >/dev/null; then
            IN_PLACE='' "$@"
        else
            ${IN_PLACE-} "$@"
        fi
        ;;
    esac
}

# Where the PKCS#11 module is.
module_path()
{
    echo "$PROGRAMS/client/pkcs11/libkeysvc-pkcs11.so"
}

# ---------------------------------------------------------------- certificates

make_ca()
{
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=Test CA" -days 30 \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout "$W/ca.key" -out "$W/etc/ca.crt" 2>/dev/null
    chmod 644 "$W/etc/ca.crt"
}

# certified KEY FILE [COMMON-NAME]: generates the key unless it is there; then its reference is $W/etc/FILE.pem and a
# certificate of the CA for localhost and 127.0.0.1 $W/etc/FILE.crt.
certified()
{
    local key=$1 file=$2 name=${3-localhost}
    keysvc key show "$key" >/dev/null 2>&1 || keysvc key generate "$key" >/dev/null
    keysvc key reference "$key" --out-file "$W/etc/$file.pem"
    keysvc csr "$key" --common-name "$name" --alternative-names DNS:localhost,IP:127.0.0.1 --out-file "$W/$file.csr"
    openssl x509 -req -in "$W/$file.csr" -CA "$W/etc/ca.crt" -CAkey "$W/ca.key" -days 30 -copy_extensions copyall \
        -out "$W/etc/$file.crt" 2>/dev/null
    chmod 644 "$W/etc/$file.pem" "$W/etc/$file.crt"
}

# certified_on_token KEY FILE: as `certified`, and the certificate lies beside the key on its token, with its CA's: what
# programs see of it by the PKCS#11 module.
certified_on_token()
{
    certified "$@"
    cat "$W/etc/$2.crt" "$W/etc/ca.crt" >"$W/$2.chain"
    keysvc key certificate "$1" put --in "$W/$2.chain" >/dev/null
}

# software_certificate FILE: as `certified`, but the key is in software, $W/FILE.key: for what is not the service's.
software_certificate()
{
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$W/$1.key" -out "$W/$1.csr" 2>/dev/null
    openssl x509 -req -in "$W/$1.csr" -CA "$W/etc/ca.crt" -CAkey "$W/ca.key" -days 30 -copy_extensions copyall \
        -out "$W/etc/$1.crt" 2>/dev/null
    chmod 644 "$W/etc/$1.crt"
}

# vanished_key KEY FILE: as `certified`, then the key is destroyed: its reference names nothing.
vanished_key()
{
    certified "$1" "$2"
    keysvc key destroy "$1@1" --yes >/dev/null
}

# changed_key KEY FILE: as `certified`, then another key takes its name: the reference is to one that is no more.
changed_key()
{
    vanished_key "$1" "$2"
    keysvc key generate "$1" >/dev/null
}

# ---------------------------------------------------------------- docs/programs.md

# documented NAME: the fenced block behind the line `<!-- NAME -->` of docs/programs.md, with this world's paths instead of
# the installed ones and $PORT, $PORT2 instead of 8443, 8444.
documented()
{
    awk -v mark="<!-- $1 -->" '
        $0 == mark { found = 1; next }
        found == 1 && /^```/ { found = 2; next }
        found == 2 && /^```/ { exit }
        found == 2 { print; n++ }
        END { if (!n) { print "docs/programs.md has no block " mark > "/dev/stderr"; exit 1 } }
    ' "$SOURCE/docs/programs.md" | sed \
        -e "s|/etc/keysvc/|$W/etc/|g" \
        -e "s|/usr/share/keysvc/openssl.cnf|$W/openssl.cnf|g" \
        -e "s|/usr/lib/x86_64-linux-gnu/pkcs11/libkeysvc-pkcs11.so|$(module_path)|g" \
        -e "s|/run/keysvc/keysvc.sock|$KEYSVC_SOCKET|g" \
        -e "s|\b8443\b|${PORT-8443}|g" \
        -e "s|\b8444\b|${PORT2-8444}|g"
}

# ---------------------------------------------------------------- programs

# background COMMAND...: in the foreground of its own, ended by end_programs; $! is its pid, $W/program.log its output.
background()
{
    (
        IN_PLACE='exec'
        in_place "$@"
    ) >>"$W/program.log" 2>&1 </dev/null 3>&- &
    echo $! >>"$W/program.pids"
}

# For teardown: ends what `background` started.
end_programs()
{
    local pid
    [ -n "${W-}" ] && [ -s "$W/program.pids" ] || return 0
    while read -r pid; do
        kill -TERM "$pid" 2>/dev/null || true
    done <"$W/program.pids"
    while read -r pid; do
        PATIENCE=20 wait_for is_gone "$pid" || kill -KILL "$pid"
    done <"$W/program.pids"
    rm -f "$W/program.pids"
    if [ -z "${BATS_TEST_COMPLETED-}" ] && [ -s "$W/program.log" ]; then
        echo "--- what the program said:"
        tail -n 40 "$W/program.log"
    fi
    rm -f "$W/program.log"
}

# said TEXT: the program has said so.
said()
{
    grep -qF -- "$1" "$W/program.log"
}

# handshake PORT [OPTION...]: a whole TLS handshake with a certificate of our CA, by an openssl without the provider; what
# s_client says is in $W/handshake.
handshake()
{
    local port=$1
    shift
    openssl s_client -connect "127.0.0.1:$port" -servername localhost -verify_hostname localhost \
        -CAfile "$W/etc/ca.crt" -verify_return_error "$@" </dev/null >"$W/handshake" 2>&1
}

# ---------------------------------------------------------------- faults

# For setup: a test that failed while the service was stopped does not take the others with it.
serving()
{
    if [ ! -s "$W/keysvcd.pid" ] || is_gone "$(pid)"; then
        start
    fi
}

restart_service()
{
    stop
    start
}

# Kills every token process of the service and waits until others serve.
kill_tokens()
{
    local process old
    old=$(token_pids)
    for process in $old; do
        kill -KILL "$process"
    done
    for process in $old; do
        wait_for is_gone "$process"
    done
    wait_ready
}
