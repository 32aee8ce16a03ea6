#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# lifecycle.bats - starting and ending: under a service manager, with its socket, as another user, twice

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_world
}

# A service manager in the background: what it is told comes into notified, until it is told of the stop.
manager()
{
    /usr/bin/python3 - "$W/notify" >"$W/notified" 3>&- <<'END' &
import socket, sys
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(sys.argv[1])
while True:
    text = notify.recv(4096).decode()
    print(text, flush=True)
    if "STOPPING=1" in text:
        break
END
    listener=$!
    wait_for test -S "$W/notify"
}

@test "the service manager is told when it is ready, and when it stops" {
    world
    manager
    NOTIFY_SOCKET=$W/notify start nowait
    wait_for grep READY=1 "$W/notified"
    # Ready means that clients are served.
    keysvc status
    kill -HUP "$(pid)"
    wait_for grep RELOADING=1 "$W/notified"
    stop
    wait_for grep STOPPING=1 "$W/notified"
    wait $listener
}

@test "a reload while it starts does not make it ready" {
    world break
    manager
    break_rules 'C_Login:1:slow 2000'
    NOTIFY_SOCKET=$W/notify start nowait
    in_login()
    {
        [ -s "$W/break/calls" ] && [ "$(calls C_Login)" = 1 ]
    }
    wait_for in_login
    kill -HUP "$(pid)"
    wait_for grep -q 'event=reload outcome=ok' "$W/log"
    not grep -E 'READY=1|RELOADING=1' "$W/notified"
    wait_for grep READY=1 "$W/notified"
    keysvc status
    stop
    wait $listener
}

# early SIGNAL: keysvcd, to which it comes before its first change of a folder.
early()
{
    KEYSVC_STOP_AT=1 KEYSVC_STOP_AS=$(kill -l "$1") LD_PRELOAD=$PROGRAMS/tests/fakes/libstop-at.so start nowait
}

# bats test_tags=uninstrumented
@test "a signal that comes before it can be heeded is heeded a moment later" {
    local signal code
    world
    for signal in TERM INT; do
        early "$signal"
        PATIENCE=20 wait_for is_gone "$(pid)"
        code=0
        wait "$(pid)" || code=$?
        [ "$code" = 0 ]
        grep -q 'event=stopping' "$W/log"
        rm "$W/log"
    done
    early HUP
    wait_ready
    wait_for grep -q 'event=reload outcome=ok generation=2' "$W/log"
    stop
    early USR1
    wait_ready
    stop
}

@test "blocked signals that it was started with are none to it" {
    world
    /usr/bin/python3 -IS -c 'import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
os.execv(sys.argv[1], sys.argv[1:])' "$(own_keysvcd)" --config "$W/keysvcd.conf" >>"$W/log" 2>&1 3>&- &
    echo $! >"$W/keysvcd.pid"
    wait_ready
    stop
}

@test "the service manager's socket is used" {
    world
    systemd-socket-activate -l "$KEYSVC_SOCKET" --fdname=keysvc \
        "$PROGRAMS/keysvc/keysvcd" --config "$W/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc" \
        --profile-dir "$SOURCE/hsm-profiles" >>"$W/log" 2>&1 3>&- &
    echo $! >"$W/keysvcd.pid"
    wait_for test -S "$KEYSVC_SOCKET"
    # It is executed at the first connection.
    wait_ready
    keysvc key generate web/shop
    stop
    # Whose socket it is, theirs it stays.
    [ -S "$KEYSVC_SOCKET" ]
}

@test "a clean stop leaves no process and no socket" {
    world
    start
    keysvc key generate web/shop
    stop
    [ ! -e "$KEYSVC_SOCKET" ]
}

@test "a stop under load ends what is open" {
    world
    start
    keysvc key generate web/shop
    python_client
    client load web/shop "$W/data" 3600 >"$W/report" 2>&1 3>&- &
    load=$!
    wait_for grep -q '"operation":"sign"' "$W/audit/main-1.log"
    stop
    kill $load
    wait $load || true
    audit_verify
}

@test "a second keysvcd on the same socket is refused, and the first serves on" {
    world
    start
    run timeout 20 keysvcd --config "$W/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$SOURCE/hsm-profiles"
    [ "$status" != 0 ]
    [ "$status" != 124 ]
    keysvc status
    [ "$(token_state)" = ready ]
}

@test "a socket left by a crash is taken over" {
    world
    start
    kill -KILL "$(pid)"
    wait_for is_gone "$(pid)"
    wait_for nobody_listens
    [ -S "$KEYSVC_SOCKET" ]
    start
    keysvc status
}

@test "a user who is not root runs it as himself" {
    world
    own_world_of $ALICE
    start_as $ALICE
    rules_ready()
    {
        [ "$(as $ALICE keysvc status --json | json 'd["tokens"][0]["state"]')" = ready ]
    }
    wait_for rules_ready
    as $ALICE keysvc key generate web/shop
    as $ALICE keysvc sign web/shop --in "$W/data" >"$W/signature"
    as $ALICE keysvc key public web/shop >"$W/key.pem"
    openssl dgst -sha256 -verify "$W/key.pem" -signature "$W/signature" "$W/data"
    grep -P "^Uid:\t$ALICE\t" "/proc/$(front_pid)/status"
    as $ALICE keysvc audit verify --audit-dir "$W/audit" --state-dir "$W/state"
    stop
}

start_as()
{
    local switch=(setpriv --reuid "$1" --regid "$1" --clear-groups --)
    [ "$ME" = 0 ] || switch=()
    "${switch[@]}" keysvcd --config "$W/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc" \
        --profile-dir "$SOURCE/hsm-profiles" >>"$W/log" 2>&1 3>&- &
    echo $! >"$W/keysvcd.pid"
}

# The world belongs to one user, and the configuration names no others.
own_world_of()
{
    [ "$ME" != 0 ] || chown -R "$1:$1" "$W"
    sed -i '/front-user = /d; /^    user = "'"$TOKEN"'"$/d' "$W/keysvcd.conf"
}

@test "a bad configuration ends it at once, with file and line" {
    world
    echo 'nonsense = 1' >>"$W/keysvcd.conf"
    run timeout 20 keysvcd --config "$W/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$SOURCE/hsm-profiles"
    [ "$status" != 0 ]
    [ "$status" != 124 ]
    [[ $output == *"$W/keysvcd.conf:$(wc -l <"$W/keysvcd.conf"): "* ]]
}

@test "a token that is not there is waited for, and what needs none is served" {
    world
    as "$TOKEN" find "$W/tokens" -mindepth 1 -delete
    start nowait
    absent()
    {
        token_is absent
    }
    wait_for absent
    run keysvc key generate web/shop --timeout 1s
    [ "$status" = 10 ] || [ "$status" = 12 ]
    as "$TOKEN" softhsm2-util --init-token --free --label keysvc --pin "$PIN" --so-pin "$SO_PIN"
    wait_ready
    keysvc key generate web/shop
}

@test "doctor finds nothing wrong in a good world and names what is wrong in a bad one" {
    world
    start
    keysvc doctor --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
    stop
    run keysvc doctor --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
    [ "$status" != 0 ]
    [[ $output == *"$KEYSVC_SOCKET"* ]]
}
