# SPDX-License-Identifier: Apache-2.0
#
# harness.bash - a fresh world for each test: a SoftHSM token, a configuration, keysvcd, and users
#
# A test reads as a script:
#
#     world                        folders, token, keysvcd.conf in a temporary folder $W
#     start                        keysvcd, until every token is ready
#     as $ALICE keysvc sign ...    what a user does; as root everybody is somebody else
#     stop                         which must be clean
#
# As root the front, the token process, ALICE and BOB are four numeric users without accounts; otherwise everybody is
# the user who runs the tests, and what needs several users calls need_root. Nothing is shared between tests: they run
# in parallel and in any order. KEYSVC_BUILD is the build folder.
#
# TOKEN_KIND is the kind of token, softhsm2 if not said; ../tokens has a file for each, and a profile of that name is in
# hsm-profiles. With TOKEN_KIND the world takes that profile as it is; without, SoftHSM's with short times.

bats_require_minimum_version 1.5.0

: "${KEYSVC_BUILD:?the build folder}"
SOURCE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
. "$SOURCE/tests/system/where_failed.bash"
. "$SOURCE/tests/system/fails.bash"
# shellcheck source=../tokens/softhsm2.bash
. "$SOURCE/tests/tokens/${TOKEN_KIND:-softhsm2}.bash"
ME=$(id -u)
if [ "$ME" = 0 ]; then
    FRONT=64801 TOKEN=64802 ALICE=64811 BOB=64812
else
    FRONT=$ME TOKEN=$ME ALICE=$ME BOB=$ME
fi

# ---------------------------------------------------------------- a world

# Makes $W with everything but a running keysvcd. `world break` puts the module that breaks on purpose before SoftHSM,
# `world hostile` the one that attacks. With STORE the token's section names its store: what needs it is two processes
# on one SoftHSM token, which read there what the other one writes, and whoever starts while a key is made.
world()
{
    W=$(mktemp -d "${TMPDIR:-/tmp}/keysvc-test-XXXXXX")
    chmod 755 "$W"
    export W KEYSVC_SOCKET=$W/run/keysvc.sock MODULE=$TOKEN_MODULE
    mkdir -m 755 "$W/run" "$W/state" "$W/home"
    mkdir -m 700 "$W/audit" "$W/break"
    find_programs
    [ -z "${1-}" ] || MODULE=$PROGRAMS/tests/fakes/libpkcs11-$1.so
    [ "$ME" != 0 ] || chown "$TOKEN:$TOKEN" "$W/break"
    (umask 077 && printf '%s' "$PIN" >"$W/pin")
    token_make
    printf 'data to sign\n' >"$W/data"
    write_profile
    write_config
}

# What others may not reach (a checkout below /root, say) they cannot execute: they get a copy then.
find_programs()
{
    PROGRAMS=$KEYSVC_BUILD
    if ! as "$TOKEN" test -x "$KEYSVC_BUILD/keysvc/keysvc-token"; then
        PROGRAMS=$W/programs
        mkdir -p "$PROGRAMS/keysvc" "$PROGRAMS/client/cli" "$PROGRAMS/client/lib" \
            "$PROGRAMS/client/provider" "$PROGRAMS/client/pkcs11" "$PROGRAMS/client/agent" "$PROGRAMS/tests/fakes"
        cp "$KEYSVC_BUILD"/keysvc/keysvcd "$KEYSVC_BUILD"/keysvc/keysvc-front "$KEYSVC_BUILD"/keysvc/keysvc-token \
            "$PROGRAMS/keysvc"
        cp "$KEYSVC_BUILD/client/cli/keysvc" "$PROGRAMS/client/cli"
        cp -a "$KEYSVC_BUILD"/client/lib/libkeysvc.so* "$PROGRAMS/client/lib"
        cp "$KEYSVC_BUILD/client/agent/keysvc-agent" "$PROGRAMS/client/agent"
        cp "$KEYSVC_BUILD/client/provider/keysvc.so" "$PROGRAMS/client/provider"
        cp "$KEYSVC_BUILD/client/pkcs11/libkeysvc-pkcs11.so" "$PROGRAMS/client/pkcs11"
        cp "$KEYSVC_BUILD"/tests/fakes/lib*.so "$PROGRAMS/tests/fakes"
    fi
    export PROGRAMS PATH=$PROGRAMS/client/cli:$PROGRAMS/keysvc:$PATH
}

# The profile: SoftHSM's, with short times, and another module in between if the world wants it. Where a kind of token
# is asked for, it is the kind's own.
write_profile()
{
    if [ -n "${TOKEN_KIND-}" ]; then
        cp "$SOURCE/hsm-profiles/$TOKEN_KIND.conf" "$W/profile.conf"
        return
    fi
    cat >"$W/profile.conf" <<END
module = "$MODULE"
workers = ${WORKERS-1}
hang-timeout = "${HANG_TIMEOUT-5s}"
generate-timeout = "60s"
kill-in-login = false
set-id = true
${PROFILE_OPTIONS-}
private-attributes = {"SIGN"}
public-attributes = {"VERIFY"}
environment = {"SOFTHSM2_CONF=$W/softhsm2.conf"}
write = {"$W/tokens", "$W/break"}
read = {"$PROGRAMS/tests/fakes"}
END
}

# keysvcd.conf. Standard input, if it is not a terminal's, replaces the sections of keys and rules.
write_config()
{
    {
        echo "daemon {"
        echo "    socket = \"$KEYSVC_SOCKET\""
        echo "    audit-dir = \"$W/audit\""
        echo "    state-dir = \"$W/state\""
        [ "$ME" != 0 ] || echo "    front-user = \"$FRONT\""
        [ -z "${DAEMON_OPTIONS-}" ] || echo "    $DAEMON_OPTIONS"
        echo "}"
        echo "token main {"
        echo "    profile = \"$W/profile.conf\""
        echo "    label = \"keysvc\""
        echo "    pin-file = \"$W/pin\""
        [ -z "${TOKEN_WORKERS-}" ] || echo "    workers = $TOKEN_WORKERS"
        [ "$ME" != 0 ] || echo "    user = \"$TOKEN\""
        echo "    environment = {$(token_environment)}"
        # Without a kind they stand in the profile that write_profile made.
        if [ -n "${STORE-}${TOKEN_KIND-}" ] && [ -n "$(token_store)" ]; then
            echo "    store = \"$(token_store)\""
        elif [ -n "${TOKEN_KIND-}" ] && [ -n "$(token_files)" ]; then
            echo "    write = {$(token_files)}"
        fi
        echo "}"
        default_rules
    } >"$W/keysvcd.conf.new"
    mv "$W/keysvcd.conf.new" "$W/keysvcd.conf"
}

token_environment()
{
    printf '"PKCS11_BREAK_DIR=%s/break"' "$W"
    token_variables
    # Without a kind they stand in the profile that write_profile made.
    [ -z "${TOKEN_KIND-}" ] || [ "${#VARIABLES[@]}" = 0 ] || printf ', "%s"' "${VARIABLES[@]}"
    # The environment of the service's processes is made, not inherited: a sanitizer is told here where to write.
    [ -z "${ASAN_OPTIONS-}" ] || printf ', "ASAN_OPTIONS=%s", "UBSAN_OPTIONS=%s"' "$ASAN_OPTIONS" "$UBSAN_OPTIONS"
}

# Alice may do everything with her keys; Bob has no rule; the user who runs the tests is the administrator.
default_rules()
{
    cat <<END
keys "web/**" {
    token = main
    type = ec-p256
    purpose = sign
    usage = {"serverAuth"}
    names = {"shop.example", ".shop.example", "*.shop.example", "10.0.0.0/8"}
}
keys "tls/**" {
    token = main
    type = ec-p256
    purpose = tls-server
    names = {"shop.example", ".shop.example"}
}
keys "rsa/**" {
    token = main
    type = rsa-2048
    purpose = sign
    names = {"shop.example"}
}
allow alice {
    user = {"$ALICE"}
    keys = {"web/**", "tls/**", "rsa/**"}
    operations = {all}
}
allow admins {
    user = {"$ME"}
    keys = {"**"}
    operations = {all, administer}
}
END
}

# keysvcd as `keysvc token init` and `keysvc doctor` start it: it knows where the build folder is.
own_keysvcd()
{
    printf '#!/bin/sh\nexec "%s" "$@" --libexec-dir "%s" --profile-dir "%s"\n' "$PROGRAMS/keysvc/keysvcd" \
        "$PROGRAMS/keysvc" "$SOURCE/hsm-profiles" >"$W/own-keysvcd"
    chmod 755 "$W/own-keysvcd"
    echo "$W/own-keysvcd"
}

# Replaces everything behind the token's section by standard input.
rules()
{
    local text
    text=$(cat)
    sed '/^}/q' "$W/keysvcd.conf" >"$W/keysvcd.conf.new"                            # daemon
    sed '1,/^}/d' "$W/keysvcd.conf" | sed '/^}/q' >>"$W/keysvcd.conf.new"           # token
    printf '%s\n' "$text" >>"$W/keysvcd.conf.new"
    mv "$W/keysvcd.conf.new" "$W/keysvcd.conf"
}

# ---------------------------------------------------------------- the service

# Starts keysvcd and waits until its token is ready; `start nowait` does not wait.
start()
{
    keysvcd --config "$W/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$SOURCE/hsm-profiles" \
        >>"$W/log" 2>&1 3>&- &
    echo $! >"$W/keysvcd.pid"
    [ "${1-}" = nowait ] || wait_ready
}

pid()
{
    cat "$W/keysvcd.pid"
}

# The processes that keysvcd has started, all or of one kind, ours only.
service_pids()
{
    pgrep -P "$(pid)" | sort
}

front_pid()
{
    pgrep -P "$(pid)" -x keysvc-front
}

token_pids()
{
    pgrep -P "$(pid)" -x keysvc-token
}

# Those of one of several tokens, by its name.
token_pids_of()
{
    pgrep -P "$(pid)" -f "keysvc-token $1 "
}

# Waits (PATIENCE seconds by the clock, 60 if not said, whatever a try costs) for a command to succeed: no machine is so busy
# that it takes longer. Most of what is waited for is there at once: the first tries come quickly.
wait_for()
{
    local pause=0.01 i=0 end=$((SECONDS + ${PATIENCE-60} + 1))
    while :; do
        "$@" >/dev/null 2>&1 && return 0
        [ "$SECONDS" -lt "$end" ] || break
        sleep "$pause"
        i=$((i + 1))
        # What waits for long is asked less often: other suites run beside it.
        [ "$i" -lt 5 ] || pause=0.05
        [ "$i" -lt 25 ] || pause=0.2
    done
    echo "waited in vain for: $*" >&2
    return 1
}

# Of the first token; asked often, so no interpreter is started for it.
token_state()
{
    local status
    status=$(keysvc status --json) || return 1
    [[ $status =~ \"state\":\ *\"([^\"]*)\" ]] && echo "${BASH_REMATCH[1]}"
}

token_is()
{
    [ "$(token_state)" = "$1" ]
}

# Ready, and the front has a worker to give jobs to: it sees a worker end before it hears so.
token_serves()
{
    local status
    status=$(keysvc status --json) || return 1
    [[ ${status#*\"state\":} =~ ^\ *\"ready\" ]] && [[ $status =~ \"ready_workers\":\ *[1-9] ]]
}

wait_ready()
{
    wait_for token_serves
}

# A free port of 127.0.0.1, TCP and UDP. It is not one of those that the kernel gives to connections, of which other suites
# make thousands a minute. It has had a connection that is in TIME_WAIT now, for a minute: servers, who all set SO_REUSEADDR,
# do not mind, and another suite that draws the same does not find it free.
free_port()
{
    /usr/bin/python3 -IS - <<'END'
import random, socket

def is_free(port):
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as s:
                s.bind(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)) as listening:
            with socket.create_connection(("127.0.0.1", port), 10) as client:
                listening.accept()[0].close()  # who ends it first waits
                client.recv(1)
        return True
    except OSError:
        return False

end = int(open("/proc/sys/net/ipv4/ip_local_port_range").read().split()[0])
# Where the kernel keeps next to nothing for programs it chooses.
ports = (random.randrange(11000, end) for _ in range(200)) if end > 16000 else ()
print(next(filter(is_free, ports), 0) or socket.create_server(("127.0.0.1", 0)).getsockname()[1])
END
}

# State Z is gone: not every PID 1 reaps at once.
is_gone()
{
    local stat
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
    stat=${stat##*) }
    [ "${stat:0:1}" = Z ]
}

# The front of a killed keysvcd ends by itself, a moment later: another one refuses to start beside it. Whom it took before
# waits for the next one.
nobody_listens()
{
    local code=0
    keysvc status --timeout 500ms >/dev/null 2>&1 || code=$?
    [ "$code" = 17 ]
}

# A clean stop: within 20 s, exit code 0, no process left.
stop()
{
    local main children code=0
    main=$(pid)
    children=$(pgrep -P "$main" || true)
    kill -TERM "$main"
    PATIENCE=20 wait_for is_gone "$main" || { kill -KILL "$main"; return 1; }
    wait "$main" || code=$?
    rm -f "$W/keysvcd.pid"
    # 127: it is no child of this shell (setup_file started it), its code is not ours to know.
    [ "$code" = 0 ] || [ "$code" = 127 ] || { echo "keysvcd ended with $code" >&2; return 1; }
    for child in $children; do
        wait_for is_gone "$child" || return 1
    done
}

# For teardown: ends what runs, keeps a sanitizer's report, removes the world.
end_world()
{
    [ -n "${W-}" ] && [ -d "$W" ] || return 0
    if [ -s "$W/keysvcd.pid" ] && ! is_gone "$(pid)"; then
        stop || true
    fi
    report_sanitizer
    token_stop
    rm -rf "$W"
}

# The front's and keysvcd's own reports stand in the log; tests/run looks into the folder of log_path.
report_sanitizer()
{
    local reports
    [ -n "${ASAN_OPTIONS-}" ] && [ -s "$W/log" ] || return 0
    reports=$(sed 's/.*log_path=\([^:]*\).*/\1/' <<<"$ASAN_OPTIONS")
    if grep -qE 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$W/log"; then
        cp "$W/log" "$reports-log.$(basename "$W")"
    fi
}

# ---------------------------------------------------------------- doing and looking

# as UID COMMAND...: as that user, in no group but its own, with what the token's module wants in its environment.
# IN_PLACE=exec: the command takes this shell's place.
as()
{
    local uid=$1 groups=--clear-groups
    shift
    token_variables
    if [ "$ME" = 0 ] && [ "$uid" != 0 ]; then
        # By a number alone nobody is in a group; a user with an account is in those of its name.
        [ -z "${KEYSVC_OWN_MOUNTS-}" ] || groups=--init-groups
        ${IN_PLACE-} env "${VARIABLES[@]}" HOME="$W/home" setpriv --reuid "$uid" --regid "$uid" "$groups" -- "$@"
    else
        ${IN_PLACE-} env "${VARIABLES[@]}" "$@"
    fi
}

# Of this kind; a reason to skip on a developer's machine, on CI there is none.
need_token()
{
    local why
    why=$(token_missing)
    [ -z "$why" ] || skip "$why"
}

need_root()
{
    [ "$ME" = 0 ] || skip "needs root: several users"
}

# build_option NAME: what the build was configured with.
build_option()
{
    json "[o['value'] for o in d if o['name'] == '$1'][0]" <"$KEYSVC_BUILD/meson-info/intro-buildoptions.json"
}

# The filters of system calls are in every build but the sanitizers', and those without the option.
need_filter()
{
    [ "$(build_option sandbox) $(build_option b_sanitize)" = "True none" ] || skip "a build without system call filters"
}

# json EXPRESSION: what the document on standard input, d, holds there.
json()
{
    /usr/bin/python3 -IS -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

# with_module COMMAND...: a program that is not instrumented, given the sanitizer of a module of ours that is.
with_module()
{
    local preload=()
    [ -z "${KEYSVC_SANITIZED-}" ] || preload=("LD_PRELOAD=$(gcc -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0)
    env "${preload[@]}" "$@"
}

# verify KEY FILE SIGNATURE [OPENSSL-OPTION...]: openssl says whether this is the key's signature of that file.
verify()
{
    local key=$1 file=$2 signature=$3
    shift 3
    keysvc key public "$key" >"$W/verify.pem"
    openssl dgst -sha256 "$@" -verify "$W/verify.pem" -signature "$signature" "$file"
}

# The chains of this world, read beside the service.
audit_verify()
{
    keysvc audit verify --audit-dir "$W/audit" --state-dir "$W/state" "$@"
}

audit_show()
{
    keysvc audit show --audit-dir "$W/audit" "$@"
}

# How often a function of the module was called, with `world break`.
calls()
{
    "$KEYSVC_BUILD/tests/fakes/pkcs11-break-calls" "$W/break" "$1"
}

# break_rules RULE...: replaces the rules of the module that breaks; none: nothing is broken any more.
break_rules()
{
    printf '%s\n' "$@" >"$W/break/rules.new"
    chmod 644 "$W/break/rules.new"
    mv "$W/break/rules.new" "$W/break/rules"
}

# next C_Sign: the number that the next call will have.
next()
{
    echo $(($(calls "$1") + 1))
}

# A client in another language, made from the .proto and docs/protocol.md alone: the commands `client` and `hostile`.
python_client()
{
    local program
    mkdir -m 755 "$W/python"
    protoc --proto_path="$SOURCE/proto" --python_out="$W/python" keysvc.proto
    cp "$SOURCE/tests/system/client.py" "$SOURCE/tests/system/hostile.py" "$W/python"
    for program in client hostile; do
        printf '#!/bin/sh\nexec /usr/bin/python3 -B "%s" "$KEYSVC_SOCKET" "$@"\n' "$W/python/$program.py" \
            >"$W/python/$program"
        chmod 755 "$W/python/$program"
    done
    chmod -R a+rX "$W/python"
    export PATH=$W/python:$PATH
}

# A picture of the token as its own tools see it.
pkcs11()
{
    as "$TOKEN" pkcs11-tool --module "$TOKEN_MODULE" --token-label keysvc --login --pin "$PIN" "$@" 2>&1
}

show_log_if_failed()
{
    if [ -z "${BATS_TEST_COMPLETED-}" ] && [ -s "${W-}/log" ]; then
        echo "--- the log of keysvcd:"
        tail -n 60 "$W/log"
    fi
}

# not COMMAND...: bash does not end a test at a `!` that is not its last line.
not()
{
    if "$@"; then
        echo "should have failed: $*" >&2
        return 1
    fi
}
