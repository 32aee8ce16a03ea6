#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_rest.bats - the REST interface with curl: uploads, tokens, client certificates, agent.conf's own certificate

load agent
PASSWORD='Sesame 31337-öffne'

teardown()
{
    show_log_if_failed
    end_agent
    end_world
    rm -rf "${FILES-}"
}

# A running agent with a token, and the files of the tests beside its world.
rest_world()
{
    world
    agent_world
    start
    FILES=$(mktemp -d)
    chmod 711 "$FILES"
    agent_start
    token_of manager "certificate management"
    TOKEN=$NEW_TOKEN
    URL=https://127.0.0.1:$PORT/e/default/api/v1/certificate
    API=https://127.0.0.1:$PORT/api/v1/identity
}

# token_of NAME SCOPE...
token_of()
{
    local name=$1 scopes=() scope
    shift
    for scope in "$@"; do
        scopes+=(--scope "$scope")
    done
    NEW_TOKEN=$(agent token create --name "$name" "${scopes[@]}")
}

# The agent's command, and nobody can read what it says.
lost()
{
    agent "$@" >/dev/full
}

# The same without a standard output.
closed()
{
    agent "$@" >&-
}

# p12 NAME [genpkey options]: $FILES/NAME.{key,crt,p12}, behind $PASSWORD.
p12()
{
    local name=$1
    shift
    [ $# -gt 0 ] || set -- -algorithm EC -pkeyopt ec_paramgen_curve:P-256
    openssl genpkey -quiet "$@" -out "$FILES/$name.key"
    openssl req -x509 -new -key "$FILES/$name.key" -subj "/CN=$name.example" -days 9 -out "$FILES/$name.crt" ${REQ_OPTIONS-}
    printf '%s' "$PASSWORD" >"$FILES/password"
    openssl pkcs12 -export -inkey "$FILES/$name.key" -in "$FILES/$name.crt" -name "$name key" ${P12_OPTIONS-} \
        -passout "file:$FILES/password" -out "$FILES/$name.p12"
}

# http CURL-ARGUMENTS...: the status; the body in $W/body. The agent's certificate changes all the time here.
http()
{
    curl -sS -k --max-time 60 -o "$W/body" -w '%{http_code}\n' -H "Authorization: Api-Token ${TOKEN-}" "$@"
}

# answers CODE CURL-ARGUMENTS...
answers()
{
    local code=$1 got
    shift
    got=$(http "$@")
    [ "$got" = "$code" ] || { echo "$got instead of $code for $*: $(cat "$W/body")" >&2; return 1; }
}

# upload CODE NAME [FILE]
upload()
{
    answers "$1" -T "$FILES/${3-$2}.p12" -H "X-Password: $PASSWORD" "$URL/$2"
}

body()
{
    json "$1" <"$W/body"
}

# What the listener serves with is that file's certificate, and the key answers for it.
serves_with()
{
    openssl s_client -connect "127.0.0.1:$PORT" -CAfile "$FILES/$1.crt" -verify_return_error -partial_chain </dev/null \
        >"$W/s_client" 2>&1 || { cat "$W/s_client"; return 1; }
    openssl x509 -in "$W/s_client" | diff - "$FILES/$1.crt"
}

each_row_of_the_table()
{
    p12 one "$@"
    p12 two "$@"
    # Up, active at once, with its description.
    upload 200 one
    [ "$(body 'd["name"]')" = one ]
    [ "$(body 'd["active"]')" = True ]
    [ "$(body 'd["alias"]')" = "one key" ]
    [[ $(body 'd["desc"][0]') == "Subject:CN=one.example;Valid from:"*"Z;Valid to:"*"Z;Serial number:"* ]]
    serves_with one
    upload 200 two
    serves_with two
    # The list: all names, the active one described; the self-signed one is not in it.
    answers 200 "$URL/list"
    [ "$(body '[i["name"] for i in d]')" = "['one', 'two']" ]
    [ "$(body '[i["active"] for i in d]')" = "[False, True]" ]
    [[ $(body 'd[1]["desc"][0]') == Subject:CN=two.example* ]]
    [ "$(body '"desc" in d[0]')" = False ]
    # The active one is left alone.
    upload 403 two
    answers 403 -X DELETE "$URL/two"
    [ "$(cat "$W/body")" = "two is active; activate another one first" ]
    serves_with two
    # One by its name, with the password either way.
    answers 200 -H "X-Password: $PASSWORD" "$URL/one/list"
    [ "$(body 'd["active"]')" = False ]
    answers 200 -X POST -H "X-Password: $PASSWORD" "$URL/one/list"
    answers 200 --json "{\"password\": \"$PASSWORD\"}" "$URL/one/list"
    answers 400 -H "X-Password: wrong" "$URL/one/list"
    answers 400 "$URL/one/list"
    answers 404 -H "X-Password: $PASSWORD" "$URL/none/list"
    # Another one active.
    answers 400 -X POST -H "X-Password: wrong" "$URL/one/activate"
    answers 400 -X POST "$URL/one/activate"
    serves_with two
    answers 404 -X POST -H "X-Password: $PASSWORD" "$URL/none/activate"
    answers 200 -X POST -H "X-Password: $PASSWORD" "$URL/one/activate"
    [ "$(body 'd["active"]')" = True ]
    serves_with one
    answers 200 --json "{\"password\": \"$PASSWORD\"}" "$URL/two/activate"
    serves_with two
    # The same name again: the next version of its key, and the old one is gone.
    p12 one "$@"
    upload 200 one
    serves_with one
    keysvc key show "$AGENT_KEYS/upload/one@2" >/dev/null
    fails 4 "" keysvc key show "$AGENT_KEYS/upload/one@1"
    # Away.
    answers 200 -X DELETE "$URL/two"
    [ ! -s "$W/body" ]
    answers 404 -X DELETE "$URL/two"
    fails 4 "" keysvc key show "$AGENT_KEYS/upload/two"
    answers 200 "$URL/list"
    [ "$(body 'len(d)')" = 1 ]
}

@test "each row of the table, on P-256" {
    rest_world
    each_row_of_the_table
    grep -q '"kind": "uploaded"' <(agent certificate-status --json)
}

# bats test_tags=again
@test "each row of the table, on RSA-2048, in a file of old algorithms" {
    rest_world
    P12_OPTIONS=-legacy each_row_of_the_table -algorithm RSA -pkeyopt rsa_keygen_bits:2048
}

# bats test_tags=again
@test "each row of the table, on Ed25519" {
    rest_world
    each_row_of_the_table -algorithm ED25519
}

@test "what is no good file is 400 and changes nothing, and what is too large 413" {
    rest_world
    p12 good
    upload 200 good
    answers 400 -T "$FILES/good.p12" -H "X-Password: wrong" "$URL/bad"
    grep -qi password "$W/body"
    grep -q 'text/plain' <(curl -sk -D - -o /dev/null -H "Authorization: Api-Token $TOKEN" "$URL/bad/nothing")
    answers 400 -T "$FILES/good.p12" "$URL/bad"
    answers 400 -T "$FILES/good.crt" -H "X-Password: $PASSWORD" "$URL/bad"
    grep -q "pkcs12 -export" "$W/body"
    head -c 400 "$FILES/good.p12" >"$FILES/short.p12"
    upload 400 bad short
    : >"$FILES/empty.p12"
    upload 400 bad empty
    answers 400 -T "$FILES/good.p12" -H "X-Password: $PASSWORD" "$URL/b%20d"
    # Latin-1 is no UTF-8.
    answers 400 -T "$FILES/good.p12" -H "X-Password: $(printf '\366')" "$URL/bad"
    # A certificate that cannot serve: expired, not for servers, not the key's.
    openssl genpkey -quiet -algorithm ED25519 -out "$FILES/k.key"
    expired_certificate
    openssl req -x509 -new -key "$FILES/k.key" -subj /CN=x -days 9 -addext extendedKeyUsage=clientAuth -out "$FILES/client.crt"
    for name in expired client; do
        openssl pkcs12 -export -inkey "$FILES/k.key" -in "$FILES/$name.crt" -passout "file:$FILES/password" -out "$FILES/$name.p12"
        upload 400 bad $name
    done
    openssl pkcs12 -export -inkey "$FILES/k.key" -nocerts -passout "file:$FILES/password" -out "$FILES/alone.p12"
    upload 400 bad alone
    head -c 300000 /dev/zero >"$FILES/large.p12"
    upload 413 bad large
    # Of nothing of it there is a key, nor a row.
    fails 4 "" keysvc key show "$AGENT_KEYS/upload/bad"
    answers 200 "$URL/list"
    [ "$(body '[i["name"] for i in d]')" = "['good']" ]
    serves_with good
}

# Of the key k, by itself.
expired_certificate()
{
    mkdir "$FILES/ca"
    : >"$FILES/ca/index"
    echo 01 >"$FILES/ca/serial"
    printf '[ca]\ndefault_ca=a\n[a]\nnew_certs_dir=%s\ndatabase=%s\nserial=%s\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' \
        "$FILES/ca" "$FILES/ca/index" "$FILES/ca/serial" >"$FILES/ca/conf"
    openssl req -new -key "$FILES/k.key" -subj /CN=x -out "$FILES/k.req"
    openssl ca -config "$FILES/ca/conf" -selfsign -keyfile "$FILES/k.key" -in "$FILES/k.req" -startdate 200101000000Z \
        -enddate 210101000000Z -batch -notext -out "$FILES/expired.crt"
}

@test "one of several keys is chosen by its alias, in any case" {
    rest_world
    for alias in Alpha Beta; do
        keytool -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -genkeypair -alias $alias -dname CN=${alias,,}.example \
            -keyalg EC -groupname secp256r1 -validity 9 -storetype PKCS12 -keystore "$FILES/two.p12" -storepass sesame-31337 \
            2>/dev/null || skip "keytool is not there"
    done
    answers 400 -T "$FILES/two.p12" -H "X-Password: sesame-31337" "$URL/two"
    grep -qi 'alpha' "$W/body"
    answers 200 -T "$FILES/two.p12" -H "X-Password: sesame-31337" -H "X-Alias: BETA" "$URL/two"
    [ "$(body 'd["alias"]')" = beta ]
    [[ $(body 'd["desc"][0]') == Subject:CN=beta.example* ]]
    answers 400 -T "$FILES/two.p12" -H "X-Password: sesame-31337" -H "X-Alias: gamma" "$URL/three"
}

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
    agent token list --json >"$W/api-tokens"
    [ "$(json '[t["revoked"] != None for t in d if t["name"] == "lost"]' <"$W/api-tokens")" = "[True, True, True]" ]
    fails 1 "standard output: No space left" lost token list
    fails 1 "standard output: No space left" lost certificate-status
    fails 1 "standard output: No space left" lost certificate-get
    fails 13 "it was carried out, but its result could not be written" lost certificate-apply-self-signed --rekey
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

@test "an upload with more names than can be asked for serves, and is shown with the first thousand" {
    rest_world
    REQ_OPTIONS="-addext subjectAltName=$(seq -s, -f 'DNS:n%g.example' 1001)" p12 many
    p12 one
    upload 200 many
    serves_with many
    answers 200 "$API/agent/status"
    [ "$(body 'len(d["names"]), d["names"][999], d["names_cut"]')" = "(1000, 'DNS:n1000.example', True)" ]
    upload 200 one
    answers 200 -X POST "$API/agent/rollback"
    [ "$(body 'd["upload"]')" = many ]
    answers 200 -X POST "$API/agent/rollback"
    [ "$(body 'd["upload"], "names_cut" in d')" = "('one', False)" ]
}

# Neither key nor password, of the running agent; only root may look, and through what a sanitizer maps nobody.
not_in_memory()
{
    [ "$ME" != 0 ] || [ -n "${KEYSVC_SANITIZED-}" ] || /usr/bin/python3 -B "$SOURCE/tests/system/memory.py" "$FILES/$1.key" "$PASSWORD" process "$AGENT_PID"
}

@test "certificate-file is taken at start, and its password leaves agent.conf" {
    world
    agent_world
    start
    FILES=$(mktemp -d)
    chmod 711 "$FILES"
    p12 Shop
    chmod 644 "$FILES/Shop.p12"
    AGENT_LISTENER="# my own
    certificate-file = $FILES/Shop.p12 certificate-password = \"$PASSWORD\" # of the file
    certificate-alias = \"shop key\"" agent_config
    mkdir "$W/conf"
    mv "$W/agent.conf" "$W/conf/agent.conf"
    ln -s conf/agent.conf "$W/agent.conf"
    chmod 640 "$W/conf/agent.conf"
    [ "$ME" != 0 ] || chown -R "$AGENT:$AGENT" "$W/conf"
    exec 7<"$W/conf/agent.conf"
    agent_start
    serves_with Shop
    not grep -qF "$PASSWORD" "$W/conf/agent.conf"
    not grep -qF "$PASSWORD" <&7
    exec 7<&-
    grep -qF '# my own' "$W/conf/agent.conf"
    grep -qF '# of the file' "$W/conf/agent.conf"
    grep -qF 'certificate-password = "$scrypt$' "$W/conf/agent.conf"
    [ "$(stat -c %a "$W/conf/agent.conf")" = 640 ]
    [ "$(ls -A "$W/conf")" = agent.conf ]
    not_in_memory Shop
    # Taken once: the next start needs no file.
    agent_stop
    rm "$FILES/Shop.p12"
    agent_start
    serves_with Shop
    [ "$(grep -c event=certificate-file-taken "$W/agent.log")" = 1 ]
    not grep -qF "$PASSWORD" "$W/agent.log"
    # A new password, and with it a new file, under the name that is active.
    agent_stop
    p12 Shop -algorithm ED25519
    chmod 644 "$FILES/Shop.p12"
    sed -i "s|certificate-password = \"[^\"]*\"|certificate-password = \"$PASSWORD\"|" "$W/conf/agent.conf"
    agent_start
    serves_with Shop
    not grep -qF "$PASSWORD" "$W/conf/agent.conf"
    # A wrong one: it serves with what it has, and says so.
    agent_stop
    sed -i 's|certificate-password = "[^"]*"|certificate-password = "wrong one"|' "$W/conf/agent.conf"
    agent_start
    serves_with Shop
    grep -q 'event=certificate-file-not-taken.*assword' "$W/agent.log"
    # Later too, to those who ask, until it is taken.
    [ "$(agent_json '[d["certificate_file"][k] for k in ("file", "taken", "code")]')" = "['$FILES/Shop.p12', False, 'BAD_REQUEST']" ]
    agent certificate-status | grep -q "^configured  *$FILES/Shop.p12 was refused at 20.*assword"
    not grep -rqF "wrong one" "$STATE"
    agent_stop
    sed -i "s|certificate-password = \"[^\"]*\"|certificate-password = \"$PASSWORD\"|" "$W/conf/agent.conf"
    # It stands where nobody may write: taken, and it is said that the password stays.
    if [ "$ME" = 0 ]; then
        chown root "$W/conf"
        agent_start
        serves_with Shop
        [ "$(agent_json 'd["certificate_file"]["taken"]')" = True ]
        chown "$AGENT" "$W/conf"
        agent_stop
    fi
    agent_start
    serves_with Shop
    [ "$(agent_json '"certificate_file" in d')" = False ]
}

# uploaded_key_is_nowhere GENPKEY-OPTION...
uploaded_key_is_nowhere()
{
    need_root
    PASSWORD=Sesame-31337-open
    rest_world
    p12 secret "$@"
    upload 200 secret
    answers 200 -X POST --json "{\"password\": \"$PASSWORD\"}" "$URL/secret/activate"
    answers 400 -T "$FILES/secret.p12" -H "X-Password: $PASSWORD$PASSWORD" "$URL/again"
    serves_with secret
    look_in process "$AGENT_PID"
    look_in files "$STATE" "$W/agent.log" "$W/agent.conf"
}

look_in()
{
    /usr/bin/python3 -B "$SOURCE/tests/system/memory.py" "$FILES/secret.key" "$PASSWORD" "$@"
}

# bats test_tags=uninstrumented
@test "an uploaded EC key and its password are in no file of the agent and not in its memory" {
    uploaded_key_is_nowhere -algorithm EC -pkeyopt ec_paramgen_curve:P-256
}

# bats test_tags=uninstrumented
@test "an uploaded RSA key and its password are in no file of the agent and not in its memory" {
    uploaded_key_is_nowhere -algorithm RSA -pkeyopt rsa_keygen_bits:2048
}

# bats test_tags=uninstrumented
@test "an uploaded Ed25519 key and its password are in no file of the agent and not in its memory" {
    uploaded_key_is_nowhere -algorithm ED25519
}

@test "a key that a crash left without a row is followed by the next upload of its name" {
    rest_world
    p12 left
    (umask 077 && cp "$FILES/password" "$W/password")
    [ "$ME" != 0 ] || chown "$AGENT" "$W/password"
    chmod 644 "$FILES/left.p12"
    as "$AGENT" keysvc key import "$AGENT_KEYS/upload/left" --pkcs12 "$FILES/left.p12" --password-file "$W/password" </dev/null
    answers 404 -H "X-Password: $PASSWORD" "$URL/left/list"
    upload 200 left
    serves_with left
    keysvc key show "$AGENT_KEYS/upload/left@2" >/dev/null
    fails 4 "" keysvc key show "$AGENT_KEYS/upload/left@1"
}

@test "an agent that is killed in the middle of an upload serves the old certificate or the new one, and takes the next" {
    rest_world
    p12 old
    p12 new
    upload 200 old
    for delay in 0.02 0.05 0.08 0.12 0.2 0.3; do
        upload 200 old$delay old
        curl -sk -o /dev/null -T "$FILES/new.p12" -H "Authorization: Api-Token $TOKEN" -H "X-Password: $PASSWORD" "$URL/new" 3>&- &
        sleep $delay
        kill -KILL "$AGENT_PID"
        wait "$AGENT_PID" $! || true
        AGENT_STARTS=$(grep -c 'event=listening' "$W/agent.log")
        agent_start
        URL=https://127.0.0.1:$PORT/e/default/api/v1/certificate
        files_show
        serves_with old || serves_with new
        answers 200 -X POST -H "X-Password: $PASSWORD" "$URL/old/activate"
        upload 200 new
        serves_with new
        [ "$(keysvc key show "$AGENT_KEYS/upload/new" --json | json 'len(d["versions"])')" = 1 ]
        answers 200 -X POST -H "X-Password: $PASSWORD" "$URL/old/activate"
    done
}
