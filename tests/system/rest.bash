# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# rest.bash - a running agent's REST interface, with curl

load agent
PASSWORD='Sesame 31337-öffne'

teardown()
{
    show_log_if_failed
    end_agent
    end_world
    rm -rf "${FILES-}"
}

# A running agent with a token, and the files of the tests beside its world (arguments: of that).
rest_world()
{
    world "$@"
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

# The same into a pipe whose reader has gone away.
unread()
{
    local fd status=0
    exec {fd}> >(:)
    wait $!
    agent "$@" >&"$fd" || status=$?
    exec {fd}>&-
    return "$status"
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
