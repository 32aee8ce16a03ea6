#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# p11-kit.bats - the installed module file: every program of the host that asks p11-kit loads the module, wanted or not
#
# So it must cost nothing where it is of no use: no word, no wait, no failure.

setup_file()
{
    load programs
    programs_world
    certified_on_token web/shop shop
    keysvc key generate sign/rsa/shop
}

setup()
{
    load programs
    serving
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

# documented_line NUMBER: the commands of docs/programs.md are modules, tokens, objects.
documented_line()
{
    documented p11-kit-list | sed -n "$1p"
}
MODULES=1 TOKENS=2 OBJECTS=3

# quiet UID NUMBER: succeeds, says nothing on standard error, and does not wait for anything.
quiet()
{
    # shellcheck disable=SC2046
    with_p11_kit as "$1" timeout 5 $(documented_line "$2") >"$W/output" 2>"$W/errors"
    [ ! -s "$W/errors" ] || { cat "$W/errors"; return 1; }
}

# objects_as UID: what there is, or what is said instead.
objects_as()
{
    # shellcheck disable=SC2046
    with_p11_kit as "$1" timeout 5 $(documented_line $OBJECTS) 2>&1
}

both_lists_are_quiet()
{
    quiet "$1" $MODULES
    grep -x 'keysvc: .*/libkeysvc-pkcs11.so' "$W/output"
    grep -x '    token: keysvc' "$W/output"
    quiet "$1" $TOKENS
    grep -F 'token=keysvc' "$W/output"
}

@test "p11-kit lists the module and its token, p11tool every object to whom may use it" {
    both_lists_are_quiet "$ALICE"
    quiet "$ALICE" $OBJECTS
    grep -F 'object=web%2Fshop%401;type=private' "$W/output"
    grep -F 'object=web%2Fshop%401;type=cert' "$W/output"
    grep -F 'object=sign%2Frsa%2Fshop%401;type=public' "$W/output"
}

@test "a user without a rule sees the token, nothing in it, and no error" {
    need_root
    both_lists_are_quiet "$BOB"
    fails 2 'No matching objects found' objects_as "$BOB"
    [[ $output != *keysvc-pkcs11* ]]
}

@test "while keysvcd is down listing tokens says nothing; who asks for keys is told, unless nobody wants to hear" {
    stop
    both_lists_are_quiet "$ALICE"
    fails 2 "keysvc-pkcs11: $KEYSVC_SOCKET" objects_as "$ALICE"
    KEYSVC_PKCS11_LOG=none run -2 objects_as "$ALICE"
    [[ $output != *keysvc-pkcs11* ]]
}

@test "while keysvcd hangs programs that list tokens do not" {
    local process processes
    processes="$(front_pid) $(pid)"
    for process in $processes; do
        kill -STOP "$process"
    done
    both_lists_are_quiet "$ALICE"
    for process in $processes; do
        kill -CONT "$process"
    done
    quiet "$ALICE" $OBJECTS
}

@test "a TLS client of GnuTLS's that has no key hears nothing of it, service or not" {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 30 \
        -addext subjectAltName=DNS:localhost -keyout "$W/other.key" -out "$W/other.crt" 2>/dev/null
    chmod 644 "$W/other.crt"
    PORT=$(free_port)
    background openssl s_server -accept "$PORT" -www -key "$W/other.key" -cert "$W/other.crt"
    wait_for said ACCEPT
    client_is_quiet
    stop
    client_is_quiet
}

client_is_quiet()
{
    with_p11_kit as "$ALICE" timeout 5 gnutls-cli --x509cafile "$W/other.crt" -p "$PORT" localhost \
        </dev/null >"$W/output" 2>&1
    grep 'Handshake was completed' "$W/output"
    not grep keysvc-pkcs11 "$W/output"
}

@test "the module file can keep it away from programs" {
    quiet "$ALICE" $TOKENS
    cp "$W/p11-kit/pkcs11/modules/keysvc.module" "$W/module.before"
    echo 'enable-in: git, wget' >>"$W/p11-kit/pkcs11/modules/keysvc.module"
    quiet "$ALICE" $TOKENS
    not grep -F 'token=keysvc' "$W/output"
    echo 'enable-in: git, p11tool' | cat "$W/module.before" - >"$W/p11-kit/pkcs11/modules/keysvc.module"
    quiet "$ALICE" $TOKENS
    grep -F 'token=keysvc' "$W/output"
    cp "$W/module.before" "$W/p11-kit/pkcs11/modules/keysvc.module"
}
