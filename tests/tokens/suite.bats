#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# suite.bats - the whole service on one kind of token, the same for all: every operation works, or is UNSUPPORTED
#
# TOKEN_KIND says which (softhsm2.bash explains what a kind is). What is expected comes from the kind's profile in
# hsm-profiles: what its `unsupported` names is answered UNSUPPORTED by the service, and the token itself cannot do it,
# as pkcs11-tool sees it; all the rest works. So a profile that promises too much fails here, and one that promises
# too little, too.
#
# One world for the whole file: some tokens take seconds to make. Each test has names of its own and leaves the service
# ready.

TYPES='ec-p256 ec-p384 ec-p521 ed25519 rsa-2048 rsa-3072 rsa-4096'

setup_file()
{
    load ../system/harness
    [ -z "$(token_missing)" ] || return 0
    world
    every_type | rules
    start
}

setup()
{
    load ../system/harness
    need_token
    ANY=$(any_type)
}

teardown()
{
    show_log_if_failed
}

teardown_file()
{
    load ../system/harness
    end_world
}

# A class for each type of key that the token has: `ec-p256/**`. Alice has rules for all of them. `every_type WORD...` has
# classes of those types besides.
every_type()
{
    local type
    for type in $TYPES; do
        ! lacks "$type" || [[ " $* " == *" $type "* ]] || continue
        printf 'keys "%s/**" {\n token = main\n type = %s\n purpose = sign\n usage = {"serverAuth"}\n' "$type" "$type"
        printf ' names = {"shop.example", ".shop.example", "10.0.0.0/8"}\n}\n'
    done
    printf 'allow alice {\n user = {"%s"}\n keys = {"**"}\n operations = {all}\n}\n' "$ALICE"
    printf 'allow admins {\n user = {"%s"}\n keys = {"**"}\n operations = {all, administer}\n}\n' "$ME"
}

# ---------------------------------------------------------------- what the profile says

# lacks WORD: is it in the profile's `unsupported`?
lacks()
{
    sed 's/#.*//' "${PROFILE-$W/profile.conf}" | tr '\n' ' ' | sed -n 's/.*unsupported *= *{\([^}]*\)}.*/\1/p' | tr -d '" ' |
        tr ',' '\n' | grep -qx -- "$1"
}

# The cheapest type that this token has.
any_type()
{
    local type
    for type in ec-p256 rsa-2048; do
        lacks "$type" || { echo "$type"; return; }
    done
}

algorithms_of()
{
    case $1 in
    ec-*) echo ecdsa-sha256 ecdsa-sha384 ecdsa-sha512 ;;
    ed25519) echo ed25519 ;;
    rsa-*) echo rsa-pkcs1-sha256 rsa-pkcs1-sha384 rsa-pkcs1-sha512 rsa-pss-sha256 rsa-pss-sha384 rsa-pss-sha512 ;;
    esac
}

# A type by pkcs11-tool's name.
tool_type()
{
    case $1 in
    ec-p256) echo EC:prime256v1 ;;
    ec-p384) echo EC:secp384r1 ;;
    ec-p521) echo EC:secp521r1 ;;
    ed25519) echo EC:edwards25519 ;;
    rsa-*) echo "rsa:${1#rsa-}" ;;
    esac
}

# ---------------------------------------------------------------- doing

check_config()
{
    keysvcd --config "$W/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$SOURCE/hsm-profiles" --check
}

# check KEY ALGORITHM FILE SIGNATURE: openssl verifies it.
check()
{
    local key=$1 algorithm=$2 file=$3 signature=$4
    keysvc key public "$key" >"$W/check.pem"
    case $algorithm in
    ed25519)
        openssl pkeyutl -verify -pubin -inkey "$W/check.pem" -rawin -in "$file" -sigfile "$signature" ;;
    rsa-pss-*)
        openssl dgst "-${algorithm##*-}" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest \
            -verify "$W/check.pem" -signature "$signature" "$file" ;;
    *)
        openssl dgst "-${algorithm##*-}" -verify "$W/check.pem" -signature "$signature" "$file" ;;
    esac
}

signs()
{
    local key=$1 algorithm=$2
    as $ALICE keysvc sign "$key" --in "$W/data" --algorithm "$algorithm" >"$W/signature"
    check "$key" "$algorithm" "$W/data" "$W/signature"
    not check "$key" "$algorithm" "$W/keysvcd.conf" "$W/signature"
    [ "$algorithm" != ed25519 ] || return 0
    openssl dgst "-${algorithm##*-}" -binary "$W/data" >"$W/digest"
    as $ALICE keysvc sign "$key" --in "$W/digest" --prehashed "${algorithm##*-}" --algorithm "$algorithm" >"$W/signature"
    check "$key" "$algorithm" "$W/data" "$W/signature"
}

makes_requests()
{
    as $ALICE keysvc csr "$1" --common-name shop.example --alternative-names DNS:www.shop.example,IP:10.0.0.7 >"$W/csr.pem"
    openssl req -in "$W/csr.pem" -verify -noout
    openssl req -in "$W/csr.pem" -pubkey -noout | diff - <(keysvc key public "$1")
    fails 9 other.example as $ALICE keysvc csr "$1" --common-name other.example
}

makes_certificates()
{
    as $ALICE keysvc self-sign "$1" --common-name shop.example --alternative-names DNS:www.shop.example >"$W/self.pem"
    openssl verify -CAfile "$W/self.pem" "$W/self.pem"
    openssl x509 -in "$W/self.pem" -pubkey -noout | diff - <(keysvc key public "$1")
}

# Generates a key of this type and signs with it, without the service.
signs_directly()
{
    local mechanism=ECDSA
    case $1 in
    ed25519) mechanism=EDDSA ;;
    rsa-*) mechanism=RSA-PKCS ;;
    esac
    head -c 32 /dev/zero >"$W/digest"
    pkcs11 --keypairgen --key-type "$(tool_type "$1")" --id 4242 --usage-sign &&
        pkcs11 --sign --mechanism $mechanism --id 4242 --input-file "$W/digest" --output-file /dev/null
}

# A whole key of one type; or a token that does not know the type, whomever one asks.
has_type()
{
    local type=$1 algorithm
    if lacks "$type"; then
        # No class can have such keys, and the token has none to give.
        cp "$W/keysvcd.conf" "$W/before.conf"
        every_type "$type" | rules
        fails 6 "$type" check_config
        mv "$W/before.conf" "$W/keysvcd.conf"
        [[ $output == *main* ]]
        not signs_directly "$type"
        return
    fi
    keysvc key generate "$type/shop"
    [ "$(keysvc key show "$type/shop" --json | json 'd["type"]')" = "$type" ]
    for algorithm in $(algorithms_of "$type"); do
        if lacks "$algorithm"; then
            fails 19 "$algorithm" as $ALICE keysvc sign "$type/shop" --in "$W/data" --algorithm "$algorithm"
        else
            signs "$type/shop" "$algorithm" || { echo "not with $algorithm" >&2; return 1; }
        fi
    done
    makes_requests "$type/shop"
    # On the token it is what it should be.
    pkcs11 --list-objects --type privkey >"$W/objects"
    grep -A6 -E "label: *$type/shop@1" "$W/objects" |
        grep 'Access: *sensitive, always sensitive, never extractable, local'
    makes_certificates "$type/shop"
}

# ---------------------------------------------------------------- keys

@test "keysvcd --check accepts the profile" {
    check_config
}

@test "EC P-256" {
    has_type ec-p256
}

@test "EC P-384" {
    has_type ec-p384
}

@test "EC P-521" {
    has_type ec-p521
}

@test "Ed25519" {
    has_type ed25519
}

@test "RSA 2048" {
    has_type rsa-2048
}

@test "RSA 3072" {
    has_type rsa-3072
}

@test "RSA 4096" {
    has_type rsa-4096
}

# Somebody's own profile may know less than ours: then the token's answer is the service's.
@test "what the token cannot do is UNSUPPORTED also without a profile that says so" {
    cp "$W/profile.conf" "$W/known.conf"
    every_type $TYPES | rules
    sed -i '/^unsupported/d' "$W/profile.conf"
    stop
    start
    for type in $TYPES; do
        if PROFILE=$W/known.conf lacks "$type"; then
            fails 19 "" keysvc key generate "$type/unknown"
            fails 4 "" keysvc key show "$type/unknown"
            continue
        fi
        for algorithm in $(algorithms_of "$type"); do
            PROFILE=$W/known.conf lacks "$algorithm" || continue
            keysvc key show "$type/unknown" || keysvc key generate "$type/unknown"
            fails 19 "" keysvc sign "$type/unknown" --in "$W/data" --algorithm "$algorithm"
        done
    done
    if PROFILE=$W/known.conf lacks import; then
        foreign_key "$ANY"
        fails 19 "" keysvc key import "$ANY/unknown" --pkcs12 "$W/foreign.p12" --password-file "$W/password"
    fi
    mv "$W/known.conf" "$W/profile.conf"
    every_type | rules
    stop
    start
}

@test "an algorithm of another type of key is refused" {
    keysvc key generate "$ANY/other"
    case $ANY in
    ec-*) other=rsa-pss-sha256 ;;
    *) other=ecdsa-sha256 ;;
    esac
    run as $ALICE keysvc sign "$ANY/other" --in "$W/data" --algorithm $other
    [ "$status" = 2 ] || [ "$status" = 19 ]
    [[ $output == *$other* ]]
}

@test "rotating makes the next version, and both sign" {
    keysvc key generate "$ANY/rotated"
    keysvc key rotate "$ANY/rotated" --from 1
    fails 5 "$ANY/rotated" keysvc key rotate "$ANY/rotated" --from 1
    for version in 1 2; do
        as $ALICE keysvc sign "$ANY/rotated@$version" --in "$W/data" >"$W/signature"
        verify "$ANY/rotated@$version" "$W/data" "$W/signature"
    done
    fails 5 "$ANY/rotated" keysvc key generate "$ANY/rotated"
}

@test "a version is destroyed, and only that one" {
    keysvc key generate "$ANY/doomed"
    keysvc key rotate "$ANY/doomed" --from 1
    fails 2 "" keysvc key destroy "$ANY/doomed@1"
    keysvc key destroy "$ANY/doomed@1" --yes
    fails 4 "$ANY/doomed" keysvc sign "$ANY/doomed@1" --in "$W/data"
    not grep "$ANY/doomed@1" <(pkcs11 --list-objects)
    as $ALICE keysvc sign "$ANY/doomed@2" --in "$W/data" >"$W/signature"
    verify "$ANY/doomed@2" "$W/data" "$W/signature"
}

# ---------------------------------------------------------------- import

# A key and certificate of openssl's, as PKCS#12 and as PKCS#8.
foreign_key()
{
    case $1 in
    ec-p256) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$W/foreign.pem" ;;
    rsa-2048) openssl genrsa -out "$W/foreign.pem" 2048 ;;
    esac
    openssl pkey -in "$W/foreign.pem" -pubout -out "$W/foreign.pub"
    openssl req -x509 -key "$W/foreign.pem" -subj /CN=shop.example -days 30 -out "$W/foreign.crt"
    (umask 077 && printf 'a password' >"$W/password")
    openssl pkcs12 -export -inkey "$W/foreign.pem" -in "$W/foreign.crt" -passout "file:$W/password" -out "$W/foreign.p12"
    openssl pkcs8 -topk8 -in "$W/foreign.pem" -passout "file:$W/password" -out "$W/foreign.p8"
}

imported()
{
    keysvc key public "$1" | diff - "$W/foreign.pub"
    as $ALICE keysvc sign "$1" --in "$W/data" >"$W/signature"
    verify "$1" "$W/data" "$W/signature"
    pkcs11 --list-objects --type privkey | grep -A6 -E "label: *$1@1" >"$W/objects"
    grep 'Access: *sensitive' "$W/objects"
    not grep ', extractable' "$W/objects"
}

@test "PKCS#12 and PKCS#8 are imported" {
    foreign_key "$ANY"
    if lacks import; then
        fails 19 import keysvc key import "$ANY/p12" --pkcs12 "$W/foreign.p12" --password-file "$W/password"
        [[ $output == *main* ]]
        fails 4 "" keysvc key show "$ANY/p12"
        return
    fi
    keysvc key import "$ANY/p12" --pkcs12 "$W/foreign.p12" --password-file "$W/password"
    imported "$ANY/p12"
    keysvc key import "$ANY/p8" --pkcs8 "$W/foreign.p8" --password-file "$W/password"
    imported "$ANY/p8"
}

@test "a PKCS#12 with a wrong password brings nothing" {
    ! lacks import || return 0
    foreign_key "$ANY"
    (umask 077 && printf 'another password' >"$W/wrong-password")
    fails 6 "password" keysvc key import "$ANY/wrong" --pkcs12 "$W/foreign.p12" --password-file "$W/wrong-password"
    fails 4 "" keysvc key show "$ANY/wrong"
}

# ---------------------------------------------------------------- certificates

@test "certificates are kept beside a key" {
    keysvc key generate "$ANY/cert"
    as $ALICE keysvc self-sign "$ANY/cert" --common-name shop.example >"$W/cert.pem"
    if lacks certificates; then
        fails 19 certificates keysvc key certificate "$ANY/cert" put --in "$W/cert.pem"
        return
    fi
    fails 4 "" keysvc key certificate "$ANY/cert" get
    keysvc key certificate "$ANY/cert" put --in "$W/cert.pem"
    keysvc key certificate "$ANY/cert" get | diff <(openssl x509 -in "$W/cert.pem") -
    # Another one takes its place.
    as $ALICE keysvc self-sign "$ANY/cert" --common-name www.shop.example >"$W/cert.pem"
    keysvc key certificate "$ANY/cert" put --in "$W/cert.pem"
    keysvc key certificate "$ANY/cert" get | diff <(openssl x509 -in "$W/cert.pem") -
    # Somebody else's does not.
    openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=shop.example -out "$W/stranger.pem"
    run keysvc key certificate "$ANY/cert" put --in "$W/stranger.pem"
    [ "$status" = 6 ] || [ "$status" = 2 ]
    keysvc key certificate "$ANY/cert" get | diff <(openssl x509 -in "$W/cert.pem") -
    keysvc key certificate "$ANY/cert" delete
    fails 4 "" keysvc key certificate "$ANY/cert" get
}

# ---------------------------------------------------------------- the token

@test "token show says what the token says, and what the profile says it cannot do" {
    keysvc token show main | grep keysvc
    keysvc token show main --json >"$W/shown"
    json 'len(d["info"]["mechanisms"]) > 5 and d["info"]["label"]' <"$W/shown" | grep keysvc
    for word in $TYPES import certificates; do
        if lacks "$word"; then answer=True; else answer=False; fi
        [ "$(json "'$word' in d['info']['unsupported']" <"$W/shown")" = $answer ]
    done
}

@test "a key made by another tool appears after a rescan" {
    pkcs11 --keypairgen --key-type "$(tool_type "$ANY")" --label "$ANY/foreign@1" --usage-sign
    fails 4 "$ANY/foreign" keysvc sign "$ANY/foreign" --in "$W/data"
    keysvc token rescan main
    as $ALICE keysvc sign "$ANY/foreign" --in "$W/data" >"$W/signature"
    verify "$ANY/foreign" "$W/data" "$W/signature"
}

@test "keys outlive keysvcd" {
    keysvc key generate "$ANY/lasting"
    keysvc key public "$ANY/lasting" >"$W/before.pem"
    stop
    start
    keysvc key public "$ANY/lasting" | diff - "$W/before.pem"
    as $ALICE keysvc sign "$ANY/lasting" --in "$W/data" >"$W/signature"
    verify "$ANY/lasting" "$W/data" "$W/signature"
}

@test "a killed token process comes back" {
    keysvc key generate "$ANY/killed"
    for ((i = 0; i < 3; i++)); do
        before=$(token_pids)
        kill -KILL $before
        as $ALICE keysvc sign "$ANY/killed" --in "$W/data" >"$W/signature"
        verify "$ANY/killed" "$W/data" "$W/signature"
        [ "$(token_pids)" != "$before" ]
    done
    wait_ready
}

workers()
{
    stop
    (
        TOKEN_WORKERS=$1
        [ -n "$1" ] || unset TOKEN_WORKERS
        write_config
    )
    every_type | rules
    start
}

@test "two workers serve one token" {
    workers 2
    two()
    {
        [ "$(keysvc status --json | json 'd["tokens"][0]["ready_workers"]')" = 2 ]
    }
    wait_for two
    keysvc key generate "$ANY/both"
    [ "$SEES_OTHERS" = yes ] || workers 2
    wait_for two
    for ((i = 0; i < 8; i++)); do
        as $ALICE keysvc sign "$ANY/both" --in "$W/data" >"$W/signature.$i" 3>&- &
        SIGNERS[i]=$!
    done
    for ((i = 0; i < 8; i++)); do
        wait "${SIGNERS[i]}"
        verify "$ANY/both" "$W/data" "$W/signature.$i"
    done
    # The first is killed, then the second: the other one serves.
    for process in $(token_pids); do
        kill -KILL "$process"
        as $ALICE keysvc sign "$ANY/both" --in "$W/data" >"$W/signature"
        verify "$ANY/both" "$W/data" "$W/signature"
        wait_for two
    done
    workers ""
}

@test "what the module needs goes away in use, and service is there when it is back" {
    keysvc key generate "$ANY/broken"
    token_break
    run as $ALICE keysvc sign "$ANY/broken" --in "$W/data" --timeout 2s
    [ "$status" = 10 ] || { echo "status $status, $output"; return 1; }
    token_mend
    wait_ready
    as $ALICE keysvc sign "$ANY/broken" --in "$W/data" >"$W/signature"
    verify "$ANY/broken" "$W/data" "$W/signature"
}

@test "a wrong PIN is tried once, and the right one serves again" {
    stop
    printf 'Wrong-PI' >"$W/pin"
    for ((i = 0; i < 3; i++)); do
        start nowait
        wait_for token_is login-blocked
        stop
    done
    [ "$(grep -c 'CKR_PIN_INCORRECT' "$W/log")" -ge 1 ]
    start nowait
    wait_for token_is login-blocked
    keysvc status --json | json 'd["tokens"][0]["text"]' | grep -i pin
    printf '%s' "$PIN" >"$W/pin"
    # A token that warns of wrong PINs wants an administrator's word.
    keysvc token retry-login main
    wait_ready
    keysvc key generate "$ANY/after-pin"
}

@test "change-pin changes token and file together" {
    (umask 077 && printf 'Other-31' >"$W/pin.new")
    keysvc token change-pin main --new-pin-file "$W/pin.new" --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
    [ "$(cat "$W/pin")" = Other-31 ]
    stop
    start
    keysvc key generate "$ANY/new-pin"
    (umask 077 && printf '%s' "$PIN" >"$W/pin.new")
    keysvc token change-pin main --new-pin-file "$W/pin.new" --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
    stop
    start
    pkcs11 --list-objects --type privkey | grep "$ANY/new-pin"
}

@test "everything done stands in the audit, and the token has signed for it" {
    stop
    audit_verify >"$W/verified"
    grep -E '^main-1.log: whole, .*signed up to record [1-9]' "$W/verified"
    start
}
