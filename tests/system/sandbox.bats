#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# sandbox.bats - the running processes are where the tables of keysvc/*/sandbox.c put them
#
# What a table refuses is in tests/unit/sandbox, what a module that attacks meets in owned.bats.

setup()
{
    load harness
    world
    has_sandbox || skip "a build without a sandbox"
}

teardown()
{
    show_log_if_failed
    end_world
}

has_sandbox()
{
    /usr/bin/python3 - "$KEYSVC_BUILD/meson-info/intro-buildoptions.json" <<'END'
import json, sys
options = {option["name"]: option["value"] for option in json.load(open(sys.argv[1]))}
sys.exit(not (options["sandbox"] and options["b_sanitize"] == "none"))
END
}

# of PID FIELD: what its status says.
of()
{
    sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

@test "each process has a filter, no new privileges, and no core file" {
    local process
    start
    for process in "$(pid)" "$(front_pid)" $(token_pids); do
        [ "$(of "$process" Seccomp)" = 2 ]
        [ "$(of "$process" NoNewPrivs)" = 1 ]
    done
    # keysvcd's own; it and the front's; it, the audit's and the token's.
    [ "$(of "$(pid)" Seccomp_filters)" = 1 ]
    [ "$(of "$(front_pid)" Seccomp_filters)" = 2 ]
    [ "$(of "$(token_pids)" Seccomp_filters)" = 3 ]
    for process in "$(front_pid)" $(token_pids); do
        grep -E '^Max core file size +0 +0 ' "/proc/$process/limits"
    done
}

@test "no process has a capability but keysvcd, which needs three as root" {
    local process
    start
    for process in "$(front_pid)" $(token_pids); do
        [ "$(of "$process" CapPrm)" = 0000000000000000 ]
        [ "$(of "$process" CapEff)" = 0000000000000000 ]
    done
    if [ "$ME" = 0 ]; then
        # KILL, SETGID, SETUID: bits 5, 6, 7
        [ "$(of "$(pid)" CapPrm)" = 00000000000000e0 ]
        [ "$(of "$(pid)" CapBnd)" = 00000000000000e0 ]
        [ "$(of "$(front_pid)" CapBnd)" = 00000000000000e0 ]
    else
        [ "$(of "$(pid)" CapPrm)" = 0000000000000000 ]
    fi
    [ "$(of "$(pid)" CapInh)" = 0000000000000000 ]
}

@test "the log says what is in force, and that nothing was refused" {
    start
    grep "keysvcd: event=sandbox calls=on" "$W/log"
    grep "keysvc-front: event=sandbox calls=on files=" "$W/log"
    grep "keysvc-token\[main/1\]: event=sandbox calls=on files=" "$W/log"
    keysvc key generate web/shop
    keysvc key generate rsa/shop
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    keysvc sign rsa/shop --in "$W/data" >"$W/signature"
    keysvc csr web/shop --common-name shop.example >"$W/csr"
    keysvc token rescan main
    keysvc reload
    stop
    not grep call-refused "$W/log"
}

@test "sandbox = off is said at each start and by --check, and takes effect" {
    sed -i "s|^    pin-file = .*|&\n    sandbox = off|" "$W/keysvcd.conf"
    keysvcd --config "$W/keysvcd.conf" --profile-dir "$SOURCE/hsm-profiles" --check 2>&1 |
        grep "warning: token main: its sandbox is off"
    start
    grep "keysvcd: token main: its sandbox is off" "$W/log"
    grep "keysvc-token\[main/1\]: event=sandbox calls=off files=off" "$W/log"
    # keysvcd's and the audit's stay.
    [ "$(of "$(token_pids)" Seccomp_filters)" = 2 ]
}

@test "a token of which nobody says what files it changes keeps them open, and --check says so" {
    sed -i '/^write = /d' "$W/profile.conf"
    keysvcd --config "$W/keysvcd.conf" --profile-dir "$SOURCE/hsm-profiles" --check 2>&1 |
        grep "warning: token main: nothing says which files its module changes"
    start
    grep "keysvc-token\[main/1\]: event=sandbox calls=on files=off" "$W/log"
    keysvc key generate web/shop
}

@test "a store that is not among the files it may change is closed to the module" {
    grep -q "files=on" <(start; cat "$W/log") || skip "no Landlock"
    stop
    sed -i "s|^write = .*|write = {\"$W/break\"}|" "$W/profile.conf"
    start nowait
    wait_for grep "state=absent" "$W/log"
    not token_is ready
    # A module that has no token for want of a file says so in two ways: it does not start, or it has no slot.
    not grep 'does not initialise.*if it was never initialised' "$W/log"
}

@test "a path that it may change and that is not there is said by --check" {
    sed -i "s|^write = .*|write = {\"$W/break\", \"$W/no-such-folder\"}|" "$W/profile.conf"
    keysvcd --config "$W/keysvcd.conf" --profile-dir "$SOURCE/hsm-profiles" --check >"$W/said" 2>&1
    grep "warning: token main: write $W/no-such-folder: No such file" "$W/said"
    not grep "write $W/break:" "$W/said"
}

@test "the front answers for the names of accounts by a process of its own, which ends with it" {
    local front names
    start
    front=$(front_pid)
    names=$(pgrep -P "$front")
    [ "$(wc -w <<<"$names")" = 1 ]
    kill -KILL "$front"
    wait_for is_gone "$names"
    wait_ready
    [ "$(front_pid)" != "$front" ]
}

@test "a front that loses that process is replaced" {
    local front
    start
    front=$(front_pid)
    kill -KILL "$(pgrep -P "$front")"
    # The next caller whose name is not known yet.
    wait_for as_another_front "$front"
    keysvc status >/dev/null
}

as_another_front()
{
    as "$BOB" keysvc status || true
    [ -n "$(front_pid)" ] && [ "$(front_pid)" != "$1" ] && token_serves
}
