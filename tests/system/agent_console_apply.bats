#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_console_apply.bats - console verify and console apply: a folder of certificates, to agents
# that misbehave

load console

@test "verify names the wrong, the missing and the surplus files; apply applies the right ones, retry the rest" {
    fake A1 A2 A3 A4 A5 A6
    add A1 A2 A3 A4 A5 A6
    ca
    console create-csr --directory "$DIR" --organization "Fleet {name}" --common-name "{name}.example"
    [ "$(openssl req -in "$DIR/A3.req" -noout -subject -nameopt RFC2253)" = "subject=O=Fleet A3,CN=A3.example" ]
    issue A1 A2 A3 A4 A5
    cp "$DIR/A2.crt" "$DIR/A1.crt"                                          # the wrong agent's
    openssl req -x509 -key "$W/A3/key.pem" -subj /CN=A3.example -days 3 -out "$DIR/A3.crt"   # not the CA's
    openssl x509 -req -in "$DIR/A4.req" -CA "$W/ca.crt" -CAkey "$W/ca.key" -out "$DIR/A4.crt" -CAcreateserial -days 3 \
        -extfile <(printf 'subjectAltName=DNS:A4.example,IP:127.0.0.1\nextendedKeyUsage=clientAuth\n') 2>/dev/null
    openssl x509 -in "$DIR/A5.crt" -outform DER -out "$DIR/A5.der"
    rm "$DIR/A5.crt"                                                        # DER is as good
    cp "$DIR/A2.crt" "$DIR/stranger.pem"
    cp "$W/ca.crt" "$DIR/ca.crt"                                            # the CA's own file is no surplus
    run --separate-stderr console verify --directory "$DIR" --ca-file "$DIR/ca.crt" --json
    [ "$status" = 20 ]
    [ "$(json "[a['ok'] or a['error']['code'] for a in d['agents']]" <<<"$output")" = \
        "['CERTIFICATE_REFUSED', True, 'CERTIFICATE_REFUSED', 'CERTIFICATE_REFUSED', True, 'NOT_FOUND']" ]
    failed="[[c['check'] for c in a['error'].get('checks', []) if not c['passed']] for a in d['agents'] if not a['ok']]"
    [ "$(json "$failed" <<<"$output")" = "[['key', 'names'], ['issuer', 'usage', 'leaf', 'names'], ['usage'], []]" ] ||
        { json "$failed" <<<"$output"; false; }
    [[ $(json "d['agents'][0]['error']['message']" <<<"$output") == *"the key of A2.req"* ]]
    [ "$(json "d['surplus']" <<<"$output")" = "['$DIR/stranger.pem']" ]
    # Nothing was applied by verify; apply takes what is right, and retry what was wrong and is mended.
    console status
    fails 20 "2 succeeded, 4 failed" console apply --directory "$DIR" --ca-file "$DIR/ca.crt"
    console status
    [ "$(openssl x509 -in "$W/A5/certificate.pem" -noout -issuer -nameopt RFC2253)" = "issuer=CN=Console Test CA" ]
    issue A1 A3 A4 A6
    run --separate-stderr console retry --json
    [ "$status" = 0 ]
    [ "$(json "[a['name'] for a in d['agents']]" <<<"$output")" = "['A1', 'A3', 'A4', 'A6']" ]
    fails 0 "nothing failed" console retry
    console status
}

@test "a surplus file of any name is named, and no terminal obeys it" {
    issued A1
    cp "$DIR/A1.crt" "$DIR/$(printf 'x\033]0;pwned\007.crt')"
    cp "$DIR/A1.crt" "$DIR/$(printf 'lat\351n.crt')"
    run --separate-stderr console verify --directory "$DIR" --ca-file "$W/ca.crt" --json
    [ "$(json "d['surplus']" <<<"$output")" = "['$DIR/lat?n.crt', '$DIR/x?]0;pwned?.crt']" ]
    fails 21 "surplus: $DIR/x?]0;pwned?.crt is of no agent in the list" console verify --directory "$DIR" --ca-file "$W/ca.crt"
}

@test "an option that could not be kept for retry is refused before anything is sent" {
    fake A1
    add A1
    console create-csr --directory "$DIR" --organization Shop
    local kept=$(cat "$W/console/last-run.json") n=$(requests A1)
    fails 2 "locality: not UTF-8" console create-csr --directory "$DIR" --locality "$(printf 'Z\374rich')"
    fails 2 "directory: not UTF-8" console create-csr --directory "$(printf "$W/caf\351")"
    [ "$(cat "$W/console/last-run.json")" = "$kept" ]
    [ "$(requests A1)" = "$n" ]
}

@test "two files for one agent, one of no certificate, and one with something behind are refused" {
    issued A1 A2 A3
    cp "$DIR/A1.crt" "$DIR/A1.pem"
    echo nonsense >"$DIR/A2.crt"
    openssl x509 -in "$DIR/A3.crt" -outform DER -out "$DIR/A3.crt.new"
    echo more >>"$DIR/A3.crt.new"
    mv "$DIR/A3.crt.new" "$DIR/A3.crt"
    fails 20 "more than one file" console apply --directory "$DIR" --ca-file "$W/ca.crt"
    [[ $output == *"A2.crt: "*"holds no certificate"* ]]
    [[ $output == *"A3.crt: "*"has bytes behind it"* ]]
    ! grep -q apply "$W"/A*/requests
}

@test "what an agent refuses is told with its checks, and nothing is believed of it" {
    issued A1
    rm "$DIR/A1.req"
    # Behind the console's back it has another key: only the agent can tell.
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$W/new.pem"
    openssl req -x509 -key "$W/new.pem" -subj /CN=A1.example -days 3 -out "$W/A1/certificate.pem"
    mv "$W/new.pem" "$W/A1/key.pem"
    console trust A1 --yes
    fails 20 "another key" console apply --directory "$DIR" --ca-file "$W/ca.crt"
    [ "$(console list --json | json "'expected' in d['agents'][0]['trust']")" = False ]
    console status
}

@test "an agent that applied it and does not serve it is found out" {
    issued A1
    echo apply:lie >"$W/A1/mode"
    fails 23 "shows another one" console apply --directory "$DIR" --ca-file "$W/ca.crt"
}

@test "what an agent remarks on a right certificate is told, and no terminal obeys it" {
    issued A1
    echo apply:note >"$W/A1/mode"
    run -0 console apply --directory "$DIR" --ca-file "$W/ca.crt" --what-if
    [[ $output == *"would apply; it is for an older key?[2J"* ]]
    run -0 console apply --directory "$DIR" --ca-file "$W/ca.crt"
    [[ $output == *"serves "*"; it is for an older key?[2J"* ]]
    run -0 console apply --directory "$DIR" --ca-file "$W/ca.crt" --json
    [ "$(json "d['agents'][0]['note'][:22]" <<<"$output")" = "it is for an older key" ]
}

@test "an answer that is lost after the change is no loss: the new certificate is looked for" {
    issued A1 A2
    echo apply:done-then-close >"$W/A1/mode"
    echo apply:close >"$W/A2/mode"
    fails 13 "1 succeeded, 1 failed" console apply --directory "$DIR" --ca-file "$W/ca.crt"
    rm "$W/A2/mode"
    console status
    console retry
    console status
}

@test "a console that is killed between the change and its end knows the agent afterwards" {
    local client end=$((SECONDS + 30))
    issued A1
    echo status:hang >"$W/A1/mode"
    "$KEYSVC_BUILD/client/agent/keysvc-agent" console apply --console-dir "$W/console" --directory "$DIR" \
        --ca-file "$W/ca.crt" >/dev/null 2>&1 3>&- </dev/null &
    client=$!
    until grep -q '^GET .*/status' <(tail -n 1 "$W/A1/requests"); do [ "$SECONDS" -lt "$end" ]; sleep 0.05; done
    kill -KILL "$client"
    wait "$client" || true
    rm "$W/A1/mode"
    # Both the change and the connection that looks came so far: the list was not saved since.
    console status
    [ "$(console list --json | json "'expected' in d['agents'][0]['trust']")" = False ]
    console retry
}

@test "an agent that was lost after the change, and is not there at the next try, is known afterwards" {
    issued A1
    echo apply:done-then-deaf >"$W/A1/mode"
    fails 13 "" console apply --directory "$DIR" --ca-file "$W/ca.crt"
    fails 17 "" console retry
    fails 17 "" console apply --directory "$DIR" --ca-file "$W/ca.crt"
    rm "$W/A1/mode" "$W/A1/deaf"
    console status
    [ "$(console list --json | json "'expected' in d['agents'][0]['trust']")" = False ]
}

# As after a rekey on its host: the next request is of another key.
@test "an agent that was lost after one change is no stranger to the next one, of another key, nor after that" {
    issued A1
    echo apply:done-then-deaf >"$W/A1/mode"
    fails 13 "" console apply --directory "$DIR" --ca-file "$W/ca.crt"
    rm "$W/A1/deaf"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/A1/next.pem" -out "$DIR/A1.req" \
        -subj /CN=A1.example -addext subjectAltName=DNS:A1.example,IP:127.0.0.1 -addext extendedKeyUsage=serverAuth 2>/dev/null
    issue A1
    # Not reached: either may be what it shows.
    touch "$W/A1/deaf"
    fails 17 "" console apply --directory "$DIR" --ca-file "$W/ca.crt"
    rm "$W/A1/deaf"
    [ "$(console list --json | json "d['agents'][0]['trust']['expected'].count('BEGIN')")" = 1 ]
    # It shows the first one, and takes the other, and is lost again.
    echo apply:rekeyed-then-deaf >"$W/A1/mode"
    fails 13 "" console apply --directory "$DIR" --ca-file "$W/ca.crt"
    rm "$W/A1/mode" "$W/A1/deaf"
    console status
    console retry
}

@test "an interrupted run says so for each, and retry does what was left" {
    local client end=$((SECONDS + 30)) code=0
    fake A1 A2
    add A1 A2
    echo hang >"$W/A2/mode"
    "$KEYSVC_BUILD/client/agent/keysvc-agent" console create-csr --console-dir "$W/console" --directory "$DIR" --json \
        >"$W/out" 2>/dev/null 3>&- </dev/null &
    client=$!
    until [ -e "$DIR/A1.req" ] && grep -q csr "$W/A2/requests"; do [ "$SECONDS" -lt "$end" ]; sleep 0.05; done
    kill -TERM "$client"
    wait "$client" || code=$?
    [ "$code" = 12 ]
    [ "$(json "[a['ok'] or a['error']['message'] for a in d['agents']]" <"$W/out")" = "[True, 'interrupted']" ]
    rm "$W/A2/mode"
    run --separate-stderr console retry --json
    [ "$(json "[a['name'] for a in d['agents']]" <<<"$output")" = "['A2']" ]
    [ -e "$DIR/A2.req" ]
}
