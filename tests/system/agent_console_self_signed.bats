#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_console_self_signed.bats - `console apply-self-signed` against agents that misbehave: whoever shows a new certificate
# behind it is the agent, or is not trusted

load console

is_self_signed()
{
    [ "$(openssl x509 -in "$W/$1/certificate.pem" -noout -issuer -nameopt RFC2253)" = "issuer=CN=$1.example" ]
}

@test "back to self-signed, with a new key or not, and the new certificate is the trusted one" {
    applied A1 A2
    key=$(openssl pkey -in "$W/A1/key.pem" -pubout)
    fails 2 "say which" console apply-self-signed
    [[ $output == *"keysvc-agent-console(1)"* ]]
    console apply-self-signed 'A*'
    [ "$(openssl pkey -in "$W/A1/key.pem" -pubout)" = "$key" ]
    console status
    console apply-self-signed --all --rekey
    [ "$(openssl pkey -in "$W/A1/key.pem" -pubout)" != "$key" ]
    console status
}

@test "an answer of apply-self-signed that is lost: the agent is known by its key" {
    applied A1 A2 A3
    # By a CA as well as by a pin.
    console trust A3 --yes --ca-file "$W/ca.crt"
    for name in A1 A3; do echo self-signed:done-then-close >"$W/$name/mode"; done
    echo self-signed:close >"$W/A2/mode"
    fails 13 "2 succeeded, 1 failed" console apply-self-signed --all
    [[ $output == *"A2     OUTCOME_UNKNOWN  the answer was lost, and it shows the certificate of before"* ]]
    is_self_signed A1
    is_self_signed A3
    rm "$W"/A?/mode
    console status
    [ "$(console list --json | json "{a['trust']['kind'] for a in d['agents']}, any('expected' in a['trust'] for a in d['agents'] if a['name'] != 'A2')")" = \
        "({'pinned'}, False)" ]
    console retry
    is_self_signed A2
    console status
}

@test "who answers in its place while the answer is lost is nobody that is trusted, and learns nothing" {
    local asked
    applied A1
    echo self-signed:impostor >"$W/A1/mode"
    fails 13 "$(printf 'shows a certificate of another key, sha256 ')" console apply-self-signed A1
    asked=$(requests A1)
    fails 23 "its certificate changed" console status
    fails 23 "its certificate changed" console retry
    [ "$(requests A1)" = "$asked" ]
    [ "$(tail -n 1 "$W/A1/requests")" = "POST /api/v1/identity/agent/self-signed Api-Token secret-of-A1" ]
}

@test "a certificate of the agent's key that is shown without the key is believed by nobody" {
    applied A1 A2
    # Another one for its key, and one that it had before.
    openssl pkey -in "$W/A1/key.pem" -pubout -out "$W/A1.pub"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=A1.example 2>/dev/null |
        openssl x509 -req -force_pubkey "$W/A1.pub" -CA "$W/ca.crt" -CAkey "$W/ca.key" -CAcreateserial -out "$W/A1/stolen.pem" 2>/dev/null
    openssl req -x509 -new -key "$W/A2/key.pem" -subj /CN=A2.example -out "$W/A2/stolen.pem"
    for name in A1 A2; do echo self-signed:shown >"$W/$name/mode"; done
    fails 13 "0 succeeded, 2 failed" console apply-self-signed --all
    fails 17 "unreachable" console status
    rm "$W"/A?/shown.pem "$W"/A?/mode
    console status
}

@test "of a new key whose answer is lost the sha256 is told, for people to compare" {
    applied A1 A2
    echo self-signed:done-then-close >"$W/A1/mode"
    echo self-signed:close >"$W/A2/mode"
    run console apply-self-signed --rekey --all
    [ "$status" = 13 ]
    sha256=$(fingerprint A1 | tr -d : | tr A-F a-f)
    [[ $output == *"A1     OUTCOME_UNKNOWN  the answer was lost, and it shows a certificate of another key, sha256 $sha256"* ]]
    [[ $output == *"A1: hint: "*"console trust A1 --fingerprint $sha256"* ]]
    [[ $output == *"A2     OUTCOME_UNKNOWN  the answer was lost, and it shows the certificate of before"* ]]
    rm "$W"/A?/mode
    fails 23 "its certificate changed" console status A1
    fails 23 "A1: hint: compare the fingerprint" console create-csr --directory "$W/untrusted" A1
    console trust A1 --fingerprint "$sha256"
    console status
}

@test "an agent that answers and is not to be seen then is known by what it told" {
    applied A1 A2 A3
    console trust A2 --yes --ca-file "$W/ca.crt"
    for name in A1 A2; do echo self-signed:done-then-deaf >"$W/$name/mode"; done
    # The answer of A3 takes all of its time.
    echo self-signed:done-then-hang >"$W/A3/mode"
    fails 13 "0 succeeded, 3 failed" console apply-self-signed --all --rekey --timeout 5
    [[ $output == *"A1     OUTCOME_UNKNOWN  it says that it is done, but what it shows could not be seen: "* ]]
    [[ $output == *"A2     OUTCOME_UNKNOWN  it says that it is done"* ]]
    [[ $output == *"A3     OUTCOME_UNKNOWN  not seen to be done within 5000 ms"* ]]
    # Still expected after something else that came to nothing.
    fails 17 "0 succeeded, 2 failed" console apply A1 A2 --directory "$DIR" --ca-file "$W/ca.crt"
    rm "$W"/A?/mode "$W"/A?/deaf
    console status A1 A2
    [ "$(console list --json | json "[(a['trust']['kind'], 'told_sha256' in a['trust']) for a in d['agents'][:2]]")" = \
        "[('pinned', False), ('pinned', False)]" ]
    fails 23 "its certificate changed" console status A3
}

@test "an agent that told one certificate and shows another is not trusted by what it told" {
    applied A1
    echo self-signed:done-then-deaf >"$W/A1/mode"
    fails 13 "" console apply-self-signed A1 --rekey
    rm "$W/A1/mode" "$W/A1/deaf" "$W/A1/key.pem" "$W/A1/requests"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/A1/key.pem" -out "$W/A1/certificate.pem" \
        -subj /CN=A1.example -days 30 2>/dev/null
    fails 23 "its certificate changed" console status
    [ "$(requests A1)" = 0 ]
}

@test "a console that is killed before apply-self-signed is answered knows the agent afterwards" {
    local client end=$((SECONDS + 30))
    applied A1
    echo self-signed:done-then-hang >"$W/A1/mode"
    "$KEYSVC_BUILD/client/agent/keysvc-agent" console apply-self-signed A1 --console-dir "$W/console" \
        >/dev/null 2>&1 3>&- </dev/null &
    client=$!
    until is_self_signed A1; do [ "$SECONDS" -lt "$end" ]; sleep 0.05; done
    kill -KILL "$client"
    wait "$client" || true
    rm "$W/A1/mode"
    console status
    [ "$(console list --json | json "'expected' in d['agents'][0]['trust']")" = False ]
}

@test "what an earlier change has left to be expected is not forgotten by apply-self-signed" {
    fake A1
    add A1
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/new.key" -out "$W/new.pem" \
        -subj /CN=A1.example 2>/dev/null
    /usr/bin/python3 - "$W/console/agents.json" "$W/new.pem" <<'END'
import json, sys
with open(sys.argv[1]) as file:
    fleet = json.load(file)
fleet["agents"][0]["trust"]["expected"] = open(sys.argv[2]).read()
with open(sys.argv[1], "w") as file:
    json.dump(fleet, file)
END
    # It is not, either, by one that comes to nothing.
    echo self-signed:401 >"$W/A1/mode"
    fails 3 "" console apply-self-signed A1
    rm "$W/A1/mode"
    mv "$W/new.key" "$W/A1/key.pem"
    mv "$W/new.pem" "$W/A1/certificate.pem"
    console apply-self-signed A1
    console status
}
