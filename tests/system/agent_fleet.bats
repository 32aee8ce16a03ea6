# SPDX-License-Identifier: Apache-2.0
#
# agent_fleet.bats - keysvc-agent console and real agents: one keysvcd, many agents, each with a state folder of its own
#
# FLEET is how many the last test has: as many as fit into half a minute of two processors if not said.

load agent
FLEET_PIDS=()

teardown()
{
    local pid
    show_log_if_failed
    for pid in "${FLEET_PIDS[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${FLEET_PIDS[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    end_world
}

# The console is the administrator's, whoever runs the tests.
console()
{
    "$PROGRAMS/client/agent/keysvc-agent" console "$1" --console-dir "$W/console" "${@:2}" </dev/null 3>&-
}

# member NAME COMMAND...: of one agent.
member()
{
    as "$AGENT" keysvc-agent --config "$W/$1.conf" "${@:2}"
}

# What each agent has: a folder, a configuration, a token of its API. Its keys are told apart by `keys`.
make_member()
{
    mkdir -m 750 "$W/$1"
    [ "$ME" != 0 ] || chown "$AGENT:$AGENT" "$W/$1"
    cat >"$W/$1.conf" <<END
agent {
    state-dir = "$W/$1"
    socket = "$KEYSVC_SOCKET"
    keys = "agents/{user}/$1"
    key-type = ${KEY_TYPE-ec-p256}
}
listener {
    port = 0
    threads = 1
    ${MEMBER_LISTENER-}
}
END
    (umask 077 && member "$1" token create --name console --scope "certificate management" >"$W/$1.token")
}

start_member()
{
    IN_PLACE=exec as "$AGENT" keysvc-agent --config "$W/$1.conf" run >>"$W/$1.log" 2>&1 3>&- &
    FLEET_PIDS+=($!)
}

listens()
{
    grep -q 'event=listening' "$W/$1.log"
}

port()
{
    sed -n 's/.*event=listening.* port=\([0-9]*\).*/\1/p' "$W/$1.log" | tail -n 1
}

add_member()
{
    wait_for listens "$1"
    console add "$1" "127.0.0.1:$(port "$1")" --token-file "$W/$1.token" \
        --fingerprint "$(member "$1" certificate-status --json | json "d['sha256']")" >/dev/null
}

# fleet N: agents AGENT01 and so on, running, in the console's list.
fleet()
{
    local i name names=()
    DIR=$W/issued
    for i in $(seq "$1"); do
        names+=("$(printf 'AGENT%02d' "$i")")
    done
    for name in "${names[@]}"; do
        make_member "$name"
    done
    for name in "${names[@]}"; do
        start_member "$name"
    done
    for name in "${names[@]}"; do
        add_member "$name"
    done
}

# As the issue has it: the CA's step is done by hand.
sign_all()
{
    local request
    [ -e "$W/ca.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/ca.key" \
        -out "$W/ca.crt" -subj "/CN=Fleet CA" -days 30 2>/dev/null
    for request in "$DIR"/*.req; do
        openssl x509 -req -in "$request" -CA "$W/ca.crt" -CAkey "$W/ca.key" -out "${request%.req}.crt" -CAcreateserial \
            -copy_extensions copyall 2>/dev/null
    done
}

# What an agent shows to anybody.
issuer()
{
    openssl s_client -connect "127.0.0.1:$(port "$1")" </dev/null 2>/dev/null |
        openssl x509 -noout -issuer -nameopt RFC2253
}

life()
{
    world
    agent_world
    start
    fleet 3
    console status
    console create-csr --directory "$DIR" --organization Fleet
    sign_all
    console verify --directory "$DIR" --ca-file "$W/ca.crt"
    [ "$(issuer AGENT02)" != "issuer=CN=Fleet CA" ]
    console apply --directory "$DIR" --ca-file "$W/ca.crt"
    [ "$(issuer AGENT02)" = "issuer=CN=Fleet CA" ]
    console status
    run --separate-stderr console show --json
    [ "$(json "d['fields']['issuer'], d['fields']['self_signed'], d['fields']['sha256']" <<<"$output")" = \
        "('CN=Fleet CA', False, '(differ)')" ]
    run --separate-stderr console show AGENT02
    [[ $output == *"history "*"action: apply, set: 2, kind: issued"* ]]
    [[ $output != *"{"* ]]
    console apply-self-signed AGENT01
    console apply-self-signed AGENT02 --rekey
    console status
    [ "$(member AGENT02 certificate-status --json | json "d['key']")" != "$(member AGENT01 certificate-status --json | json "d['key']")" ]
    [ "$(issuer AGENT03)" = "issuer=CN=Fleet CA" ]
}

@test "an agent's life by the console: CSR, verify, apply, self-signed, rekey: P-256" {
    life
}

# bats test_tags=again
@test "an agent's life by the console: RSA-2048" {
    KEY_TYPE=rsa-2048 life
}

# bats test_tags=again
@test "an agent's life by the console: Ed25519" {
    KEY_TYPE=ed25519 life
}

@test "files for the wrong agent, missing and surplus ones are named by the agents' own checks too" {
    world
    agent_world
    start
    fleet 3
    console create-csr --directory "$DIR"
    sign_all
    mv "$DIR/AGENT01.crt" "$W/one"
    mv "$DIR/AGENT02.crt" "$DIR/AGENT01.crt"
    cp "$DIR/AGENT03.crt" "$DIR/AGENT99.crt"
    run --separate-stderr console verify --directory "$DIR" --ca-file "$W/ca.crt" --json
    [ "$status" = 20 ]
    [ "$(json "[a['ok'] or a['error']['code'] for a in d['agents']]" <<<"$output")" = \
        "['CERTIFICATE_REFUSED', 'NOT_FOUND', True]" ]
    [[ $(json "d['agents'][0]['error']['message']" <<<"$output") == *AGENT02* ]]
    [ "$(json "d['surplus']" <<<"$output")" = "['$DIR/AGENT99.crt']" ]
    # Without the requests only the agent knows its key.
    rm "$DIR"/*.req
    run --separate-stderr console apply AGENT01 --directory "$DIR" --ca-file "$W/ca.crt" --json
    [ "$status" = 20 ]
    [ "$(json "[c['check'] for c in d['agents'][0]['error']['checks'] if not c['passed']]" <<<"$output")" = "['key']" ]
    console status
}

@test "what the host's administrator applied by hand makes an agent untrusted until he says so" {
    world
    agent_world
    start
    fleet 2
    member AGENT01 certificate-apply-self-signed --rekey
    fails 23 "changed" console status
    [ "$(console list --json | json "[a['status'] for a in d['agents']]")" = "['untrusted', 'trusted']" ]
    fails 23 "1 succeeded, 1 failed" console create-csr --directory "$DIR"
    console trust AGENT01 --fingerprint "$(member AGENT01 certificate-status --json | json "d['sha256']")"
    console retry
    [ -s "$DIR/AGENT01.req" ]
}

@test "with a client certificate whose key is on a token the console needs no token of the API" {
    world
    agent_world
    cat >>"$W/keysvcd.conf" <<END
keys "console" {
    token = main
    type = ec-p256
    purpose = tls-client
    names = {"console.example"}
}
END
    start
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/clients.key" -out "$W/clients.crt" \
        -subj "/CN=Clients CA" -days 30 2>/dev/null
    keysvc key generate console
    keysvc csr console --common-name console.example --alternative-names DNS:console.example --out-file "$W/console.req"
    openssl x509 -req -in "$W/console.req" -CA "$W/clients.crt" -CAkey "$W/clients.key" -out "$W/console.crt" \
        -CAcreateserial -copy_extensions copyall 2>/dev/null
    keysvc key reference console --out-file "$W/console.pem"
    MEMBER_LISTENER="client-ca-file = \"$W/clients.crt\"
    client-names = {\"console.example\"}
    client-scopes = {\"certificate management\"}"
    DIR=$W/issued
    make_member AGENT01
    start_member AGENT01
    wait_for listens AGENT01
    console add AGENT01 "127.0.0.1:$(port AGENT01)" --certificate "$W/console.crt" --key "$W/console.pem" --yes
    console status
    console create-csr --directory "$DIR"
    [ -s "$DIR/AGENT01.req" ]
}

# bats test_tags=again
@test "a fleet: CSRs, signed, verified, applied, by one command each" {
    local n=${FLEET-12} began
    world
    agent_world
    start
    began=$SECONDS
    fleet "$n"
    echo "# $n agents started and added in $((SECONDS - began)) s" >&3
    local verb
    for verb in create-csr sign verify apply status; do
        began=$(date +%s%N)
        case $verb in
        create-csr) console create-csr --directory "$DIR" ;;
        sign) sign_all ;;
        verify | apply) console "$verb" --directory "$DIR" --ca-file "$W/ca.crt" ;;
        status) console status ;;
        esac
        echo "# $verb: $((($(date +%s%N) - began) / 1000000)) ms" >&3
    done
    [ "$(console list --json | json "sum(a['status'] == 'trusted' for a in d['agents'])")" = "$n" ]
    [ "$(issuer "$(printf 'AGENT%02d' "$n")")" = "issuer=CN=Fleet CA" ]
    [ -z "${FLEET-}" ] || fleet_memory
}

# Of each process the part that is its own.
fleet_memory()
{
    local pid
    for pid in "${FLEET_PIDS[@]}"; do
        awk '/^Private_/ {sum += $2} /^Pss:/ {pss += $2} END {print sum, pss}' "/proc/$pid/smaps_rollup"
    done | awk '{own += $1; pss += $2} END {printf "# memory of one agent: %d KiB its own, %d KiB in proportion\n", own / NR, pss / NR}' >&3
}
