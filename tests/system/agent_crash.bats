#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_crash.bats - keysvc-agent's commands killed on their way, several at once, and on a full disk
#
# ../fakes/stop_at.c ends a program at its n-th step on the disk. Whatever happens, files and store show one set, and the
# next command finds all in order. ../unit/agent/test_switch_crash.c does the same at each step, without a token; here it
# is each third one, or STRIDE=1 for all.

load agent
STRIDE=${STRIDE-3}

teardown()
{
    show_log_if_failed
    [ -z "${HOLDER-}" ] || kill -KILL "$HOLDER"
    end_agent
    end_world
}

# killed N COMMAND...: the agent's command, ended at its n-th step. True: it was; false: it came to its end.
killed()
{
    local n=$1 code=0
    shift
    as "$AGENT" env KEYSVC_STOP_AT="$n" KEYSVC_STOP_AS="${STOP_AS-kill}" LD_PRELOAD="$PROGRAMS/tests/fakes/libstop-at.so" \
        keysvc-agent --config "$W/agent.conf" "$@" >"$W/said" 2>&1 || code=$?
    [ "$code" = 137 ] && return 0
    [ "$code" = 0 ] || { echo "step $n: code $code" >&2; cat "$W/said" >&2; STRANGE=1; }
    return 1
}

# What the store says is current.
stored()
{
    /usr/bin/python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT current FROM identity WHERE name = ?", (sys.argv[2],)).fetchone()[0])' \
        "$STATE/agent.db" "${1-agent}"
}

# How many versions of an identity's key the token has.
versions()
{
    keysvc key show "$AGENT_KEYS/${1-agent}" --json | json "len(d['versions'])"
}

# The fingerprint of what the running agent shows.
served()
{
    openssl s_client -connect "127.0.0.1:$PORT" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint
}

# bats test_tags=uninstrumented
@test "the first start, killed on its way: the next one makes the identity, with the one key" {
    local n=0
    world
    agent_world
    start
    agent identity-list # makes the store: its tables alone are many steps
    cp -a "$STATE" "$W/empty"
    while killed $((n += STRIDE)) identity-create agent; do
        agent identity-create agent
        files_show
        [ "$SET" = "sets/$(stored)" ]
        [ "$n" -lt 300 ]
        rm -rf "$STATE"
        cp -a "$W/empty" "$STATE"
    done
    [ -z "${STRANGE-}" ]
    [ "$n" -gt 30 ]
    files_show
    [ "$(versions)" = 1 ]
}

@test "four first starts at once: one identity, one key, one set" {
    local pids=() pid
    world
    agent_world
    start
    for _ in 1 2 3 4; do
        agent identity-create agent >>"$W/said" 2>&1 &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || { cat "$W/said" >&2; return 1; }
    done
    files_show
    [ "$SET" = sets/1 ]
    [ "$(versions)" = 1 ]
}

# bats test_tags=uninstrumented
@test "a rekey, killed on its way: the old set or the new one, and no version of the key is lost on the way" {
    local n=0
    world
    agent_world
    start
    agent identity-create agent
    cp -a "$STATE" "$W/before"
    while killed $((n += STRIDE)) certificate-apply-self-signed --rekey; do
        files_show
        agent certificate-status --json >"$W/status"
        files_show
        [ "$SET" = "sets/$(stored)" ]
        [ "$SET" = sets/1 ] || [ "$SET" = sets/2 ]
        [ "$(json "d['set']" <"$W/status")" = "${SET#sets/}" ]
        [ "$(json "d['key_state']" <"$W/status")" = present ]
        [ "$n" -lt 300 ]
        rm -rf "$STATE"
        cp -a "$W/before" "$STATE"
    done
    [ -z "${STRANGE-}" ]
    [ "$n" -gt 30 ]
    files_show
    [ "$SET" = sets/2 ]
    # Each try took the version that the first one had made.
    [ "$(versions)" = 2 ]
}

# bats test_tags=uninstrumented
@test "an apply, killed on its way: the old certificate or the new one, never a mix, and the agent starts with it" {
    local n=0 old new
    world
    agent_world
    start
    agent identity-create agent
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/ca.key" -out "$W/ca.crt" -subj /CN=CA 2>/dev/null
    agent certificate-create-csr --common-name shop.agents.example --alternative-names shop.agents.example >"$W/AGENT01.req"
    openssl x509 -req -in "$W/AGENT01.req" -CA "$W/ca.crt" -CAkey "$W/ca.key" -out "$W/AGENT01.crt" -CAcreateserial \
        -copy_extensions copyall 2>/dev/null
    old=$(agent certificate-get | openssl x509 -noout -fingerprint)
    new=$(openssl x509 -in "$W/AGENT01.crt" -noout -fingerprint)
    cp -a "$STATE" "$W/before"
    while killed $((n += STRIDE)) certificate-apply --ca-file "$W/ca.crt" --file "$W/AGENT01.crt"; do
        files_show
        agent_start
        files_show
        [ "$SET" = "sets/$(stored)" ]
        case $SET in
        sets/1) [ "$(served)" = "$old" ] ;;
        sets/2) [ "$(served)" = "$new" ] ;;
        *) false ;;
        esac
        agent_stop
        [ "$n" -lt 300 ]
        rm -rf "$STATE"
        cp -a "$W/before" "$STATE"
    done
    [ -z "${STRANGE-}" ]
    [ "$n" -gt 20 ]
    agent_start
    [ "$(served)" = "$new" ]
}

# bats test_tags=uninstrumented
@test "a disk that cannot sync: what is said to be changed is, and what is not is not" {
    local n set n_failed=0
    world
    agent_world
    start
    for n in {1..4}; do # the tables
        rm -rf "${STATE:?}"/*
        STOP_AS=unsynced killed "$n" identity-list || true
        agent identity-list
    done
    STRANGE=''
    agent identity-create agent
    cp -a "$STATE" "$W/before"
    for n in {1..12}; do
        if ! STOP_AS=unsynced killed "$n" certificate-apply-self-signed --rekey && [ -n "${STRANGE-}" ]; then
            grep -E '"INTERNAL"|error|Input/output' "$W/said"
            STRANGE='' n_failed=$((n_failed + 1)) set=1
        else
            set=2
        fi
        agent certificate-status --json >"$W/status"
        [ "$(json "d['set']" <"$W/status")" = "$set" ]
        files_show
        [ "$SET" = "sets/$set" ]
        rm -rf "$STATE"
        cp -a "$W/before" "$STATE"
    done
    [ "$n_failed" -gt 2 ]
}

@test "a copy of the store that is put back serves, and no log grows where only commands run" {
    world
    agent_world
    start
    agent identity-create agent
    agent_start
    agent_stop
    cp -p "$STATE/agent.db" "$W/copy.db"
    agent certificate-apply-self-signed --rekey
    agent_start
    agent certificate-apply-self-signed --rekey
    agent_stop
    [ "$(stored)" = 3 ]
    [ ! -s "$STATE/agent.db-wal" ]
    cp -p "$W/copy.db" "$STATE/agent.db"
    [ "$(agent certificate-status --json | json "d['set'], d['key'].split('@')[1]")" = "(1, '1')" ]
    agent certificate-apply-self-signed --rekey
    [ "$(stored)" = 2 ]
    files_show
}

@test "two rekeys at once: one after the other, each with a key of its own" {
    local pids=() pid
    world
    agent_world
    start
    agent identity-create agent
    for _ in 1 2; do
        agent certificate-apply-self-signed --rekey >>"$W/said" 2>&1 &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || { cat "$W/said" >&2; return 1; }
    done
    files_show
    [ "$SET" = sets/3 ]
    [ "$(versions)" = 3 ]
    agent_json "[h['action'] for h in d['history']]" | grep -qF "['rekey', 'rekey', 'create']"
}

# The state on a file system of so many KiB, in a mount namespace of its own.
small_state()
{
    unshare -m sh -c '
        mount -t tmpfs -o "size=$1k,mode=750,uid=$2,gid=$2" tmpfs "$3"
        exec sleep 600
    ' sh "$1" "$AGENT" "$STATE" 3>&- &
    HOLDER=$!
    wait_for inside mountpoint -q "$STATE"
}

inside()
{
    nsenter -m -t "$HOLDER" -- "$@"
}

# Root becomes the state's owner.
agent_inside()
{
    inside keysvc-agent --config "$W/agent.conf" "$@"
}

fill()
{
    inside dd if=/dev/zero of="$STATE/ballast" bs=4096 status=none || true
}

@test "on a full disk nothing changes, what is there is shown, and with room it goes on" {
    need_root
    world
    agent_world
    start
    small_state 512
    agent_inside identity-create agent
    token=$(agent_inside token create --name lost --scope "certificate reading" | cut -d_ -f2)
    before=$(inside find "$STATE" -type f -name '*.pem' -exec sha256sum {} + | sort)
    fill
    fails 1 "free space" agent_inside identity-create shop
    fails 1 "No space left" agent_inside identity-create shop
    fails 1 "free space" agent_inside token revoke "$token"
    [ "$(agent_inside identity-list)" = agent ]
    [ "$(inside find "$STATE" -type f -name '*.pem' -exec sha256sum {} + | sort)" = "$before" ]
    inside rm "$STATE/ballast"
    agent_inside token revoke "$token"
    agent_inside identity-create shop
    [ "$(agent_inside identity-list | tr '\n' ' ')" = "agent shop " ]
    [ "$(versions shop)" = 1 ]
}
