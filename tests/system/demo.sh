#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh - keysvc and its agent in one minute, on a SoftHSM token that is made for it and thrown away again
#
# Each command is shown before its real output. As root the daemon's processes and the two clients are different users;
# otherwise everybody is you, and what is refused is another key.
set -euo pipefail

: "${KEYSVC_BUILD:?the build folder; \`make demo\` sets it}"
SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
D=$(mktemp -d /tmp/keysvc-demo-XXXXXX)
chmod 755 "$D"
PIN=$(openssl rand -hex 8)
export KEYSVC_SOCKET=$D/run/keysvc.sock SOFTHSM2_CONF=$D/softhsm2.conf

BOLD='' PLAIN=''
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR-}" ]; then
    BOLD=$'\033[1m' PLAIN=$'\033[0m'
fi

ME=$(id -u)
if [ "$ME" = 0 ]; then
    FRONT=64801 TOKEN=64802 ALICE=64811 BOB=64812 AGENT=64813 # numbers without accounts will do
else
    FRONT=$ME TOKEN=$ME ALICE=$ME BOB=$ME AGENT=$ME
fi

main()
{
    trap clean_up EXIT
    programs
    folders
    configuration

    say "a fresh SoftHSM token stands for the HSM; its PINs are in files that only the administrator reads"
    show cat keysvcd.conf
    show keysvc token init main --config keysvcd.conf --so-pin-file so-pin -- \
        --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$SOURCE/hsm-profiles"

    say "keysvcd: the only process on this host that logs in to the token"
    keysvcd --config "$D/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$SOURCE/hsm-profiles" \
        2>"$D/log" &
    DAEMON=$!
    wait_until_ready
    show keysvc status
    show ps -o uid,pid,ppid,args -p "$DAEMON" --ppid "$DAEMON"

    say "the administrator makes a P-256 key, on the token"
    show keysvc key generate web/shop
    show pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label keysvc --login --pin "$PIN" \
        --list-objects --type privkey

    say "alice, who has a rule, obtains a certificate signing request; openssl accepts it"
    show_as "$ALICE" keysvc csr web/shop --common-name shop.example \
        --alternative-names DNS:shop.example,DNS:www.shop.example --out-file alice/shop.csr
    show openssl req -in alice/shop.csr -noout -verify -subject

    say "alice obtains a signature; openssl accepts it"
    echo 'hello, token' >data
    show_as "$ALICE" keysvc sign web/shop --in data --out-file alice/data.sig
    show_as "$ALICE" keysvc key public web/shop --out-file alice/shop.pem
    show openssl dgst -sha256 -verify alice/shop.pem -signature alice/data.sig data

    if [ "$ME" = 0 ]; then
        say "bob has no rule; he is told which one is missing"
        refused_as "$BOB" keysvc sign web/shop --in data
        refused_as "$BOB" cat pin
        say "neither is root allowed what no rule allows"
        refused_as 0 keysvc sign web/shop --in data
    else
        say "another key is nobody's; you are told which rule is missing"
        refused_as "$ME" keysvc key generate other/key
    fi

    agent

    say "all of it stands in the audit: chained records, signed on the token; read while the service is down"
    show kill "$DAEMON"
    wait "$DAEMON"
    DAEMON=
    show keysvc audit show --audit-dir audit --key web/shop
    show keysvc audit verify --audit-dir audit --state-dir state
    say "done; everything in $D is removed"
}

# A host's certificate, from self-signed to one of a CA.
agent()
{
    local url curl

    say "keysvc-agent keeps this host's certificate: at first start a key on the token, and a self-signed certificate"
    show cat agent.conf
    keysvc-agent --config agent.conf run 2>agent.log & # as root it becomes its folder's owner
    SERVER=$!
    wait_until_agent_listens
    url=https://agent01.example:$PORT
    show ps -o uid,pid,args -p "$SERVER"
    show keysvc-agent --config agent.conf certificate-status

    say "a request, for which a CA (here: openssl) issues a certificate; it is checked, then it serves"
    show keysvc-agent --config agent.conf certificate-create-csr --common-name agent01.example \
        --alternative-names agent01.example --out-file AGENT01.req
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=Example CA" -days 30 \
        -keyout ca.key -out ca.crt 2>openssl.log
    show openssl x509 -req -in AGENT01.req -CA ca.crt -CAkey ca.key -out AGENT01.crt -CAcreateserial \
        -copy_extensions copyall
    show keysvc-agent --config agent.conf certificate-apply --ca-file ca.crt --file AGENT01.crt

    say "over HTTPS, for whoever has a token; curl trusts nothing but the CA"
    show keysvc-agent --config agent.conf token create --name demo --scope "certificate reading" | tee token
    curl="curl -sS --cacert ca.crt --resolve agent01.example:$PORT:127.0.0.1"
    show $curl "$url/e/default/api/v1/certificate/list"
    show $curl -H "Authorization: Api-Token $(tail -n 1 token)" -o served.crt "$url/api/v1/identity/agent/certificate"
    show openssl x509 -in served.crt -noout -subject -issuer

    say "and back to the one before"
    show keysvc-agent --config agent.conf certificate-rollback
    kill "$SERVER"
    wait "$SERVER"
    SERVER=
}

# Executables that other users may not reach are copied to where they may.
programs()
{
    PROGRAMS=$KEYSVC_BUILD
    cd "$D"
    if [ "$ME" = 0 ] && ! as "$TOKEN" test -x "$KEYSVC_BUILD/keysvc/keysvc-token"; then
        PROGRAMS=$D/programs
        mkdir -p "$PROGRAMS/keysvc" "$PROGRAMS/client/cli" "$PROGRAMS/client/lib"
        cp "$KEYSVC_BUILD"/keysvc/keysvcd "$KEYSVC_BUILD"/keysvc/keysvc-front "$KEYSVC_BUILD"/keysvc/keysvc-token \
            "$PROGRAMS/keysvc"
        cp "$KEYSVC_BUILD/client/cli/keysvc" "$PROGRAMS/client/cli"
        cp -a "$KEYSVC_BUILD"/client/lib/libkeysvc.so* "$PROGRAMS/client/lib"
    fi
    PATH=$PROGRAMS/client/cli:$PROGRAMS/keysvc:$KEYSVC_BUILD/client/agent:$PATH
}

folders()
{
    mkdir -m 755 run state alice
    mkdir -m 700 audit tokens agent
    echo "directories.tokendir = $D/tokens" >softhsm2.conf
    (umask 077 && echo "$PIN" >pin && openssl rand -hex 8 >so-pin)
    if [ "$ME" = 0 ]; then
        chown "$TOKEN:$TOKEN" tokens
        chown "$ALICE:$ALICE" alice
        chown "$AGENT:$AGENT" agent
    fi
}

configuration()
{
    {
        echo "daemon {"
        echo "    socket = $D/run/keysvc.sock"
        echo "    audit-dir = $D/audit"
        echo "    state-dir = $D/state"
        [ "$ME" != 0 ] || echo "    front-user = \"$FRONT\""
        echo "}"
        echo "token main {"
        echo "    profile = softhsm2"
        echo "    label = keysvc"
        echo "    store = $D/tokens"
        echo "    pin-file = $D/pin"
        echo "    environment = {\"SOFTHSM2_CONF=$D/softhsm2.conf\"}"
        [ "$ME" != 0 ] || echo "    user = \"$TOKEN\""
        echo "}"
        echo "keys \"web/**\" {"
        echo "    token = main"
        echo "    type = ec-p256"
        echo "    purpose = sign"
        echo "    names = {\"shop.example\", \".shop.example\"}"
        echo "}"
        echo "keys \"agents/**\" {"
        echo "    token = main"
        echo "    purpose = tls-server"
        echo "    names = {\"agent01.example\", \"$(hostname)\", \"$(hostname -f 2>/dev/null || hostname)\"}"
        echo "}"
        if [ "$ME" = 0 ]; then
            echo "allow agent { user = {\"$AGENT\"} keys = {\"agents/$AGENT/**\"}"
            echo "    operations = {get, sign, csr, self-sign, generate, rotate} }"
            echo "allow alice { user = {\"$ALICE\"} keys = {\"web/**\"} operations = {get, sign, csr} }"
            echo "allow root  { user = {\"0\"} keys = {\"web/**\"} operations = {get, generate, administer} }"
        else
            echo "allow me { user = {\"$ME\"} keys = {\"web/**\", \"agents/**\"} operations = {all, administer} }"
        fi
    } >keysvcd.conf
    {
        echo "agent { state-dir = $D/agent }"
        echo "listener { port = 0 }"
    } >agent.conf
}

wait_until_ready()
{
    for ((i = 0; i < 200; i++)); do
        keysvc status 2>/dev/null | grep -q ready && return
        kill -0 "$DAEMON" 2>/dev/null || break
        sleep 0.1
    done
    cat "$D/log" >&2
    exit 1
}

# $PORT, which the kernel has chosen.
wait_until_agent_listens()
{
    for ((i = 0; i < 200; i++)); do
        PORT=$(sed -n 's/.*event=listening.* port=\([0-9]*\).*/\1/p' agent.log)
        [ -z "$PORT" ] || return 0
        kill -0 "$SERVER" 2>/dev/null || break
        sleep 0.1
    done
    cat agent.log >&2
    exit 1
}

# Bold where somebody looks at it, and can see it.
say()
{
    printf '\n%s# %s%s\n' "$BOLD" "$*" "$PLAIN"
}

show()
{
    show_as "$ME" "$@"
}

# A prompt, the command, what it says.
show_as()
{
    local uid=$1 prompt='$' word line=
    shift
    for word; do
        [[ $word != *[\ \"]* ]] || word="\"$word\""
        line+=" ${word//$PIN/PIN}"
    done
    [ "$ME" != 0 ] || case $uid in
    0) prompt='root#' ;;
    "$ALICE") prompt='alice$' ;;
    "$BOB") prompt='bob$' ;;
    esac
    printf '%s%s\n' "$prompt" "$line"
    as "$uid" "$@" 2>&1
}

refused_as()
{
    if show_as "$@"; then
        echo "demo.sh: this should have been refused" >&2
        exit 1
    fi
}

as()
{
    local uid=$1
    shift
    if [ "$ME" = 0 ] && [ "$uid" != 0 ]; then
        HOME=/nonexistent setpriv --reuid "$uid" --regid "$uid" --clear-groups -- "$@"
    else
        "$@"
    fi
}

clean_up()
{
    local code=$?
    if [ -n "${SERVER-}" ]; then
        kill "$SERVER" 2>/dev/null && wait "$SERVER" || true
    fi
    if [ -n "${DAEMON-}" ]; then
        kill "$DAEMON" 2>/dev/null && wait "$DAEMON" || true
    fi
    [ $code = 0 ] || [ ! -s "$D/log" ] || cat "$D/log" >&2
    cd /
    rm -rf "$D"
    exit $code
}

main
