#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# purposes.bats - what real tools would have a TLS key sign: refused by the token's process, each in its audit with the reason

setup_file()
{
    load harness
    world
    {
        default_rules
        printf 'keys "%s/**" {\n    token = main\n    type = ec-p256\n    purpose = %s\n}\n' client tls-client both tls
        printf 'keys "modern/**" {\n    token = main\n    type = ec-p256\n    purpose = tls-server\n    tls = 1.3\n}\n'
    } | rules
    start
    for name in tls/shop client/shop both/shop modern/shop web/shop; do
        keysvc key generate "$name"
    done
    sed -i 's|keys = {"web/\*\*", "tls/\*\*", "rsa/\*\*"}|keys = {"**"}|' "$W/keysvcd.conf"
    keysvc reload
    python_client
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=Test" -days 3 \
        -keyout "$W/software.key" -out "$W/software.crt" 2>/dev/null
}

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
}

teardown_file()
{
    load harness
    end_world
}

# refused FILE REASON [KEY...]: by each of the keys (all with a TLS purpose), and each refusal is in the token's chain.
refused()
{
    local file=$1 reason=$2 key
    shift 2
    [ "$#" -gt 0 ] || set -- tls/shop client/shop both/shop modern/shop
    for key in "$@"; do
        fails 8 "$reason" as "$ALICE" keysvc sign "$key" --in "$file"
        recorded "$key" "$reason"
    done
}

# recorded KEY REASON: the last record about it is that refusal, with who asked.
recorded()
{
    audit_show --json --key "$1" >"$W/shown"
    /usr/bin/python3 - "$W/shown" "$2" "$ALICE" <<'END'
import json, sys
path, reason, uid = sys.argv[1:]
records = [json.loads(line) for line in open(path)]
last = [r for r in records if r["chain"].startswith("main-")][-1]
if not (last["event"] == "refused" and last["outcome"] == "PURPOSE" and last["operation"] == "sign"
        and reason in last["reason"] and str(last["uid"]) == uid):
    sys.exit(f"not {reason}: {last}")
END
}

# part FILE N: the Nth element inside of a DER structure's outer SEQUENCE, with its header. In FILE.part.
part()
{
    local offset header length
    read -r offset header length < <(openssl asn1parse -inform DER -in "$1" |
        sed -n 's/^ *\([0-9]*\):d=1 *hl= *\([0-9]*\) l= *\([0-9]*\).*/\1 \2 \3/p' | sed -n "$2p")
    tail -c "+$((offset + 1))" "$1" | head -c "$((header + length))" >"$1.part"
    [ -s "$1.part" ]
}

@test "a certificate, a request and a CRL, as openssl made them" {
    openssl x509 -in "$W/software.crt" -outform DER -out "$W/certificate"
    openssl req -new -key "$W/software.key" -subj /CN=shop.example -outform DER -out "$W/request"
    mkdir "$W/ca"
    : >"$W/ca/index"
    printf '[ca]\ndefault_ca = d\n[d]\ndatabase = %s/ca/index\ndefault_md = sha256\ndefault_crl_days = 3\n' "$W" >"$W/ca/cnf"
    openssl ca -config "$W/ca/cnf" -gencrl -cert "$W/software.crt" -keyfile "$W/software.key" -out "$W/crl.pem" 2>/dev/null
    openssl crl -in "$W/crl.pem" -outform DER -out "$W/crl"
    for file in certificate request crl; do
        part "$W/$file" 1
        refused "$W/$file.part" "ASN.1 structure"
        refused "$W/$file" "ASN.1 structure" tls/shop
    done
}

@test "an OCSP response, and the signed attributes of CMS" {
    printf 'V\t350101000000Z\t\t01\tunknown\t/CN=x\n' >"$W/index"
    openssl ocsp -index "$W/index" -CA "$W/software.crt" -issuer "$W/software.crt" -serial 1 -rsigner "$W/software.crt" \
        -rkey "$W/software.key" -respout "$W/ocsp" -ndays 1 >/dev/null 2>&1
    # OCSPResponse, responseBytes, response: BasicOCSPResponse, and its first element.
    offset=$(openssl asn1parse -inform DER -in "$W/ocsp" | awk -F: '/OCTET STRING/ { print $1 + 0; exit }')
    openssl asn1parse -inform DER -in "$W/ocsp" -strparse "$offset" -noout -out "$W/basic"
    part "$W/basic" 1
    refused "$W/basic.part" "ASN.1 structure"
    # What CMS signs is the attributes as a SET, which stand as [0] in the message.
    openssl cms -sign -in "$W/data" -signer "$W/software.crt" -inkey "$W/software.key" -outform DER -out "$W/cms"
    read -r offset header length < <(openssl asn1parse -inform DER -in "$W/cms" |
        sed -n 's/^ *\([0-9]*\):d=5 *hl= *\([0-9]*\) l= *\([0-9]*\) cons: cont \[ 0 \].*/\1 \2 \3/p' | tail -n 1)
    { printf '\x31'; tail -c "+$((offset + 2))" "$W/cms" | head -c "$((header + length - 1))"; } >"$W/attributes"
    openssl asn1parse -inform DER -in "$W/attributes" | grep -q messageDigest
    refused "$W/attributes" "ASN.1 structure"
}

@test "a JWT, an SSH login, a document" {
    printf 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJyb290In0' >"$W/jwt"
    printf '\0\0\0\x20%032d\x32\0\0\0\4root\0\0\0\x0essh-connection\0\0\0\x09publickey\1' 7 >"$W/ssh"
    for file in jwt ssh data; do
        refused "$W/$file" "the message is" tls/shop client/shop modern/shop
        refused "$W/$file" "neither a TLS 1.3 CertificateVerify nor a TLS 1.2" both/shop
    done
}

@test "bytes that are a ServerKeyExchange and a request at once" {
    for seed in "$SOURCE"/tests/fuzz/corpus/purpose/both-*; do
        tail -c +4 "$seed" >"$W/both"
        refused "$W/both" "ASN.1 structure"
    done
    [ -s "$W/both" ]
}

@test "a digest, asked for past the library, and the other side's handshake" {
    openssl dgst -sha256 -binary "$W/data" >"$W/digest"
    for key in tls/shop client/shop both/shop modern/shop; do
        run as "$ALICE" client sign "$key" "$W/digest" prehashed=1
        [ "$status" = 8 ]
        recorded "$key" "never a digest"
    done
    { printf '%64s' ''; printf 'TLS 1.3, client CertificateVerify\0'; cat "$W/digest"; } >"$W/client13"
    { printf '%64s' ''; printf 'TLS 1.3, server CertificateVerify\0'; cat "$W/digest"; } >"$W/server13"
    refused "$W/client13" "this key is for servers" tls/shop modern/shop
    refused "$W/server13" "this key is for clients" client/shop
    keysvc sign both/shop --in "$W/client13" >"$W/signature"
    keysvc sign both/shop --in "$W/server13" >"$W/signature"
}

@test "a class with tls = 1.3 refuses a ServerKeyExchange that the other signs" {
    tail -c +4 "$SOURCE/tests/fuzz/corpus/purpose/tls12-server-ecdsa-x25519" >"$W/exchange"
    keysvc sign tls/shop --in "$W/exchange" >"$W/signature"
    verify tls/shop "$W/exchange" "$W/signature"
    refused "$W/exchange" "with tls = 1.3: the message is no TLS 1.3 CertificateVerify" modern/shop
}

@test "a key of purpose sign signs all of it" {
    printf '\060\003\002\001\000' >"$W/der"
    for file in data der; do
        keysvc sign web/shop --in "$W/$file" >"$W/signature"
        verify web/shop "$W/$file" "$W/signature"
    done
}
