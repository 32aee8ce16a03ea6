#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# pin_restarts.bats - a wrong PIN costs one login, however often what would log in is started again
#
# These take longer than all of pin.bats, most of it in waiting for back-offs.

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

# bats test_tags=again
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

# The folder of credentials as the service manager makes it: another one for each start, with what is configured in it.
# with_credential PIN [nowait]
with_credential()
{
    n_folders=$((${n_folders-0} + 1))
    rm -rf "$W"/credentials-*
    mkdir -m 700 "$W/credentials-$n_folders"
    (umask 077 && printf '%s' "$1" >"$W/credentials-$n_folders/main-pin")
    shift
    CREDENTIALS_DIRECTORY=$W/credentials-$n_folders start "$@"
}

# bats test_tags=again
@test "a wrong PIN in a credential and 10 restarts cost one login, whatever is in the next one, until retry-login" {
    world break
    sed -i 's|pin-file = .*|pin-credential = main-pin|' "$W/keysvcd.conf"
    for ((i = 0; i < 10; i++)); do
        with_credential "wrong $i" nowait
        wait_for blocked
        [ "$(calls C_Login)" = 1 ]
        stop
    done
    with_credential "$PIN" nowait
    wait_for blocked
    kill -HUP "$(pid)"
    wait_for blocked
    [ "$(calls C_Login)" = 1 ]
    keysvc token retry-login main
    wait_ready
    [ "$(calls C_Login)" = 2 ]
    stop
    with_credential "$PIN"
    [ "$(calls C_Login)" = 3 ]
}

@test "a refused credential that is missing for a while is not tried when it is back" {
    world break
    sed -i 's|pin-file = .*|pin-credential = main-pin|' "$W/keysvcd.conf"
    with_credential wrong nowait
    wait_for blocked
    mv "$W/credentials-1/main-pin" "$W/credentials-1/away"
    sleep 2 # it is looked at each second
    blocked
    mv "$W/credentials-1/away" "$W/credentials-1/main-pin"
    sleep 2
    blocked
    [ "$(calls C_Login)" = 1 ]
}
