#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# reference.bats - `keysvc key reference`: a file that names one version of a key, holds its public half and no secret

setup_file()
{
    load harness
    world
    start
    keysvc key generate web/shop
    keysvc key rotate web/shop --from 1
    keysvc key generate rsa/shop
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

# fields FILE: form, label and public key of a reference, by openssl alone. The third line is the digest of the key's DER.
fields()
{
    [ "$(head -n 1 "$1")" = "-----BEGIN KEYSVC KEY REFERENCE-----" ] || return 1
    [ "$(tail -n 1 "$1")" = "-----END KEYSVC KEY REFERENCE-----" ] || return 1
    sed '1d;$d' "$1" | base64 -d >"$W/reference.der"
    openssl asn1parse -inform DER -in "$W/reference.der" >"$W/parsed"
    sed -n 's/.*UTF8STRING *://p' "$W/parsed"
    offset=$(awk -F: '/OCTET STRING/ { print $1 + 0 }' "$W/parsed")
    openssl asn1parse -inform DER -in "$W/reference.der" -strparse "$offset" -noout -out "$W/key.der"
    sha256sum <"$W/key.der" | cut -d' ' -f1
}

public_digest()
{
    keysvc key public "$1" | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1
}

# names FILE LABEL: it is a reference to that version and to nothing else.
names()
{
    [ "$(fields "$1")" = "$(printf 'keysvc-reference-1\n%s\n%s' "$2" "$(public_digest "$2")")" ]
}

@test "a bare name is the newest version, at the time it was asked; a version is that one" {
    keysvc key reference web/shop >"$W/newest.pem"
    names "$W/newest.pem" web/shop@2
    keysvc key reference web/shop@1 >"$W/first.pem"
    names "$W/first.pem" web/shop@1
    keysvc key reference rsa/shop >"$W/rsa.pem"
    names "$W/rsa.pem" rsa/shop@1
    not cmp -s "$W/first.pem" "$W/newest.pem"
}

@test "--out-file is readable for all, as far as the umask lets it: there is no secret in it" {
    (umask 022 && keysvc key reference web/shop --out-file "$W/out.pem")
    names "$W/out.pem" web/shop@2
    [ "$(stat -c %a "$W/out.pem")" = 644 ]
    (umask 077 && keysvc key reference web/shop@1 --out-file "$W/out.pem")
    names "$W/out.pem" web/shop@1
    [ "$(stat -c %a "$W/out.pem")" = 600 ]
    fails 2 "No such file" keysvc key reference web/shop --out-file "$W/none/out.pem"
}

@test "--json names the version beside the text" {
    keysvc key reference web/shop --json >"$W/json"
    [ "$(json 'd["name"]' <"$W/json")" = web/shop ]
    [ "$(json 'd["version"]' <"$W/json")" = 2 ]
    json 'd["reference"]' <"$W/json" | sed '/^$/d' >"$W/json.pem"
    names "$W/json.pem" web/shop@2
}

@test "no such key, no such version, no name: nothing is written" {
    fails 4 "web/none" keysvc key reference web/none --out-file "$W/none.pem"
    fails 4 "web/shop@3" keysvc key reference web/shop@3 --out-file "$W/none.pem"
    fails 6 "BAD_REQUEST" keysvc key reference web//shop --out-file "$W/none.pem"
    fails 2 "" keysvc key reference
    [ ! -e "$W/none.pem" ]
    run keysvc key reference web/none --json
    [ "$status" = 4 ]
    [ "$(json 'd["error"]["code"]' <<<"$output")" = NO_KEY ]
}

@test "a user without a rule is told which one is missing; with one for get alone it is enough" {
    need_root
    fails 3 "allow uid-$BOB-get" as "$BOB" keysvc key reference web/shop
    { default_rules; echo "allow bob { user = {\"$BOB\"} keys = {\"web/**\"} operations = {get} }"; } | rules
    keysvc reload
    as "$BOB" keysvc key reference web/shop >"$W/bob.pem"
    names "$W/bob.pem" web/shop@2
    default_rules | rules
    keysvc reload
}

@test "a reference outlives its key: nothing is changed in it" {
    keysvc key generate web/gone
    keysvc key reference web/gone --out-file "$W/gone.pem"
    keysvc key destroy web/gone@1 --yes
    fails 4 "web/gone" keysvc key reference web/gone --out-file "$W/gone.pem"
    [ "$(fields "$W/gone.pem" | sed -n 2p)" = web/gone@1 ]
}

@test "a stopped daemon" {
    stop
    fails 17 "NO_SERVICE" keysvc --timeout 1s key reference web/shop --out-file "$W/stopped.pem"
    [ ! -e "$W/stopped.pem" ]
    start
    keysvc key reference web/shop --out-file "$W/started.pem"
    names "$W/started.pem" web/shop@2
}
