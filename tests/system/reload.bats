#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# reload.bats - another configuration under a running service

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_world
}

generation()
{
    keysvc status --json | json 'd["generation"]'
}

generation_is()
{
    [ "$(generation)" = "$1" ]
}

@test "SIGHUP: a new rule counts, the generation grows, processes stay" {
    need_root
    world
    start
    keysvc key generate web/shop
    [ "$(generation)" = 1 ]
    processes="$(front_pid) $(token_pids)"
    fails 3 "" as $BOB keysvc sign web/shop --in "$W/data"
    echo "allow bob { user = {\"$BOB\"} keys = {\"web/**\"} operations = {get, sign} }" >>"$W/keysvcd.conf"
    kill -HUP "$(pid)"
    wait_for generation_is 2
    as $BOB keysvc sign web/shop --in "$W/data" >"$W/signature"
    [ "$(front_pid) $(token_pids)" = "$processes" ]
}

@test "keysvc reload answers when the new configuration counts" {
    need_root
    world
    start
    keysvc key generate web/shop
    echo "allow bob { user = {\"$BOB\"} keys = {\"web/**\"} operations = {get, sign} }" >>"$W/keysvcd.conf"
    keysvc reload
    as $BOB keysvc sign web/shop --in "$W/data" >"$W/signature"
    # And back again: what is no longer allowed is refused.
    sed -i '/^allow bob/d' "$W/keysvcd.conf"
    keysvc reload
    fails 3 "" as $BOB keysvc sign web/shop --in "$W/data"
    [ "$(generation)" = 3 ]
}

# The workers cannot answer, so the reload is still under way when the new front, which has the new configuration already,
# becomes ready; it must not be given it a second time.
@test "a front that starts while a reload is under way stays" {
    world
    start
    workers=$(token_pids)
    first=$(front_pid)
    kill -STOP $workers
    kill -HUP "$(pid)"
    sleep 0.3
    kill -9 "$first"
    wait_for another_front "$first"
    second=$(front_pid)
    sleep 0.5
    kill -CONT $workers
    wait_for generation_is 2
    keysvc key generate web/shop
    [ "$(front_pid)" = "$second" ]
}

another_front()
{
    local now
    now=$(front_pid) && [ -n "$now" ] && [ "$now" != "$1" ]
}

@test "a link that was set to the next file is read there" {
    world
    mv "$W/keysvcd.conf" "$W/first.conf"
    ln -s first.conf "$W/keysvcd.conf"
    start
    keysvc key generate web/shop
    as "$ALICE" keysvc sign web/shop --in "$W/data" >"$W/signature"
    sed '/^allow alice/,/^}/d' "$W/first.conf" >"$W/next.conf"
    ln -s next.conf "$W/link"
    mv -T "$W/link" "$W/keysvcd.conf"
    keysvc reload
    [ "$ME" != 0 ] || fails 3 "" as "$ALICE" keysvc sign web/shop --in "$W/data"
    rm "$W/keysvcd.conf"
    fails 6 "keysvcd.conf: cannot be opened: No such file" keysvc reload
    ln -s first.conf "$W/keysvcd.conf"
    keysvc reload
    as "$ALICE" keysvc sign web/shop --in "$W/data" >"$W/signature"
}

@test "connections stay open over a reload" {
    world
    start
    python_client
    client stay "$W/go" >"$W/stayed" 3>&- &
    stays=$!
    wait_for grep 1 "$W/stayed"
    keysvc reload
    touch "$W/go"
    wait $stays
    [ "$(cat "$W/stayed")" = "1
2" ]
}

@test "a bad file keeps the running configuration and is said where it is bad" {
    world
    start
    keysvc key generate web/shop
    cp "$W/keysvcd.conf" "$W/good"
    echo 'allow broken { user = {"0"} keyz = {"**"} operations = {all} }' >>"$W/keysvcd.conf"
    line=$(wc -l <"$W/keysvcd.conf")
    run keysvc reload
    [ "$status" != 0 ]
    [[ $output == *"$W/keysvcd.conf:$line: "* ]]
    kill -HUP "$(pid)"
    refused_again()
    {
        [ "$(grep -c 'event=reload outcome=.*the running configuration stays' "$W/log")" = 2 ]
    }
    wait_for refused_again
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    [ "$(generation)" = 1 ]
    cp "$W/good" "$W/keysvcd.conf"
    keysvc reload
    [ "$(generation)" = 2 ]
}

@test "under load no request is lost to a reload" {
    world
    start
    keysvc key generate web/shop
    python_client
    client load web/shop "$W/data" 2 >"$W/report" 3>&- &
    load=$!
    wait_for grep -q '"event":"sign"' "$W/audit/main-1.log"
    for ((i = 0; i < 5; i++)); do
        sleep 0.2
        keysvc reload
    done
    wait $load
    echo "# $(cat "$W/report")" >&3
    [ "$(json 'd["lost"] + d["refused"] + d["strange"]' <"$W/report")" = 0 ]
    [ "$(json 'd["signed"] > 100' <"$W/report")" = True ]
    [ "$(generation)" = 6 ]
}

@test "a change that comes while the configuration is read again and again is made" {
    world
    start
    (
        while [ ! -e "$W/enough" ] && kill -HUP "$(pid)"; do
            sleep 0.01
        done
    ) 3>&- &
    reloads=$!
    for ((i = 0; i < 20; i++)); do
        keysvc key generate "web/$i" || failed="${failed-} $i"
    done
    often()
    {
        [ "$(generation)" -gt 20 ]
    }
    wait_for often
    touch "$W/enough"
    wait $reloads
    [ -z "${failed-}" ]
}

@test "a class's purpose that changes is enforced after the reload" {
    world
    start
    keysvc key generate web/shop
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    sed -i '/^keys "web/,/^}/{s/purpose = sign/purpose = tls-server/;/usage/d}' "$W/keysvcd.conf"
    keysvc reload
    fails 8 web/shop keysvc sign web/shop --in "$W/data"
}

@test "told to stop while a reload waits and another one is asked for: it ends, and starts nothing any more" {
    local worker main
    world
    start
    main=$(pid) worker=$(token_pids)
    kill -STOP "$worker"
    kill -HUP "$main"
    sleep 0.3 # to read the file
    sed -i "s/^token main {/&\n    workers = 2/" "$W/keysvcd.conf"
    kill -HUP "$main"
    sleep 0.3
    kill -TERM "$main"
    sleep 8 # the front is gone then
    kill -CONT "$worker" 2>/dev/null || true
    wait_for is_gone "$main"
    rm "$W/keysvcd.pid"
}
