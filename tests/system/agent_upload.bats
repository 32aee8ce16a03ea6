#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_upload.bats - PKCS#12 uploads over the REST interface, and agent.conf's own certificate

load rest

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
        # Once: what was made current since stays, also if both files are newer ones, as in a container that is made anew.
        agent certificate-apply-self-signed
        agent_stop
        for file in "$FILES/Shop.p12" "$W/conf/agent.conf"; do
            cp -p "$file" "$file.new"
            mv "$file.new" "$file"
            touch "$file"
        done
        agent_start
        [ "$(agent_json 'd["certificate_file"]["taken"], d["trust"]')" = "(True, 'self-signed')" ]
        agent_stop
        # So it does of an agent.db of before, which did not keep what the file was.
        /usr/bin/python3 -IS -c 'import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.execute("ALTER TABLE upload DROP COLUMN source_sha256")
    db.execute("PRAGMA user_version = 1")' "$STATE/agent.db"
        agent_start
        [ "$(agent_json 'd["certificate_file"]["taken"], d["trust"]')" = "(True, 'self-signed')" ]
        agent_stop
        # Another file is taken.
        p12 Shop
        chmod 644 "$FILES/Shop.p12"
        agent_start
        serves_with Shop
        agent_stop
        chown "$AGENT" "$W/conf"
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

@test "an import whose end nobody saw leaves no key behind" {
    rest_world break
    p12 one
    # Of the two objects the second.
    break_rules "C_CreateObject:$(($(next C_CreateObject) + 1)):after abort"
    upload 503 one
    grep "has no key of it now" "$W/body"
    break_rules
    fails 4 "" keysvc key show "$AGENT_KEYS/upload/one"
    upload 200 one
    serves_with one
}

import_began()
{
    [ "$(calls C_CreateObject)" -ge "$1" ]
}

@test "an import that goes on although the front died is waited for, and its key is removed" {
    local began sender
    rest_world break
    p12 one
    began=$(next C_CreateObject)
    break_rules "C_CreateObject:$began:slow 1500"
    upload 503 one 3>&- &
    sender=$!
    wait_for import_began "$began"
    kill -KILL "$(front_pid)"
    wait "$sender"
    grep "has no key of it now" "$W/body"
    grep -q "operation=destroy key=$AGENT_KEYS/upload/one@1 rule=each-agent outcome=OK" "$W/log"
    fails 4 "" keysvc key show "$AGENT_KEYS/upload/one"
    upload 200 one
}

# What lies below the old prefix may be another agent's by now: of one host's copy, say.
@test "under the keys of another agent.conf an upload and a removal destroy nothing below the old ones, and the log names each key that stays" {
    rest_world
    p12 one
    p12 two
    upload 200 one
    upload 200 two
    agent_stop
    sed -i "s#^ *keys = .*##; s#^ *state-dir = .*#&\n    keys = \"$AGENT_KEYS/moved\"#" "$W/agent.conf"
    agent_start
    URL=https://127.0.0.1:$PORT/e/default/api/v1/certificate
    upload 200 one
    keysvc key show "$AGENT_KEYS/upload/one@1" >/dev/null
    keysvc key show "$AGENT_KEYS/moved/upload/one@1" >/dev/null
    grep -q "event=key-stays key=$AGENT_KEYS/upload/one@1" "$W/agent.log"
    serves_with one
    answers 200 -X DELETE "$URL/two"
    keysvc key show "$AGENT_KEYS/upload/two@1" >/dev/null
    grep -q "event=key-stays key=$AGENT_KEYS/upload/two@1" "$W/agent.log"
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
