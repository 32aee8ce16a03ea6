#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# clock.bats - the time of day jumps a year, forward or back, at the start or under a running service
#
# What counts time (deadlines, rates, back-off, hangs, checkpoints, idle connections) goes by a clock that nobody sets; the
# time of day stands in records and certificates, and is what it was when they were made. ../fakes/clock_shift.c is the clock.

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

YEAR=$((365 * 86400))

# The service's three programs see the wall clock that `jump` sets; the client does not.
shifted_world()
{
    local program
    [ -z "${ASAN_OPTIONS-}" ] || skip "a sanitizer has to be loaded before the clock"
    world
    jump 0
    mkdir -m 755 "$W/libexec"
    for program in keysvcd keysvc-front keysvc-token; do
        printf '#!/bin/sh\nLD_PRELOAD="%s" KEYSVC_CLOCK_SHIFT="%s" exec "%s" "$@"\n' \
            "$PROGRAMS/tests/fakes/libclock-shift.so" "$W/clock" "$PROGRAMS/keysvc/$program" >"$W/libexec/$program"
        chmod 755 "$W/libexec/$program"
    done
}

start_shifted()
{
    "$W/libexec/keysvcd" --config "$W/keysvcd.conf" --libexec-dir "$W/libexec" --profile-dir "$SOURCE/hsm-profiles" \
        >>"$W/log" 2>&1 3>&- &
    echo $! >"$W/keysvcd.pid"
    wait_ready
}

# jump SECONDS: the wall clock is so far ahead of the machine's, from now on.
jump()
{
    /usr/bin/python3 -c 'import struct, sys; open(sys.argv[1], "r+b" if len(sys.argv) > 3 else "wb").write(struct.pack("=q", int(sys.argv[2])))' \
        "$W/clock" "$1" $([ ! -e "$W/clock" ] || echo again)
}

signs()
{
    keysvc sign web/shop --in "$W/data" --timeout 5s >"$W/signature" && verify web/shop "$W/data" "$W/signature"
}

# The year in the last record of a chain.
year_of()
{
    tail -n 1 "$W/audit/$1.log" | json 'd["time"][:4]'
}

kept()
{
    sed -E 's/.* seq=([0-9]+) .*/\1/' "$W/state/main-1.checkpoint"
}

@test "a jump under the running service: nothing ends, nothing waits for a year, and the chain is whole" {
    DAEMON_OPTIONS='audit-checkpoint = "1s"'
    shifted_world
    python_client
    rules <<END
keys "web/**" { token = main  type = ec-p256  purpose = sign }
allow all { user = {"$ME"}  keys = {"**"}  operations = {all, administer}  rate = "6/s" }
END
    start_shifted
    keysvc key generate web/shop
    processes=$(service_pids)
    # Who is connected stays so.
    hostile held-connection >"$W/held" 3>&- &
    HELPERS=$!
    wait_for test -s "$W/held"
    this_year=$(date -u +%Y)
    for step in $YEAR -$YEAR; do
        jump "$step"
        before=$(kept)
        # More than the rate allows at once: it is filled again by the other clock.
        for ((i = 0; i < 8; i++)); do
            keysvc sign web/shop --in "$W/data" --timeout 50ms >"$W/signature" 2>/dev/null || true
        done
        wait_for signs
        signed_again()
        {
            [ "$(kept)" -gt "$before" ]
        }
        wait_for signed_again
        [ "$(year_of main-1)" = "$(date -u -d "@$(($(date +%s) + step))" +%Y)" ]
        [ "$(service_pids)" = "$processes" ]
    done
    kill -USR1 $HELPERS
    wait_for grep -q 'still served' "$W/held"
    uptime=$(keysvc status --json | json 'd["uptime_ms"]')
    [ "$uptime" -lt 600000 ]
    audit_verify
    stop
    audit_verify
}

@test "a jump between two runs: the chains go on, and a worker that died comes back at once" {
    shifted_world
    jump $YEAR
    start_shifted
    keysvc key generate web/shop
    signs
    stop
    jump -$YEAR
    start_shifted
    signs
    kill -KILL "$(token_pids)"
    jump 0
    wait_for signs
    # No request's number comes twice.
    numbers=$(sed -n 's/.*"event":"request","request":\([0-9]*\).*/\1/p' "$W/audit/front.log")
    [ "$(sort <<<"$numbers" | uniq -d)" = "" ]
    stop
    audit_verify
    audit_show --key web/shop | grep -c sign
}

@test "a self-signed certificate is valid from the moment that the clock says" {
    shifted_world
    start_shifted
    keysvc key generate web/shop
    for step in $YEAR -$YEAR; do
        jump "$step"
        keysvc self-sign web/shop --common-name shop.example --alternative-names DNS:shop.example --days 10 \
            --out-file "$W/certificate.pem"
        at=$(($(date +%s) + step))
        openssl verify -attime "$at" -CAfile "$W/certificate.pem" "$W/certificate.pem"
        not openssl verify -attime "$((at + 11 * 86400))" -CAfile "$W/certificate.pem" "$W/certificate.pem"
        not openssl verify -CAfile "$W/certificate.pem" "$W/certificate.pem"
        rm "$W/certificate.pem"
    done
}
