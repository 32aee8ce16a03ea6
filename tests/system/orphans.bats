#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# orphans.bats - keysvcd is killed at a bad moment: each of its processes ends, and harms the next keysvcd's work in no way

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    [ -z "${ORPHAN-}" ] || is_gone "$ORPHAN" || kill -KILL "$ORPHAN"
    end_world
}

# begun FUNCTION NUMBER: the module was called so often.
begun()
{
    [ "$(calls "$1")" -ge "$2" ]
}

ready_world()
{
    HANG_TIMEOUT=${HANG_TIMEOUT-1s} world break
    start
    keysvc key generate web/shop
    keysvc sign web/shop --in "$W/data" >"$W/signature"
}

# in_call FUNCTION RULE COMMAND...: while that is in the function's next call; its processes are in $children.
in_call()
{
    local function=$1 nth
    nth=$(next "$1")
    break_rules "$function:$nth:$2"
    shift 2
    "$@" >"$W/said" 2>&1 3>&- &
    wait_for begun "$function" "$nth"
    children=$(service_pids)
}

kill_keysvcd()
{
    local front
    front=$(front_pid)
    kill -KILL "$(pid)"
    rm "$W/keysvcd.pid"
    wait_for is_gone "$front" # or the next one finds its socket in use
}

all_gone()
{
    local child
    for child in $children; do
        wait_for is_gone "$child" || return 1
    done
}

@test "keysvcd killed while the module hangs: the process ends as if keysvcd had lived" {
    ready_world
    in_call C_Sign hang keysvc sign web/shop --in "$W/data" --timeout 1s
    kill_keysvcd
    all_gone
    grep -q 'keysvc-token.main/1.: event=orphan ' "$W/log"
    break_rules
    start
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
    audit_verify
}

@test "keysvcd killed during a call that ends later: the process ends then, and the chain is the next one's" {
    HANG_TIMEOUT=20s ready_world
    in_call C_Sign 'slow 4000' keysvc sign web/shop --in "$W/data" --timeout 1s
    kill_keysvcd
    start
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    all_gone
    grep -q "audit file main-1: keysvcd is gone" "$W/log" || grep -q event=supervisor-gone "$W/log"
    not grep event=orphan "$W/log"
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    audit_verify
    stop
    audit_verify
}

@test "keysvcd killed while it starts a token: C_Initialize hangs, and C_OpenSession" {
    local function
    ready_world
    stop
    for function in C_Initialize C_OpenSession; do
        in_call "$function" hang start nowait
        kill_keysvcd
        all_gone
    done
    break_rules
    start
    stop
}

@test "keysvcd killed during a login that may not be: it is not, and what follows it is bounded" {
    local nth
    ready_world
    stop
    nth=$(next C_Login)
    break_rules "C_Login:$nth:slow 6000" "C_FindObjectsInit:$(($(next C_FindObjectsInit) + 1))+:hang"
    start nowait
    wait_for begun C_Login "$nth"
    children=$(service_pids)
    ORPHAN=$(token_pids)
    kill_keysvcd
    sleep 2.5
    not is_gone "$ORPHAN"
    all_gone
    break_rules
    # What became of the login nobody knows: the next one is an administrator's.
    start nowait
    wait_for token_is login-blocked
    [ "$(calls C_Login)" = "$nth" ]
    keysvc token retry-login main
    wait_ready
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    audit_verify
}

@test "keysvcd killed while a process of it stands still: that ends as soon as it goes on" {
    ready_world
    children=$(service_pids)
    ORPHAN=$(token_pids)
    kill -STOP "$ORPHAN"
    kill_keysvcd
    start
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    kill -CONT "$ORPHAN"
    all_gone
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    audit_verify
}
