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
    wait_for front_is_alone
    count_descriptors >"$W/front.descriptors"
}

# Whoever may not look (without root: the front is not dumpable) sees always the same number.
count_descriptors()
{
    ls "/proc/$(front_pid)/fd" 2>/dev/null | wc -l
}

front_is_alone()
{
    [ "$(keysvc status --json | json 'd["connections"]')" = 1 ]
}

same_descriptors()
{
    [ "$(count_descriptors)" = "$(cat "$W/front.descriptors")" ]
}

setup()
{
    load harness
}

# After each attack: the same front, a signature for somebody else, and no descriptor that stayed.
teardown()
{
    show_log_if_failed
    [ "$(front_pid)" = "$(cat "$W/front.pid")" ]
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
    wait_for same_descriptors
}

teardown_file()
{
    load harness
    end_world
}

# attack NAME EXPECTED [ARGUMENT...]: EXPECTED is an extended regular expression over the whole answer.
attack()
{
    attack_as "$BOB" "$@"
}

# The same by somebody who has rules.
attack_as()
{
    local who=$1 name=$2 expected=$3
    shift 3
    run as "$who" timeout 60 hostile "$name" "$@"
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
    IN_PLACE=exec as $BOB hostile idle_connections 20 >"$W/idle" 3>&- &
    idle=$!
    wait_for grep open "$W/idle"
    as $ALICE keysvc sign web/shop --in "$W/data" >"$W/signature"
    kill $idle
    wait $idle || true
}

@test "what is no sealed memfd instead of an import's file" {
    for kind in pipe zero unsealed folder file socket; do
        attack_as "$ALICE" wrong_kind "error 6, then answered" $kind
    done
}

@test "an import without its descriptor" {
    attack_as "$ALICE" no_descriptor "error 6, then answered"
}

@test "descriptors with requests that take none" {
    attack_as "$ALICE" descriptor_with_status "(answered, )?error 6, dropped"
    attack_as "$ALICE" descriptor_with_hello "(answered, )?error 6, dropped"
    attack_as "$ALICE" descriptor_in_the_midst "(error 6, )+dropped"
}

@test "253 descriptors in one message" {
    attack_as "$ALICE" many_descriptors "error 6, dropped"
    attack many_descriptors "error 6, dropped"
}

@test "descriptors whose frame never ends" {
    attack_as "$ALICE" half_imports "closed"
    attack_as "$ALICE" kept_imports "dropped"
    attack half_imports "closed"
}

@test "imports without a pause" {
    attack_as "$ALICE" descriptor_flood "error (6|11|19)( error (6|11|19))*"
    need_root
    attack descriptor_flood "error (3|11)( error (3|11))*"
}

@test "descriptors that are slow to close" {
    attack slow_to_close "answered in time"
}
