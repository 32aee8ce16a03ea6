#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_run.bats - keysvc-agent as a service: its own certificate, HTTPS, and what happens to keysvcd meanwhile

load agent
NAME=$(hostname)
CLIENTS='client-names = {"console.example"} client-scopes = {"certificate management"}'

# https PATH [CURL-OPTION...]: the status; the agent's certificate is checked, and its name.
https()
{
    local path=$1
    shift
    curl -sS --max-time 30 -o "$W/answer" -w '%{http_code}\n' --cacert "$STATE/identities/agent/current/certificate.pem" \
        --resolve "$NAME:$PORT:127.0.0.1" "$@" "https://$NAME:$PORT$path"
}

# serves [CURL-OPTION...]: the agent answers; to whom it does not know, whatever.
serves()
{
    [[ $(https /nothing/here "$@") == 40[14] ]]
}

@test "the first start makes a key and a certificate and serves with them, by TLS 1.2 and 1.3; the next one keeps them" {
    world
    agent_world
    start
    agent_start
    serves
    serves --tls-max 1.2
    serves --tlsv1.3
    openssl s_client -connect "127.0.0.1:$PORT" -CAfile "$STATE/identities/agent/current/certificate.pem" \
        -verify_return_error -verify_hostname "$NAME" </dev/null
    not openssl s_client -connect "127.0.0.1:$PORT" -tls1_1 -cipher ALL:@SECLEVEL=0 </dev/null
    cp "$STATE/identities/agent/current/certificate.pem" "$W/first.pem"
    agent_stop
    agent_start
    serves --cacert "$W/first.pem"
    keysvc key show "$AGENT_KEYS/agent@1"
    grep -q "event=certificate-changed identity=agent action=create set=1 kind=self-signed" "$W/agent.log"
    agent_stop
    stop
}

@test "keys of every type serve" {
    for type in rsa-2048 ed25519 ec-p384; do
        export KEY_TYPE=$type
        world
        agent_world
        start
        agent_start
        serves --tlsv1.3
        # curl's client offers no Ed25519 below TLS 1.3; openssl's does.
        openssl s_client -connect "127.0.0.1:$PORT" -tls1_2 -verify_return_error \
            -CAfile "$STATE/identities/agent/current/certificate.pem" </dev/null
        agent_stop
        AGENT_STARTS=0
        end_world
    done
}

@test "nobody serves as root, at an address that is not there, or with a file of client CAs that is none" {
    world
    agent_world
    start
    echo 'no certificate' >"$W/none.pem"
    AGENT_LISTENER="client-ca-file = \"$W/none.pem\" $CLIENTS" agent_config
    fails 2 "$W/none.pem: no certificates can be read" agent run
    AGENT_LISTENER='address = "192.0.2.77"' agent_config
    fails 2 "cannot listen at 192.0.2.77" agent run
    [[ $output == *"agent.conf, section listener"* ]]
    if [ "$ME" = 0 ]; then
        chown 0:0 "$STATE"
        fails 2 "does not run as root" keysvc-agent --config "$W/agent.conf" run
    fi
}

@test "a client certificate is not needed; one of a stranger ends the handshake" {
    world
    agent_world
    start
    for who in console stranger; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/$who.key" -out "$W/$who.pem" \
            -subj "/CN=$who.example" -days 9 2>/dev/null
    done
    AGENT_LISTENER="client-ca-file = \"$W/console.pem\" $CLIENTS" agent_config
    agent_start
    serves
    serves --cert "$W/console.pem" --key "$W/console.key"
    not https / --cert "$W/stranger.pem" --key "$W/stranger.key"
    wait_for grep -q 'event=handshake-failed peer=127.0.0.1 why="certificate verify failed: ' "$W/agent.log"
}

@test "the agent waits for keysvcd at its first start, and goes on without it later" {
    world
    agent_world
    agent_start_early
    grep -q 'event=waiting outcome=NO_SERVICE' "$W/agent.log"
    start
    agent_wait
    serves
    stop
    not serves
    start
    wait_for serves
    # A second start needs keysvcd for its first handshake only.
    agent_stop
    stop
    agent_start
    start
    wait_for serves
}

# Before keysvcd is there: until it waits.
agent_start_early()
{
    IN_PLACE=exec as "$AGENT" keysvc-agent --config "$W/agent.conf" run >>"$W/agent.log" 2>&1 3>&- &
    AGENT_PID=$!
    wait_for grep -q 'event=waiting' "$W/agent.log"
}

@test "a signal ends it while it waits and while clients hold connections" {
    world
    agent_world
    agent_start_early
    agent_stop
    start
    agent_start
    client hold "$PORT" >"$W/idle" 3>&- &
    wait_for grep -q held "$W/idle"
    kill -HUP "$AGENT_PID" # which means nothing
    serves
    agent_stop
    wait $!
    grep -qx closed "$W/idle"
}

@test "the service manager is told when it listens, and when it ends" {
    world
    agent_world
    start
    cat >"$W/manager.py" <<'END'
import socket, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
manager.settimeout(60)
while True:
    text = manager.recv(4096).decode()
    print(text, flush=True)
    if "STOPPING" in text:
        break
END
    /usr/bin/python3 "$W/manager.py" "$W/notify" >"$W/told" 3>&- &
    wait_for test -S "$W/notify"
    chmod 666 "$W/notify"
    NOTIFY_SOCKET=$W/notify agent_start
    wait_for grep -q '^READY=1$' "$W/told"
    grep -qx "STATUS=listening at 127.0.0.1, port $PORT" "$W/told"
    agent_stop
    wait_for grep -q '^STOPPING=1$' "$W/told"
}

@test "fifty new keys and certificates under load: each is served, no connection fails, an open one stays" {
    world
    agent_world
    start
    agent_start
    client beside "$PORT" "$W/enough" >"$W/beside" 3>&- &
    beside=$!
    client load "$PORT" "$W/enough" >"$W/load" 3>&- &
    load=$!
    client load "$PORT" "$W/enough" >"$W/load.2" 3>&- &
    load2=$!
    wait_for grep -q connected "$W/beside"
    for ((i = 0; i < 50; i++)); do
        agent certificate-apply-self-signed --rekey >/dev/null
        if [ $((i % 10)) = 0 ]; then
            serves # checked against the certificate in the files
        fi
    done
    touch "$W/enough"
    wait "$load" || { cat "$W/load"; false; }
    wait "$load2" || { cat "$W/load.2"; false; }
    wait "$beside" || { cat "$W/beside"; false; }
    serves
    [ "$(sed -n 's/.*certificates: //p' "$W/load")" -gt 10 ] || { cat "$W/load"; false; }
    not grep -q 'event=certificate-not-loaded' "$W/agent.log"
    not grep -q 'event=handshake-failed' "$W/agent.log"
}
