#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_clients.bats - client certificates that lose their rights: revoked, expired, without a list that holds

load agent

# A CA with its database, console.example and other.example by it, its list, and the agent with all that.
clients_world()
{
    world
    agent_world
    mkdir "$W/ca"
    : >"$W/ca/index.txt"
    echo 01 >"$W/ca/crlnumber"
    cat >"$W/ca/conf" <<END
[ca]
default_ca = here
[here]
database = $W/ca/index.txt
new_certs_dir = $W/ca
crlnumber = $W/ca/crlnumber
default_md = sha256
policy = any
rand_serial = yes
x509_extensions = client
unique_subject = no
[any]
commonName = supplied
[client]
extendedKeyUsage = clientAuth
END
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/ca/key" -out "$W/ca.crt" \
        -subj "/CN=Clients CA" -days 9 2>/dev/null
    issue console.example -days 5
    issue other.example -days 5
    list -crldays 5
    AGENT_LISTENER="client-ca-file = \"$W/ca.crt\" client-crl-file = \"$W/crl.pem\"
    client-names = {\"console.example\", \"other.example\"} client-scopes = {\"certificate reading\"}" agent_config
    start
}

ca()
{
    openssl ca -config "$W/ca/conf" -cert "$W/ca.crt" -keyfile "$W/ca/key" "$@" 2>/dev/null
}

# issue NAME OPTION...: $W/NAME.{key,crt}
issue()
{
    local name=$1
    shift
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/$name.key" -out "$W/$name.req" -subj "/CN=$name" 2>/dev/null
    ca -batch -notext -in "$W/$name.req" -out "$W/$name.crt" "$@"
}

# list OPTION...: the CA's list in the agent's place, at once.
list()
{
    ca -gencrl -out "$W/crl.new" "$@"
    chmod 644 "$W/crl.new"
    mv "$W/crl.new" "$W/crl.pem"
}

# status CURL-OPTION...: 000 if no handshake is made.
status()
{
    curl -sk --max-time 30 -o "$W/answer" -w '%{http_code}\n' "$@" "https://127.0.0.1:$PORT/e/default/api/v1/certificate/list" || true
}

# in_as NAME: its certificate is let in.
in_as()
{
    [ "$(status --cert "$W/$1.crt" --key "$W/$1.key")" = 200 ]
}

refused_as()
{
    [ "$(status --cert "$W/$1.crt" --key "$W/$1.key")" = 000 ]
}

# refused_for WHY: as console.example, and the log says so.
refused_for()
{
    refused_as console.example
    wait_for grep -q "event=handshake-failed peer=127.0.0.1 why=\"certificate verify failed: $1\"" "$W/agent.log"
}

# holds NAME: a connection as NAME on which requests are made until the answer changes; both in $W/held.NAME.
holds()
{
    /usr/bin/python3 -B "$SOURCE/tests/system/agent_client.py" known "$PORT" "$W/$1.crt" "$W/$1.key" >"$W/held.$1" 3>&- &
    HELD=$!
    wait_for grep -qx 200 "$W/held.$1"
}

# doctor_says VERDICT CHECK TEXT
doctor_says()
{
    agent doctor >"$W/doctor" 2>/dev/null || true
    grep -qE "^$1 +$2 .*$3" "$W/doctor" || { cat "$W/doctor"; return 1; }
}

@test "a revoked certificate is refused from the next connection on, and on an open one from the next request on" {
    clients_world
    agent_start
    in_as console.example
    in_as other.example
    doctor_says ok client-ca-file "are taken"
    doctor_says ok client-crl-file "it holds now"
    holds console.example
    ca -revoke "$W/console.example.crt"
    in_as console.example # nobody has told the agent
    list -crldays 5
    wait "$HELD"
    [ "$(tail -n 1 "$W/held.console.example")" = 401 ]
    grep -q 'event=request .* status=401 .*why="certificate revoked"' "$W/agent.log"
    refused_for "certificate revoked"
    in_as other.example
    [ "$(status)" = 401 ]
}

@test "without a list, with one that has expired or another CA's, no certificate is let in, and tokens are" {
    clients_world
    rm "$W/crl.pem"
    agent_start
    grep -q "event=client-certificates-refused why=\"client-crl-file $W/crl.pem: no revocation lists can be read\"" "$W/agent.log"
    refused_for "unable to get certificate CRL"
    doctor_says wrong client-crl-file "no revocation lists can be read"
    token=$(agent token create --name reader --scope "certificate reading")
    [ "$(status -H "Authorization: Api-Token $token")" = 200 ]

    list -crldays 5
    in_as console.example
    holds other.example
    list -crl_lastupdate 200101000000Z -crl_nextupdate 200201000000Z
    wait "$HELD"
    [ "$(tail -n 1 "$W/held.other.example")" = 401 ]
    refused_for "CRL has expired"
    grep -q 'event=client-certificates-refused why=.*of CN=Clients CA: CRL has expired' "$W/agent.log"
    doctor_says wrong client-crl-file "of CN=Clients CA: CRL has expired"

    # Another CA's list, of the same name.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/ca/twin.key" -out "$W/twin.crt" \
        -subj "/CN=Clients CA" -days 9 2>/dev/null
    openssl ca -config "$W/ca/conf" -gencrl -cert "$W/twin.crt" -keyfile "$W/ca/twin.key" -crldays 5 -out "$W/crl.twin" 2>/dev/null
    mv "$W/crl.twin" "$W/crl.pem"
    refused_as other.example
    [ "$(status -H "Authorization: Api-Token $token")" = 200 ]
    echo 'no list' >"$W/crl.pem"
    refused_as other.example
    list -crldays 5
    in_as other.example
}

@test "a revocation counts although the agent's own certificate cannot be loaded any more" {
    clients_world
    agent_start
    holds console.example
    /usr/bin/python3 - "$STATE/agent.db" <<'END'
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], timeout=20)
with store:
    store.execute("UPDATE certificate_set SET chain = x'3000'")
END
    ca -revoke "$W/console.example.crt"
    list -crldays 5
    wait "$HELD"
    [ "$(tail -n 1 "$W/held.console.example")" = 401 ]
    refused_for "certificate revoked"
    in_as other.example
}

@test "a certificate that expires keeps no rights on its open connection" {
    clients_world
    agent_start
    issue console.example -enddate "$(date -u -d '+20 seconds' +%y%m%d%H%M%SZ)"
    holds console.example
    wait "$HELD"
    [ "$(tail -n 1 "$W/held.console.example")" = 401 ]
    grep -q 'event=request .* status=401 .*why="certificate has expired"' "$W/agent.log"
    refused_for "certificate has expired"
    in_as other.example
}

@test "another file of CAs counts at once, one that cannot be read lets no certificate in, and doctor says so" {
    clients_world
    agent_start
    holds console.example
    cp "$W/ca.crt" "$W/ca.before"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/ca/twin.key" -out "$W/twin.crt" \
        -subj "/CN=Another CA" -days 9 2>/dev/null
    mv "$W/twin.crt" "$W/ca.crt"
    wait "$HELD"
    [ "$(tail -n 1 "$W/held.console.example")" = 401 ]
    refused_as other.example
    mv "$W/ca.before" "$W/ca.crt"
    in_as other.example
    echo 'no certificate' >"$W/ca.crt"
    [ "$(status --cert "$W/other.example.crt" --key "$W/other.example.key")" = 401 ]
    grep -q "event=client-certificates-refused .*client-ca-file $W/ca.crt: no certificates can be read" "$W/agent.log"
    doctor_says wrong client-ca-file "no certificates can be read"
    token=$(agent token create --name reader --scope "certificate reading")
    [ "$(status -H "Authorization: Api-Token $token")" = 200 ]
}
