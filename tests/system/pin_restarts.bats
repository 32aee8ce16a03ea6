#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# pin_restarts.bats - a wrong PIN costs one login, however often what would log in is started again
#
# These two take longer than all of pin.bats, most of it in waiting for back-offs.

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_world
}

# A world in which logins are counted, with a wrong PIN in the file.
wrong_pin()
{
    world break
    printf 'wrong' >"$W/pin"
}

blocked()
{
    token_is login-blocked
}

@test "a wrong PIN and 100 restarts cost one login" {
    wrong_pin
    # The instrumented build is slow to start, and counts no differently.
    restarts=100
    [ -z "${KEYSVC_SANITIZED-}" ] || restarts=15
    for ((i = 0; i < restarts; i++)); do
        start nowait
        wait_for blocked
        stop
    done
    [ "$(calls C_Login)" = 1 ]
}

@test "a wrong PIN and a killed front, killed workers and reloads cost one login" {
    wrong_pin
    start nowait
    wait_for blocked
    for ((i = 0; i < 10; i++)); do
        kill -KILL "$(front_pid)"
        for process in $(token_pids); do
            kill -KILL "$process" || true # none stays that may not log in
        done
        kill -HUP "$(pid)"
        wait_for blocked
    done
    sleep 1
    [ "$(calls C_Login)" = 1 ]
}
