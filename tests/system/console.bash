# SPDX-License-Identifier: Apache-2.0
#
# console.bash - keysvc-agent console against agents that misbehave (fake_agent.py): real TLS, no keysvcd
#
#     fake A1 A2                   agents, which do as $W/NAME/mode says
#     add A1 A2                    into the console's list; `issued A1 A2`, `applied A1 A2` do more
#     console status               a command

bats_require_minimum_version 1.5.0

: "${KEYSVC_BUILD:?the build folder}"

setup()
{
    load where_failed
    load fails
    load interrupted
    W=$(mktemp -d "${TMPDIR:-/tmp}/keysvc-console-XXXXXX")
    DIR=$W/issued
    FAKES=()
    # What it must not heed: no proxy listens there.
    export https_proxy=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9
}

teardown()
{
    if [ "${#FAKES[@]}" -gt 0 ]; then
        kill "${FAKES[@]}" || true
        wait "${FAKES[@]}" 2>/dev/null || true
    fi
    rm -rf "$W"
}

console()
{
    "$KEYSVC_BUILD/client/agent/keysvc-agent" console "$1" --console-dir "$W/console" "${@:2}" </dev/null 3>&-
}

# The same, and nobody can read what it says.
full()
{
    console "$@" >/dev/full
}

json()
{
    /usr/bin/python3 -IS -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

# fake NAME...: starts them; each wants a token of its own.
fake()
{
    local name end=$((SECONDS + 30))
    for name in "$@"; do
        mkdir -p "$W/$name"
        [ -e "$W/$name/token" ] || echo "secret-of-$name" >"$W/$name/token"
        /usr/bin/python3 -B "$BATS_TEST_DIRNAME/fake_agent.py" "$W/$name" >"$W/$name/log" 2>&1 3>&- &
        FAKES+=($!)
    done
    for name in "$@"; do
        until [ -s "$W/$name/port" ]; do
            [ "$SECONDS" -lt "$end" ] || { cat "$W/$name/log"; return 1; }
            sleep 0.05
        done
    done
}

address()
{
    echo "127.0.0.1:$(cat "$W/$1/port")"
}

fingerprint()
{
    openssl x509 -in "$W/$1/certificate.pem" -noout -fingerprint -sha256 | sed 's/.*=//'
}

# add NAME...: the fakes, each pinned by its fingerprint.
add()
{
    local name
    for name in "$@"; do
        console add "$name" "$(address "$name")" --token-file "$W/$name/token" --fingerprint "$(fingerprint "$name")" \
            >/dev/null
    done
}

ca()
{
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/ca.key" -out "$W/ca.crt" \
        -subj "/CN=Console Test CA" -days 30 2>/dev/null
}

# issue NAME...: what the CA's administrator does by hand.
issue()
{
    local name
    for name in "$@"; do
        openssl x509 -req -in "$DIR/$name.req" -CA "$W/ca.crt" -CAkey "$W/ca.key" -out "$DIR/$name.crt" -CAcreateserial \
            -copy_extensions copyall -days 20 2>/dev/null
    done
}

# issued NAME...: fakes in the list, and in $DIR what the CA has issued them.
issued()
{
    fake "$@"
    add "$@"
    ca
    console create-csr --directory "$DIR"
    issue "$@"
}

# applied NAME...: they serve it, too.
applied()
{
    issued "$@"
    console apply --directory "$DIR" --ca-file "$W/ca.crt"
}

requests()
{
    wc -l <"$W/$1/requests" 2>/dev/null || echo 0
}
