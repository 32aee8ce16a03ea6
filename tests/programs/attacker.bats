#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# attacker.bats - what code that runs as nginx's user cannot get from the keys nginx uses
#
# It has nginx's rule (docs/programs.md) and everything on the machine: the command line, the library with its memory
# changed, the provider, the PKCS#11 module, and the protocol itself. Each refusal is in the audit, with its reason.

setup_file()
{
    load programs
    [ "$ME" = 0 ] || return 0
    world
    mkdir -m 755 "$W/etc"
    openssl_conf
    {
        documented nginx-rules
        program_class "csr/**" ec-p256 tls-server
        # More than nginx has: it may ask for certificates, too.
        echo 'allow nginx-csr { user = {www-data} keys = {"csr/**"} operations = {get, sign, csr, self-sign} }'
        program_class "other/**" ec-p256 sign
        echo "allow admins { user = {\"$ME\"} keys = {\"**\"} operations = {all, administer} }"
    } | rules
    start
    for key in web/shop rsa/shop csr/shop other/shop; do
        keysvc key generate "$key"
        keysvc key reference "$key" --out-file "$W/etc/${key/\//-}.pem"
    done
    chmod 644 "$W"/etc/*.pem
    python_client
    install -m 755 "$BATS_TEST_DIRNAME/attacker.py" "$W/attacker.py"
    make_messages
}

setup()
{
    load programs
    need_root
    WWW=$(id -u www-data)
}

teardown()
{
    show_log_if_failed
}

teardown_file()
{
    load programs
    end_world
}

# What is worth a signature by shop's key: the body of a certificate that it would issue, of a request, a token's, digests.
make_messages()
{
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/evil.key" -subj /CN=bank.example \
        -days 30 -out "$W/evil.crt" 2>/dev/null
    openssl req -new -key "$W/evil.key" -subj /CN=bank.example -out "$W/evil.csr"
    body "$W/evil.crt" >"$W/certificate"
    body "$W/evil.csr" >"$W/request"
    jwt ES256 >"$W/es256"
    jwt RS256 >"$W/rs256"
    openssl dgst -sha256 -binary "$W/es256" >"$W/digest"
    # What openssl dgst would sign with the key itself: DigestInfo.
    { printf '\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20'; cat "$W/digest"; } \
        >"$W/digestinfo"
    chmod 644 "$W"/{certificate,request,es256,rs256,digest,digestinfo,evil.key,evil.csr}
}

# What is signed of a certificate or a request.
body()
{
    openssl asn1parse -in "$1" -strparse "$(openssl asn1parse -in "$1" | sed -n 's/:.*//; 2p')" -noout -out /dev/stdout
}

jwt()
{
    base64url "{\"alg\":\"$1\",\"typ\":\"JWT\"}"
    printf .
    base64url '{"iss":"shop.example","sub":"admin","exp":4102444800}'
}

base64url()
{
    printf '%s' "$1" | base64 -w0 | tr '+/' '-_' | tr -d =
}

# www COMMAND...: as nginx's user, with the provider.
www()
{
    with_provider as "$WWW" "$@"
}

# cannot OUTCOME REASON COMMAND...: the command fails as www-data, and what the audit has of www-data since then are refusals
# with that outcome and reason, and nothing else.
cannot()
{
    local outcome=$1 reason=$2
    shift 2
    recorded >"$W/before"
    wait_for tried "$@"
    [ "$status" != 0 ] || { echo "www-data got it: $*" >&2; return 1; }
    if grep -vF " refused request=" "$W/new" || grep -vF " outcome=$outcome reason=\"" "$W/new" ||
        ! grep -qF "$reason" "$W/new"; then
        printf 'expected %s "%s" in the audit, and nothing else:\n' "$outcome" "$reason" >&2
        cat "$W/new" >&2
        return 1
    fi
}

# Of more than 20 refusals in a second the audit has only the number: once more then.
tried()
{
    run www "$@"
    recorded | comm -13 "$W/before" - >"$W/new"
    [ "$status" = 0 ] || [ -s "$W/new" ]
}

# Where the refusal is the library's own.
gets_nothing()
{
    run www "$@"
    [ "$status" != 0 ] || { echo "www-data got it: $*" >&2; return 1; }
}

# What the audit has of www-data, but for reads, for what the front only passed on, and for how many it only counted.
recorded()
{
    audit_show | grep " uid=$WWW " | grep -v -e ' operation=get .* outcome=OK$' -e ' outcome=forwarded$' -e ' more=[0-9]*$' |
        sort
}

# not_signed REASON KEY FILE: as a message, by every way there is.
not_signed()
{
    local reason=$1 key=$2 file=$W/$3
    cannot PURPOSE "$reason" keysvc sign "$key" --in "$file"
    cannot PURPOSE "$reason" client sign "$key" "$file"
    cannot PURPOSE "$reason" /usr/bin/python3 "$W/attacker.py" "$(library)" "$key" "$file" message
    cannot PURPOSE "$reason" openssl dgst -sha256 -sign "$W/etc/${key/\//-}.pem" -out /dev/null "$file"
}

# pkcs11_sign KEY MECHANISM FILE: what makes pkcs11-tool sign with this key; it knows keys by their ids.
pkcs11_sign()
{
    PKCS11_SIGN=(pkcs11-tool --module "$(module_path)" --id "$(id_of "$1")" --sign -m "$2" --input-file "$3"
        --output-file /dev/null)
}

id_of()
{
    awk -v label="$1" '$1 == "label:" { ours = index($2, label) == 1 } $1 == "ID:" && ours { print $2; exit }' "$W/objects"
}

library()
{
    echo "$PROGRAMS"/client/lib/libkeysvc.so.?
}

@test "nginx's user can do what nginx does" {
    # Whatever is refused below is not refused because nothing is allowed.
    {
        printf '%64s' ''
        printf 'TLS 1.3, server CertificateVerify\0'
        cat "$W/digest"
    } >"$W/handshake"
    chmod 644 "$W/handshake"
    www keysvc sign web/shop --in "$W/handshake" >"$W/signature"
    verify web/shop "$W/handshake" "$W/signature"
    www openssl dgst -sha256 -sign "$W/etc/web-shop.pem" "$W/handshake" >"$W/signature"
    verify web/shop "$W/handshake" "$W/signature"
    www client sign web/shop "$W/handshake" >"$W/signature"
    verify web/shop "$W/handshake" "$W/signature"
    www /usr/bin/python3 "$W/attacker.py" "$(library)" web/shop "$W/handshake" message >"$W/signature"
    verify web/shop "$W/handshake" "$W/signature"
}

@test "no request for a certificate without that right; with it, for no other name" {
    cannot DENIED "may not csr" keysvc csr web/shop --common-name shop.example
    cannot DENIED "may not csr" client csr web/shop shop.example DNS:shop.example
    www keysvc csr csr/shop --common-name shop.example >"$W/csr"
    openssl req -in "$W/csr" -verify -noout
    cannot NAME_NOT_ALLOWED bank.example keysvc csr csr/shop --common-name bank.example
    cannot NAME_NOT_ALLOWED bank.example keysvc csr csr/shop --common-name shop.example \
        --alternative-names DNS:shop.example,DNS:bank.example
    cannot NAME_NOT_ALLOWED bank.example client csr csr/shop shop.example DNS:bank.example
    # Built by oneself and handed in to be signed.
    for key in web/shop rsa/shop csr/shop; do
        not_signed ASN.1 "$key" request
        cannot PURPOSE ASN.1 openssl req -new -key "$W/etc/${key/\//-}.pem" -subj /CN=bank.example
    done
}

@test "no certificate, for itself or for another key" {
    cannot DENIED "may not self-sign" keysvc self-sign web/shop --common-name shop.example
    cannot DENIED "may not self-sign" client self-sign web/shop 30 shop.example
    cannot NAME_NOT_ALLOWED bank.example client self-sign csr/shop 30 bank.example
    for key in web/shop rsa/shop csr/shop; do
        not_signed ASN.1 "$key" certificate
        cannot PURPOSE ASN.1 openssl req -x509 -key "$W/etc/${key/\//-}.pem" -subj /CN=bank.example -days 30
    done
    www client self-sign csr/shop 30 shop.example | openssl x509 -inform DER -out "$W/shop.crt"
    chmod 644 "$W/shop.crt"
    cannot PURPOSE ASN.1 openssl x509 -req -in "$W/evil.csr" -CA "$W/shop.crt" -CAkey "$W/etc/csr-shop.pem" \
        -set_serial 1 -out /dev/null
    openssl x509 -in "$W/shop.crt" -noout -text >"$W/text"
    not grep CA:TRUE "$W/text"
}

@test "no JWT" {
    not_signed "neither a TLS 1.3" web/shop es256
    not_signed "neither a TLS 1.3" rsa/shop rs256
}

@test "no bare digest, whatever it is said to be" {
    for key in web/shop rsa/shop; do
        cannot PURPOSE "never a digest" client sign "$key" "$W/digest" prehashed=1
        cannot PURPOSE "never a digest" /usr/bin/python3 "$W/attacker.py" "$(library)" "$key" "$W/digest" digest
        # As if it were a message.
        not_signed "neither a TLS 1.3" "$key" digest
        not_signed ASN.1 "$key" digestinfo
    done
    # The library refuses these without asking.
    for key in web/shop rsa/shop; do
        not www keysvc sign "$key" --in "$W/digest" --prehashed sha256
        not www openssl pkeyutl -sign -inkey "$W/etc/${key/\//-}.pem" -in "$W/digest" -out /dev/null
        not www openssl pkeyutl -sign -inkey "$W/etc/${key/\//-}.pem" -in "$W/digest" -pkeyopt digest:sha256 -out /dev/null
    done
}

@test "not by PKCS#11 either" {
    www pkcs11-tool --module "$(module_path)" --list-objects --type privkey >"$W/objects"
    pkcs11_sign web/shop ECDSA-SHA256 "$W/es256"
    cannot PURPOSE "neither a TLS 1.3" "${PKCS11_SIGN[@]}"
    pkcs11_sign rsa/shop SHA256-RSA-PKCS "$W/certificate"
    cannot PURPOSE ASN.1 "${PKCS11_SIGN[@]}"
    # A digest is refused before anybody is asked.
    pkcs11_sign web/shop ECDSA "$W/digest"
    gets_nothing "${PKCS11_SIGN[@]}"
    [[ $output == *CKR_* ]]
    pkcs11_sign rsa/shop RSA-PKCS "$W/digestinfo"
    gets_nothing "${PKCS11_SIGN[@]}"
    [[ $output == *CKR_* ]]
}

@test "no other key, and no change of any" {
    cannot DENIED "other/shop" keysvc sign other/shop --in "$W/es256"
    cannot DENIED "other/shop" client sign other/shop "$W/es256"
    cannot DENIED "may not sign" openssl dgst -sha256 -sign "$W/etc/other-shop.pem" -out /dev/null "$W/es256"
    cannot DENIED "may not generate" keysvc key generate web/more
    cannot DENIED "may not rotate" keysvc key rotate web/shop --from 1
    cannot DENIED "may not destroy" keysvc key destroy web/shop@1 --yes
    cannot DENIED "may not import" client import web/evil pkcs8 "$W/evil.key"
    cannot DENIED "" client certificate-put web/shop "$W/evil.crt"
}

@test "the audit is whole after all of it" {
    audit_verify
}
