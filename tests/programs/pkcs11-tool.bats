#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# pkcs11-tool.bats - OpenSC's tool for PKCS#11 modules: what it lists, its signatures verified by openssl, its own tests

setup_file()
{
    load programs
    programs_world
    local key
    certified_on_token web/shop shop
    certified_on_token sign/rsa/shop rsa
    for key in sign/ec/shop sign/p384/shop sign/ed25519/shop; do
        keysvc key generate "$key" >/dev/null
    done
    sha() { openssl dgst "-sha$1" -binary "$W/data" >"$W/sha$1"; }
    sha 256; sha 384; sha 512
    # RFC 8017, 9.2, note 1.
    { printf '\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20'; cat "$W/sha256"; } >"$W/info256"
    { printf '\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40'; cat "$W/sha512"; } >"$W/info512"
    chmod 777 "$W/home"
}

setup()
{
    load programs
    rm -f "$W/home/signature"
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

# tool UID OPTION...
tool()
{
    local uid=$1
    shift
    with_module as "$uid" pkcs11-tool --module "$(module_path)" "$@"
}

# tool_reads_public UID OPTION...: to read a public key, OpenSC 0.23 uses memory that it has given back. The sanitizer may
# judge the module, not that: it does not watch the heap meanwhile.
tool_reads_public()
{
    local -x ASAN_OPTIONS=${ASAN_OPTIONS-}:poison_heap=0
    tool "$@" --read-object --type pubkey
}

# The CKA_ID of a key: the identifier of its public key.
id_of()
{
    keysvc key public "$1" | openssl pkey -pubin -outform DER | /usr/bin/python3 -c '
import hashlib, sys
der = sys.stdin.buffer.read()
def inside(data):
    n = data[1] & 0x7f if data[1] & 0x80 else 0
    length = int.from_bytes(data[2:2 + n], "big") if n else data[1]
    return data[2 + n:2 + n + length], data[2 + n + length:]
fields, _ = inside(der)
_, bits = inside(fields)
print(hashlib.sha1(inside(bits)[0][1:]).hexdigest())'
}

# sign KEY MECHANISM FILE [OPTION...]: as Alice, to $W/home/signature.
sign()
{
    local key=$1 mechanism=$2 file=$3
    shift 3
    tool "$ALICE" --sign --id "$(id_of "$key")" --mechanism "$mechanism" --input-file "$file" \
        --output-file "$W/home/signature" "$@"
}

# good KEY [OPTION-OF-PKEYUTL...]: the signature is one of $W/data.
good()
{
    local key=$1
    shift
    keysvc key public "$key" >"$W/public.pem"
    openssl pkeyutl -verify -pubin -inkey "$W/public.pem" -rawin -in "$W/data" -sigfile "$W/home/signature" "$@"
}

# OpenSC writes DER when asked to.
good_ec()
{
    good "$1" -digest "sha$2"
}

@test "the slot, the token and the mechanisms are listed, also while keysvcd is down" {
    stop
    run -0 tool "$ALICE" --list-slots
    [[ $output = *"token label        : keysvc"* ]]
    [[ $output != *"login required"* ]]
    [[ $output != *keysvc-pkcs11:* ]]
    run -0 tool "$ALICE" --list-mechanisms
    for name in SHA256 SHA256-RSA-PKCS SHA512-RSA-PKCS-PSS RSA-PKCS RSA-PKCS-PSS ECDSA ECDSA-SHA384 EDDSA; do
        grep -qE "^  $name,.*(sign, verify|digest)" <<<"$output"
    done
    [[ $output != *crypt* ]]
    fails 1 "is keysvcd running?" tool "$ALICE" --list-objects
    start
}

@test "keys and certificates are listed with name, version and identifier" {
    run -0 tool "$ALICE" --list-objects
    for key in web/shop sign/rsa/shop sign/ec/shop sign/p384/shop sign/ed25519/shop; do
        [ "$(grep -c "label:  *$key@1\$" <<<"$output")" -ge 2 ]
        grep -q "ID:  *$(id_of "$key")" <<<"$output"
    done
    # The two certificates of their own, and the CA that issued both, once.
    [ "$(grep -c '^Certificate Object' <<<"$output")" = 3 ]
    [ "$(grep -c 'label:  *web/shop@1$' <<<"$output")" = 3 ]
    [ "$(grep -c 'subject:.*CN=Test CA' <<<"$output")" = 1 ]
    [ "$(grep -c 'Access:  *sensitive, always sensitive, never extractable' <<<"$output")" = 5 ]
    [[ $output != *keysvc/audit* ]]
}

@test "what docs/programs.md says lists private keys and signs" {
    documented pkcs11-tool-list >"$W/list.sh"
    run -0 with_module as "$ALICE" bash "$W/list.sh"
    [ "$(grep -c '^Private Key Object' <<<"$output")" -ge 5 ]
    [[ $output != *"Public Key Object"* ]]
    documented pkcs11-tool-sign >"$W/sign.sh"
    cp "$W/data" "$W/home/data"
    cd "$W/home"
    ID=$(id_of sign/ec/shop) with_module as "$ALICE" bash "$W/sign.sh"
    verify sign/ec/shop data data.sig
    rm data.sig
    ID=$(id_of web/shop) fails 1 CKR_KEY_FUNCTION_NOT_PERMITTED with_module as "$ALICE" bash "$W/sign.sh"
}

@test "a bare name is its newest version, and others are found by theirs" {
    local first
    keysvc key generate sign/ec/rotated >/dev/null
    first=$(id_of sign/ec/rotated@1)
    keysvc key rotate sign/ec/rotated --from 1 >/dev/null
    run -0 tool_reads_public "$ALICE" --label sign/ec/rotated --output-file "$W/home/public.der"
    keysvc key public sign/ec/rotated@2 | openssl pkey -pubin -outform DER | cmp - "$W/home/public.der"
    run -0 tool_reads_public "$ALICE" --label sign/ec/rotated@1 --output-file "$W/home/public.der"
    keysvc key public sign/ec/rotated@1 | openssl pkey -pubin -outform DER | cmp - "$W/home/public.der"
    fails 1 "object not found" tool_reads_public "$ALICE" --label sign/ec/rotated@3
    tool "$ALICE" --sign --id "$first" --mechanism ECDSA-SHA256 --signature-format openssl --input-file "$W/data" \
        --output-file "$W/home/signature"
    good_ec sign/ec/rotated@1 256
}

@test "the certificate beside a key is read, and no private key" {
    run -0 tool "$ALICE" --read-object --type cert --label web/shop --output-file "$W/home/certificate.der"
    openssl x509 -inform DER -in "$W/home/certificate.der" | cmp - <(openssl x509 -in "$W/etc/shop.crt")
    run tool "$ALICE" --read-object --type privkey --label web/shop --output-file "$W/home/private"
    [ ! -e "$W/home/private" ]
}

@test "EC keys sign messages and digests" {
    local hash
    for hash in 256 384 512; do
        for key in sign/ec/shop sign/p384/shop; do
            sign "$key" "ECDSA-SHA$hash" "$W/data" --signature-format openssl
            good_ec "$key" "$hash"
            sign "$key" ECDSA "$W/sha$hash" --signature-format openssl
            good_ec "$key" "$hash"
        done
    done
    sign sign/ec/shop ECDSA-SHA256 "$W/data"
    [ "$(stat -c %s "$W/home/signature")" = 64 ]
    sign sign/p384/shop ECDSA-SHA256 "$W/data"
    [ "$(stat -c %s "$W/home/signature")" = 96 ]
    fails 1 CKR_DATA_LEN_RANGE sign sign/ec/shop ECDSA "$W/data"
}

@test "RSA keys sign messages, and DigestInfos of a hash that is allowed" {
    local hash
    for hash in 256 384 512; do
        sign sign/rsa/shop "SHA$hash-RSA-PKCS" "$W/data"
        good sign/rsa/shop -digest "sha$hash"
    done
    sign sign/rsa/shop RSA-PKCS "$W/info256"
    good sign/rsa/shop -digest sha256
    sign sign/rsa/shop RSA-PKCS "$W/info512"
    good sign/rsa/shop -digest sha512
    # A bare digest, and anything else, names no hash.
    fails 1 CKR_DATA_INVALID sign sign/rsa/shop RSA-PKCS "$W/sha256"
    fails 1 CKR_DATA_INVALID sign sign/rsa/shop RSA-PKCS "$W/data"
}

@test "RSA-PSS signs messages and digests, with a salt of the hash's length" {
    local hash
    local pss=(-pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:digest)
    for hash in 256 384 512; do
        sign sign/rsa/shop "SHA$hash-RSA-PKCS-PSS" "$W/data"
        good sign/rsa/shop -digest "sha$hash" "${pss[@]}"
        sign sign/rsa/shop RSA-PKCS-PSS "$W/sha$hash" --hash-algorithm "SHA$hash" --mgf "MGF1-SHA$hash"
        good sign/rsa/shop -digest "sha$hash" "${pss[@]}"
    done
    fails 1 CKR_MECHANISM_PARAM_INVALID sign sign/rsa/shop SHA256-RSA-PKCS-PSS "$W/data" --salt-len 20
}

@test "Ed25519 keys sign messages" {
    sign sign/ed25519/shop EDDSA "$W/data"
    good sign/ed25519/shop
    fails 1 CKR_KEY_TYPE_INCONSISTENT sign sign/ed25519/shop ECDSA-SHA256 "$W/data"
}

@test "a message that is longer than what travels whole is signed" {
    head -c 3000000 /dev/zero >"$W/long"
    chmod 644 "$W/long"
    sign sign/ec/shop ECDSA-SHA256 "$W/long" --signature-format openssl
    keysvc key public sign/ec/shop >"$W/public.pem"
    openssl dgst -sha256 -verify "$W/public.pem" -signature "$W/home/signature" "$W/long"
    fails 1 CKR_DATA_LEN_RANGE sign sign/ed25519/shop EDDSA "$W/long"
}

@test "a key for TLS signs no other message and no digest, and says so" {
    fails 1 "purpose tls-server: the message is neither" sign web/shop ECDSA-SHA256 "$W/data"
    [[ $output = *CKR_KEY_FUNCTION_NOT_PERMITTED* ]]
    fails 1 "never a digest" sign web/shop ECDSA "$W/sha256"
}

@test "its own tests find no error but that RSA keys do not sign what has no hash that is allowed" {
    run tool "$ALICE" --test
    [[ $output = *"C_SeedRandom() and C_GenerateRandom():"*"seems to be OK"* ]]
    [[ $output = *"all 4 digest functions seem to work"* ]]
    [ "$(grep -c 'ERR:' <<<"$output")" = 1 ]
    grep -q 'RSA-PKCS:.*ERR: C_Sign() returned CKR_DATA_INVALID' <<<"$output"
    run tool "$ALICE" --test --login --pin whatever
    [ "$(grep -c 'ERR:' <<<"$output")" = 1 ]
}

@test "signatures are verified by the module, and wrong ones refused" {
    sign sign/ec/shop ECDSA-SHA256 "$W/data"
    run -0 tool "$ALICE" --verify --id "$(id_of sign/ec/shop)" --mechanism ECDSA-SHA256 --input-file "$W/data" \
        --signature-file "$W/home/signature"
    [[ $output = *"Signature is valid"* ]]
    run tool "$ALICE" --verify --id "$(id_of sign/ec/shop)" --mechanism ECDSA-SHA256 --input-file "$W/sha256" \
        --signature-file "$W/home/signature"
    [[ $output = *"Invalid signature"* ]]
}

@test "nothing is made, changed or removed" {
    fails 1 "not supported" tool "$ALICE" --keypairgen --key-type EC:prime256v1 --label x
    fails 1 CKR_FUNCTION_NOT_SUPPORTED tool "$ALICE" --write-object "$W/data" --type data --label x
    run tool "$ALICE" --delete-object --type privkey --label web/shop
    [ "$status" != 0 ]
    keysvc key show web/shop >/dev/null
}

@test "a key that is not there, and a user without a rule" {
    need_root
    fails 1 "Private key not found" tool "$ALICE" --sign --id 00112233 --mechanism ECDSA-SHA256 --input-file "$W/data"
    run -0 tool "$BOB" --list-objects
    [[ $output != *label:* ]]
    fails 1 "Private key not found" tool "$BOB" --sign --id "$(id_of sign/ec/shop)" --mechanism ECDSA-SHA256 \
        --input-file "$W/data"
}

@test "who may get a key and not sign with it is told so" {
    need_root
    program_rules "$ALICE" | sed "s/^allow admins/allow reader { user = {\"$BOB\"} keys = {\"**\"} operations = {get} }\n&/" | rules
    keysvc reload
    fails 1 "may not sign sign/ec/shop" tool "$BOB" --sign --id "$(id_of sign/ec/shop)" --mechanism ECDSA-SHA256 \
        --input-file "$W/data"
    # CKR_FUNCTION_REJECTED, which OpenSC has no name for.
    [[ $output = *0x200* ]]
    allowed_users
}

@test "it goes on after keysvcd is restarted and after a token process is killed" {
    restart_service
    sign sign/ec/shop ECDSA-SHA256 "$W/data" --signature-format openssl
    good_ec sign/ec/shop 256
    kill_tokens
    sign sign/ec/shop ECDSA-SHA256 "$W/data" --signature-format openssl
    good_ec sign/ec/shop 256
}

@test "the lines for people are written where they are wanted" {
    stop
    run tool "$ALICE" --list-objects
    [[ $output = *keysvc-pkcs11:* ]]
    KEYSVC_PKCS11_LOG=none run tool "$ALICE" --list-objects
    start
    [[ $output = *CKR_DEVICE_ERROR* ]]
    [[ $output != *keysvc-pkcs11:* ]]
}
