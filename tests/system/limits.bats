#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# limits.bats - no descriptors, no memory, nobody who reads the log, and signals without end: the service says what it
# cannot do, does the rest, does not spin, and is itself again when the shortage is over

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    [ -z "${HELPERS-}" ] || kill $HELPERS 2>/dev/null || true
    end_world
}

serving()
{
    world
    start
    keysvc key generate web/shop
}

signs()
{
    keysvc sign web/shop --in "$W/data" --timeout 5s >"$W/signature" && verify web/shop "$W/data" "$W/signature"
}

# limit UID PID LIMIT: the soft limit of a running process, as its own user may set it.
limit()
{
    as "$1" prlimit --pid "$2" "$3"
}

descriptors()
{
    ls "/proc/$1/fd" | wc -l
}

descriptors_are()
{
    [ "$(descriptors "$1")" = "$2" ]
}

# Ticks of CPU time that a process has used; 100 a second.
ticks()
{
    local stat
    read -r stat <"/proc/$1/stat"
    set -- ${stat##*) }
    echo $((${12} + ${13}))
}

# idle PID: over half a second of waiting it uses no tenth of the CPU.
idle()
{
    local before
    before=$(ticks "$1")
    sleep 0.5
    [ $(($(ticks "$1") - before)) -lt 5 ]
}

# So many as of a process that has noticed who is gone: its descriptors are the same for a while.
at_rest()
{
    local before
    before=$(descriptors "$1")
    sleep 0.3
    [ "$(descriptors "$1")" = "$before" ]
}

no_zombies()
{
    not pgrep -P "$(pid)" -r Z
}

# ---------------------------------------------------------------- descriptors

@test "keysvcd without descriptors: no worker can be started, the front goes on, and then it is started" {
    serving
    wait_for at_rest "$(pid)"
    before=$(descriptors "$(pid)")
    limit "$ME" "$(pid)" --nofile=3:
    kill -KILL "$(token_pids)"
    said()
    {
        keysvc status | grep -q 'no descriptors\|Too many open files'
    }
    wait_for said
    keysvc key show web/shop
    fails 10 "" keysvc sign web/shop --in "$W/data" --timeout 1s
    # A reload cannot be read: the running configuration stays.
    run keysvc reload
    [ "$status" != 0 ]
    keysvc key list
    wait_for idle "$(pid)"
    limit "$ME" "$(pid)" --nofile=1024:
    wait_for signs
    keysvc reload
    no_zombies
    wait_for descriptors_are "$(pid)" "$before"
    [ "$(grep -c 'event=start error' "$W/log")" -lt 20 ]
    audit_verify
}

@test "the front without descriptors: who is connected is served, who is not waits, and nothing spins" {
    need_root # another process's descriptors are shown to nobody else
    serving
    python_client
    front=$(front_pid)
    wait_for at_rest "$front"
    before=$(descriptors "$front")
    # Three who stay connected; then there is not one descriptor more.
    hostile idle-connections 3 >"$W/idle" &
    HELPERS=$!
    connected()
    {
        [ "$(descriptors "$front")" -ge $((before + 3)) ]
    }
    wait_for connected
    limit "$FRONT" "$front" --nofile="$(descriptors "$front")":
    run keysvc status --timeout 300ms
    [ "$status" != 0 ]
    wait_for idle "$front"
    wait_for grep -q 'event=no-descriptors' "$W/log"
    limit "$FRONT" "$front" --nofile=1024:
    wait_for signs
    kill $HELPERS
    gone()
    {
        [ "$(descriptors "$front")" -le "$before" ]
    }
    wait_for gone
    [ "$(front_pid)" = "$front" ]
    audit_verify
}

@test "a worker without descriptors: what its module does not show is not taken for gone" {
    serving
    worker=$(token_pids)
    limit "$TOKEN" "$worker" --nofile=3:
    # SoftHSM opens files at each signature and each search.
    wait_for signs
    # That one has lost sight of the key for good: it was another process that signed.
    is_gone "$worker"
    grep 'outcome=TOKEN_UNAVAILABLE' "$W/log" | grep 'without a descriptor left'
    not grep 'outcome=NO_KEY' "$W/log"
    audit_verify
}

# ---------------------------------------------------------------- memory

# A sanitizer ends a process that gets no memory.
# bats test_tags=uninstrumented
@test "the front at its memory limit: who takes too much is dropped, others are served" {
    serving
    python_client
    front=$(front_pid)
    # Room for a few frames of a megabyte, not for those that come.
    size=$(sed -n 's/^VmSize:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$front/status")
    limit "$FRONT" "$front" --as=$((size * 1024 + 6000000)):
    hostile almost-frames 40 >"$W/taken" 2>&1 || true
    cat "$W/taken"
    signs
    keysvc key list
    [ "$(front_pid)" = "$front" ]
    wait_for idle "$front"
    limit "$FRONT" "$front" --as=unlimited:
    signs
    audit_verify
}

# ---------------------------------------------------------------- a log that nobody takes

@test "started without standard input, output and error: nothing of the log lands in a file of ours" {
    world
    keysvcd --config "$W/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$SOURCE/hsm-profiles" \
        0<&- 1>&- 2>&- 3>&- &
    echo $! >"$W/keysvcd.pid"
    wait_ready
    keysvc key generate web/shop
    keysvc reload
    kill -KILL "$(token_pids)"
    wait_for signs
    # Others than root are not shown them.
    for process in $([ "$ME" != 0 ] || echo "$(pid)" "$(front_pid)" "$(token_pids)"); do
        for fd in 0 1 2; do
            [ "$(readlink "/proc/$process/fd/$fd")" = /dev/null ]
        done
    done
    stop
    audit_verify
    not grep -r -l -a 'event=' "$W/state"
}

# A pipe of one page that nobody reads until the file $W/read is there.
unread_pipe()
{
    mkfifo "$W/pipe"
    /usr/bin/python3 - "$W/pipe" "$W/read" "$W/log" <<'END' 3>&- &
import fcntl, os, sys, time
pipe = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
fcntl.fcntl(pipe, 1031, 4096)  # F_SETPIPE_SZ, which fails when more is in it already
os.set_blocking(pipe, True)
open(sys.argv[1] + ".small", "w").close()
while not os.path.exists(sys.argv[2]):
    time.sleep(0.02)
with open(sys.argv[3], "wb", buffering=0) as log:
    while data := os.read(pipe, 65536):
        log.write(data)
END
    HELPERS=$!
    wait_for test -e "$W/pipe.small"
    keysvcd --config "$W/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$SOURCE/hsm-profiles" \
        >"$W/pipe" 2>&1 3>&- &
    echo $! >"$W/keysvcd.pid"
}

@test "a log that nobody reads: nobody waits for it, and it says how much is lost" {
    world
    unread_pipe
    wait_ready
    keysvc key generate web/shop
    for ((i = 0; i < 60; i++)); do
        keysvc sign web/none --in "$W/data" 2>/dev/null || true
    done
    signs
    kill -KILL "$(token_pids)"
    wait_for signs
    touch "$W/read"
    lost()
    {
        keysvc sign web/none --in "$W/data" 2>/dev/null || true
        grep -q 'keysvc-front: event=log-lost lines=[1-9]' "$W/log"
    }
    wait_for lost
    # Whoever reads it goes away.
    kill $HELPERS
    HELPERS=
    keysvc sign web/none --in "$W/data" 2>/dev/null || true
    signs
    not is_gone "$(pid)"
    stop
    audit_verify
}

# ---------------------------------------------------------------- signals

# storm ROUNDS SIGNAL...: each of them to keysvcd and its children, over and over.
storm()
{
    local rounds=$1 i signal
    shift
    for ((i = 0; i < rounds; i++)); do
        for signal in "$@"; do
            kill -"$signal" "$(pid)" $processes 2>/dev/null || true
        done
    done
}

# Signs until the file $W/enough is there; $W/outcomes has a line for each try.
signing_all_the_time()
{
    (
        while ! [ -e "$W/enough" ]; do
            code=0
            keysvc sign web/shop --in "$W/data" --timeout 10s >"$W/storm.signature" 2>/dev/null || code=$?
            [ "$code" != 0 ] || verify web/shop "$W/data" "$W/storm.signature" >/dev/null || code=wrong
            echo "$code"
        done >"$W/outcomes" 3>&-
    ) &
    HELPERS=$!
}

@test "a storm of signals to every process: no crash, no failed request, nothing left behind" {
    serving
    processes=$(service_pids)
    for process in $(pid) $processes; do
        eval "fds_$process=$(descriptors "$process")"
    done
    signing_all_the_time
    storm 15 HUP USR1 USR2 PIPE CHLD CONT WINCH URG
    # To the children also what a service manager sends to a whole group.
    for ((i = 0; i < 30; i++)); do
        kill -TERM $processes
        kill -INT $processes
    done
    # Whatever was lost on the way, the last reload is not: the file as it is now is what counts.
    printf 'allow more { user = {"1"}  keys = {"web/**"}  operations = {get} }\n' >>"$W/keysvcd.conf"
    kill -HUP "$(pid)"
    in_force()
    {
        keysvc policy explain --user 1 --key web/shop --operation get | grep -q more
    }
    wait_for in_force
    touch "$W/enough"
    wait $HELPERS
    HELPERS=
    [ "$(sort "$W/outcomes" | uniq)" = 0 ]
    [ "$(service_pids)" = "$processes" ]
    no_zombies
    settled()
    {
        for process in $(pid) $processes; do
            eval "[ \"\$(descriptors $process)\" -le \"\$fds_$process\" ]" || return 1
        done
    }
    wait_for settled
    audit_verify
}

@test "stopped and continued, a process is where it was; stopped for too long in a call, a worker is replaced" {
    HANG_TIMEOUT=3s
    world break
    start
    keysvc key generate web/shop
    processes=$(service_pids)
    kill -STOP $processes
    run keysvc sign web/shop --in "$W/data" --timeout 300ms
    [ "$status" = 12 ] || [ "$status" = 17 ]
    kill -CONT $processes
    wait_for signs
    [ "$(service_pids)" = "$processes" ]
    # In the middle of C_Sign nobody can tell a stopped process from a module that hangs.
    worker=$(token_pids)
    begun=$(next C_Sign)
    break_rules "C_Sign:$begun:slow 2500"
    keysvc sign web/shop --in "$W/data" --timeout 1s >/dev/null 2>&1 3>&- &
    in_call()
    {
        [ "$(calls C_Sign)" -ge "$begun" ]
    }
    wait_for in_call
    kill -STOP "$worker"
    break_rules
    wait_for is_gone "$worker"
    wait_for signs
    no_zombies
    audit_verify
}

@test "told to stop again and again while it stops: once is enough, and it ends clean" {
    serving
    main=$(pid)
    for ((i = 0; i < 20; i++)); do
        kill -TERM "$main" || break
        kill -HUP "$main" || break
        kill -USR1 "$main" || break
    done 2>/dev/null
    wait_for is_gone "$main"
    code=0
    wait "$main" || code=$?
    [ "$code" = 0 ]
    rm "$W/keysvcd.pid"
    audit_verify
}
