#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_rest.bats - the REST interface with curl: tokens, client certificates, what a console asks for; uploads are in
# agent_upload.bats

load rest

@test "no token, a wrong, an expired, a revoked one: 401; without the scope: 403; unknown paths 404, wrong methods 405" {
    rest_world
    local good=$TOKEN
    TOKEN=
    answers 401 "$URL/list"
    [ "$(curl -sk -o /dev/null -w '%{http_code}' "$URL/list")" = 401 ]
    [ "$(curl -sk -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $good" "$URL/list")" = 401 ]
    TOKEN=${good%?}x
    [ "$TOKEN" != "$good" ] || TOKEN=${good%?}y
    answers 401 "$URL/list"
    answers 401 https://127.0.0.1:$PORT/nothing
    token_of reader "certificate reading"
    TOKEN=$NEW_TOKEN
    answers 200 "$URL/list"
    answers 200 "$API/agent/status"
    [ -z "$(tail -c 1 "$W/body")" ] # a line end: the next prompt stands on a line of its own
    answers 403 -X DELETE "$URL/x"
    answers 403 -X POST "$API/agent/self-signed"
    answers 403 -X PUT -H "X-Password: x" --data-binary x "$URL/x"
    agent token revoke "$(cut -d_ -f2 <<<"$TOKEN")"
    answers 401 "$URL/list"
    TOKEN=$good
    answers 404 "https://127.0.0.1:$PORT/e/other/api/v1/certificate/list"
    answers 404 https://127.0.0.1:$PORT/nothing
    grep -q 'docs/openapi.yaml' "$W/body"
    answers 405 -X POST "$URL/list"
    agent token list --json >"$W/api-tokens"
    [ "$(json '[t["name"] for t in d]' <"$W/api-tokens")" = "['manager', 'reader']" ]
    [ "$(json 'd[0]["used"] != None and d[0]["revoked"] == None and d[1]["revoked"] != None' <"$W/api-tokens")" = True ]
    not grep -rqF "${good#ksa_*_}" "$STATE" "$W/agent.log"
    fails 2 scope agent token create --name x --scope everything
    fails 21 "keysvc-agent token list" agent token revoke 000000000000
}

@test "what cannot be written out: a token is revoked, a change is said to be made, a look is an error" {
    rest_world
    for json in "" --json; do
        # shellcheck disable=SC2086
        fails 1 "is revoked again" lost token create --name lost --scope "certificate reading" $json
    done
    fails 1 "is revoked again" closed token create --name lost --scope "certificate reading"
    fails 1 "is revoked again" unread token create --name lost --scope "certificate reading"
    agent token list --json >"$W/api-tokens"
    [ "$(json '[t["revoked"] != None for t in d if t["name"] == "lost"]' <"$W/api-tokens")" = "[True, True, True, True]" ]
    fails 1 "standard output: No space left" lost token list
    fails 1 "standard output: No space left" lost certificate-status
    fails 1 "standard output: No space left" lost certificate-get
    fails 13 "it was carried out, but its result could not be written" lost certificate-apply-self-signed --rekey
    fails 13 "it was carried out, but its result could not be written" unread certificate-apply-self-signed --rekey
}

# Here the log, of files that cannot be published.
@test "a change is made to its end, and said to be made, although nobody reads standard error" {
    local fd
    rest_world
    rm "$STATE/identities/agent/current"
    mkdir "$STATE/identities/agent/current"
    exec {fd}> >(:)
    wait $!
    agent certificate-apply-self-signed --rekey >"$W/said" 2>&"$fd"
    exec {fd}>&-
    grep -q "it is current, but programs that read" "$W/said"
    [ "$(agent_json 'd["set"]' 2>/dev/null)" = 2 ]
}

@test "a thousand wrong tokens are each refused, and the right one works meanwhile" {
    rest_world
    for ((i = 0; i < 1000; i++)); do
        printf 'next\ninsecure\nsilent\nurl = "%s/list"\nheader = "Authorization: Api-Token ksa_%012x_%043d"\noutput = /dev/null\nwrite-out = "%%{http_code}\\n"\n' "$URL" $i $i
    done >"$W/wrong.conf"
    curl -K "$W/wrong.conf" >"$W/codes" 2>/dev/null 3>&- &
    local wrong=$!
    for ((i = 0; i < 20; i++)); do
        answers 200 "$URL/list"
    done
    wait $wrong
    [ "$(grep -c 401 "$W/codes")" = 1000 ]
    # The log is not theirs to fill: few lines, and how many were left out. What was answered is there.
    [ "$(refusals)" -lt 900 ]
    grep -q 'event=request .* status=401 .*why="a wrong token"' "$W/agent.log"
    wait_for all_are_counted 1000
    [ "$(grep -c 'event=request .* status=200 ' "$W/agent.log")" -ge 20 ]
}

refusals()
{
    grep -c 'event=request .* status=401' "$W/agent.log"
}

all_are_counted()
{
    [ $(($(refusals) $(sed -n 's/.*event=log-limited .*lines=\([0-9]*\).*/+\1/p' "$W/agent.log" | tr -d '\n'))) = "$1" ]
}

@test "wrong passwords by the hundred are refused or told to come again, and others are served meanwhile" {
    rest_world
    p12 one
    upload 200 one
    for ((i = 0; i < 100; i++)); do
        printf 'next\ninsecure\nsilent\nurl = "%s/one/activate"\nrequest = POST\nheader = "Authorization: Api-Token %s"\nheader = "X-Password: wrong %d"\noutput = /dev/null\nwrite-out = "%%{http_code}\\n"\n' "$URL" "$TOKEN" $i
    done >"$W/wrong.conf"
    curl -Z --parallel-immediate -K "$W/wrong.conf" >"$W/codes" 2>/dev/null 3>&- &
    local wrong=$!
    for ((i = 0; i < 10; i++)); do
        answers 200 "$URL/list"
    done
    wait $wrong
    [ "$(wc -l <"$W/codes")" = 100 ]
    grep -q 400 "$W/codes"
    not grep -qvE '^(400|503)$' "$W/codes"
    serves_with one
    # The places are given back.
    answers 200 -H "X-Password: $PASSWORD" "$URL/one/list"
}

# $FILES/zero.crt, by the CA, for the key of other.example: its common name is $1, a zero and more.
certify_with_zero()
{
    /usr/bin/python3 - "$FILES" "$1" <<'END'
import datetime
import pathlib
import sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
folder = pathlib.Path(sys.argv[1])
ca = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
ca_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
key = serialization.load_pem_private_key((folder / "other.example.key").read_bytes(), None)
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, sys.argv[2] + "\0.other.example")])
certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(ca.subject).public_key(key.public_key())
    .serial_number(7).not_valid_before(ca.not_valid_before).not_valid_after(ca.not_valid_after)
    .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), False).sign(ca_key, hashes.SHA256()))
(folder / "zero.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
END
}

@test "a client's certificate is a second way in" {
    world
    FILES=$(mktemp -d)
    chmod 755 "$FILES"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$FILES/ca.key" -out "$FILES/ca.crt" -subj /CN=ca -days 9
    for name in console.example other.example; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$FILES/$name.key" -out "$FILES/$name.crt" \
            -CA "$FILES/ca.crt" -CAkey "$FILES/ca.key" -subj "/CN=$name" -days 9 -addext extendedKeyUsage=clientAuth \
            -addext basicConstraints=CA:FALSE
    done
    chmod 644 "$FILES"/*
    agent_world
    AGENT_LISTENER="client-ca-file = $FILES/ca.crt client-names = {\"console.example\"} client-scopes = {\"certificate management\"}" \
        agent_config
    start
    agent_start
    URL=https://127.0.0.1:$PORT/e/default/api/v1/certificate
    code()
    {
        curl -sk -o "$W/body" -w '%{http_code}\n' "$@"
    }
    [ "$(code --cert "$FILES/console.example.crt" --key "$FILES/console.example.key" "$URL/list")" = 200 ]
    [ "$(code --cert "$FILES/console.example.crt" --key "$FILES/console.example.key" -X DELETE "$URL/x")" = 404 ]
    [ "$(code --cert "$FILES/other.example.crt" --key "$FILES/other.example.key" "$URL/list")" = 401 ]
    # A name behind whose beginning a zero stands is another one.
    certify_with_zero console.example
    [ "$(code --cert "$FILES/zero.crt" --key "$FILES/other.example.key" "$URL/list")" = 401 ]
    # Pages in the administrator's browser, which shows its certificate for them.
    [ "$(code --cert "$FILES/console.example.crt" --key "$FILES/console.example.key" -X POST -H 'Origin: https://page.example' \
        "https://127.0.0.1:$PORT/api/v1/identity/agent/rollback")" = 401 ]
    [ "$(code "$URL/list")" = 401 ]
}

@test "what a console asks for: status, certificate, request, apply, self-signed, rollback" {
    rest_world
    local name
    name=$(hostname)
    answers 200 "$API/agent/status"
    [ "$(body 'd["kind"]')" = self-signed ]
    answers 200 "$API/agent/certificate"
    diff "$W/body" "$STATE/identities/agent/current/certificate.pem"
    answers 404 "$API/nobody/status"
    [ "$(body 'd["error"]["code"]')" = NOT_FOUND ]
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$FILES/ca.key" -out "$FILES/ca.crt" -subj /CN=ca -days 9
    issue()
    {
        answers 200 -X POST "$API/agent/csr"
        body 'd["csr"]' >"$FILES/agent.req"
        openssl x509 -req -in "$FILES/agent.req" -CA "$FILES/ca.crt" -CAkey "$FILES/ca.key" -out "$FILES/agent.crt" -days 9 -copy_extensions copyall
    }
    request()
    {
        /usr/bin/python3 -c 'import json, sys; print(json.dumps({"certificate": open(sys.argv[1]).read(), "ca": open(sys.argv[2]).read(), "what_if": sys.argv[3] == "true"}))' \
            "$FILES/$1.crt" "$FILES/ca.crt" "$2" >"$W/request"
    }
    issue
    request agent true
    answers 200 --json "@$W/request" "$API/agent/apply"
    [ "$(body 'd["applied"]')" = False ]
    request agent false
    answers 200 --json "@$W/request" "$API/agent/apply"
    [ "$(body 'd["applied"], "note" in d')" = "(True, False)" ]
    answers 200 "$API/agent/status"
    [ "$(body 'd["kind"]')" = issued ]
    request ca false
    answers 400 --json "@$W/request" "$API/agent/apply"
    [ "$(body 'd["error"]["code"]')" = CERTIFICATE_REFUSED ]
    answers 200 -X POST "$API/agent/rollback"
    [ "$(body 'd["kind"]')" = self-signed ]
    issue
    answers 200 --json '{"rekey": true}' "$API/agent/self-signed"
    [ "$(body 'd["kind"]')" = self-signed ]
    keysvc key show "$AGENT_KEYS/agent@2" >/dev/null
    # Of the request from before the new key; of a key that was left because it leaked, this is all that says it.
    request agent true
    answers 200 --json "@$W/request" "$API/agent/apply"
    [[ $(body 'd["note"]') == *"$AGENT_KEYS/agent@1, an older version of the key than @2"* ]]
    for wrong in '{' '[]' '{"rekey": 1}' '{"rekey": true, "rekey": false}' '{"other": 1}'; do
        answers 400 --json "$wrong" "$API/agent/self-signed"
        [ "$(body 'd["error"]["code"]')" = BAD_REQUEST ]
    done
    # Who did it is in the history.
    [[ $(agent_json '[h["who"] for h in d["history"]]') == *"token manager"* ]]
}

@test "a change whose files cannot be put into place is made, and is not undone" {
    rest_world
    local current=$STATE/identities/agent/current
    p12 one
    p12 two
    rm "$current"
    mkdir "$current"
    upload 200 one
    [[ $(body 'd["note"]') == *"current is a folder"* ]]
    serves_with one
    answers 200 "$API/agent/status"
    [ "$(body 'd["upload"], d["key_state"]')" = "('one', 'present')" ]
    upload 200 two
    answers 200 -X POST "$API/agent/rollback"
    [[ $(body 'd["note"]') == *"current is a folder"* ]]
    serves_with one
    answers 200 --json '{"rekey": true}' "$API/agent/self-signed"
    [[ $(body 'd["kind"], d["note"]') == *"self-signed"*"current is a folder"* ]]
    agent doctor 2>&1 | grep -q "certificate-files.*current does not lead to sets/4"
    rmdir "$current"
    answers 200 -X POST "$API/agent/rollback"
    [ "$(body '"note" in d')" = False ]
    serves_with one
    diff "$FILES/one.crt" "$current/certificate.pem"
}
