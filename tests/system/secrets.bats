#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# secrets.bats - where an imported private key and its password are, and where they never were

setup()
{
    load harness
    # In another's memory only root may look.
    need_root
    PASSWORD=Sesame-31337-open
}

teardown()
{
    show_log_if_failed
    end_world
}

# A file as an administrator gets it from elsewhere, in a folder of its own that is not searched afterwards.
key_files()
{
    mkdir -m 700 "$W.files"
    printf '%s' "$PASSWORD" >"$W.files/password"
    openssl genpkey -quiet "$@" -out "$W.files/key.pem"
    openssl req -x509 -new -key "$W.files/key.pem" -subj /CN=shop.example -days 9 -out "$W.files/cert.pem" 2>/dev/null
    openssl pkcs12 -export -inkey "$W.files/key.pem" -in "$W.files/cert.pem" -name shop -passout "file:$W.files/password" \
        -out "$W.files/key.p12"
    chmod 600 "$W.files"/*
}

look_in()
{
    /usr/bin/python3 -B "$BATS_TEST_DIRNAME/memory.py" "$W.files/key.pem" "$PASSWORD" "$@"
}

all_but_worker_1()
{
    local pid
    pid
    front_pid
    for pid in $(token_pids); do
        tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q 'main 1' || echo "$pid"
    done
}

worker_1()
{
    local pid
    for pid in $(token_pids); do
        ! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q 'main 1' || echo "$pid"
    done
}

# The search itself: it finds what is there.
@test "the search finds a key and a password that a process holds" {
    world
    key_files -algorithm EC -pkeyopt ec_paramgen_curve:P-256
    /usr/bin/python3 -c '
import sys, time
from cryptography.hazmat.primitives import serialization
key = serialization.load_pem_private_key(open(sys.argv[1], "rb").read(), None)
secret = key.private_numbers().private_value.to_bytes(32, "big"), "Sesame-31337-open"
print("ready", flush=True)
time.sleep(60)' "$W.files/key.pem" >"$W/ready" &
    holder=$!
    wait_for grep -q ready "$W/ready"
    run look_in process "$holder"
    kill "$holder"
    [ "$status" = 1 ]
    grep 'd big-endian' <<<"$output"
    grep 'password' <<<"$output"
    run look_in files "$W.files"
    [ "$status" = 1 ]
    rm -rf "$W.files"
}

imported_key_is_nowhere()
{
    start
    keysvc key import "$1" --pkcs12 "$W.files/key.p12" --password-file "$W.files/password"
    keysvc sign "$1" --in "$W/data" >"$W/signature"
    verify "$1" "$W/data" "$W/signature"
    # shellcheck disable=SC2046
    look_in process $(all_but_worker_1)
    look_in files "$W"
    # The password has done its work: not even the process that used it keeps it.
    run look_in process "$(worker_1)"
    [ "$status" -le 1 ]
    not grep password <<<"$output"
    echo "# worker 1: $(grep -c . <<<"$output" || true) finds of the key: $(cut -d: -f2- <<<"$output" | sort | uniq -c | tr '\n' ';')" >&3
    stop
    rm -rf "$W.files"
}

@test "an imported EC key is in no file and in no process but its token's" {
    world
    key_files -algorithm EC -pkeyopt ec_paramgen_curve:P-256
    imported_key_is_nowhere web/shop
}

@test "an imported RSA key is in no file and in no process but its token's" {
    world
    key_files -algorithm RSA -pkeyopt rsa_keygen_bits:2048
    imported_key_is_nowhere rsa/shop
}

@test "a refused import leaves the key in no process at all" {
    world
    key_files -algorithm RSA -pkeyopt rsa_keygen_bits:2048
    start
    # An RSA key into a class of P-256 keys: it is read, and then it does not fit.
    fails 6 web/shop keysvc key import web/shop --pkcs12 "$W.files/key.p12" --password-file "$W.files/password"
    # shellcheck disable=SC2046
    look_in process $(all_but_worker_1) $(worker_1)
    look_in files "$W"
    rm -rf "$W.files"
}
