#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# hostile.bats - nonsense from clients: a clear error or a dropped connection, and the others are served on

setup_file()
{
    load harness
    DAEMON_OPTIONS='handshake-timeout = "2s" frame-timeout = "2s" max-connections-per-caller = "20" max-connections = "60"'
    world
    start
    keysvc key generate web/shop
    python_client
    front_pid >"$W/front.pid"
}

setup()
{
    load harness
}

# After each attack: the same front, and a signature for somebody else.
teardown()
{
    show_log_if_failed
    [ "$(front_pid)" = "$(cat "$W/front.pid")" ]
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
}

teardown_file()
{
    load harness
    end_world
}

# attack NAME EXPECTED [ARGUMENT...]: EXPECTED is an extended regular expression over the whole answer.
attack()
{
    local name=$1 expected=$2
    shift 2
    run as $BOB timeout 60 hostile "$name" "$@"
    echo "$name: $output"
    [ "$status" = 0 ]
    [[ $output =~ ^($expected)$ ]]
}

@test "garbage instead of a frame" {
    attack garbage "dropped|error [67]"
}

@test "a frame of garbage" {
    attack garbage_frame "dropped|error 6"
}

@test "random frames, each on a connection of its own" {
    attack random_frames "(answered|dropped|error)( (dropped|error))*"
}

@test "an oversized length" {
    attack oversized_length "dropped|error [67]"
}

@test "a frame without a byte" {
    attack zero_length "dropped|error 6"
}

@test "no Hello first" {
    attack no_hello "dropped|error 6"
}

@test "a version of the protocol that does not exist" {
    attack other_version "dropped|error (6|19)"
}

@test "an unknown operation is an error, and the connection lives" {
    attack unknown_operation "error (6|19) id 9, then answered"
}

@test "an id that is zero" {
    attack id_zero "dropped|error 6"
}

@test "one byte at a time is slow, and right" {
    attack one_byte_at_a_time "answered, answered"
}

@test "half a frame and then nothing" {
    attack half_frame "dropped|error (6|12)"
}

@test "half a Hello and then nothing" {
    attack half_hello "dropped|error (6|12)"
}

@test "groups inside groups" {
    attack deep_nesting "dropped|error [67]"
}

@test "a name of half a megabyte" {
    attack long_text "dropped|error [67]"
}

@test "a CSR with 20,000 names" {
    attack many_alternatives "dropped|error [3467]"
}

@test "a client that asks and never reads is stopped" {
    attack never_reads "stopped|dropped"
}

@test "too many connections of one caller" {
    attack many_connections "[0-9]+ answered, [0-9]+ (dropped|error 11|refused).*" 100
    [ "$(grep -oE '^[0-9]+' <<<"${output##*$'\n'}")" -le 20 ]
}

@test "a caller with all its connections open keeps nobody out" {
    need_root
    as $BOB hostile idle_connections 20 >"$W/idle" 3>&- &
    idle=$!
    wait_for grep open "$W/idle"
    as $ALICE keysvc sign web/shop --in "$W/data" >"$W/signature"
    kill $idle
    wait $idle || true
}
