#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# recovery.bats - what dies comes back: kill -9 under load, a module that hangs, crashes, loses its sessions or lies

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_world
}

ready_world()
{
    world "$@"
    start
    keysvc key generate web/shop
    python_client
}

# Starts the load in the background, until it signs; its report is in $W/report.
load_begin()
{
    as $ALICE client load web/shop "$W/data" "$1" >"$W/report" 2>"$W/report.error" 3>&- &
    LOAD=$!
    wait_for signing
}

signing()
{
    grep -q '"event":"sign"' "$W"/audit/main-*.log
}

load_end()
{
    wait $LOAD || { cat "$W/report.error"; return 1; }
    echo "# $(cat "$W/report")" >&3
}

reported()
{
    json "d['$1']" <"$W/report"
}

@test "kill -9 of the token process under load: each request has one answer, and it comes back" {
    ready_world
    load_begin 5
    for ((i = 0; i < 5; i++)); do
        for process in $(token_pids); do
            kill -KILL "$process"
        done
        wait_ready
        sleep 0.3
    done
    load_end
    [ "$(reported signed)" -gt 100 ]
    [ "$(reported strange)" = 0 ]
    [ "$(reported refused)" = 0 ]
    # The client's connection is the front's, which lived.
    [ "$(reported lost)" = 0 ]
    [ "$(reported connections)" = 1 ]
    audit_verify
}

@test "kill -9 of the front under load: no answer twice, and it comes back" {
    ready_world
    load_begin 4
    workers=$(token_pids)
    for ((i = 0; i < 5; i++)); do
        kill -KILL "$(front_pid)"
        wait_ready
        sleep 0.3
    done
    load_end
    [ "$(reported signed)" -gt 100 ]
    [ "$(reported strange)" = 0 ]
    [ "$(reported refused)" = 0 ]
    # The workers stayed, and did not log in again.
    [ "$(token_pids)" = "$workers" ]
    audit_verify
}

@test "the library's own clients see nothing of it but time" {
    ready_world
    for ((i = 0; i < 4; i++)); do
        (for ((n = 0; n < 20; n++)); do
            as $ALICE keysvc sign web/shop --in "$W/data" >"$W/signature.$i.$n" || echo "$i.$n: $?" >>"$W/failed"
        done) 3>&- &
    done
    for ((i = 0; i < 3; i++)); do
        sleep 0.3
        kill -KILL "$(front_pid)" || true
        sleep 0.3
        kill -KILL $(token_pids) || true
        wait_ready
    done
    for job in $(jobs -p); do
        [ "$job" = "$(pid)" ] || wait "$job"
    done
    cat "$W/failed" || true
    [ ! -e "$W/failed" ]
    verify web/shop "$W/data" "$W/signature.3.19"
    audit_verify
}

@test "two workers: one is killed, the other serves on" {
    WORKERS=2 STORE=yes
    ready_world
    two()
    {
        [ "$(token_pids | wc -l)" = 2 ] && [ "$(keysvc status --json | json 'd["tokens"][0]["ready_workers"]')" = 2 ]
    }
    wait_for two
    load_begin 3
    kill -KILL "$(token_pids | tail -n 1)"
    wait_for two
    load_end
    [ "$(reported signed)" -gt 100 ]
    [ "$(reported strange)" = 0 ]
    [ "$(reported lost)" = 0 ]
    audit_verify
}

@test "keysvcd killed: its processes end, and a new one serves" {
    ready_world
    children=$(pgrep -P "$(pid)")
    kill -KILL "$(pid)"
    for child in $children; do
        wait_for is_gone "$child"
    done
    start
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
    audit_verify
}

@test "a module that hangs costs one process" {
    HANG_TIMEOUT=1s
    ready_world break
    before=$(token_pids)
    break_rules "C_Sign:$(next C_Sign):hang"
    # The library asks again, the second call is answered.
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
    [ "$(token_pids)" != "$before" ]
    audit_verify
}

@test "a client's own deadline kills nothing" {
    HANG_TIMEOUT=30s
    ready_world break
    before=$(token_pids)
    break_rules "C_Sign:$(next C_Sign):slow 2000"
    run keysvc sign web/shop --in "$W/data" --timeout 500ms
    [ "$status" = 12 ]
    wait_ready
    [ "$(token_pids)" = "$before" ]
    keysvc sign web/shop --in "$W/data" >"$W/signature"
}

@test "a module that crashes costs one process" {
    ready_world break
    before=$(token_pids)
    break_rules "C_Sign:$(next C_Sign):abort"
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
    [ "$(token_pids)" != "$before" ]
    audit_verify
}

@test "lost logins, lost sessions and lost tokens are found again" {
    ready_world break
    for answer in CKR_USER_NOT_LOGGED_IN CKR_SESSION_HANDLE_INVALID CKR_SESSION_CLOSED CKR_DEVICE_REMOVED \
        CKR_TOKEN_NOT_PRESENT CKR_DEVICE_ERROR CKR_OBJECT_HANDLE_INVALID CKR_KEY_HANDLE_INVALID \
        CKR_CRYPTOKI_NOT_INITIALIZED CKR_GENERAL_ERROR; do
        break_rules "C_SignInit:$(next C_SignInit):$answer"
        keysvc sign web/shop --in "$W/data" >"$W/signature" || { echo "after $answer"; return 1; }
        verify web/shop "$W/data" "$W/signature"
    done
    audit_verify
}

@test "an unplugged token is said to be absent, and is served again when it is back" {
    ready_world break
    break_rules 'C_Sign:*:CKR_DEVICE_REMOVED' 'C_SignInit:*:CKR_DEVICE_REMOVED' 'C_GetSlotList:*:CKR_DEVICE_REMOVED' \
        'C_GetTokenInfo:*:CKR_TOKEN_NOT_PRESENT' 'C_OpenSession:*:CKR_TOKEN_NOT_PRESENT'
    run keysvc sign web/shop --in "$W/data" --timeout 2s
    [ "$status" = 10 ] || [ "$status" = 12 ]
    not_ready()
    {
        not token_is ready
    }
    wait_for not_ready
    # What needs no token goes on.
    keysvc status
    break_rules
    wait_ready
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
}

@test "a wrong RSA signature never leaves" {
    ready_world break
    keysvc key generate rsa/shop
    break_rules "C_Sign:*:wrong"
    run keysvc sign rsa/shop --in "$W/data" --timeout 3s --out-file "$W/wrong"
    [ "$status" != 0 ]
    [ ! -s "$W/wrong" ]
    break_rules
    keysvc sign rsa/shop --in "$W/data" >"$W/right"
    verify rsa/shop "$W/data" "$W/right"
}

@test "a key whose generation nobody saw end is OUTCOME_UNKNOWN, and is found" {
    ready_world break
    break_rules "C_GenerateKeyPair:$(next C_GenerateKeyPair):after abort"
    fails 13 "key show" keysvc key generate web/unknown
    break_rules
    wait_ready
    keysvc key show web/unknown
    audit_verify | grep 'has no result: look at the key'
}

# The second answer leaves the process alive, the first does not: in both cases nobody is told what was before.
@test "a key of which its process does not know whether it is destroyed is shown as it was to nobody" {
    local answer
    ready_world break
    for answer in CKR_DEVICE_ERROR CKR_FUNCTION_CANCELED; do
        keysvc key generate "web/$answer"
        break_rules "C_DestroyObject:$(next C_DestroyObject):after $answer"
        fails 13 "key show" keysvc key destroy "web/$answer@1" --yes
        status=10
        while [ "$status" = 10 ]; do # TOKEN_UNAVAILABLE until the token has been listed again
            run keysvc key show "web/$answer@1"
        done
        [ "$status" = 4 ]
        break_rules
        wait_ready
    done
}

@test "a key that could not be generated is no key" {
    ready_world break
    break_rules "C_GenerateKeyPair:$(next C_GenerateKeyPair):CKR_DEVICE_MEMORY"
    run keysvc key generate web/full
    [ "$status" != 0 ]
    fails 4 web/full keysvc key show web/full
    break_rules
    wait_ready
    keysvc key generate web/full
}
