#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# metrics.bats - what keysvc metrics counts, as a strict reader of Prometheus' text form sees it, and status --watch

setup_file()
{
    load harness
    world
    start
    keysvc key generate web/shop
}

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
}

teardown_file()
{
    load harness
    end_world
}

# look CONDITION...: asks, and holds the answer against what it should be (metrics.py).
look()
{
    keysvc metrics --out-file "$W/metrics"
    /usr/bin/python3 -B "$SOURCE/tests/system/metrics.py" "$W/metrics" "$@"
}

# What a condition says of now, for one that says something of later.
now()
{
    look
    /usr/bin/python3 -B "$SOURCE/tests/system/metrics.py" "$W/metrics" "print(f'{$1:.6f}') or True"
}

SIGNED='v("keysvc_requests_total", operation="sign", outcome="OK")'
TIMED='v("keysvc_execution_seconds_count", operation_class="sign")'
WAITED='v("keysvc_queue_seconds_count", operation_class="sign")'

@test "after N signatures the counters are N, and so are the histograms' counts" {
    local before sum
    before=$(now "$SIGNED")
    sum=$(now 'v("keysvc_execution_seconds_sum", operation_class="sign")')
    for _ in 1 2 3 4 5; do
        keysvc sign web/shop --in "$W/data" --out-file "$W/signature"
    done
    look "$SIGNED == $before + 5" "$TIMED == $SIGNED" "$WAITED == $SIGNED" \
        "v('keysvc_execution_seconds_sum', operation_class='sign') > $sum" \
        'v("keysvc_execution_seconds_sum", operation_class="sign") < 5' \
        'v("keysvc_requests_total", operation="generate", outcome="OK") == 1' \
        'v("keysvc_execution_seconds_count", operation_class="make") == 1' \
        'v("keysvc_received_bytes_total") > 500' 'v("keysvc_sent_bytes_total") > 500' \
        'v("keysvc_connections") >= 1' 'v("keysvc_open_requests") == 1' \
        'v("keysvc_accepted_connections_total") > 5'
}

@test "states of token and process, generation and start times" {
    look 'v("keysvc_token_state", token="main", state="ready") == 1' 'total("keysvc_token_state") == 1' \
        'len(values("keysvc_token_state", token="main")) == 5' \
        'v("keysvc_token_workers", token="main") == 1' 'v("keysvc_token_ready_workers", token="main") == 1' \
        'v("keysvc_token_keys", token="main") >= 1' 'v("keysvc_worker_ready", token="main", worker="1") == 1' \
        'v("keysvc_worker_restarts_total", token="main", worker="1") == 0' \
        "v('keysvc_process_start_time_seconds', process='keysvc-front') <= $(date +%s) + 1" \
        "v('keysvc_process_start_time_seconds', process='keysvc-front') > $(date +%s) - 600" \
        'v("keysvc_process_start_time_seconds", process="keysvcd") <= v("keysvc_process_start_time_seconds", process="keysvc-front")'
    [ "$(keysvc metrics --json | json 'd["tokens"][0]["state"]')" = ready ]
}

@test "refusals are counted by outcome and by reason; who does not administer is DENIED" {
    need_root
    local denied by_rule
    denied=$(now 'v("keysvc_requests_total", operation="sign", outcome="DENIED")')
    by_rule=$(now 'v("keysvc_refusals_total", reason="rule")')
    for _ in 1 2 3; do
        fails 3 DENIED as $BOB keysvc sign web/shop@1 --in "$W/data"
    done
    fails 3 DENIED as $ALICE keysvc metrics
    [ "${output//keysvc_/}" = "$output" ]
    # The library asks for the key first, and is denied that.
    look "total('keysvc_requests_total', outcome='DENIED') >= $denied + 4" \
        "v('keysvc_refusals_total', reason='rule') == $by_rule + 4" \
        'v("keysvc_requests_total", operation="metrics", outcome="DENIED") == 1' \
        'v("keysvc_refusals_total", reason="quota") == 0'
}

@test "each chain says how far it is from the disk" {
    keysvc sign web/shop --in "$W/data" --out-file "$W/signature"
    look 'len(values("keysvc_audit_records_total")) == 2' 'v("keysvc_audit_records_total", chain="front") > 3' \
        'v("keysvc_audit_records_total", chain="main-1") > 3' 'v("keysvc_audit_unsynced_seconds", chain="main-1") < 5' \
        'total("keysvc_audit_failures_total") == 0' 'v("keysvc_audit_file_failures_total") == 0'
    # Looking is a record of the front's, too: it is on the disk a second later.
    wait_for look 'v("keysvc_audit_unsynced_records", chain="main-1") == 0' \
        'v("keysvc_audit_unsynced_seconds", chain="main-1") == 0' 'v("keysvc_audit_syncs_total", chain="main-1") > 0' \
        'v("keysvc_audit_syncs_total", chain="front") > 0'
}

@test "a reload and one that is refused" {
    local generation good bad
    generation=$(now 'v("keysvc_config_generation")')
    good=$(now 'v("keysvc_reloads_total", result="ok")')
    bad=$(now 'v("keysvc_reloads_total", result="failed")')
    keysvc reload
    look "v('keysvc_config_generation') == $generation + 1" "v('keysvc_reloads_total', result='ok') == $good + 1" \
        'v("keysvc_config_last_reload_successful") == 1'
    cp "$W/keysvcd.conf" "$W/good.conf"
    echo 'nonsense {}' >>"$W/keysvcd.conf"
    fails 6 nonsense keysvc reload
    look "v('keysvc_config_generation') == $generation + 1" "v('keysvc_reloads_total', result='failed') == $bad + 1" \
        'v("keysvc_config_last_reload_successful") == 0'
    mv "$W/good.conf" "$W/keysvcd.conf"
    keysvc reload
    look 'v("keysvc_config_last_reload_successful") == 1' \
        "v('keysvc_config_timestamp_seconds') > $(date +%s) - 60"
}

restarted()
{
    look "v('keysvc_worker_restarts_total', token='main', worker='1') == $1" \
        'v("keysvc_worker_ready", token="main", worker="1") == 1'
}

@test "a killed token process is one restart more, and the front's counts stay" {
    local signed restarts
    restarts=$(now 'v("keysvc_worker_restarts_total", token="main", worker="1")')
    keysvc sign web/shop --in "$W/data" --out-file "$W/signature"
    signed=$(now "$SIGNED")
    kill -KILL "$(token_pids)"
    wait_for restarted "$restarts + 1"
    keysvc sign web/shop --in "$W/data" --out-file "$W/signature"
    look "$SIGNED == $signed + 1" 'v("keysvc_front_restarts_total") == 0'
}

front_restarted()
{
    look 'v("keysvc_front_restarts_total") == 1'
}

@test "a killed front begins anew and says so; what keysvcd counts stays" {
    local began restarts daemon
    began=$(now 'v("keysvc_process_start_time_seconds", process="keysvc-front")')
    daemon=$(now 'v("keysvc_process_start_time_seconds", process="keysvcd")')
    restarts=$(now 'v("keysvc_worker_restarts_total", token="main", worker="1")')
    keysvc sign web/shop --in "$W/data" --out-file "$W/signature"
    kill -KILL "$(front_pid)"
    wait_for front_restarted
    wait_ready
    look "v('keysvc_process_start_time_seconds', process='keysvc-front') > $began" \
        "v('keysvc_process_start_time_seconds', process='keysvcd') == $daemon" "$SIGNED == 0" "$TIMED == 0" \
        "v('keysvc_worker_restarts_total', token='main', worker='1') == $restarts" \
        'v("keysvc_audit_records_total", chain="main-1") > 3'
    keysvc sign web/shop --in "$W/data" --out-file "$W/signature"
    look "$SIGNED == 1" "$TIMED == 1"
}

on_terminal()
{
    /usr/bin/python3 -B "$SOURCE/tests/system/terminal.py" "$@"
}

ESC=$'\033'

@test "status --watch redraws on a terminal, and Ctrl-C ends it with code 0 and a clean terminal" {
    on_terminal 40 'PER SECOND' "${ESC}[H" 'PER SECOND' -- keysvc status --watch=100ms >"$W/screen"
    grep -qF "main" "$W/screen"
    # It began on a screen of its own, and the last that it wrote gives cursor and screen back.
    [[ "$(cat "$W/screen")" == "${ESC}[?1049h${ESC}[?25l"* ]]
    [[ "$(cat "$W/screen")" == *"${ESC}[?25h${ESC}[?1049l" ]]
    # No more lines than there is room for.
    on_terminal 5 "${ESC}[J" -- keysvc status --watch 100ms >"$W/screen"
    # Of the first picture: Ctrl-C may come when the second is there.
    [ "$(sed "/${ESC}\[J/ { s/${ESC}\[J.*//; q }" "$W/screen" | grep -cF "${ESC}[K")" = 4 ]
}

# watched UID: blocks in $W/blocks until watch_end.
watch_begin()
{
    rm -f "$W/blocks" # of another test
    IN_PLACE=exec as "$1" keysvc status --watch=100ms >"$W/blocks" 2>&1 3>&- &
    WATCH=$!
    wait_for grep -q ready "$W/blocks"
}

watch_end()
{
    kill -INT $WATCH
    wait $WATCH
}

blocks()
{
    [ "$(grep -c '^keysvcd ' "$W/blocks")" -gt "$1" ]
}

@test "status --watch writes blocks where there is no terminal, with rates for administrators" {
    watch_begin "$ME"
    keysvc sign web/shop --in "$W/data" --out-file "$W/signature"
    wait_for blocks 3
    wait_for grep -qE '^metrics +[1-9][0-9.]* ' "$W/blocks"
    wait_for grep -qE '^sign .* ms +[0-9.]+ ms' "$W/blocks"
    watch_end
    not grep -q "$ESC" "$W/blocks"
    fails 2 --watch keysvc status --watch --json
    fails 2 100ms keysvc status --watch=10ms
    fails 2 'too many' keysvc status 5
}

@test "status --watch of others has states and no rates" {
    need_root
    watch_begin "$BOB"
    wait_for blocks 2
    watch_end
    not grep -q 'PER SECOND' "$W/blocks"
}

recovered()
{
    sed '1,/no answer/d' "$W/blocks" | grep -q '; the service was restarted; seen .*Z$'
}

@test "status --watch survives a service that is away, says so and goes on" {
    watch_begin "$ME"
    stop
    wait_for grep -q 'no answer, asked again: NO_SERVICE' "$W/blocks"
    start
    wait_for recovered
    watch_end
    fails 17 NO_SERVICE env KEYSVC_SOCKET="$W/nowhere" keysvc status --watch
}
