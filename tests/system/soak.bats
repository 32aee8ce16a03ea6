#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# soak.bats - mixed load and random faults at once: soak.py, and what must hold when it is over
#
# $KEYSVC_SOAK_SECONDS is how long, 15 if not said; $KEYSVC_SOAK_SEED which faults, printed; `tests/system/soak` sets both.

setup()
{
    load harness
}

teardown()
{
    [ -z "${BATS_TEST_COMPLETED-}" ] && [ -n "${KEYSVC_SOAK_KEEP-}" ] && cp -a "$W" "$KEYSVC_SOAK_KEEP"
    show_log_if_failed
    end_world
}

@test "everything at once, and nothing is lost, doubled, wrong or left behind" {
    need_root # whose descriptors grow is shown to nobody else
    seed=${KEYSVC_SOAK_SEED:-$RANDOM}
    echo "# seed $seed" >&3
    HANG_TIMEOUT=1s WORKERS=2 STORE=yes
    world break
    echo "$seed" >"$W/break/seed"
    chmod 644 "$W/break/seed"
    # A fault may still meet a login: what SoftHSM loses then is put back.
    printf '%s\n' 'verify = all' 'copies = {"*/token.object"}' >>"$W/profile.conf"
    sed -i 's|^keys "web/|keys "web/edwards" { token = main type = ed25519 purpose = sign }\n&|' "$W/keysvcd.conf"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/ec.pem" -out "$W/ec.crt" \
        -subj /CN=shop.example -days 30 2>/dev/null
    (umask 077 && printf 'right horse\n' >"$W/password")
    openssl pkcs12 -export -inkey "$W/ec.pem" -in "$W/ec.crt" -passout file:"$W/password" -out "$W/ec.p12"
    start
    for key in web/stays rsa/stays web/edwards; do
        keysvc key generate "$key"
    done
    /usr/bin/python3 -B "$SOURCE/tests/system/soak.py" --world "$W" --build "$KEYSVC_BUILD" \
        --seconds "${KEYSVC_SOAK_SECONDS:-15}" --seed "$seed" >"$W/soak"
    echo "# $(cat "$W/soak")" >&3
    stop
    audit_verify
}
