#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# doctor.bats - `keysvc doctor` names each trouble that was met while this was built, and how to mend it

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_world
}

doctor()
{
    keysvc doctor --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)" "$@"
}

# finding VERDICT CHECK TEXT: there is one with that text, and something to do about it.
finding()
{
    doctor --json >"$W/doctor.json" || true
    /usr/bin/python3 - "$W/doctor.json" "$@" <<'END'
import json, sys
path, verdict, check, text = sys.argv[1:]
found = json.load(open(path))["findings"]
hits = [f for f in found if f["verdict"] == verdict and f["check"] == check and text in f["text"]]
if not hits or verdict in ("wrong", "note") and not any(f["mend"] or check == "configuration" for f in hits):
    print(*found, sep="\n")
    sys.exit(1)
END
}

# An option in the token's section.
token_option()
{
    sed -i "/^token main {/a\\    $1" "$W/keysvcd.conf"
}

@test "in a good world nothing is wrong, with keys and certificates looked at" {
    world
    token_option "store = \"$W/tokens\""
    start
    keysvc key generate web/shop
    doctor
    finding ok pin-counter main
    finding ok keys "versions that you may see"
    finding ok store "$W/tokens"
    # The audit's key is in no class on purpose, and asking for its certificate would be refused and recorded.
    not grep keysvc/audit "$W/doctor.json"
    not grep -r '"outcome":"PURPOSE"' "$W/audit"
    stop
}

@test "a service that does not run: doctor does not send to doctor" {
    world
    finding wrong service NO_SERVICE
    grep 'Start keysvcd' "$W/doctor.json"
    not grep 'see keysvc doctor' "$W/doctor.json"
}

@test "each mistake of the configuration is a finding" {
    world
    sed -i 's/purpose = tls-server/purpose = nothing/; s/type = rsa-2048/type = rsa-1/' "$W/keysvcd.conf"
    finding wrong configuration '"nothing"'
    finding wrong configuration '"rsa-1"'
    not grep '<3>' "$W/doctor.json"
}

@test "a marker of a failed login: what may be done about it" {
    world
    printf 'x\n' >"$W/state/main.login-tried"
    finding wrong state-dir main.login-tried
    grep 'retry-login' "$W/doctor.json"
    grep 'which costs one try, too' "$W/doctor.json"
}

@test "a chain that does not go on from its kept checkpoint, until somebody has moved that away" {
    world
    printf 'x\n' | tee "$W/state/main-1.checkpoint" >"$W/state/main-1.checkpoint.refused"
    finding wrong checkpoint "the audit chain main-1 was cut or replaced"
    grep "move $W/state/main-1.checkpoint away" "$W/doctor.json"
    rm "$W/state/main-1.checkpoint"
    doctor --json >"$W/doctor.json" || true
    not grep '"checkpoint"' "$W/doctor.json"
}

@test "a socket or its folder that somebody has closed: root is told, who comes to neither" {
    world
    start
    not finding note socket ""
    chmod 600 "$KEYSVC_SOCKET"
    finding note socket "$KEYSVC_SOCKET has mode 600"
    chmod 666 "$KEYSVC_SOCKET"
    chmod 700 "$W/run"
    finding note socket "$W/run has mode 700"
    [ "$ME" != 0 ] || as $BOB keysvc doctor --config "$W/none" --json >"$W/doctor.json" || true
    [ "$ME" != 0 ] || grep 'See the finding on the socket' "$W/doctor.json"
    chmod 755 "$W/run"
    # Removed under a service that runs: to start it again would do nothing.
    rm "$KEYSVC_SOCKET"
    finding wrong socket "No such file"
    grep 'restart it' "$W/doctor.json"
}

@test "a PIN file that is not there: no login was tried, and no login is said to have failed" {
    world
    rm "$W/pin"
    start nowait
    wait_for token_is login-blocked
    finding wrong token "no login was tried: the PIN file $W/pin of token main does not exist"
    # Nobody is sent to the rules for keys that no token shows.
    finding skipped rules "once a token is ready"
    not grep 'a login failed' "$W/doctor.json"
}

@test "what stands in the place of an audit file and is none is named" {
    world
    start
    # keysvcd makes a new file as soon as none is there: the link comes in its place in one step.
    ln -s "$W/kept.log" "$W/link"
    mv "$W/audit/main-1.log" "$W/kept.log"
    mv -T "$W/link" "$W/audit/main-1.log"
    finding wrong audit-file "main-1.log is no regular file"
    rm "$W/audit/main-1.log"
    mv "$W/kept.log" "$W/audit/main-1.log"
    ln "$W/audit/main-1.log" "$W/audit/main-1.copy"
    finding wrong audit-file "main-1.log is a file with more than one name"
    rm "$W/audit/main-1.copy"
    doctor --json >"$W/doctor.json" || true
    not grep '"audit-file"' "$W/doctor.json"
}

@test "a token that was ready and is another one when it is asked is not called ready" {
    world
    start
    wait_for test -s "$W/state/main.audit-key.pem"
    as "$TOKEN" find "$W/tokens" -mindepth 1 -delete
    (umask 077 && printf '%s' "$SO_PIN" >"$W/so-pin")
    keysvc token init main --so-pin-file "$W/so-pin" --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
    finding wrong token "another token than before"
}

@test "a module that does not initialise: the sandbox is named as one that may be the cause" {
    world
    sed -i "s|SOFTHSM2_CONF=[^\"]*|SOFTHSM2_CONF=$W/no-such.conf|" "$W/keysvcd.conf" "$W/profile.conf"
    start nowait
    wait_for token_is absent
    finding wrong token "does not initialise"
    grep 'sandbox = off' "$W/doctor.json"
    not grep 'if it was never initialised' "$W/doctor.json"
}

@test "an ordinary user on a host in order is told what root sees more of, and nothing wrong" {
    need_root
    local keysvcd
    world
    token_option "store = \"$W/tokens\""
    start
    chmod 644 "$W/keysvcd.conf" "$W/profile.conf"
    keysvcd=$(own_keysvcd)
    as "$ALICE" keysvc doctor --config "$W/keysvcd.conf" --keysvcd "$keysvcd" >"$W/said"
    grep -q '^skipped .*what its user may do with .*root sees more' "$W/said"
}

@test "a module behind a folder that the token's user may not pass, and one that the caller may not see" {
    need_root
    mkdir -p "${BATS_TEST_TMPDIR:?}/vendor"
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" 2>/dev/null || true
    local keysvcd vendor=$BATS_TEST_TMPDIR/vendor
    cp "$(readlink -f /usr/lib/softhsm/libsofthsm2.so)" "$vendor/module.so"
    chmod 750 "$vendor"
    world
    sed -i "s#^module = .*#module = \"$vendor/module.so\"#" "$W/profile.conf"
    finding wrong module "does not come to $vendor/module.so: $vendor has mode 750"
    chmod 644 "$W/keysvcd.conf" "$W/profile.conf"
    keysvcd=$(own_keysvcd)
    as "$ALICE" keysvc doctor --config "$W/keysvcd.conf" --keysvcd "$keysvcd" >"$W/said" || true
    grep -q "^skipped  *module .*$vendor/module.so: Permission denied; root sees more" "$W/said"
    not grep -q '^wrong  *module' "$W/said"
    # Nor is a service of nobody yet hers; one whose state folder is hers runs as herself.
    with_state()
    {
        sed -e "s#^ *state-dir = .*#state-dir = \"$W/$1\"#" -e '/^ *user = "[0-9]*"$/d' "$W/keysvcd.conf" >"$W/other.conf"
        as "$ALICE" keysvc doctor --config "$W/other.conf" --keysvcd "$keysvcd" >"$W/said" || true
    }
    with_state none/state
    grep -q "^skipped  *module .*$vendor/module.so: Permission denied; root sees more" "$W/said"
    mkdir "$W/hers"
    chown "$ALICE" "$W/hers"
    for folder in hers hers/state; do
        with_state "$folder"
                grep -q "^wrong  *module .*does not come to $vendor/module.so: $vendor has mode 750" "$W/said"
    done
    chmod 755 "$vendor"
    chmod 600 "$vendor/module.so"
    with_state hers
    grep -q "^wrong  *module .*may not read $vendor/module.so" "$W/said"
}

@test "a second keysvcd on one store is named, and what to do" {
    world
    token_option "store = \"$W/tokens\""
    start
    first=$(pid)
    sed "s|$W/run|$W/run2|; s|$W/audit|$W/audit2|; s|$W/state|$W/state2|" "$W/keysvcd.conf" >"$W/second.conf"
    mkdir -m 755 "$W/run2" "$W/state2"
    mkdir -m 700 "$W/audit2"
    keysvcd --config "$W/second.conf" --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$SOURCE/hsm-profiles" \
        >>"$W/log2" 2>&1 3>&- &
    second=$!
    export KEYSVC_SOCKET=$W/run2/keysvc.sock
    told()
    {
        keysvc status --json | grep 'another keysvcd'
    }
    wait_for told
    mv "$W/keysvcd.conf" "$W/first.conf"
    cp "$W/second.conf" "$W/keysvcd.conf"
    finding wrong token "another keysvcd"
    grep 'Stop the other keysvcd' "$W/doctor.json"
    kill -TERM "$second"
    wait "$second"
    echo "$first" >"$W/keysvcd.pid"
    stop
}

@test "a profile that wants copies and a token without a store" {
    world
    echo 'copies = {"*/token.object"}' >>"$W/profile.conf"
    start
    finding note configuration "no store"
    stop
    token_option "store = \"$W/tokens\""
    start
    finding ok store "with a copy: 1"
    stop
}

@test "an emptied token with and without a copy" {
    world
    token_option "store = \"$W/tokens\""
    folder=$(echo "$W"/tokens/*-*)
    cp "$folder/token.object" "$W/saved"
    : >"$folder/token.object"
    finding wrong store "is empty and has no copy"
    cp "$W/saved" "$folder/token.object.keysvc-copy"
    finding note store "there is a copy"
    cp "$W/saved" "$folder/token.object"
    finding ok store "with a copy: 1"
}

@test "two keys with one label, and a key in no class" {
    world
    start
    keysvc key generate web/shop
    pkcs11 --keypairgen --key-type EC:prime256v1 --label web/shop@1 --id 99 --usage-sign
    pkcs11 --keypairgen --key-type EC:prime256v1 --label other/key@1 --id 98 --usage-sign
    keysvc token rescan main
    finding wrong keys web/shop@1
    finding note keys other/key@1
    run doctor
    [ "$status" = 16 ]
    stop
}

@test "a certificate that runs out soon" {
    world
    start
    keysvc key generate web/shop
    keysvc self-sign web/shop --common-name shop.example --days 90 >"$W/long.pem"
    keysvc key certificate web/shop put --in "$W/long.pem"
    finding ok certificate "none runs out"
    keysvc self-sign web/shop --common-name shop.example --days 3 >"$W/short.pem"
    keysvc key certificate web/shop put --in "$W/short.pem"
    finding note certificate "web/shop@1 runs out soon"
    stop
}

@test "a class of a type that its token cannot make, and an unknown group: the file is wrong" {
    world
    echo 'unsupported = {ec-p256}' >>"$W/profile.conf"
    finding wrong configuration "ec-p256"
    write_profile
    [ "$ME" = 0 ] || return 0
    echo 'groups = {keysvc-no-such-group}' >>"$W/profile.conf"
    finding wrong configuration keysvc-no-such-group
}

@test "a TPM's bus that nobody listens on" {
    world
    sed -i 's|environment = {|environment = {"TPM2_PKCS11_TCTI=tabrmd:bus_type=session", "DBUS_SESSION_BUS_ADDRESS=unix:path='"$W"'/bus", "TPM2_PKCS11_STORE='"$W"'/none", |' \
        "$W/keysvcd.conf"
    finding wrong tpm "no D-Bus answers at $W/bus"
    finding wrong tpm-store "$W/none"
}

@test "a wrong PIN is named, with what it costs" {
    world
    printf 'wrong-pin' >"$W/pin"
    start nowait
    wait_for token_is login-blocked
    finding wrong token main
    run doctor
    [ "$status" = 18 ]
}

@test "a configuration that the running service does not use" {
    world
    start
    finding ok in-use "$W/keysvcd.conf"
    echo '# a word more' >>"$W/keysvcd.conf"
    finding note in-use "$W/keysvcd.conf holds now"
    keysvc reload
    finding ok in-use "$W/keysvcd.conf"
    # A profile counts, too.
    echo '# a word more' >>"$W/profile.conf"
    finding note in-use "$W/keysvcd.conf holds now"
    keysvc reload
    # Another service's.
    sed "s|$KEYSVC_SOCKET|$W/run/other.sock|" "$W/keysvcd.conf" >"$W/other.conf"
    doctor --config "$W/other.conf" >"$W/said"
    grep 'note     in-use .*uses another file' "$W/said"
    stop
    doctor >"$W/said" || true
    not grep in-use "$W/said"
}

# change_pin [ARGUMENT...]: to what is in $W/pin.new
change_pin()
{
    keysvc token change-pin main --new-pin-file "$W/pin.new" --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)" "$@"
}

@test "a change of the PIN that was killed midway: what the token may have now, and the way out" {
    local worker
    world break
    start
    keysvc key generate web/shop
    (umask 077 && printf 'Other-31415' >"$W/pin.new")
    # A refusal leaves nothing behind.
    (umask 077 && printf 'wrong-27182' >"$W/pin.wrong")
    fails 18 "the old PIN is refused" change_pin --pin-file "$W/pin.wrong"
    [ ! -e "$W/state/main.pin-change" ]
    # The token has it, the file has not.
    break_rules "C_SetPIN:$(next C_SetPIN):after abort"
    run change_pin
    [ "$status" != 0 ]
    [ "$(cat "$W/pin")" = "$PIN" ]
    break_rules
    finding wrong pin-change "$W/pin.new"
    grep "mv $W/pin.new $W/pin" "$W/doctor.json"
    # Who is logged in signs on; who comes new is refused, once, and that is a finding of its own.
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    worker=$(token_pids)
    kill -KILL "$worker"
    wait_for token_is login-blocked
    finding wrong pin-change "$W/pin.new"
    # A second try is refused and does not make anybody forget the first.
    fails 18 "the old PIN is refused" change_pin
    finding wrong pin-change "$W/pin.new"
    mv "$W/pin.new" "$W/pin"
    wait_ready
    doctor >"$W/said"
    not grep pin-change "$W/said"
    keysvc sign web/shop --in "$W/data" >"$W/signature"
}

@test "a change of the PIN that was killed before the token had it is done again" {
    world break
    start
    (umask 077 && printf 'Other-31415' >"$W/pin.new")
    break_rules "C_SetPIN:$(next C_SetPIN):abort"
    run change_pin
    [ "$status" != 0 ]
    break_rules
    finding wrong pin-change "$W/pin.new"
    # To another one it is not: nobody would know of the first any more.
    (umask 077 && printf 'Third-16180' >"$W/pin.third")
    fails 5 "to that in $W/pin.new was cut off" change_pin --new-pin-file "$W/pin.third"
    finding wrong pin-change "$W/pin.new"
    change_pin
    [ ! -e "$W/state/main.pin-change" ]
    [ "$(cat "$W/pin")" = Other-31415 ]
    doctor
    change_pin --new-pin-file "$W/pin.third"
    [ "$(cat "$W/pin")" = Third-16180 ]
}

@test "a PIN that has expired is changed without the login that it cannot have" {
    world break
    start
    (umask 077 && printf 'Other-31415' >"$W/pin.new")
    # To some tokens any PIN is an expired one.
    break_rules "C_Login:$(next C_Login):CKR_PIN_EXPIRED" "C_SetPIN:$(next C_SetPIN):CKR_PIN_INCORRECT"
    fails 18 "the old PIN is refused: C_SetPIN: CKR_PIN_INCORRECT" change_pin
    [[ $output == *"keysvc token retry-login main"* ]]
    [ "$(calls C_Login) $(calls C_SetPIN)" = "2 1" ] # the first was keysvcd's own
    break_rules "C_Login:$(next C_Login):CKR_PIN_EXPIRED"
    change_pin
    break_rules
    [ "$(cat "$W/pin")" = Other-31415 ]
    kill -KILL "$(token_pids)"
    wait_ready
    doctor
}

@test "a change of the PIN after which the token says an error is not known to have been made: both ways out" {
    world break
    start
    (umask 077 && printf 'Other-31415' >"$W/pin.new")
    # It was not made.
    break_rules "C_SetPIN:$(next C_SetPIN):CKR_GENERAL_ERROR"
    fails 13 "it has the new PIN or the old one: C_SetPIN: CKR_GENERAL_ERROR" change_pin
    [[ $output == *"do the same again: it ends when the old PIN is refused for the first time"* ]]
    finding wrong pin-change "$W/pin.new"
    change_pin
    [ "$(cat "$W/pin")" = Other-31415 ]
    [ ! -e "$W/state/main.pin-change" ]
    # It was made.
    (umask 077 && printf 'Third-16180' >"$W/pin.new")
    break_rules "C_SetPIN:$(next C_SetPIN):after CKR_DEVICE_ERROR"
    fails 13 "it has the new PIN or the old one: C_SetPIN: CKR_DEVICE_ERROR" change_pin
    [ "$(cat "$W/pin")" = Other-31415 ]
    finding wrong pin-change "$W/pin.new"
    fails 18 "the old PIN is refused: C_Login" change_pin
    [[ $output == *"keysvc token retry-login main"* ]]
    mv "$W/pin.new" "$W/pin"
    stop
    start nowait
    wait_for token_is login-blocked
    keysvc token retry-login main
    wait_ready
    doctor >"$W/said"
    not grep pin-change "$W/said"
}

@test "a new PIN that the token refuses, or no login at all, has changed nothing" {
    world break
    start
    (umask 077 && printf 'abc' >"$W/pin.new")
    fails 6 "the new PIN is not accepted: C_SetPIN: CKR_PIN_LEN_RANGE" change_pin
    [ ! -e "$W/state/main.pin-change" ]
    (umask 077 && printf 'Other-31415' >"$W/pin.new")
    break_rules "C_Login:$(next C_Login):CKR_FUNCTION_FAILED"
    fails 10 "no login: C_Login: CKR_FUNCTION_FAILED" change_pin
    [ ! -e "$W/state/main.pin-change" ]
    change_pin
    [ "$(cat "$W/pin")" = Other-31415 ]
}

@test "a change of the PIN that could not be started leaves no trace, nor takes that of one before it away" {
    world break
    start
    (umask 077 && printf 'Other-31415' >"$W/pin.new")
    sed "s|--libexec-dir \"[^\"]*\"|--libexec-dir \"$W/nowhere\"|" "$(own_keysvcd)" >"$W/without-programs"
    chmod 755 "$W/without-programs"
    fails 1 "cannot execute it" change_pin --keysvcd "$W/without-programs"
    [ ! -e "$W/state/main.pin-change" ]
    doctor >"$W/said"
    not grep pin-change "$W/said"
    break_rules "C_SetPIN:$(next C_SetPIN):after abort"
    run change_pin
    [ "$status" != 0 ]
    fails 1 "cannot execute it" change_pin --keysvcd "$W/without-programs"
    finding wrong pin-change "$W/pin.new"
}

# sandbox WHO: as `keysvc status --json` says it of keysvcd, front and main.
sandbox()
{
    keysvc status --json | json "(dict(d['sandbox'], main=d['tokens'][0]['sandbox']))['$1']"
}

# bats test_tags=uninstrumented
@test "which sandboxes are on: status tells an administrator, and doctor what is missing" {
    need_filter
    WORKERS=2 world
    start
    [ "$(sandbox keysvcd) $(sandbox front)" = "calls on" ] || [ "$(sandbox keysvcd) $(sandbox front)" = "calls calls" ]
    [ "$(sandbox main)" = "$(sandbox front)" ]
    not finding note sandbox "token main"
    # To others nothing is shown.
    [ "$ME" != 0 ] || [ "$(as $BOB keysvc status --json | json "d['sandbox']['front'] + d['tokens'][0]['sandbox']")" = "" ]
    stop
    token_option "sandbox = off"
    start
    [ "$(sandbox main)" = off ]
    finding note sandbox "token main: system calls are not filtered (off)"
    stop
    sed -i 's/^ *sandbox = off$//' "$W/keysvcd.conf"
    sed -i '/^write = /d' "$W/profile.conf"
    start
    [ "$(sandbox main)" = calls ]
    finding note sandbox "token main: system calls are filtered, but"
}
