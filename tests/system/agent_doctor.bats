#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_doctor.bats - keysvc-agent doctor: each failure is found, and told with what mends it

load agent

teardown()
{
    show_log_if_failed
    [ -z "${OTHER-}" ] || kill "$OTHER" 2>/dev/null || true
    end_agent
    end_world
}

# doctor_world: with a port of its own instead of the kernel's choice.
doctor_world()
{
    world
    agent_world
    PORT=$(free_port)
    AGENT_LISTENER=${1-} agent_config
    sed -i "s/port = 0/port = $PORT/" "$W/agent.conf"
}

# finds VERDICT CHECK TEXT [EXIT]: among the findings; and EXIT is how it ends.
finds()
{
    local code=0
    agent doctor >"$W/doctor" 2>"$W/doctor.err" || code=$?
    grep -qE "^$1 +$2 .*$3" "$W/doctor" && [ "$code" = "${4-0}" ] && return
    { echo "no $1 $2 $3, or $code is not ${4-0}:"; cat "$W/doctor" "$W/doctor.err"; } >&2
    return 1
}

@test "a host in order: nothing before the first start, then everything is well" {
    doctor_world
    start
    finds note state-dir "nothing is in it yet"
    finds ok rules "all that is needed"
    finds note key "is not there yet"
    finds note listener refused
    # It has made nothing.
    [ -z "$(ls -A "$STATE")" ]
    agent_start
    agent doctor >"$W/doctor"
    not grep -qE '^(wrong|note|skipped)' "$W/doctor"
    for check in agent.conf state-dir keysvcd certificate rules key class names listener; do
        grep -q "^ok  *$check " "$W/doctor"
    done
    [ "$(agent doctor --json | json 'd["fine"], sorted(d["findings"][0])')" = "(True, ['check', 'code', 'mend', 'text', 'verdict'])" ]
}

@test "keysvcd that does not answer, and a file that is no agent.conf" {
    doctor_world
    finds wrong keysvcd "" 17
    json 'd["error"]["code"]' <"$W/doctor.err" | grep -qx NO_SERVICE
    sed -i 's/^listener/listenor/' "$W/agent.conf"
    finds wrong agent.conf "agent.conf:[0-9]*:.*listenor" 2
    [ "$(agent doctor --json 2>/dev/null | json 'd["fine"], d["findings"][0]["code"]')" = "(False, 'USAGE')" ]
    grep -q 'agent.conf(5)' "$W/doctor"
    # There is nothing to mend in what one may not read.
    chmod 000 "$W/agent.conf"
    finds wrong agent.conf "Permission denied" 2
    grep -q 'must be able to read it' "$W/doctor"
}

@test "no rule, half a rule, no class, another purpose, another host's names" {
    need_root # otherwise everybody is the administrator too, who may do all
    doctor_world
    cp "$W/keysvcd.conf" "$W/right.conf"
    sed -i '/^allow each-agent/,/^}/d' "$W/keysvcd.conf"
    start
    finds wrong rules "may not get, sign, csr, self-sign, generate, rotate " 3
    grep -q -- "-> Add to keysvcd.conf.* keys = {\"$AGENT_KEYS/\*\*\"} operations = {get, sign" <(tr -s ' ' <"$W/doctor")
    sed 's/operations = {get, sign, csr, self-sign, generate, rotate, import, destroy, certificate}/operations = {get, sign, csr, self-sign, generate}/' "$W/right.conf" >"$W/keysvcd.conf"
    keysvc reload
    finds wrong rules "may not rotate " 3
    sed 's/, import, destroy, certificate}/}/' "$W/right.conf" >"$W/keysvcd.conf"
    keysvc reload
    finds note rules "may not import, destroy .*PKCS#12 files are refused"
    # What is advised is taken as it stands, one after the other.
    sed '/^allow each-agent/,/^}/d' "$W/right.conf" >"$W/keysvcd.conf"
    for severity in wrong note; do
        keysvc reload
        run agent doctor
        sed -n "/^$severity *rules/{n;s/.*reload: //p}" <<<"$output" >>"$W/keysvcd.conf"
    done
    keysvc reload
    finds ok rules "all that is needed"
    sed 's|^keys "agents/\*\*"|keys "others/**"|' "$W/right.conf" >"$W/keysvcd.conf"
    keysvc reload
    finds wrong class "no class of keysvcd.conf has $AGENT_KEYS/agent" 4
    cp "$W/right.conf" "$W/keysvcd.conf"
    keysvc reload
    agent identity-create agent
    finds ok class "keys for tls-server"
    sed '/^keys "agents/,/^}/s/purpose = tls-server/purpose = tls-client/' "$W/right.conf" >"$W/keysvcd.conf"
    keysvc reload
    finds wrong class "keys for tls-client" 8
    sed '/^keys "agents/,/^}/s/names = .*/names = {"elsewhere.example"}/' "$W/right.conf" >"$W/keysvcd.conf"
    keysvc reload
    finds wrong names "does not allow" 9
}

@test "the state folder: not there, open to others, not the caller's" {
    doctor_world
    start
    chmod 770 "$STATE"
    finds wrong state-dir "mode 0770" 2
    chmod 750 "$STATE"
    finds note state-dir "nothing is in it yet"
    rmdir "$STATE"
    finds wrong state-dir "No such file" 2
    mkdir "$STATE"
    need_root
    finds wrong state-dir "belongs to user 0" 2
}

@test "a certificate that ends soon, a key that is gone, a certificate-file that was refused and one that waits" {
    doctor_world
    start
    agent identity-create agent
    finds ok certificate self-signed
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$W/ca.key" -subj "/CN=CA" -days 9 -out "$W/ca.crt" 2>/dev/null
    agent certificate-create-csr >"$W/csr"
    openssl x509 -req -in "$W/csr" -CA "$W/ca.crt" -CAkey "$W/ca.key" -CAcreateserial -days 3 -copy_extensions copyall \
        -extfile <(echo extendedKeyUsage=serverAuth) -out "$W/short.crt" 2>/dev/null
    chmod 644 "$W/short.crt" "$W/ca.crt"
    agent certificate-apply --ca-file "$W/ca.crt" --file "$W/short.crt" >/dev/null
    finds note certificate "issued, valid until .*, for [23] days"
    openssl pkcs12 -export -inkey "$W/ca.key" -in "$W/ca.crt" -passout pass:right -out "$W/ca.p12"
    chmod 644 "$W/ca.p12"
    AGENT_LISTENER="certificate-file = $W/ca.p12 certificate-password = wrong" agent_config
    chmod 644 "$W/agent.conf"
    agent_start
    agent_stop
    finds wrong certificate-file "ca.p12, at the start of .*assword" "$(code_of CERTIFICATE_REFUSED)"
    if [ "$ME" = 0 ]; then
        grep -q "^wrong  *certificate-file .*agent.conf: user $AGENT cannot replace the password in it" "$W/doctor"
    fi
    agent_config
    rm -f "$STATE/certificate-file.json"
    keysvc key destroy "$AGENT_KEYS/agent@1" --yes
    finds wrong key "$AGENT_KEYS/agent@1 is missing" 4
    # Of another identity than the listener's the advice is for that.
    agent identity-create other
    keysvc key destroy "$AGENT_KEYS/other@1" --yes
    agent doctor --identity other >"$W/doctor" 2>/dev/null || true
    grep -q -- '-> .*certificate-apply-self-signed --rekey --identity other\.' "$W/doctor"
}

@test "the port: another agent's, or of somebody who speaks no TLS" {
    doctor_world
    start
    agent_start
    finds ok listener "the agent serves the current certificate"
    # The same port in the eyes of another state.
    cp "$W/agent.conf" "$W/other.conf"
    mkdir -m 750 "$W/other"
    [ "$ME" != 0 ] || chown "$AGENT" "$W/other"
    as "$AGENT" keysvc-agent --config "$W/agent.conf" --state-dir "$W/other" identity-create agent
    as "$AGENT" keysvc-agent --config "$W/agent.conf" --state-dir "$W/other" doctor >"$W/doctor" 2>/dev/null || code=$?
    [ "$code" = "$(code_of IN_USE)" ]
    grep -q '^wrong  *listener .*shows the certificate' "$W/doctor"
    agent_stop
    /usr/bin/python3 -c '
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    c, _ = s.accept()
    c.sendall(b"220 no TLS\r\n")
    c.close()' "$PORT" 3>&- &
    OTHER=$!
    wait_for finds wrong listener "makes no TLS handshake" "$(code_of IN_USE)"
}

# code_of NAME: the number of an outcome, as docs/errors.md has it.
code_of()
{
    sed -n "s/^| \([0-9]*\) | $1 |.*/\1/p" "$SOURCE/docs/errors.md"
}

@test "a token that is not ready has lost no key, and nobody is told to make a new one" {
    doctor_world
    start
    agent identity-create agent
    stop
    echo wrong >"$W/pin"
    start nowait
    wait_for token_is login-blocked
    finds wrong key "token main is not ready .login-blocked" 18
    not grep -q rekey "$W/doctor"
}
