#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_limits.bats - keysvc-agent before clients that are slow, many, large or hostile, and before a token that is

load agent

# https PATH [CURL-OPTION...]: the status.
https()
{
    local path=$1
    shift
    curl -sS -k --max-time 60 -o "$W/answer" -w '%{http_code}\n' "$@" "https://127.0.0.1:$PORT$path"
}

serves()
{
    [[ $(https /nothing/here "$@") == 40[14] ]]
}

# KiB that the agent ever had in memory.
peak()
{
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$AGENT_PID/status"
}

@test "who sends or reads a byte now and then is closed at the deadline, whatever it is in" {
    local phase pid clients=()
    world
    agent_world
    AGENT_LISTENER='request-timeout = 3s' agent_config
    start
    agent_start
    API_TOKEN=$(agent token create --name slow --scope "certificate management")
    export API_TOKEN
    for phase in handshake line headers body chunk; do
        client slow "$PORT" "$phase" 3>&- &
        clients+=($!)
    done
    for pid in "${clients[@]}"; do
        wait "$pid"
    done
    grep -q 'event=deadline peer=127.0.0.1 in=handshake' "$W/agent.log"
    [ "$(grep -c 'event=deadline peer=127.0.0.1 in=request' "$W/agent.log")" = 4 ]
    serves
}

@test "more connections than there are places wait, and are served when others go" {
    world
    agent_world
    AGENT_LISTENER='max-connections = 6 max-connections-per-address = 6 threads = 3' agent_config
    start
    agent_start
    client places "$PORT" 6
    serves
}

@test "one address that takes all the places it gets leaves the others theirs" {
    local flood code=0
    world
    agent_world
    AGENT_LISTENER='max-connections = 8 threads = 2' agent_config
    start
    agent_start
    # As many as there are places, and new ones for those that are closed.
    /usr/bin/python3 -B "$SOURCE/tests/system/agent_client.py" silent "$PORT" 8 >"$W/held" 3>&- &
    flood=$!
    wait_for grep -q held "$W/held"
    for _ in $(seq 20); do
        [[ $(https /nothing/here --interface 127.0.0.2 --max-time 10) == 401 ]] || code=1
    done
    kill "$flood"
    wait "$flood" || true
    [ "$code" = 0 ]
    wait_for serves
}

@test "who makes handshakes without pause waits for its turn, and nobody else does" {
    local before made flood
    world break
    agent_world
    AGENT_LISTENER='handshake-rate-per-address = "2/s" handshake-burst-per-address = 3' agent_config
    start
    agent_start
    before=$(calls C_Sign)
    client impatient "$PORT" 4 5 >"$W/made" 3>&- &
    flood=$!
    wait_for grep -q 'event=handshakes-wait peer=127.0.0.1 rate=2' "$W/agent.log"
    for _ in 1 2 3; do
        [[ $(https /nothing/here --interface 127.0.0.2) == 401 ]]
    done
    wait "$flood" || { cat "$W/made"; false; }
    made=$(sed -n 's/^handshakes: //p' "$W/made")
    # Not more than it may in that time, and none was refused; nor were there more signatures, with some of the audit's own.
    [ "$made" -ge 4 ]
    [ "$made" -le $((3 + 2 * $(sed -n 's/^seconds: //p' "$W/made"))) ]
    [ $(($(calls C_Sign) - before)) -le $((made + 3 + 5)) ]
    [ "$(grep -c 'event=handshakes-wait peer=127.0.0.1' "$W/agent.log")" = 1 ]
    not grep -q 'event=handshakes-wait peer=127.0.0.2' "$W/agent.log"
    [[ $(https /nothing/here) == 401 ]]
}

@test "a hundred megabytes are refused, however they are sent, and none of them is kept" {
    world
    agent_world
    start
    agent_start
    truncate -s 100M "$W/large"
    [ "$(https /e/default/api/v1/certificate/x -T "$W/large" -H 'Expect: 100-continue')" = 413 ]
    [ "$(https /e/default/api/v1/certificate/x -T "$W/large" -H 'Expect:')" = 413 ]
    login="Authorization: Api-Token $(agent token create --name large --scope 'certificate management')"
    [ "$(https /e/default/api/v1/certificate/x -T "$W/large" -H "$login" -H 'Expect:' -H 'Transfer-Encoding: chunked')" = 413 ]
    [ "$(https /e/default/api/v1/certificate/x -T "$W/large" -H "$login" -H 'Transfer-Encoding: chunked')" = 413 ]
    grep -qx 'Content Too Large' "$W/answer"
    # A sanitizer's own memory is larger than what is looked for.
    [ -n "${ASAN_OPTIONS-}" ] || [ "$(peak)" -lt 65536 ]
    serves
}

@test "what strangers send as a body is refused before it is there" {
    world
    agent_world
    start
    agent_start
    [ "$(client bodies "$PORT" 120)" = 120 ]
    [ -n "${ASAN_OPTIONS-}" ] || [ "$(peak)" -lt 65536 ]
    truncate -s 100M "$W/large"
    [ "$(https /e/default/api/v1/certificate/x -T "$W/large" -H 'Transfer-Encoding: chunked')" = 401 ]
    [ "$(https /e/default/api/v1/certificate/x -T "$W/large" -H 'Transfer-Encoding: chunked' -H 'Expect: 100-continue')" = 401 ]
    serves
}

@test "what is no TLS, no HTTP, or one of two meanings" {
    world
    agent_world
    start
    agent_start
    not curl -sS --max-time 20 "http://127.0.0.1:$PORT/" --http0.9 -o "$W/plain"
    not grep -q HTTP "$W/plain"
    head -c 100000 /dev/urandom | timeout 20 bash -c "cat >/dev/tcp/127.0.0.1/$PORT" || true
    [ "$(https /a%2fb)" = 400 ]
    [ "$(https /a/%2e%2e/b --path-as-is)" = 400 ]
    [ "$(https /a%00b)" = 400 ]
    [ "$(https /a -H 'X-Password: 1' -H 'x-password: 2')" = 400 ]
    [ "$(https /a -d x -H 'Transfer-Encoding: chunked' -H 'Content-Length: 1')" = 400 ]
    [ "$(https /a -X POST -H 'Transfer-Encoding: gzip')" = 501 ]
    [ "$(https /a -X BREW)" = 501 ]
    [ "$(https /a -H "X-Long: $(printf '%020000d' 0)")" = 431 ]
    curl -sSk -I --max-time 20 "https://127.0.0.1:$PORT/" >"$W/headers"
    grep -qi '^Cache-Control: no-store' "$W/headers"
    not grep -qi '^Server:' "$W/headers"
    serves --http1.0
}

# A token that hangs holds up handshakes; those who have theirs are served by the loops that are in none.
@test "a token that hangs: open connections are served, handshakes are when it is back" {
    HANG_TIMEOUT=15s world break # longer than the agent waits
    agent_world
    AGENT_LISTENER='threads = 4' agent_config
    start
    agent_start
    client beside "$PORT" "$W/enough" >"$W/beside" 3>&- &
    beside=$!
    wait_for grep -q connected "$W/beside"
    break_rules "C_Sign:$(next C_Sign):hang"
    code=0
    https /nothing/here >"$W/hung" 2>&1 || code=$?
    [ "$code" != 0 ]
    wait_for grep -q 'event=handshake-failed .*DEADLINE' "$W/agent.log"
    break_rules
    wait_for serves
    touch "$W/enough"
    wait "$beside"
    cat "$W/beside"
    # Those in the loop with the handshake waited as long as it did, not longer; the others did not.
    [ "$(sed -n 's/^quick: //p' "$W/beside")" -ge 1 ]
}

# Two of four loops may wait for the token or for whoever works on the identity; a third change is told to come again.
@test "a token that hangs: changes hold up half of the loops, the others refuse changes and serve" {
    HANG_TIMEOUT=15s world break
    agent_world
    AGENT_LISTENER='threads = 4 max-connections = 8 max-connections-per-address = 8' agent_config
    start
    agent_start
    token=$(agent token create --name manager --scope "certificate management")
    mkdir "$W/steps"
    client changes "$PORT" "$token" "$W/steps" >"$W/changes" 2>&1 3>&- &
    changes=$!
    wait_for grep -q connected "$W/changes"
    hung=$(next C_Sign)
    break_rules "C_Sign:$hung:hang"
    touch "$W/steps/one"
    wait_for called C_Sign "$hung"
    touch "$W/steps/others"
    wait "$changes" || { cat "$W/changes"; false; }
    # And their places are given back.
    break_rules
    for _ in 1 2 3; do
        wait_for serves
        [[ $(https /api/v1/identity/agent/rollback -X POST -H "Authorization: Api-Token $token") == 404 ]]
    done
}

# called FUNCTION N: the module is in that call, or was.
called()
{
    [ "$(calls "$1")" -ge "$2" ]
}

# bats test_tags=uninstrumented
@test "a password in a header and a body are not in memory after their request" {
    need_root
    world
    agent_world
    start
    agent_start
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$W/any.pem"
    password=$(openssl rand -hex 20)
    printf 'Authorization: Api-Token %s\n' "$(agent token create --name any --scope 'certificate management')" >"$W/login"
    for version in 1.2 1.3; do
        # The second one is refused before its body was read whole, the third one is given up in the middle.
        { cat "$W/login"; printf 'X-Password: %s\n' "$password"; } >"$W/header"
        { printf '%s' "$password"; head -c 300000 /dev/zero; printf '%s' "$password"; } >"$W/body"
        https "/e/default/api/v1/certificate/x" --tls-max "$version" -H "@$W/header" -T "$W/body"
        https "/e/default/api/v1/certificate/x" --tls-max "$version" -H "@$W/header" -T "$W/body" \
            -H 'Content-Length: 104857600' -H 'Expect:' || true
        https "/e/default/api/v1/certificate/x" --tls-max "$version" -H "@$W/header" -T "$W/body" -H 'Expect:' \
            --max-time 1 --limit-rate 100k || true
    done
    # What was given up is wiped when the agent has noticed.
    wait_for serves
    wait_for /usr/bin/python3 -B "$SOURCE/tests/system/memory.py" "$W/any.pem" "$password" process "$AGENT_PID"
    # It would be found: what is on the way is there.
    mkfifo "$W/typed"
    openssl s_client -quiet -connect "127.0.0.1:$PORT" <"$W/typed" >"$W/waiting" 2>&1 3>&- &
    exec 4>"$W/typed"
    printf 'PUT /x HTTP/1.1\r\nHost: x\r\nX-Password: %s\r\n' "$password" >&4
    wait_for not /usr/bin/python3 -B "$SOURCE/tests/system/memory.py" "$W/any.pem" "$password" process "$AGENT_PID"
}
