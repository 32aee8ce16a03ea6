#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_console.bats - keysvc-agent console against agents that misbehave; apply is in
# agent_console_apply.bats, apply-self-signed in agent_console_self_signed.bats. What it does with
# real agents is in agent_fleet.bats.

load console

# ---------------------------------------------------------------- trust

@test "at first use the fingerprint is shown and asked about, and no token leaves before the answer" {
    fake A1
    fails 23 "$(fingerprint A1)" console add A1 "$(address A1)" --token-file "$W/A1/token"
    [ "$(requests A1)" = 0 ]
    [ "$(console list --json | json "len(d['agents'])")" = 0 ]
    console add A1 "$(address A1)" --token-file "$W/A1/token" --yes
    grep -q "secret-of-A1" "$W/A1/requests"
}

@test "on a terminal a typed yes adds it, anything else does not" {
    fake A1
    cat >"$W/ask.py" <<'END'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
seen, answered = b"", False
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data
    if b"[y/N]" in seen and not answered:
        os.write(fd, sys.argv[1].encode() + b"\n")
        answered = True
sys.stdout.write(seen.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
    ask() { /usr/bin/python3 -B "$W/ask.py" "$1" "$KEYSVC_BUILD/client/agent/keysvc-agent" console "${@:2}" --console-dir "$W/console"; }
    fails 23 "$(fingerprint A1)" ask n add A1 "$(address A1)" --token-file "$W/A1/token"
    fails 0 "1 succeeded" ask yes add A1 "$(address A1)" --token-file "$W/A1/token"
    # And there how far it has come is one line, written over.
    [[ $output == *$'\r\x1b[K1 done, 0 failed, 0 left'* ]]
}

@test "Ctrl-C where the token is asked for ends the console, and the terminal echoes again" {
    fails 0 "ended by 130, echo" interrupted "(empty: none): " "$KEYSVC_BUILD/client/agent/keysvc-agent" console add A1 \
        127.0.0.1:1 --fingerprint "$(printf '%064d' 0)" --console-dir "$W/console"
}

@test "by a fingerprint or a CA only the right one is added" {
    fake A1
    fails 23 "$(fingerprint A1)" console add A1 "$(address A1)" --token-file "$W/A1/token" \
        --fingerprint "$(printf '00%.0s' {1..32})"
    [ "$(requests A1)" = 0 ]
    ca
    fails 23 "does not verify" console add A1 "$(address A1)" --token-file "$W/A1/token" --ca-file "$W/ca.crt"
    [ "$(requests A1)" = 0 ]
    console add A1 "$(address A1)" --token-file "$W/A1/token" --fingerprint "sha256:$(fingerprint A1 | tr -d : | tr A-F a-f)"
    fails 5 "already" console add A1 "$(address A1)" --token-file "$W/A1/token" --yes
}

@test "a certificate that changed by other hands is untrusted, and the impostor gets no token" {
    fake A1 A2
    add A1 A2
    # A2's token is what an impostor would like to have; it serves with a key of its own.
    rm "$W/A2/requests" "$W/A2/certificate.pem"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/A2/key.pem" \
        -out "$W/A2/certificate.pem" -subj /CN=A2.example -days 30 2>/dev/null
    fails 23 "changed" console status
    [[ $output == *"A1"*"trusted"* ]]
    [ "$(requests A2)" = 0 ]
    fails 23 "" console create-csr A2 --directory "$DIR"
    fails 23 "" console apply-self-signed A2
    [ "$(requests A2)" = 0 ]
    [ "$(console list --json | json "[a['status'] for a in d['agents']]")" = "['trusted', 'untrusted']" ]
    # Who compared it on the host says so.
    fails 23 "not agreed" console trust A2
    fails 23 "fingerprint" console trust A2 --fingerprint "$(fingerprint A1)"
    console trust A2 --fingerprint "$(fingerprint A2)"
    console status
}

@test "a certificate that could not be kept is trusted by nobody, and spoils nothing" {
    local end=$((SECONDS + 30))
    fake A1
    add A1
    mkdir "$W/A2"
    echo secret >"$W/A2/token"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/A2/key.pem" -out "$W/A2/certificate.pem" \
        -subj /CN=A2.example -days 30 -addext keyUsage=DER:04:01:00 2>/dev/null
    # Not the usual fake: Python refuses to serve with it.
    openssl s_server -accept 127.0.0.1:0 -cert "$W/A2/certificate.pem" -key "$W/A2/key.pem" >"$W/A2/log" 2>&1 3>&- </dev/zero &
    FAKES+=($!)
    until grep -q ^ACCEPT "$W/A2/log"; do [ "$SECONDS" -lt "$end" ]; sleep 0.05; done
    sed -n 's/^ACCEPT .*://p' "$W/A2/log" >"$W/A2/port"
    fails 23 "an extension that cannot be read" \
        console add A2 "$(address A2)" --token-file "$W/A2/token" --fingerprint "$(fingerprint A2)"
    console status
    # So it is with one that shows it later.
    /usr/bin/python3 - "$W/console/agents.json" "$(cat "$W/A2/port")" <<'END'
import json, sys
with open(sys.argv[1]) as file:
    fleet = json.load(file)
fleet["agents"].append(fleet["agents"][0] | {"name": "A2", "port": int(sys.argv[2])})
with open(sys.argv[1], "w") as file:
    json.dump(fleet, file)
END
    fails 23 "an extension that cannot be read" console trust A2 --yes
    fails 23 "an extension that cannot be read" console status
    [[ $output == *"A1"*"trusted"* ]]
}

@test "one agent of the list whose trust cannot be read keeps nobody from the others, and is not lost" {
    fake A1 A2
    add A1 A2
    /usr/bin/python3 - "$W/console/agents.json" <<'END'
import json, sys
with open(sys.argv[1]) as file:
    fleet = json.load(file)
fleet["agents"][1]["trust"]["kind"] = "of tomorrow"
with open(sys.argv[1], "w") as file:
    json.dump(fleet, file)
END
    rm "$W/A2/requests"
    fails 23 "what agents.json says of its certificate cannot be read" console status
    [[ $output == *"A1"*"trusted"* ]]
    [ "$(requests A2)" = 0 ]
    # Nor by a certificate that is issued for it.
    console create-csr A1 --directory "$DIR"
    ca
    issue A1
    openssl x509 -new -force_pubkey <(openssl x509 -in "$W/A2/certificate.pem" -noout -pubkey) -subj /CN=A2.example \
        -CA "$W/ca.crt" -CAkey "$W/ca.key" -out "$DIR/A2.crt" 2>/dev/null
    fails 23 "what agents.json says of its certificate cannot be read" console apply A2 --directory "$DIR" --ca-file "$W/ca.crt"
    fails 23 "what agents.json says of its certificate cannot be read" console status
    [ "$(requests A2)" = 0 ]
    [ "$(json "d['agents'][1]['trust']['kind'], len(d['agents'][1]['trust']['pem']) > 99" <"$W/console/agents.json")" = \
        "('of tomorrow', True)" ]
    console trust A2 --fingerprint "$(fingerprint A2)"
    console status
}

@test "an expired certificate is untrusted, though it is the pinned one" {
    fake A1 A2
    add A1
    openssl x509 -in "$W/A1/certificate.pem" -signkey "$W/A1/key.pem" -days -1 -out "$W/expired.pem" 2>/dev/null
    cp "$W/expired.pem" "$W/A1/certificate.pem"
    cp "$W/A1/certificate.pem" "$W/A1/key.pem" "$W/A2"
    : >"$W/A1/requests"
    fails 23 "expired" console trust A1 --yes
    fails 23 "expired" console add A2 "$(address A2)" --token-file "$W/A2/token" --fingerprint "$(fingerprint A2)"
    # As if it had been pinned while it was valid.
    /usr/bin/python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
d["agents"][0]["trust"]["pem"] = open(sys.argv[2]).read()
open(sys.argv[1], "w").write(json.dumps(d))' "$W/console/agents.json" "$W/A1/certificate.pem"
    fails 23 "expired" console status A1
    [ "$(requests A1)" = 0 ]
    [ "$(requests A2)" = 0 ]
}

@test "trust pins what is self-signed, and of an issued one trusts the CA, for the agent's name only" {
    applied A1
    fails 23 "does not show the CA" console trust A1 --yes
    console trust A1 --yes --ca-file "$W/ca.crt"
    [ "$(console list --json | json "d['agents'][0]['trust']['kind']")" = ca ]
    # Another one of the same CA is as good, for this name; for another name it is not.
    issue A1
    cp "$DIR/A1.crt" "$W/A1/certificate.pem"
    console status
    openssl x509 -req -in "$DIR/A1.req" -CA "$W/ca.crt" -CAkey "$W/ca.key" -out "$W/A1/certificate.pem" -CAcreateserial \
        -extfile <(echo "subjectAltName=DNS:other.example") 2>/dev/null
    fails 23 "does not name 127.0.0.1" console status
    fails 23 "does not name" console trust A1 --yes --ca-file "$W/ca.crt"
    console trust A1 --yes --pin
    [ "$(console list --json | json "d['agents'][0]['trust']['kind']")" = pinned ]
}

# ---------------------------------------------------------------- agents that misbehave

@test "each fault of an agent is named, and its neighbours are served" {
    local mode names=(401 403 503 bare-500 close escape garbage half huge list redirect)
    fake A0 "${names[@]}"
    add A0 "${names[@]}"
    mkdir "$W/elsewhere"
    for mode in "${names[@]}"; do
        echo "$mode" >"$W/$mode/mode"
    done
    # A redirect to an agent that would answer is not followed, and its token stays away from there.
    echo "https://$(address A0)/api/v1/identity/agent/status" >"$W/redirect/elsewhere"
    run --separate-stderr console status --json
    [ "$status" = 3 ]                                       # the first failure's, in the order of names
    codes=$(json "sorted((a['name'], a['error']['code']) for a in d['agents'] if not a['ok'])" <<<"$output")
    expected="[('401', 'DENIED'), ('403', 'DENIED'), ('503', 'TOKEN_UNAVAILABLE'), ('bare-500', 'INTERNAL')"
    expected+=", ('close', 'NO_SERVICE'), ('escape', 'BAD_REQUEST'), ('garbage', 'NO_SERVICE'), ('half', 'NO_SERVICE')"
    expected+=", ('huge', 'TOO_LARGE'), ('list', 'NO_SERVICE'), ('redirect', 'NO_SERVICE')]"
    [ "$codes" = "$expected" ] || { echo "$codes"; false; }
    [ "$(json "[a['name'] for a in d['agents'] if a['ok']]" <<<"$output")" = "['A0']" ]
    [ "$(json "d['summary']" <<<"$output")" = "{'succeeded': 1, 'failed': 11}" ]
    [ "$(json "[a['error']['retryable'] for a in d['agents'] if a['name'] == '503']" <<<"$output")" = "[True]" ]
    not_there=$(grep -c "secret-of-redirect" "$W/A0/requests" || true)
    [ "$not_there" = 0 ]
    # What an agent says reaches no terminal as it is.
    run console status escape
    [[ $output == *"?[2Jbad?"* ]]
    [[ $output != *$'\x1b'* ]]
}

@test "agents that hang or drip hold up nobody but themselves" {
    fake A1 A2 A3 A4
    add A1 A2 A3 A4
    echo hang >"$W/A1/mode"
    echo slow >"$W/A2/mode"
    run --separate-stderr console status --json --timeout 6 --parallel 4
    [ "$status" = 12 ]
    [ "$(json "[a['ok'] or a['error']['code'] for a in d['agents']]" <<<"$output")" = "['DEADLINE', 'DEADLINE', True, True]" ]
}

@test "an agent that is not there is unreachable, and one that speaks no TLS too" {
    fake A1
    add A1
    kill "${FAKES[0]}"
    wait "${FAKES[0]}" 2>/dev/null || true
    FAKES=()
    fails 17 "unreachable" console status
    [ "$(console list --json | json "d['agents'][0]['status']")" = unreachable ]
    /usr/bin/python3 -c '
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
open(sys.argv[2], "w").close()
while True:
    c, _ = s.accept()
    c.sendall(b"HTTP/1.0 200 OK\r\n\r\n{}")
    c.close()' "$(cat "$W/A1/port")" "$W/plain" 3>&- &
    FAKES+=($!)
    until [ -e "$W/plain" ] || ! kill -0 "${FAKES[0]}"; do sleep 0.05; done
    fails 17 "unreachable" console status
}

# ---------------------------------------------------------------- the rest

# asks_for TEXT EXTENSION...: agent A1 sends a request with those extensions, and it is not kept.
asks_for()
{
    local text=$1
    shift
    printf '%s\n' "$@" >"$W/A1/extensions"
    fails 6 "$text" console create-csr --directory "$DIR" "${OPTIONS[@]}"
    [ ! -e "$DIR/A1.req" ]
    [ -s "$DIR/A0.req" ]
}

@test "a request that a CA must not sign is refused, whatever the agent says" {
    local server=extendedKeyUsage=serverAuth names=subjectAltName=DNS:a1.example OPTIONS=()
    fake A0 A1
    add A0 A1
    mkdir "$DIR"
    echo csr:extensions >"$W/A1/mode"
    asks_for "is for a CA" basicConstraints=CA:TRUE "$server" "$names"
    asks_for "is for a CA" basicConstraints=critical,CA:TRUE,pathlen:0
    asks_for "is for a CA" keyUsage=digitalSignature,keyCertSign "$names"
    asks_for "other usages than TLS" extendedKeyUsage=serverAuth,codeSigning "$names"
    asks_for "no place in one for TLS" "$server" "$names" "nameConstraints=permitted;DNS:example"
    asks_for "no place in one for TLS" "$server" "$names" 1.2.3.4=ASN1:UTF8String:any
    asks_for "alternative names that are none" "subjectAltName=DNS:a1.example,otherName:1.2.3.4;UTF8:any"
    OPTIONS=(--alternative-names "A0.example,A1.example,127.0.0.1")
    asks_for "not asked for: DNS:bank.example" "subjectAltName=DNS:A1.example,DNS:bank.example"
    asks_for "lacks a name that was asked for: DNS:A0.example" "subjectAltName=DNS:A1.example,IP:127.0.0.1"
    asks_for "lacks a name that was asked for" "$server"
    rm "$W/A1/mode"
    OPTIONS=()
    # What is kept says whom it names.
    run console create-csr --directory "$DIR"
    [ "$status" = 0 ]
    [[ $output == *"A1.req: CN=A1.example; DNS:A1.example, IP:127.0.0.1"* ]]
}

@test "show has the fields that are the same, and marks the others" {
    fake A1 A2
    add A1 A2
    run --separate-stderr console show --json
    [ "$status" = 0 ]
    [ "$(json "d['fields']['state'], d['fields']['subject'], d['fields']['trusted_by']" <<<"$output")" = \
        "('ready', '(differ)', 'pinned')" ]
    run --separate-stderr console show A1 --json
    [ "$(json "d['fields']['subject']" <<<"$output")" = "CN=A1.example" ]
}

@test "names, globs, wrong words and wrong options" {
    fake A1 A2 B1
    add A1 A2 B1
    run --separate-stderr console list 'A*' --json
    [ "$(json "[a['name'] for a in d['agents']]" <<<"$output")" = "['A1', 'A2']" ]
    fails 21 "no such agent" console status C1
    fails 2 "--rekey" console status --rekey
    fails 2 "no names" console status A1 --all
    fails 2 "letters, digits" console add ../x 127.0.0.1:1 --yes
    fails 2 "not an address" console add x "a b:1" --yes
    fails 2 "not an address" console add x "host/path:1" --yes
    fails 2 "no such verb" console nonsense
    fails 2 "needed" console apply
    console remove B1
    [ "$(console list --json | json "len(d['agents'])")" = 2 ]
}

@test "a result that cannot be written is an error, and of a change it says that it was carried out" {
    fake A1 A2
    add A1 A2
    for arguments in "list" "list --json" "status" "status --json" "show"; do
        # shellcheck disable=SC2086
        fails 1 "standard output: No space left" full $arguments
    done
    for json in "" --json; do
        # shellcheck disable=SC2086
        fails 13 "carried out, but its result could not be written" full apply-self-signed A1 $json
    done
    fails 13 "carried out" full remove A2
    [ "$(console list --json | json "[a['name'] for a in d['agents']]")" = "['A1']" ]
}

@test "the console's folder is closed to others, tokens are not shown, and one that is open is refused" {
    fake A1
    add A1
    [ "$(stat -c %a "$W/console")" = 700 ]
    [ "$(stat -c %a "$W/console/agents.json")" = 600 ]
    run console list --json
    [[ $output != *secret-of* ]]
    chmod 755 "$W/console"
    fails 2 "closed to others" console list
    chmod 700 "$W/console"
    chmod 644 "$W/console/agents.json"
    fails 2 "closed to others" console list
}

@test "two consoles that add at a time lose no agent" {
    local i clients=()
    fake A1
    for i in 1 2 3 4 5 6 7 8; do
        console add "N$i" "$(address A1)" --token-file "$W/A1/token" --yes >/dev/null 2>&1 &
        clients+=($!)
    done
    for i in "${clients[@]}"; do wait "$i"; done
    [ "$(console list --json | json "len(d['agents'])")" = 8 ]
}
