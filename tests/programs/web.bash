# SPDX-License-Identifier: Apache-2.0
#
# web.bash - what the suites of web servers share: clients that judge, and certificates for servers and their successors
#
# The server listens on $PORT; its certificates are $W/etc/shop.crt and $W/etc/shop-rsa.crt.

# request [OPTION...] URL: the answer's body.
request()
{
    curl -sS --noproxy '*' --cacert "$W/etc/ca.crt" --max-time 30 "$@"
}

serial()
{
    openssl x509 -in "$1" -noout -serial | cut -d= -f2
}

# served [OPTION...]: the serial number of the certificate in a whole handshake.
served()
{
    handshake "$PORT" "$@" || return 1
    openssl x509 -in "$W/handshake" -noout -serial | cut -d= -f2
}

serves()
{
    [ "$(served)" = "$(serial "$1")" ]
}

# Clients that ask for each certificate, by both versions of TLS.
serves_both_kinds()
{
    handshake "$PORT" -tls1_3 -sigalgs ECDSA+SHA256
    grep -q 'Peer signature type: ECDSA' "$W/handshake"
    handshake "$PORT" -tls1_3 -sigalgs rsa_pss_rsae_sha256:ECDSA+SHA384
    grep -q 'Peer signature type: RSA-PSS' "$W/handshake"
    handshake "$PORT" -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256
    grep -q 'Peer signature type: ECDSA' "$W/handshake"
    handshake "$PORT" -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
    grep -q 'Peer signature type: RSA-PSS' "$W/handshake"
    handshake "$PORT" -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 -sigalgs RSA+SHA256
    grep -q 'Peer signature type: RSA$' "$W/handshake"
    # Decryption is not offered, and not agreed on.
    not handshake "$PORT" -tls1_2 -cipher AES128-GCM-SHA256
    grep -q 'alert handshake failure' "$W/handshake"
}

# ---------------------------------------------------------------- certificates

# issue CSR CERTIFICATE: the CA's answer.
issue()
{
    openssl x509 -req -in "$1" -CA "$W/etc/ca.crt" -CAkey "$W/ca.key" -days 30 -copy_extensions copyall -out "$2" \
        2>/dev/null
    chmod 644 "$2"
}

# ---------------------------------------------------------------- requests without an end

start_requests()
{
    background /usr/bin/python3 "$BATS_TEST_DIRNAME/requests.py" "$PORT" "$W/etc/ca.crt" "$W/enough"
    REQUESTS=$!
    wait_for said running
}

# all_asked N: that many processes of the server have asked the service, and were answered. One that never was does not
# wait while the service is away: its first signature fails at once, since waiting for what was never there would be no use.
all_asked()
{
    [ "$(keysvc status --json | json 'd["connections"] - 1')" -ge "$1" ]
}

# Ends them: none may have failed. What they saw is in $W/seen.
end_requests()
{
    touch "$W/enough"
    wait_for is_gone "$REQUESTS"
    rm "$W/enough"
    grep '^{' "$W/program.log" | tail -n 1 >"$W/seen"
    [ -s "$W/seen" ]
    [ "$(json '[f for kind in d.values() for f in kind["failures"]]' <"$W/seen")" = "[]" ] ||
        { cut -c 1-2000 "$W/seen"; return 1; }
}

# seen KIND: how many certificates the requests of that kind met.
seen()
{
    json "len(d['$1']['serials'])" <"$W/seen"
}

last_seen()
{
    json "d['$1']['serials'][-1]" <"$W/seen"
}

# held_for_the_timeout: behind a stuck front a handshake fails after the time that openssl.cnf says, and then all is well.
# The server was started with a timeout of 2s; the default is 10 s.
held_for_the_timeout()
{
    local front begin took
    front=$(front_pid)
    kill -STOP "$front"
    begin=$(date +%s%3N)
    run handshake "$PORT"
    took=$(($(date +%s%3N) - begin))
    kill -CONT "$front"
    [ "$status" != 0 ] || return 1
    [ "$took" -ge 1500 ] || return 1
    [ "$took" -lt 8000 ] || return 1
    wait_for logged "web/shop@" || return 1
    wait_for logged DEADLINE || return 1
    wait_for serves "$W/etc/shop.crt"
}
