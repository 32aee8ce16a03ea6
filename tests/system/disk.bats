#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# disk.bats - folders that are full, read-only or gone, and audit files that somebody removes, cuts or replaces
#
# Everywhere the same: signatures and changes are refused with AUDIT_UNWRITABLE, reads go on, nothing is restarted, and
# what happened stands in the log, in the chain and in what `audit verify` says.

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    [ -z "${STOPPED-}" ] || kill -CONT "$STOPPED"
    end_world
}

CHAIN=main-1.log

# The service with a key, and the processes it has now.
serving()
{
    world
    start
    keysvc key generate web/shop
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    PROCESSES=$(service_pids)
}

unwritable()
{
    fails 14 "${1-}" keysvc sign web/shop --in "$W/data" --timeout 5s
}

# Everything that needs a record is refused; what needs none goes on.
refused_and_read()
{
    wait_for unwritable
    fails 14 "" keysvc key generate "web/no$RANDOM"
    keysvc key show web/shop
    keysvc key list
    keysvc status
}

signs()
{
    keysvc sign web/shop --in "$W/data" >"$W/signature" && verify web/shop "$W/data" "$W/signature"
}

# Without a restart.
back()
{
    wait_for signs
    keysvc key generate web/more
    [ "$(service_pids)" = "$PROCESSES" ]
}

# With keysvcd asleep nobody makes a new file: what the process itself sees of the old one decides.
keysvcd_sleeps()
{
    STOPPED=$(pid)
    kill -STOP "$STOPPED"
}

keysvcd_wakes()
{
    kill -CONT "$STOPPED"
    STOPPED=
}

# lost CHAIN: its new file says that the one before is gone, and so does verify, by name; the checkpoint in the state
# folder says it first where it names one of the records that are gone.
lost()
{
    head -n 3 "$W/audit/$1" | grep -q '"event":"continued","lost":1'
    run audit_verify
    echo "$output"
    [ "$status" != 0 ]
    [[ $output =~ $1:[12]:.*(lost:\ their\ file\ was\ removed|checkpoint\ kept\ outside\ names.*missing) ]]
}

for_chain_removed()
{
    serving
    keysvcd_sleeps
    rm "$W/audit/$1"
    refused_and_read
    keysvcd_wakes
    back
    lost "$1"
    grep 'event=audit-unwritable' "$W/log" | grep 'was removed'
    grep 'event=audit-writable' "$W/log"
    stop
    lost "$1"
}

@test "a worker's audit file is removed: nothing is signed into nowhere, and the chain goes on in a new file" {
    for_chain_removed $CHAIN
}

@test "the front's audit file is removed: the same" {
    for_chain_removed front.log
}

@test "the whole folder is removed: refused until it is there again" {
    serving
    rm -r "$W/audit"
    refused_and_read
    both_said()
    {
        [ "$(grep -c 'event=audit-gone.*cannot open the audit file' "$W/log")" = 2 ]
    }
    wait_for both_said
    mkdir -m 700 "$W/audit"
    back
    both_said
    lost $CHAIN
    lost front.log
}

@test "cut at the end or emptied, as by copytruncate: refused until what is left is moved away" {
    serving
    truncate -s 0 "$W/audit/$CHAIN"
    refused_and_read
    grep 'event=audit-unwritable' "$W/log" | grep 'was cut from outside'
    mv "$W/audit/$CHAIN" "$W/evidence"
    back
    lost $CHAIN
}

@test "renamed away without a word: the chain goes on in a new file, and nothing is lost" {
    serving
    mv "$W/audit/$CHAIN" "$W/audit/$CHAIN.1"
    mv "$W/audit/front.log" "$W/audit/front.log.1"
    wait_for test -e "$W/audit/front.log" -a -e "$W/audit/$CHAIN"
    back
    [ -s "$W/audit/$CHAIN" ]
    audit_verify
    stop
    audit_verify
}

# replaced NUMBER COMMAND...: the file is moved away and something put in its place that is no continuation.
replaced()
{
    local number=$1 file
    shift
    for file in $CHAIN front.log; do
        keysvcd_sleeps # else it may make a new file between the two
        mv "$W/audit/$file" "$W/audit/$file.$number"
        "$@" "$W/audit/$file"
        keysvcd_wakes
        refused_and_read
        rm -r "${W:?}/audit/$file"
        wait_for signs
    done
}

@test "replaced by a symbolic link or a folder: refused, and neither is followed" {
    serving
    replaced 2 ln -s "$W/elsewhere"
    replaced 1 mkdir
    not test -e "$W/elsewhere"
    back
    audit_verify
}

@test "replaced by an older copy of itself: the chain does not fork" {
    world
    start
    keysvc key generate web/shop
    PROCESSES=$(service_pids)
    cp -p "$W/audit/$CHAIN" "$W/older"
    signs
    keysvcd_sleeps
    mv "$W/audit/$CHAIN" "$W/audit/$CHAIN.1"
    mv "$W/older" "$W/audit/$CHAIN"
    keysvcd_wakes
    refused_and_read
    grep 'another file stands in its place' "$W/log"
    mv "$W/audit/$CHAIN" "$W/evidence"
    back
    audit_verify
}

# ---------------------------------------------------------------- no room

# room front|token BYTES|unlimited: from here on no file of that process becomes longer than so many bytes. It is the
# full disk of one who is not root, and it is full to the byte.
room()
{
    case $1 in
        front) as "$FRONT" prlimit --pid "$(front_pid)" --fsize="$2": ;;
        token) as "$TOKEN" prlimit --pid "$(token_pids)" --fsize="$2": ;;
    esac
}

size()
{
    stat -c %s "$W/audit/$1"
}

@test "no room for the worker's records: refused, and mended without a restart" {
    serving
    room token "$(size $CHAIN)"
    refused_and_read
    room token unlimited
    back
    audit_verify
    grep '"withdrawn"' "$W/audit/$CHAIN"
    # Once each way, however many were refused.
    [ "$(grep -c 'chain=main-1' "$W/log")" = 3 ]
}

@test "no room for the front's records: refused, and mended without a restart" {
    serving
    room front "$(size front.log)"
    refused_and_read
    room front unlimited
    back
    audit_verify
}

@test "room for a change's intent and not for its result: nobody says that it was done or not" {
    serving
    # The object's files have to fit where the records do not.
    for ((i = 0; i < 10; i++)); do signs; done
    intent=$(grep '"event":"intent"' "$W/audit/$CHAIN" | grep -v keysvc/audit | tail -n 1 | wc -c)
    room token $(($(size $CHAIN) + intent + 100))
    fails 13 "could not be recorded" keysvc key generate web/half
    unwritable
    room token unlimited
    wait_for signs
    # As the hint says: look.
    keysvc key show web/half
    fails 5 "" keysvc key generate web/half
    keysvc sign web/half --in "$W/data" >"$W/signature"
    back
    run audit_verify
    [ "$status" = 0 ]
    [[ $output == *"began a change that has no result"* ]]
}

@test "no room in keysvcd's state folder: no login without its marker, and back without a restart" {
    serving_on_small state 64
    fill state
    kill -KILL "$(token_pids)"
    said()
    {
        keysvc status | grep -q 'cannot write .*login-tried'
    }
    wait_for said
    keysvc key show web/shop
    fails 10 "" keysvc sign web/shop --in "$W/data" --timeout 1s
    # It says nothing about the PIN, at no moment.
    not grep -q 'state=login-blocked' "$W/log"
    not inside test -s "$W/state/main.login-tried"
    empty state
    wait_for signs
    audit_verify_inside
    stop
}

@test "no room in keysvcd's state folder when a session is lost: no key is taken for gone, and back without a restart" {
    local before
    WORLD=break serving_on_small state 64
    before=$(token_pids)
    fill state
    break_rules "C_SignInit:$(next C_SignInit):CKR_SESSION_HANDLE_INVALID"
    for ((i = 0; i < 4; i++)); do
        fails 10 "" keysvc sign web/shop --in "$W/data" --timeout 1s
    done
    keysvc key show web/shop
    [ "$(token_pids)" != "$before" ]
    break_rules
    empty state
    wait_for signs
    stop
}

# keysvcd in a mount namespace of its own, with a folder ($1, below $W) on a file system of so many KiB.
serving_on_small()
{
    need_root
    # shellcheck disable=SC2086
    world ${WORLD-}
    unshare -m sh -c '
        mkdir "$W/kept" && cp -a "$W/$1/." "$W/kept"
        mount -t tmpfs -o "size=$2k,mode=$(stat -c %a "$W/$1"),uid=$(stat -c %u "$W/$1")" tmpfs "$W/$1"
        cp -a "$W/kept/." "$W/$1" && rm -r "$W/kept"
        exec keysvcd --config "$W/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$3"
    ' sh "$1" "$2" "$SOURCE/hsm-profiles" >>"$W/log" 2>&1 3>&- &
    echo $! >"$W/keysvcd.pid"
    wait_ready
    keysvc key generate web/shop
    PROCESSES=$(service_pids)
}

inside()
{
    nsenter -m -t "$(pid)" -- "$@"
}

fill()
{
    inside dd if=/dev/zero of="$W/$1/ballast" bs=4096 status=none || true
}

empty()
{
    inside rm "$W/$1/ballast"
}

@test "no room in the token's store: no key is made by half, and the one there is signs on" {
    serving_on_small tokens 128
    before=$(keysvc key list)
    fill tokens
    for name in web/a web/b; do
        run keysvc key generate $name --timeout 10s
        [ "$status" != 0 ]
        echo "$output"
    done
    signs
    [ "$(keysvc key list)" = "$before" ]
    empty tokens
    wait_for keysvc key generate web/a
    keysvc sign web/a --in "$W/data" >"$W/signature"
    verify web/a "$W/data" "$W/signature"
    keysvc key generate web/b
    audit_verify_inside
    stop
}

audit_verify_inside()
{
    inside env PATH="$PATH" keysvc audit verify --audit-dir "$W/audit" --state-dir "$W/state"
}

@test "a folder that became read-only: a worker that has to start says so, and starts when it can" {
    serving_on_small audit 256
    inside mount --bind "$W/audit" "$W/audit"
    inside mount -o remount,bind,ro "$W/audit"
    kill -KILL "$(token_pids)"
    said()
    {
        keysvc status | grep -q 'Read-only file system'
    }
    wait_for said
    keysvc key show web/shop
    fails 10 "" keysvc sign web/shop --in "$W/data" --timeout 1s
    inside umount "$W/audit"
    wait_for signs
    audit_verify_inside
    stop
}

# What stands between a request and the disk is told in docs/performance.md: the front and each worker wait once a second. The
# figure that the test prints is how long the longest request took.
# bats test_tags=uninstrumented
@test "a disk that is slow to say that it has written: requests wait, none fails, and nobody is taken for hung" {
    local program processes
    WORKERS=2 HANG_TIMEOUT=1s world
    mkdir -m 755 "$W/libexec"
    for program in keysvc-front keysvc-token; do
        printf '#!/bin/sh\nLD_PRELOAD="%s" KEYSVC_SLOW_SYNC_MS=1400 exec "%s" "$@"\n' \
            "$PROGRAMS/tests/fakes/libslow-sync.so" "$PROGRAMS/keysvc/$program" >"$W/libexec/$program"
        chmod 755 "$W/libexec/$program"
    done
    keysvcd --config "$W/keysvcd.conf" --libexec-dir "$W/libexec" --profile-dir "$SOURCE/hsm-profiles" \
        >>"$W/log" 2>&1 3>&- &
    echo $! >"$W/keysvcd.pid"
    all_serve()
    {
        [[ $(keysvc status --json) =~ \"ready_workers\":\ *2 ]]
    }
    wait_for all_serve
    keysvc key generate web/shop
    processes=$(service_pids)
    "$KEYSVC_BUILD/tests/load/load" --key web/shop --via protocol --processes 4 --seconds 6 --json >"$W/load.json"
    echo "# a fdatasync of 1400 ms, the longest answer: $(json 'd["answer_max_us"] // 1000' <"$W/load.json") ms" >&3
    [ "$(json 'list(d["outcomes"])' <"$W/load.json")" = "['OK']" ]
    [ "$(service_pids)" = "$processes" ]
    # The fake was between: what waited did so.
    [ "$(json 'd["answer_max_us"] >= 800000' <"$W/load.json")" = True ]
    stop
    audit_verify
}
