#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# import.bats - keys that were made elsewhere, from PKCS#12 and PKCS#8 files, as `keysvc key import` takes them

setup_file()
{
    load harness
    world
    start
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/ec.pem" -out "$W/ec.crt" \
        -subj /CN=shop.example -days 30 2>/dev/null
    openssl genrsa -out "$W/rsa.pem" 2048 2>/dev/null
    (umask 077 && printf 'right horse\n' >"$W/password" && printf 'wrong horse\n' >"$W/wrong")
    openssl pkcs12 -export -inkey "$W/ec.pem" -in "$W/ec.crt" -name shop -passout file:"$W/password" -out "$W/ec.p12"
    openssl x509 -req -in <(openssl req -new -key "$W/rsa.pem" -subj /CN=rsa.example) -CA "$W/ec.crt" -CAkey "$W/ec.pem" \
        -days 30 -out "$W/rsa.crt" 2>/dev/null
    openssl pkcs12 -export -inkey "$W/rsa.pem" -in "$W/rsa.crt" -certfile "$W/ec.crt" -name "My Shop" -passout file:"$W/password" \
        -out "$W/rsa.p12"
    # Alice reads what is hers.
    chmod 644 "$W"/*.pem "$W"/*.p12 "$W/ec.crt"
    [ "$ME" != 0 ] || chown "$ALICE:$ALICE" "$W/password" "$W/wrong"
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

import()
{
    as $ALICE keysvc key import "$@" </dev/null
}

@test "a PKCS#12 file becomes a key that signs, with its certificate beside it" {
    import web/p12 --pkcs12 "$W/ec.p12" --password-file "$W/password"
    as $ALICE keysvc sign web/p12 --in "$W/data" >"$W/p12.signature"
    openssl x509 -in "$W/ec.crt" -pubkey -noout >"$W/ec.pub"
    openssl dgst -sha256 -verify "$W/ec.pub" -signature "$W/p12.signature" "$W/data"
    as $ALICE keysvc key certificate web/p12 get | openssl x509 -noout -subject | grep shop.example
}

@test "the certificates can be left out" {
    import web/alone --pkcs12 "$W/ec.p12" --password-file "$W/password" --no-certificates
    fails 4 web/alone as $ALICE keysvc key certificate web/alone get
}

@test "PKCS#8: PEM, DER, encrypted, and from standard input" {
    openssl pkcs8 -topk8 -nocrypt -in "$W/ec.pem" -outform DER -out "$W/ec.der"
    openssl pkcs8 -topk8 -in "$W/ec.pem" -passout file:"$W/password" -out "$W/ec.enc.pem"
    chmod 644 "$W/ec.der" "$W/ec.enc.pem"
    import web/p8 --pkcs8 "$W/ec.pem"
    import web/p8der --pkcs8 "$W/ec.der"
    import web/p8enc --pkcs8 "$W/ec.enc.pem" --password-file "$W/password"
    as $ALICE keysvc key import web/p8in --pkcs8 - <"$W/ec.pem"
    import rsa/p8 --pkcs8 "$W/rsa.pem"
    for name in web/p8der web/p8enc web/p8in; do
        diff <(keysvc key public web/p8) <(keysvc key public $name)
    done
    as $ALICE keysvc sign rsa/p8 --in "$W/data" >"$W/rsa.signature"
    verify rsa/p8 "$W/data" "$W/rsa.signature"
}

@test "what was imported is sensitive and not extractable, says the token" {
    import web/kept --pkcs8 "$W/ec.pem"
    pkcs11 --list-objects --type privkey >"$W/objects"
    grep -A6 -E 'label: *web/kept@1' "$W/objects" >"$W/kept"
    # Neither extractable, nor has it always been so: its bytes were once in a file.
    grep -E 'Access: *sensitive$' "$W/kept"
}

@test "a wrong password, none, a truncated file and one that is no key are told apart from success" {
    fails 6 web/wrong import web/wrong --pkcs12 "$W/ec.p12" --password-file "$W/wrong"
    [[ $output == *assword* ]]
    fails 6 web/wrong import web/wrong --pkcs12 "$W/ec.p12"
    head -c 300 "$W/ec.p12" >"$W/short.p12"
    fails 6 web/wrong import web/wrong --pkcs12 "$W/short.p12" --password-file "$W/password"
    fails 6 web/wrong import web/wrong --pkcs8 "$W/data"
    fails 6 web/wrong import web/wrong --pkcs8 "$W/ec.crt"
    fails 4 web/wrong as $ALICE keysvc key show web/wrong
}

@test "a file of another type than the class's is refused" {
    fails 6 web/rsa import web/rsa --pkcs8 "$W/rsa.pem"
    [[ $output == *ec-p256* ]]
}

@test "a class takes the types that it lists, and the answer says what the file gave" {
    sed -i '/^keys "web\/\*\*"/a import-types = {ec-p256, rsa-2048}' "$W/keysvcd.conf"
    keysvc reload
    import web/listed --pkcs12 "$W/rsa.p12" --password-file "$W/password" --select "my shop" --json >"$W/answer"
    [ "$(json 'd["type"]' <"$W/answer")" = rsa-2048 ]
    [ "$(json 'd["alias"]' <"$W/answer")" = "My Shop" ]
    json 'd["certificates"][0]' <"$W/answer" | openssl x509 | diff - "$W/rsa.crt"
    json 'd["certificates"][1]' <"$W/answer" | openssl x509 | diff - "$W/ec.crt"
    [ "$(json 'len(d["certificates"])' <"$W/answer")" = 2 ]
    # What the service makes is still of the class's own type.
    as $ALICE keysvc key rotate web/listed --from 1
    [ "$(keysvc key show web/listed --json | json 'd["type"]')" = ec-p256 ]
    import web/listed --pkcs12 "$W/ec.p12" --password-file "$W/password" --from 2 | grep -E "name in the file +shop"
    openssl genpkey -algorithm ED25519 -out "$W/ed.pem"
    chmod 644 "$W/ed.pem"
    fails 6 import-types import web/unlisted --pkcs8 "$W/ed.pem"
    sed -i '/^import-types/d' "$W/keysvcd.conf"
    keysvc reload
}

@test "a name is taken once; --from makes the next version" {
    import web/twice --pkcs8 "$W/ec.pem"
    fails 5 web/twice import web/twice --pkcs8 "$W/ec.pem"
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$W/next.pem"
    chmod 644 "$W/next.pem"
    import web/twice --pkcs8 "$W/next.pem" --from 1
    [ "$(keysvc key show web/twice --json | json 'd["version"]')" = 2 ]
    fails 5 web/twice import web/twice --pkcs8 "$W/next.pem" --from 1
}

@test "of several keys one is selected by its friendly name" {
    fails 6 web/selected import web/selected --pkcs12 "$W/ec.p12" --password-file "$W/password" --select nobody
    import web/selected --pkcs12 "$W/ec.p12" --password-file "$W/password" --select shop
}

@test "a file above the limit is not sent" {
    head -c 300000 /dev/zero >"$W/large"
    chmod 644 "$W/large"
    fails 7 262144 import web/large --pkcs12 "$W/large"
}

@test "a password file that others can read is warned about, and works" {
    cp "$W/password" "$W/open"
    chmod 644 "$W/open"
    run import web/warned --pkcs12 "$W/ec.p12" --password-file "$W/open"
    [ "$status" = 0 ]
    [[ $output == *warning*644* ]]
    [[ $output != *horse* ]]
}

@test "who has no rule imports nothing" {
    need_root
    fails 3 web/bob as $BOB keysvc key import web/bob --pkcs8 "$W/ec.pem"
}

@test "a file that cannot be read is named with its option, and a name that is taken with the way out" {
    fails 2 "--pkcs12: $W/none: No such file" import web/x --pkcs12 "$W/none"
    fails 2 "--pkcs8: $W/none: No such file" import web/x --pkcs8 "$W/none"
    fails 2 "--password-file: $W/none: No such file" import web/x --pkcs12 "$W/ec.p12" --password-file "$W/none"
    import web/taken --pkcs8 "$W/ec.pem"
    fails 5 "key import --from N" import web/taken --pkcs8 "$W/ec.pem"
}
