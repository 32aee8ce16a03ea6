#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_certificate.bats - from self-signed to CA-issued and back, by the commands; what a CA does is openssl's

load agent

# An agent's world with identity agent, and a CA in $W/ca.
certificate_world()
{
    AGENT_NAMES='"shop.agents.example", ".agents.example", "10.0.0.0/8", "email:@agents.example",
        "uri:https://agents.example/"'", $(agent_names)"
    world
    agent_world
    start
    agent identity-create agent >"$W/created"
    make_ca "$W/ca" CA
    csr AGENT01
}

# make_ca FOLDER NAME: its key and certificate.
make_ca()
{
    mkdir -p "$1"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1/ca.key" -out "$1/ca.crt" -days 90 \
        -subj "/CN=$2" 2>/dev/null
}

# csr NAME [OPTION...]: $W/NAME.req
csr()
{
    local name=$1
    shift
    agent certificate-create-csr --common-name shop.agents.example \
        --alternative-names shop.agents.example,10.0.0.1 "$@" >"$W/$name.req"
}

# The step by hand, as the issue has it. issue NAME [CA-FOLDER]: $W/NAME.crt of $W/NAME.req
issue()
{
    local ca=${2-$W/ca}
    openssl x509 -req -in "$W/$1.req" -CA "$ca/ca.crt" -CAkey "$ca/ca.key" -out "$W/$1.crt" -CAcreateserial \
        -copy_extensions copyall 2>/dev/null
}

apply()
{
    local file=$1
    shift
    agent certificate-apply --ca-file "${CA_FILE-$W/ca/ca.crt}" --file "$file" "$@"
}

serial()
{
    openssl x509 "$@" -noout -serial | sed 's/.*=//' | tr A-F a-f
}

# All of the state folder: names, rights, links, and every byte, but SQLite's index of its log, which is readers' notes.
state_hash()
{
    (cd "$STATE" && { find . -printf '%p %y %m %U %l\n'; find . -type f ! -name agent.db-shm -exec sha256sum {} +; } | sort | sha256sum)
}

# Sees that a command is refused with CODE, that its report names CHECKS that failed (in order), and that nothing
# changed: refuses CODE CHECKS COMMAND...
refuses()
{
    local code=$1 checks=$2 before status=0
    shift 2
    before=$(state_hash)
    "$@" >"$W/out" 2>"$W/err" || status=$?
    [ "$status" = "$code" ] || { echo "exit code $status, not $code: $(cat "$W/err")" >&2; return 1; }
    [ ! -s "$W/out" ]
    failed=$(json '",".join(c["check"] for c in d["error"].get("checks", []) if not c["passed"])' <"$W/err")
    [ "$failed" = "$checks" ] || { echo "failed: $failed, not $checks: $(cat "$W/err")" >&2; return 1; }
    [ "$(state_hash)" = "$before" ] || { echo "something was changed" >&2; return 1; }
}

# What the report says of one check: found CHECK TEXT
found()
{
    json "[c['found'] for c in d['error']['checks'] if c['check'] == '$1'][0]" <"$W/err" | grep -F -- "$2" ||
        { cat "$W/err" >&2; return 1; }
}

# ---------------------------------------------------------------- the whole way

whole_way()
{
    KEY_TYPE=$1
    certificate_world
    openssl req -in "$W/AGENT01.req" -noout -verify
    openssl req -in "$W/AGENT01.req" -noout -text >"$W/text"
    grep -q "DNS:shop.agents.example, IP Address:10.0.0.1" "$W/text"
    [ "$(agent_json 'len(d["pending_csrs"])')" = 1 ]
    self_signed=$(agent_json 'd["sha256"]')
    issue AGENT01
    # Checked, and nothing changed.
    before=$(state_hash)
    apply "$W/AGENT01.crt" --what-if >"$W/what-if"
    [ "$(state_hash)" = "$before" ]
    grep -q "^passed  issuer .*CN=shop.agents.example, issued by CN=CA" "$W/what-if"
    grep -qx "agent: it would be applied; nothing was changed" "$W/what-if"
    # Applied.
    apply "$W/AGENT01.crt" | tail -n 1 | grep -x "agent: applied"
    [ "$(agent_json 'd["state"], d["trust"], d["kind"], d["self_signed"], d["pending_csrs"]')" = \
        "('valid', 'trusted', 'issued', False, [])" ]
    [ "$(agent_json 'd["subject"], d["issuer"]')" = "('CN=shop.agents.example', 'CN=CA')" ]
    [ "$(agent_json 'd["serial"]')" = "$(serial -in "$W/AGENT01.crt")" ]
    agent certificate-get | diff - "$W/AGENT01.crt"
    files_show
    openssl verify -CAfile "$W/ca/ca.crt" "$STATE/identities/agent/current/certificate.pem"
    agent certificate-status | grep -x "self-signed   no"
    # And back, and forth, and back to a new key.
    agent certificate-rollback
    [ "$(agent_json 'd["sha256"]')" = "$self_signed" ]
    agent certificate-rollback
    [ "$(agent_json 'd["kind"]')" = issued ]
    agent certificate-apply-self-signed
    [ "$(agent_json 'd["sha256"]')" = "$self_signed" ]
    agent certificate-apply-self-signed --rekey
    [ "$(agent_json 'd["key"], d["key_state"], d["trust"]')" = "('$AGENT_KEYS/agent@2', 'present', 'self-signed')" ]
    not [ "$(agent_json 'd["sha256"]')" = "$self_signed" ]
    files_show
    [ "$(agent_json '[h["action"] for h in d["history"]]')" = \
        "['rekey', 'self-signed', 'rollback', 'rollback', 'apply', 'create']" ]
    # The certificate for the key before is not this key's.
    refuses 20 key,names apply "$W/AGENT01.crt"
    found key "another public key"
    [ "$(json "'certificate-create-csr makes one' in d['error']['hint']" <"$W/err")" = True ]
    csr AGENT02
    issue AGENT02
    apply "$W/AGENT02.crt"
    [ "$(agent_json 'd["key"], d["trust"]')" = "('$AGENT_KEYS/agent@2', 'trusted')" ]
}

@test "self-signed, CSR, what-if, apply, rollback, self-signed, rekey: P-256" {
    whole_way ec-p256
}

# bats test_tags=again
@test "self-signed, CSR, what-if, apply, rollback, self-signed, rekey: RSA-2048" {
    whole_way rsa-2048
}

# bats test_tags=again
@test "self-signed, CSR, what-if, apply, rollback, self-signed, rekey: Ed25519" {
    whole_way ed25519
}

@test "DER is as good as PEM, for the certificate and for the CA" {
    certificate_world
    issue AGENT01
    openssl x509 -in "$W/AGENT01.crt" -outform DER -out "$W/AGENT01.der"
    openssl x509 -in "$W/ca/ca.crt" -outform DER -out "$W/ca.der"
    CA_FILE=$W/ca.der apply "$W/AGENT01.der"
    [ "$(agent_json 'd["serial"]')" = "$(serial -in "$W/AGENT01.crt")" ]
    # One byte more is none any more.
    cp "$W/AGENT01.der" "$W/longer.der"
    printf x >>"$W/longer.der"
    refuses 20 certificate-file apply "$W/longer.der"
}

@test "an intermediate CA comes with the certificate or with the CA, and is served, and not the root" {
    certificate_world
    mkdir "$W/middle"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/middle/ca.key" -out "$W/middle.req" \
        -subj /CN=Middle 2>/dev/null
    openssl x509 -req -in "$W/middle.req" -CA "$W/ca/ca.crt" -CAkey "$W/ca/ca.key" -CAcreateserial -out "$W/middle/ca.crt" \
        -extfile <(echo "basicConstraints = critical,CA:TRUE") 2>/dev/null
    issue AGENT01 "$W/middle"
    refuses 20 issuer apply "$W/AGENT01.crt"
    found issuer "CN=shop.agents.example was issued by CN=Middle, which is in neither file"
    cat "$W/AGENT01.crt" "$W/middle/ca.crt" "$W/ca/ca.crt" >"$W/chain.crt"
    apply "$W/chain.crt"
    agent certificate-get | diff - <(cat "$W/AGENT01.crt" "$W/middle/ca.crt")
    diff "$STATE/identities/agent/current/chain.pem" "$W/middle/ca.crt"
    csr AGENT02
    issue AGENT02 "$W/middle"
    cat "$W/ca/ca.crt" "$W/middle/ca.crt" >"$W/cas.crt"
    CA_FILE=$W/cas.crt apply "$W/AGENT02.crt"
    agent certificate-get | diff - <(cat "$W/AGENT02.crt" "$W/middle/ca.crt")
}

# The serial number that the agent shows to who trusts our CA; fails if the agent shows another's certificate.
served()
{
    openssl s_client -connect "127.0.0.1:$PORT" -CAfile "$W/ca/ca.crt" -verify_return_error \
        -verify_hostname shop.agents.example </dev/null >"$W/shown" 2>/dev/null || return 1
    serial -in "$W/shown"
}

@test "a running agent shows what was applied to the next who connects, and keeps the connections it has" {
    certificate_world
    agent_start
    not served
    # One that is open before, and asks when all is changed.
    mkfifo "$W/ask"
    openssl s_client -quiet -connect "127.0.0.1:$PORT" <"$W/ask" >"$W/old-answer" 2>"$W/old-said" 3>&- &
    open=$!
    exec 9>"$W/ask"
    wait_for grep -q "CN = $(hostname)" "$W/old-said"
    issue AGENT01
    apply "$W/AGENT01.crt"
    [ "$(served)" = "$(serial -in "$W/AGENT01.crt")" ]
    agent certificate-rollback
    not served
    agent certificate-rollback
    [ "$(served)" = "$(serial -in "$W/AGENT01.crt")" ]
    printf 'GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&9
    wait_for grep -q "^HTTP/1.1 40" "$W/old-answer"
    exec 9>&-
    wait "$open" || true
    agent_stop
}

# ---------------------------------------------------------------- refused

# issue_from FROM TO: AGENT01.req with these dates, as YYYYMMDDHHMMSSZ, to $W/dated.crt.
issue_from()
{
    : >"$W/index.txt"
    cat >"$W/ca.conf" <<END
[ca]
default_ca = here
[here]
database = $W/index.txt
new_certs_dir = $W
default_md = sha256
policy = any
rand_serial = yes
copy_extensions = copyall
unique_subject = no
[any]
commonName = supplied
END
    openssl ca -batch -notext -config "$W/ca.conf" -cert "$W/ca/ca.crt" -keyfile "$W/ca/ca.key" -startdate "$1" \
        -enddate "$2" -in "$W/AGENT01.req" -out "$W/dated.crt" 2>/dev/null
}

# issue_as NAME EXTENSIONS [OPTION...]: with a CA's own will.
issue_as()
{
    local name=$1 extensions=$2
    shift 2
    openssl x509 -req -in "$W/AGENT01.req" -CA "$W/ca/ca.crt" -CAkey "$W/ca/ca.key" -CAcreateserial -out "$W/$name.crt" \
        -extfile <(printf '%s\n' "$extensions") "$@" 2>/dev/null
}

@test "what is not this identity's, not from that CA, not valid now or not for servers changes nothing" {
    certificate_world
    issue AGENT01
    names="subjectAltName = DNS:shop.agents.example, IP:10.0.0.1"
    eku="extendedKeyUsage = serverAuth"

    make_ca "$W/other" "Other CA"
    CA_FILE=$W/other/ca.crt refuses 20 issuer apply "$W/AGENT01.crt"
    found issuer "CN=shop.agents.example was issued by CN=CA, which is in neither file"
    make_ca "$W/twin" CA
    CA_FILE=$W/twin/ca.crt refuses 20 issuer apply "$W/AGENT01.crt"

    # A key that is not the agent's, all else right.
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/foreign.key" -out "$W/foreign.req" \
        -subj /CN=shop.agents.example -addext "$names" -addext "$eku" 2>/dev/null
    issue foreign
    refuses 20 key apply "$W/foreign.crt"
    found key "another public key"

    issue_from 20200101000000Z 20200201000000Z
    refuses 20 validity apply "$W/dated.crt"
    found validity "expired: it was valid from 2020-01-01T00:00:00Z to 2020-02-01T00:00:00Z"
    issue_from 20950101000000Z 20960201000000Z
    refuses 20 validity apply "$W/dated.crt"
    found validity "not yet valid: from 2095-01-01T00:00:00Z"

    issue_as no-eku "$names"
    refuses 20 usage apply "$W/no-eku.crt"
    found usage "no extended key usage"
    issue_as client "$names"$'\n'"extendedKeyUsage = clientAuth"
    refuses 20 usage apply "$W/client.crt"
    issue_as is-ca "$names"$'\n'"$eku"$'\n'"basicConstraints = CA:TRUE"
    refuses 20 leaf apply "$W/is-ca.crt"
    issue_as no-names "$eku"
    refuses 20 names apply "$W/no-names.crt"

    # Our request, signed with the names of another agent.
    issue_as other-agent "subjectAltName = DNS:other.agents.example"$'\n'"$eku"
    refuses 20 names apply "$W/other-agent.crt"
    found names "DNS:shop.agents.example, IP:10.0.0.1 are missing"
    # What another agent was given: its own key, its own names.
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/foreign.key" -out "$W/agent02.req" \
        -subj /CN=other.agents.example -addext "subjectAltName = DNS:other.agents.example" -addext "$eku" 2>/dev/null
    issue agent02
    refuses 20 key,names apply "$W/agent02.crt"

    # A chain that is broken: by name it fits, the signature is another key's.
    openssl x509 -req -in "$W/AGENT01.req" -CA "$W/twin/ca.crt" -CAkey "$W/twin/ca.key" -CAcreateserial \
        -copy_extensions copyall -out "$W/broken.crt" 2>/dev/null
    refuses 20 issuer apply "$W/broken.crt"

    # The self-signed one, as its own CA.
    agent certificate-get >"$W/own.crt"
    CA_FILE=$W/own.crt refuses 20 issuer,names apply "$W/own.crt"
    found issuer "it is signed with its own key: no CA has issued it"
    # All of it is told, not the first only.
    CA_FILE=$W/other/ca.crt refuses 20 issuer,key,names apply "$W/agent02.crt"

    # And the good one is as good as before.
    apply "$W/AGENT01.crt"
}

@test "a file that is none, too large or not there changes nothing" {
    certificate_world
    issue AGENT01
    : >"$W/empty"
    refuses 20 certificate-file apply "$W/empty"
    found certificate-file "is empty"
    CA_FILE=$W/empty refuses 20 ca-file apply "$W/AGENT01.crt"
    { cat "$W/AGENT01.crt"; echo "and more"; } >"$W/more.crt"
    refuses 20 certificate-file apply "$W/more.crt"
    found certificate-file "something stands behind the last certificate"
    head -c 300 "$W/AGENT01.crt" >"$W/cut.crt"
    refuses 20 certificate-file apply "$W/cut.crt"
    cat "$W/ca/ca.key" "$W/AGENT01.crt" >"$W/key.crt"
    refuses 20 certificate-file apply "$W/key.crt"
    found certificate-file "holds a PRIVATE KEY, not only certificates"
    not grep -q "$(sed -n 2p "$W/ca/ca.key")" "$W/err"
    { cat "$W/AGENT01.crt"; head -c 2097152 /dev/zero; } >"$W/large.crt"
    refuses 7 "" apply "$W/large.crt"
    CA_FILE=$W/large.crt refuses 7 "" apply "$W/AGENT01.crt"
    refuses 2 "" apply "$W/absent.crt"
    refuses 2 "" agent certificate-apply --file "$W/AGENT01.crt"
    refuses 2 "" agent certificate-apply --ca-file "$W/ca/ca.crt"
    refuses 2 "" agent certificate-apply --colour red
    refuses 21 "" agent certificate-status --identity nobody
    refuses 21 "" agent certificate-create-csr --identity nobody
    refuses 21 "" agent certificate-get --identity nobody
    refuses 21 "" apply "$W/AGENT01.crt" --identity nobody
    refuses 21 "" agent certificate-rollback
}

@test "root becomes the folder's owner with his groups, and never keeps its own" {
    need_root
    DAEMON_OPTIONS='socket-group = "64830"'
    world
    agent_world
    start
    # An account, and the group that may come to keysvcd; seen by us only.
    cp /etc/passwd "$W/passwd"
    cp /etc/group "$W/group"
    echo "$AGENT:x:$AGENT:$AGENT::/nonexistent:/usr/sbin/nologin" >>"$W/passwd"
    printf '%s\n' "$AGENT:x:$AGENT:" "keysvc-test-sock:x:64830:$AGENT" >>"$W/group"
    with_account()
    {
        unshare -m sh -c 'mount --bind "$W/passwd" /etc/passwd && mount --bind "$W/group" /etc/group && exec "$@"' sh "$@"
    }
    export W
    chgrp 0 "$STATE"
    with_account keysvc-agent --config "$W/agent.conf" identity-create agent
    with_account keysvc-agent --config "$W/agent.conf" certificate-status --json >"$W/status"
    [ "$(json 'd["key_state"]' <"$W/status")" = present ]
    [ -z "$(find "$STATE" -mindepth 1 -group 0)" ]
    # Of a number without an account root's group is not taken for his.
    fails 2 "who has no account, and to root's group" keysvc-agent --config "$W/agent.conf" certificate-status
    chgrp "$AGENT" "$STATE"
    keysvc-agent --config "$W/agent.conf" certificate-status
}

@test "on a terminal what is refused is lines of text, else it is JSON" {
    certificate_world
    make_ca "$W/other" Other
    issue AGENT01 "$W/other"
    command=("keysvc-agent" --config "$W/agent.conf" certificate-apply --ca-file "$W/ca/ca.crt" --file "$W/AGENT01.crt")
    fails 20 '"code": "CERTIFICATE_REFUSED"' as "$AGENT" "${command[@]}"
    fails 20 "CERTIFICATE_REFUSED: issuer: " as "$AGENT" script -qec "${command[*]}" /dev/null </dev/null
    [[ $output == *"FAILED  issuer            "*"; expected: a chain to CN=CA"* ]]
    [[ $output == *"passed  key   "* ]]
    [[ $output == *"hint: see which check failed"* ]]
    [[ $output != *"{"* ]]
}

@test "without its key no certificate is applied" {
    certificate_world
    issue AGENT01
    keysvc key destroy "$AGENT_KEYS/agent@1" --yes
    refuses 4 "" apply "$W/AGENT01.crt"
    stop
    refuses 17 "" apply "$W/AGENT01.crt"
}

# ---------------------------------------------------------------- requests

@test "a request has the fields and the names that were asked for, each by its kind" {
    certificate_world
    agent certificate-create-csr --common-name shop.agents.example --organization Org --organization-unit Unit \
        --country DE --state Land --locality Ort \
        --alternative-names 'shop.agents.example, 10.0.0.1,a@agents.example,https://agents.example/x,DNS:b.agents.example,IP:10.0.0.2,EMAIL:b@agents.example,URI:https://agents.example/y' \
        --out-file - >"$W/all.req"
    openssl req -in "$W/all.req" -noout -subject -nameopt RFC2253 |
        grep -x "subject=CN=shop.agents.example,OU=Unit,O=Org,L=Ort,ST=Land,C=DE"
    openssl req -in "$W/all.req" -noout -text |
        grep -q "DNS:shop.agents.example, IP Address:10.0.0.1, email:a@agents.example, URI:https://agents.example/x, DNS:b.agents.example, IP Address:10.0.0.2, email:b@agents.example, URI:https://agents.example/y"
    openssl req -in "$W/all.req" -noout -text | grep -q "TLS Web Server Authentication"
    refuses 2 "" agent certificate-create-csr --alternative-names 'shop.agents.example,,10.0.0.1'
    refuses 2 "" agent certificate-create-csr --alternative-names 10.0.0.300
    refuses 9 "" agent certificate-create-csr --common-name shop.agents.example --alternative-names elsewhere.example
}

@test "without options a request is for this host, by name and by the addresses that stay" {
    certificate_world
    agent certificate-create-csr >"$W/host.req" 2>"$W/notes"
    openssl req -in "$W/host.req" -noout -text >"$W/text"
    grep -q "DNS:$(hostname)" "$W/text"
    # Each permanent address is in it, or was told to be left out.
    for address in $(ip -o addr show scope global permanent | awk '{print $4}' | cut -d/ -f1); do
        [[ $address == *:* ]] || grep -qE "IP Address:$address(,|$)" "$W/text" || grep -qF "$address" "$W/notes"
    done
    not grep -q "127.0.0.1" "$W/text"
}

@test "a request that came before a new key is still good for the key it was made with, which is said" {
    certificate_world
    issue AGENT01
    agent certificate-apply-self-signed --rekey
    [ "$(agent_json 'd["key"], len(d["pending_csrs"])')" = "('$AGENT_KEYS/agent@2', 1)" ]
    run -0 apply "$W/AGENT01.crt"
    [[ $output == *"applied; the certificate is for $AGENT_KEYS/agent@1, an older version of the key than @2"* ]]
    [ "$(agent_json 'd["key"], d["trust"]')" = "('$AGENT_KEYS/agent@1', 'trusted')" ]
    # Once more, as after an answer that was lost: the way back stays, and of the key that is in use nothing is said.
    run -0 apply "$W/AGENT01.crt"
    [[ $output == *"agent: applied; it was in use already" ]]
    files_show
    agent certificate-rollback
    [ "$(agent_json 'd["key"], d["trust"]')" = "('$AGENT_KEYS/agent@2', 'self-signed')" ]
}

# ---------------------------------------------------------------- files

@test "--out-file is replaced whole, by whoever called and with their rights" {
    certificate_world
    mkdir "$W/mine"
    echo old >"$W/mine/AGENT01.crt"
    inode=$(stat -c %i "$W/mine/AGENT01.crt")
    (umask 027 && keysvc-agent --config "$W/agent.conf" certificate-get --out-file "$W/mine/AGENT01.crt")
    agent certificate-get | diff - "$W/mine/AGENT01.crt"
    [ "$(stat -c '%U %a' "$W/mine/AGENT01.crt")" = "$(id -nu) 640" ]
    not [ "$(stat -c %i "$W/mine/AGENT01.crt")" = "$inode" ]
    [ "$(ls -A "$W/mine")" = AGENT01.crt ]
    # What fails leaves the old one.
    run keysvc-agent --config "$W/agent.conf" certificate-get --identity nobody --out-file "$W/mine/AGENT01.crt"
    [ "$status" = 21 ]
    agent certificate-get | diff - "$W/mine/AGENT01.crt"
    run keysvc-agent --config "$W/agent.conf" certificate-get --out-file "$W/absent/AGENT01.crt"
    [ "$status" = 2 ]
    json 'd["error"]["message"]' <<<"$output" | grep "absent/AGENT01.crt: No such file or directory"
}

@test "root's commands leave the agent its files, and the history says who it was" {
    need_root
    certificate_world
    (umask 077 && issue AGENT01)
    chmod 600 "$W/ca/ca.crt"
    keysvc-agent --config "$W/agent.conf" certificate-apply --ca-file "$W/ca/ca.crt" --file "$W/AGENT01.crt"
    [ -z "$(find "$STATE" ! -user "$AGENT")" ]
    [ "$(agent_json 'd["history"][0]["who"], d["trust"]')" = "('root', 'trusted')" ]
    [ "$(agent_json 'd["history"][1]["who"]')" = "$AGENT" ]
}
