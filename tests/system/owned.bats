#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# owned.bats - what each process of the service can do when somebody else is in it
#
# A token process is owned by its module (tests/fakes/pkcs11_hostile.c): it is given attempts, one a line, and says what
# it got. docs/security.md cites these tests.

setup()
{
    load harness
    OTHER=$ME
    [ "$ME" != 0 ] || OTHER=64803
}

teardown()
{
    show_log_if_failed
    end_world
}

# Two tokens, each with a store, a PIN file and, as root, a user of its own: main with the hostile module, other without.
two_tokens()
{
    world hostile
    chmod 755 "$W/tokens"
    mkdir -m 700 "$W/other-tokens"
    chmod 700 "$W/tokens"
    [ "$ME" != 0 ] || chown "$OTHER:$OTHER" "$W/other-tokens"
    echo "directories.tokendir = $W/other-tokens" >"$W/other.conf"
    as_other softhsm2-util --init-token --free --label other --pin 31337-other --so-pin "$SO_PIN" >/dev/null
    (umask 077 && printf 31337-other >"$W/other.pin")
    sed "s|^module.*|module = \"$TOKEN_MODULE\"|; s|softhsm2.conf|other.conf|; s|$W/tokens|$W/other-tokens|g" \
        "$W/profile.conf" >"$W/other-profile.conf"
    {
        cat <<END
token other {
    profile = "$W/other-profile.conf"
    label = other
    pin-file = "$W/other.pin"
    $([ "$ME" != 0 ] || echo "user = \"$OTHER\"")
    environment = {"SOFTHSM2_CONF=$W/other.conf"}
}
keys "web/**" { token = main  type = ec-p256  purpose = sign }
keys "tls/**" { token = main  type = ec-p256  purpose = tls-server }
keys "other/**" { token = other  type = ec-p256  purpose = sign }
allow alice { user = {"$ALICE"}  keys = {"web/**", "tls/**", "other/**"}  operations = {get, sign} }
allow admins { user = {"$ME"}  keys = {"**"}  operations = {all, administer} }
END
    } | rules
    start
    wait_for keysvc key generate other/shop
    keysvc key generate web/shop
    ls "$W/other-tokens" >"$W/other-token"
}

as_other()
{
    if [ "$ME" = 0 ]; then
        env SOFTHSM2_CONF="$W/other.conf" setpriv --reuid "$OTHER" --regid "$OTHER" --clear-groups -- "$@"
    else
        env SOFTHSM2_CONF="$W/other.conf" "$@"
    fi
}

# The process of a token: worker main, worker other.
worker()
{
    local pid
    for pid in $(token_pids); do
        ! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "keysvc-token $1 1" || echo "$pid"
    done
}

# attempt LINE...: the hostile module tries these at its next signature. A failure here is none of the attempts'.
attempt()
{
    rm -f "$W/break/results"
    printf '%s\n' "$@" >"$W/break/attempts.new"
    chmod 644 "$W/break/attempts.new"
    mv "$W/break/attempts.new" "$W/break/attempts"
    keysvc sign web/shop --in "$W/data" >"$W/signature" || true
    wait_for test -e "$W/break/results"
    [ "$(grep -c . "$W/break/results")" = $# ]
}

# refused LINE... / got LINE...: what the last attempts came to.
refused()
{
    local line
    for line in "$@"; do
        grep -qE "^refused [A-Z]+ $line\$" "$W/break/results" || { echo "not refused: $line" >&2; return 1; }
    done
}

got()
{
    local line
    for line in "$@"; do
        grep -qE "^got $line\$" "$W/break/results" || { echo "not got: $line" >&2; return 1; }
    done
}

# all_refused LINE...: tries them, and shows every one that was not refused.
all_refused()
{
    attempt "$@"
    if grep -v '^refused ' "$W/break/results"; then
        echo "(these were got)" >&2
        return 1
    fi
}

other_serves()
{
    keysvc sign other/shop --in "$W/data" >"$W/other-signature"
    verify other/shop "$W/data" "$W/other-signature"
}

# Where the build has a sandbox (sanitizers' have none) and this kernel lets it in.
need_sandbox()
{
    grep -q 'keysvc-token.*event=sandbox calls=on' "$W/log" || skip "no sandbox in this build"
}

# lie LINE: the module sends what keysvcd or the front calls nonsense; the process pays for it, and nobody else.
lie()
{
    local before other front
    before=$(worker main) other=$(worker other) front=$(front_pid)
    printf '%s\n' "$1" >"$W/break/attempts.new"
    mv "$W/break/attempts.new" "$W/break/attempts"
    # It is answered, or ended, by whoever was lied to.
    run keysvc sign web/shop --in "$W/data"
    [ "$status" = 0 ] || [ "$status" = 10 ]
    wait_for is_gone "$before"
    wait_for keysvc sign web/shop --in "$W/data"
    [ "$(worker other)" = "$other" ]
    [ "$(front_pid)" = "$front" ]
    other_serves
}

@test "an owned token process gets no file of the configuration, of others, or of the host's secrets" {
    need_root
    two_tokens
    chmod 700 "$W/state"
    all_refused "read $W/pin" "read $W/other.pin" "list $W/state" \
        audit-reopen "list $W/audit" "read $W/audit/main-1.log" "write $W/audit/main-1.log" "read $W/audit/other-1.log" \
        "list $W/other-tokens" "read $W/other-tokens/$(cat "$W/other-token")/token.object" "create $W/other-tokens/x" \
        "write $W/keysvcd.conf" "write $W/profile.conf" "create $W/x" "create $W/run/x" "remove $KEYSVC_SOCKET" \
        "read /etc/shadow" "create /etc/x" "create /usr/x" "write $MODULE" "write $PROGRAMS/keysvc/keysvc-token"
    other_serves
}

@test "an owned token process cannot look into another process, stop it or signal it" {
    need_root
    two_tokens
    local pid lines=()
    for pid in $(pid) $(front_pid) $(worker other) 1; do
        lines+=("memory $pid" "environment $pid" "descriptors $pid" "take-descriptor $pid" "trace $pid" "signal $pid" \
            "signal-pidfd $pid" "vm-read $pid" "limits $pid")
    done
    all_refused "${lines[@]}"
    other_serves
}

@test "as one user: an owned token process cannot look into another one, nor take its descriptors" {
    two_tokens
    local pid lines=()
    for pid in $(pid) $(front_pid) $(worker other); do
        lines+=("memory $pid" "environment $pid" "descriptors $pid" "take-descriptor $pid" "trace $pid" "vm-read $pid")
    done
    all_refused "${lines[@]}"
}

# bats test_tags=uninstrumented
@test "an owned token process cannot change what its audit says" {
    need_filter
    two_tokens
    all_refused audit-truncate audit-overwrite audit-positioned audit-duplicate audit-map
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    audit_verify
}

@test "an owned token process gains no privilege, no core file, no memory beyond its limit" {
    two_tokens
    all_refused privileges root core-files lock-memory mount bpf
}

# bats test_tags=uninstrumented
@test "an owned token process has its PIN, which is nowhere else in its memory, and its own token" {
    need_root
    # All of a sanitizer's memory cannot be read through.
    need_filter
    two_tokens
    attempt see-pin find-pin "create $W/tokens/x" "list $W/tokens"
    got see-pin "create $W/tokens/x" "list $W/tokens"
    refused find-pin
}

# bats test_tags=uninstrumented
@test "a sandboxed token process opens no file but its own token's and the system's" {
    two_tokens
    need_sandbox
    all_refused audit-reopen "read $W/pin" "read $W/other.pin" "read $W/keysvcd.conf" "list $W/audit" "list $W/state" "list $W/other-tokens" \
        "create /tmp/x" "create /dev/shm/x" "create $W/x" "list /home" "list /root" "list /var" "read /etc/shadow" "list /etc"
    attempt "create $W/tokens/x" "read /etc/passwd"
    got "create $W/tokens/x" "read /etc/passwd"
}

# bats test_tags=uninstrumented
@test "a sandboxed token process makes no socket, starts no program, and signals nobody" {
    two_tokens
    need_sandbox
    all_refused inet netlink "unix $KEYSVC_SOCKET" "abstract nobody" fork "execute /bin/true" writable-code \
        "signal $(pid)" "signal $(front_pid)" "signal $(worker other)" "signal-pidfd $(worker other)" "limits $(worker other)"
}

# bats test_tags=uninstrumented
@test "a sandboxed token process gets nothing of the kernel that it has no use for" {
    two_tokens
    need_sandbox
    all_refused dumpable mount user-namespace bpf keyring io-uring userfaultfd perf audit-send-itself
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    audit_verify
}

@test "an owned token process that lies about another token's keys is not believed" {
    two_tokens
    keysvc key public other/shop >"$W/public"
    attempt "claim-key other/shop@1" "claim-key other/shop@2" "deny-key other/shop@1"
    got "claim-key other/shop@1" "claim-key other/shop@2" "deny-key other/shop@1"
    keysvc key public other/shop | cmp - "$W/public"
    keysvc key show other/shop --json | json '(d["version"], d["token"])' | grep -x "(1, 'other')"
    other_serves
    # Even one that names it gets no signature of it.
    fails 4 other/shop@2 keysvc sign other/shop@2 --in "$W/data"
}

@test "an owned token process that talks nonsense to the front is replaced, alone" {
    two_tokens
    lie noise-front
    lie answer-unasked
    lie ask-front
    [ "$(grep -c 'event=worker-hung-up token=main' "$W/log")" = 3 ]
    audit_verify
}

@test "an owned token process that lies to keysvcd is replaced, alone" {
    two_tokens
    lie noise-keysvcd
    lie "state-of-another other"
    lie "administer main"
    keysvc metrics >"$W/metrics"
    grep -x 'keysvc_worker_restarts_total{token="other",worker="1"} 0' "$W/metrics"
    grep -x 'keysvc_worker_restarts_total{token="main",worker="1"} 3' "$W/metrics"
    not grep -q "token=other state=failed" "$W/log"
    audit_verify
}

# Without a serving process: the module is asked by `keysvc token change-pin` alone, as the token's user.
@test "an owned keysvc-token --administer gets no file of others, and looks into nobody" {
    need_root
    two_tokens
    local pid lines=("read $W/pin" "read $W/other.pin" "list $W/audit" "list $W/other-tokens" "write $W/keysvcd.conf" "read /etc/shadow"
        privileges root core-files mount bpf)
    for pid in $(pid) $(front_pid) $(worker other); do
        lines+=("memory $pid" "environment $pid" "descriptors $pid" "take-descriptor $pid" "trace $pid" "signal $pid")
    done
    printf '%s\n' "${lines[@]}" >"$W/break/attempts"
    chmod 644 "$W/break/attempts"
    (umask 077 && printf 'Pin-1414-21356' >"$W/pin.new")
    keysvc token change-pin main --new-pin-file "$W/pin.new" --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
    [ "$(grep -c . "$W/break/results")" = "${#lines[@]}" ]
    not grep -v '^refused ' "$W/break/results"
}

# ---------------------------------------------------------------- the front

# Both tokens with their keys, and then the owned front (tests/fakes/owned_front.c) in keysvc-front's place.
owned_front()
{
    two_tokens
    keysvc key generate tls/shop
    stop
    mkdir -m 755 "$W/libexec"
    cp "$PROGRAMS/keysvc/keysvc-token" "$W/libexec"
    cp "$KEYSVC_BUILD/tests/fakes/owned-front" "$W/libexec/keysvc-front"
    keysvcd --config "$W/keysvcd.conf" --libexec-dir "$W/libexec" --profile-dir "$SOURCE/hsm-profiles" >>"$W/log" 2>&1 3>&- &
    echo $! >"$W/keysvcd.pid"
    wait_for front_has_both
    : >"$W/log"
}

front_has_both()
{
    local workers
    workers=$(order workers)
    [[ $workers == *main/1* && $workers == *other/1* ]]
}

# order LINE: to the owned front; what it says.
order()
{
    /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
print(s.makefile().read(), end="")' "$KEYSVC_SOCKET" "$*"
}

# answers PATTERN LINE: what comes of an order.
answers()
{
    local pattern=$1 said
    shift
    said=$(order "$@")
    # shellcheck disable=SC2053
    [[ $said == $pattern ]] || { printf 'expected %s of "%s", not: %s\n' "$pattern" "$*" "$said" >&2; return 1; }
}

hex()
{
    od -An -v -tx1 | tr -d ' \n'
}

@test "an owned front gets no PIN, no token's file, no audit but its own, and looks into nobody" {
    need_root
    owned_front
    chmod 700 "$W/state"
    local pid path
    for path in "$W/pin" "$W/other.pin" "$W/other-tokens/$(cat "$W/other-token")/token.object" "$W/audit/main-1.log" \
        "$W/audit/front.log" /etc/shadow; do
        answers "refused *" "try read $path"
        answers "refused *" "try write $path"
    done
    for path in "$W/tokens" "$W/other-tokens" "$W/state" "$W/audit"; do
        answers "refused *" "try list $path"
        answers "refused *" "try create $path/x"
    done
    for pid in $(pid) $(token_pids); do
        for attempt in memory environment descriptors take-descriptor trace signal signal-pidfd vm-read limits; do
            answers "refused *" "try $attempt $pid"
        done
    done
    for attempt in privileges root core-files mount bpf; do
        answers "refused *" "try $attempt"
    done
}

@test "an owned front gets no signature that the key's class does not give" {
    owned_front
    # What it does get, so that the rest is not refused for another reason.
    answers "OK *" "sign main web/shop@1 $(hex <"$W/data")"
    answers "OK *" "sign other other/shop@1 $(hex <"$W/data")"
    # A JWT, with a key for TLS.
    answers "PURPOSE *" "sign main tls/shop@1 $(printf 'eyJhbGciOiJFUzI1NiJ9.e30' | hex)"
    answers "NAME_NOT_ALLOWED *" "csr main tls/shop@1 bank.example"
    answers "NAME_NOT_ALLOWED *" "self-sign main tls/shop@1 bank.example"
    # A key of another token, of no class, and the service's own.
    answers "DENIED *" "sign main other/shop@1 $(hex <"$W/data")"
    answers "DENIED *" "generate main other/new"
    answers "DENIED *" "generate main nobodys/new"
    answers "PURPOSE *" "sign main keysvc/audit@1 $(hex <"$W/data")"
    answers "PURPOSE *" "destroy main keysvc/audit@1"
    # A checkpoint of a token's chain, for records that are not there.
    answers "PURPOSE *" "checkpoint main keysvc-audit-checkpoint:1 chain=main-1 seq=1 hash=00 time=2026-01-01T00:00:00Z"
    audit_verify
}

@test "an owned front can name another caller, but hides and invents no signature" {
    owned_front
    answers "OK *" "sign main web/shop@1 $(hex <"$W/data") 4242"
    # The same request again is a signature again.
    answers "OK *" again
    answers "OK *" again
    answers "PURPOSE *" "sign main tls/shop@1 $(hex <"$W/data") 4242"
    audit_show | grep ' uid=4242 ' >"$W/recorded"
    [ "$(grep 'key=web/shop@1' "$W/recorded" | grep -c 'outcome=OK')" = 3 ]
    [ "$(grep 'key=tls/shop@1' "$W/recorded" | grep -c 'outcome=PURPOSE')" = 1 ]
    [ "$(grep -c . "$W/recorded")" = 4 ]
    audit_verify
}

@test "an owned front can make keys and destroy them, as far as classes reach, and that is recorded" {
    owned_front
    answers "OK *" "generate main web/new 4242"
    answers "OK *" "destroy main web/new@1 4242"
    audit_show | grep 'operation=generate' | grep 'key=web/new@1' | grep uid=4242
    audit_show | grep 'operation=destroy' | grep 'key=web/new@1' | grep uid=4242
}

@test "an owned front that talks nonsense to a token process is no longer heard there" {
    owned_front
    local before
    before=$(worker main)
    answers sent "noise main"
    answers "NO_SERVICE *" "sign main web/shop@1 00"
    answers "OK *" "sign other other/shop@1 $(hex <"$W/data")"
    [ "$(worker main)" = "$before" ]
    # A new front is heard.
    kill -KILL "$(front_pid)"
    wait_for front_has_both
    answers "OK *" "sign main web/shop@1 $(hex <"$W/data")"
    [ "$(worker main)" = "$before" ]
    audit_verify
}

@test "an owned front that talks nonsense to keysvcd is replaced, and no token logs in again for that" {
    owned_front
    local line front workers
    workers=$(token_pids)
    audit_show | grep -c login >"$W/logins"
    for line in noise-keysvcd setup-keysvcd; do
        front=$(front_pid)
        # It may be ended before it can say that it has sent it.
        order "$line" >/dev/null 2>&1 || true
        wait_for is_gone "$front"
        wait_for front_has_both
        answers "OK *" "sign main web/shop@1 $(hex <"$W/data")"
    done
    [ "$(token_pids)" = "$workers" ]
    audit_show | grep -c login | cmp - "$W/logins"
}

@test "an owned front can have a token's process restarted, and no more" {
    owned_front
    local main other
    main=$(worker main) other=$(worker other)
    answers sent "kill-worker other"
    wait_for is_gone "$other"
    wait_for front_has_both
    [ "$(worker main)" = "$main" ]
    answers sent "kill-worker nobody"
    answers "OK *" "sign main web/shop@1 $(hex <"$W/data")"
    answers "OK *" "sign other other/shop@1 $(hex <"$W/data")"
    [ "$(worker main)" = "$main" ]
}
