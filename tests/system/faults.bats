#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# faults.bats - under load: a token that is pulled out and put back, a module that hangs, one that crashes at random
#
# The clients are tests/load/load by the protocol itself, so that each answer of the service is seen, and none that the
# library got by asking again. Figures are printed, never asserted.
#
# KEYSVC_CRASHES is how many crashes there are to be, 30 if not said; 1000 take about six minutes:
#     KEYSVC_BUILD=$PWD/build KEYSVC_CRASHES=1000 bats --filter crashes tests/system/faults.bats
# PKCS11_BREAK_SEED chooses which calls break; it is printed.

setup()
{
    load harness
    load two_tokens
    LOAD=$KEYSVC_BUILD/tests/load/load
}

teardown()
{
    [ -z "${LOADS-}" ] || kill -TERM $LOADS 2>/dev/null || true
    show_log_if_failed
    end_world
}

# load_begin NAME OPTION...: in the background, raw; what it reports is read with `of NAME`.
load_begin()
{
    local name=$1
    shift
    "$LOAD" --via protocol --verify --json --seconds 3600 "$@" >"$W/$name.json" 2>"$W/$name.error" 3>&- &
    printf -v "LOAD_$name" %s $!
    LOADS="${LOADS-} $!"
}

load_end()
{
    local id="LOAD_$1"
    kill -TERM "${!id}" 2>/dev/null || true
    wait "${!id}" || { cat "$W/$1.error"; return 1; }
    echo "# $1: $(of "$1" '{k: d[k] for k in ("outcomes", "median_us", "p99_us", "answer_max_us", "longest_gap_ms")}')" >&3
}

of()
{
    json "$2" <"$W/$1.json"
}

# clean NAME: what must not be, whatever breaks: each request has one answer, each signature is right, and whatever
# else was said, trying again may help.
clean()
{
    local what
    for what in wrong doubled strange unanswered lost refused; do
        [ "$(of "$1" "d['$what']")" = 0 ] || { echo "$1: $what"; cat "$W/$1.json"; return 1; }
    done
}

# only NAME OUTCOME...: nothing else was answered.
only()
{
    local name=$1
    shift
    [ "$(of "$name" "set(d['outcomes']) - set('$*'.split())")" = "set()" ] || { cat "$W/$name.json"; return 1; }
}

now_ms()
{
    echo $((${EPOCHREALTIME/./} / 1000))
}

signs()
{
    keysvc sign "$1" --in "$W/data" --timeout 1s
}

# How many token processes a signal has ended.
crashes()
{
    grep -c 'child=main/[0-9]* event=ended how="killed by signal' "$W/log" || true
}

# Descriptors, and KiB of memory, of keysvcd and the front.
footprint()
{
    local process
    for process in "$(pid)" "$(front_pid)"; do
        echo "$(ls "/proc/$process/fd" | wc -l) $(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$process/status")"
    done
}

@test "killed under load, the token process is soon back, however often" {
    world
    start
    keysvc key generate web/shop
    load_begin busy --key web/shop --threads 8 --rate 500
    for ((i = 0; i < 5; i++)); do
        wait_ready
        kill -KILL "$(token_pids)"
        sleep 0.3
    done
    wait_ready
    load_end busy
    clean busy
    only busy OK TOKEN_UNAVAILABLE BUSY
    audit_verify
}

@test "a token that is pulled out under 64 busy clients, and put back" {
    world break
    start
    keysvc key generate web/shop
    load_begin busy --key web/shop --threads 64
    for ((i = 0; i < 2; i++)); do
        wait_ready
        sleep 0.5
        logins=$(calls C_Login) processes=$(calls C_Initialize)
        break_rules token:removed
        wait_for token_is absent
        not signs web/shop
        sleep 1.3
        [ "$(calls C_Login)" = "$logins" ]
        break_rules
        begun=$(now_ms)
        wait_for signs web/shop
        echo "# served again $(($(now_ms) - begun)) ms after insertion" >&3
        # One process found the token, and logged in once.
        [ "$(calls C_Login)" = $((logins + 1)) ]
        [ "$(calls C_Initialize)" -gt $((processes + 1)) ]
    done
    load_end busy
    clean busy
    only busy OK TOKEN_UNAVAILABLE BUSY
    audit_verify
}

@test "a token that comes and goes quickly costs at most one login a process" {
    world break
    start
    keysvc key generate web/shop
    load_begin busy --key web/shop --threads 16
    for ((i = 0; i < 10; i++)); do
        break_rules token:removed
        sleep 0.0$((RANDOM % 10))
        break_rules
        sleep 0.$((RANDOM % 3))
    done
    wait_for signs web/shop
    load_end busy
    clean busy
    only busy OK TOKEN_UNAVAILABLE BUSY
    [ "$(calls C_Login)" -le "$(calls C_Initialize)" ]
    audit_verify
}

@test "a module that hangs: an answer at the deadline, another process, and the other token does not notice" {
    world_of_two
    before=$(token_pids)
    load_begin other --key spare/shop --threads 2 --rate 300 --timeline
    load_begin hung --key web/shop --threads 4 --rate 200 --deadline-ms 500 --timeline
    sleep 2.5
    # The number of a call that is still to come.
    break_rules "C_Sign:$(($(next C_Sign) + 100)):hang"
    replaced()
    {
        [ "$(token_pids)" != "$before" ] && token_is ready
    }
    wait_for replaced
    sleep 1
    load_end hung
    load_end other
    echo "# each second, p99 in us of the token that hangs: $(of hung '[s["p99_us"] for s in d["timeline"]]')" >&3
    echo "# and of the other:                               $(of other '[s["p99_us"] for s in d["timeline"]]')" >&3
    clean hung
    only hung OK DEADLINE TOKEN_UNAVAILABLE BUSY
    [ "$(of hung 'd["outcomes"]["DEADLINE"]')" -gt 0 ]
    clean other
    only other OK
    # One of two was replaced.
    [ "$(comm -12 <(sort <<<"$before") <(token_pids | sort) | wc -l)" = 1 ]
    [ "$(crashes)" = 1 ]
    audit_verify
}

@test "deadlines of a millisecond kill nothing" {
    HANG_TIMEOUT=2s
    world break
    start
    keysvc key generate web/shop
    before=$(token_pids)
    # Each signature takes longer than its client waits, and all together far longer than a hang.
    break_rules 'C_Sign:*:slow 5'
    load_begin hasty --key web/shop --threads 8 --open 4 --deadline-ms 1
    sleep 4
    load_end hasty
    clean hasty
    only hasty OK DEADLINE BUSY
    [ "$(of hasty 'd["outcomes"]["DEADLINE"]')" -gt 100 ]
    wait_for signs web/shop
    [ "$(token_pids)" = "$before" ]
    not grep event=kill "$W/log"
}

# crash_under_load N: until so many processes have crashed.
crash_under_load()
{
    local until=$(($(crashes) + $1))
    load_begin sick --key web/shop,rsa/shop,web/edwards --threads 16 --open 4
    enough()
    {
        [ "$(crashes)" -ge "$until" ]
    }
    while ! enough; do
        is_gone "$LOAD_sick" && break
        sleep 0.2
    done
    load_end sick
    clean sick
    only sick OK TOKEN_UNAVAILABLE BUSY
    wait_for signs web/shop
    wait_for signs rsa/shop
}

# A descriptor or a KiB for each crash would show; memory that malloc keeps would not.
nothing_grew()
{
    local fds kib fds_warm kib_warm
    end=$(footprint)
    while read -r fds kib fds_warm kib_warm; do
        [ "$fds" -le "$fds_warm" ] || return 1
        [ -n "${KEYSVC_SANITIZED-}" ] || [ "$kib" -le $((kib_warm + 1024)) ] || return 1
    done < <(paste -d ' ' <(echo "$end") <(echo "$warm"))
}

@test "crashes inside the module at random: one answer each, none wrong, nothing grows" {
    export PKCS11_BREAK_SEED=${PKCS11_BREAK_SEED:-$RANDOM}
    n_crashes=${KEYSVC_CRASHES:-30}
    # What a sanitizer finds it finds at the first ones; memory is not counted there.
    [ -z "${KEYSVC_SANITIZED-}" ] || n_crashes=${KEYSVC_CRASHES:-8}
    world break
    echo "$PKCS11_BREAK_SEED" >"$W/break/seed"
    chmod 644 "$W/break/seed"
    echo 'verify = all' >>"$W/profile.conf"
    sed -i 's|^keys "web/|keys "web/edwards" { token = main type = ed25519 purpose = sign }\n&|' "$W/keysvcd.conf"
    start
    for key in web/shop rsa/shop web/edwards; do
        keysvc key generate "$key"
    done
    break_rules 'C_SignInit:~300:abort' 'C_SignInit:~300:after segv' 'C_Sign:~300:segv' 'C_Sign:~300:after abort' \
        'C_Sign:~100:wrong'
    crash_under_load 5
    warm=$(footprint)
    crash_under_load "$n_crashes"
    # The front has not closed the connection of the last client yet when that is gone.
    wait_for nothing_grew || true
    echo "# $(crashes) crashes with the seed $PKCS11_BREAK_SEED; descriptors and KiB of keysvcd and front:" $warm "then" $end >&3
    audit_verify
    nothing_grew
    break_rules
    signs web/edwards
}
