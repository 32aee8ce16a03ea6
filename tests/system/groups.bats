#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# groups.bats - two tokens that show the same keys: both are used, one may go, and no request fails for it
#
# East and west are two token sections over one SoftHSM store, as two nodes of a vendor's cluster are: what one makes
# the other really shows. Each has its own module that breaks on purpose, so each can be pulled out, hung or killed.

setup()
{
    load harness
}

teardown()
{
    [ -z "${loader-}" ] || kill -TERM "$loader" 2>/dev/null || true
    show_log_if_failed
    end_world
}

# East and west over one store, and the group `both`. West breaks by rules of its own, in a folder that the profile lets
# a token's process write to.
world_with_group()
{
    STORE=yes world break
    mkdir -m 700 "$W/break/west"
    [ "$ME" != 0 ] || chown "$TOKEN:$TOKEN" "$W/break/west"
    {
        sed '/^token main {/,$d' "$W/keysvcd.conf"
        section main east
        section main west | sed "s|$W/break\"|$W/break/west\"|"
        echo 'group both { tokens = {east, west} }'
        default_rules | sed 's|token = main|token = both|'
    } >"$W/keysvcd.conf.new"
    mv "$W/keysvcd.conf.new" "$W/keysvcd.conf"
}

# section FROM TO: that token's section under another name.
section()
{
    sed -n "/^token $1 {/,/^}/p" "$W/keysvcd.conf" | sed "s|^token $1|token $2|"
}

# break_rules for one of the two.
breaks()
{
    local folder=$W/break token=$1
    shift
    [ "$token" = east ] || folder=$W/break/west
    printf '%s\n' "$@" >"$folder/rules.new"
    chmod 644 "$folder/rules.new"
    mv "$folder/rules.new" "$folder/rules"
}

# West becomes a copy of the store in which web/shop@1 is another key.
west_goes_its_own_way()
{
    local west=(as "$TOKEN" env SOFTHSM2_CONF="$W/break/west-softhsm2.conf" pkcs11-tool --module "$TOKEN_MODULE"
        --token-label keysvc --login --pin "$PIN")
    cp -a "$W/tokens" "$W/break/west-tokens"
    sed "s|$W/tokens|$W/break/west-tokens|" "$W/softhsm2.conf" >"$W/break/west-softhsm2.conf"
    sed -i "/^token west {/,/^}/ { s|$W/tokens|$W/break/west-tokens|; s|environment = {|&\"SOFTHSM2_CONF=$W/break/west-softhsm2.conf\", | }" \
        "$W/keysvcd.conf"
    "${west[@]}" --delete-object --type privkey --label web/shop@1
    "${west[@]}" --delete-object --type pubkey --label web/shop@1
    "${west[@]}" --keypairgen --key-type EC:prime256v1 --label web/shop@1
}

# An unmodified program has the key that its reference names.
signs_by_reference()
{
    sed "s|@MODULE@|$PROGRAMS/client/provider/keysvc.so|" "$SOURCE/client/provider/openssl.cnf.in" >"$W/openssl.cnf"
    for _ in 1 2 3 4; do
        with_module OPENSSL_CONF="$W/openssl.cnf" openssl dgst -sha256 -sign "$W/shop.pem" -out "$W/by-reference" "$W/data"
        openssl dgst -sha256 -verify "$W/shop.pub" -signature "$W/by-reference" "$W/data"
    done
}

group()
{
    keysvc status --json | json "d['groups'][0]['$1']"
}

group_is()
{
    [ "$(group "$1")" = "$2" ]
}

start_both()
{
    start nowait
    wait_for group_is ready_tokens 2
}

tokens_of()
{
    keysvc key show "$1" --json | json '" ".join(d["tokens"])'
}

is_on()
{
    [ "$(tokens_of "$1")" = "$2" ]
}

# signatures TOKEN: how many its audit has.
signatures()
{
    grep -c '"event":"sign"' "$W/audit/$1-1.log" || true
}

signs()
{
    keysvc sign "$1" --in "$W/data" >"$W/signature" && verify "$1" "$W/data" "$W/signature"
}

# Load by the protocol itself, where nothing is tried again behind our back.
load_both()
{
    "$KEYSVC_BUILD/tests/load/load" --key web/shop --via protocol --verify --json "$@" >"$W/load.json" 3>&- &
    loader=$!
}

# Not one request without its one right answer.
load_ended_well()
{
    wait "$loader"
    cat "$W/load.json"
    [ "$(json 'set(k for k, v in d["outcomes"].items() if v)' <"$W/load.json")" = "{'OK'}" ]
    [ "$(json '[d[k] for k in ("wrong", "doubled", "strange", "unanswered", "lost")]' <"$W/load.json")" = \
        "[0, 0, 0, 0, 0]" ]
}

# Enough has been signed since for whatever was done to have been noticed.
signed_more()
{
    [ "$(signatures "$1")" -gt "$2" ]
}

signs_on()
{
    wait_for signed_more "$1" "$(($(signatures "$1") + 50))"
}

@test "a key of a group is made once, shown on both tokens, and both sign with it" {
    world_with_group
    start_both
    keysvc key generate web/shop
    wait_for is_on web/shop "east west"
    keysvc key list | grep -E 'web/shop@1 .* east,west '
    keysvc status | grep -E '^both +ready +2/2 +1 +1 +0 +east,west'
    keysvc token list | grep -E '^both +ready +2/2 +1 +1 +0 +east,west'
    [ "$(keysvc token list --json | json '[t["group"] for t in d["tokens"]]')" = "['both', 'both']" ]
    load_both --count 200 --open 8
    load_ended_well
    [ "$(signatures east)" -gt 20 ] && [ "$(signatures west)" -gt 20 ]
    keysvc key rotate web/shop --from 1
    wait_for is_on web/shop@2 "east west"
    keysvc key destroy web/shop@1 --yes
    wait_for group_is keys_everywhere 1
    fails 4 "no key web/shop@1" keysvc sign web/shop@1 --in "$W/data"
    stop
    audit_verify
}

@test "a token that is pulled out under load costs no request, is shown to be lost, and is used again when it is back" {
    world_with_group
    start_both
    keysvc key generate web/shop
    wait_for is_on web/shop "east west"
    load_both --seconds 3600 --open 32
    signs_on east
    signs_on west
    breaks east token:removed
    wait_for group_is ready_tokens 1
    [ "$(group state)" = degraded ]
    keysvc status | grep -E '^both +degraded +1/2 '
    signs_on west
    # What it shows is not forgotten.
    is_on web/shop "east west"
    breaks east
    wait_for group_is ready_tokens 2
    signs_on east
    breaks west token:removed
    wait_for group_is ready_tokens 1
    signs_on east
    kill -TERM "$loader"
    load_ended_well
    stop
    audit_verify
}

@test "processes that crash, hang and are killed under load cost no request" {
    HANG_TIMEOUT=2s world_with_group
    start_both
    keysvc key generate web/shop
    wait_for is_on web/shop "east west"
    load_both --seconds 3600 --open 32
    signs_on east
    signs_on west
    breaks east C_Sign:*:abort
    wait_for group_is ready_tokens 1
    breaks east
    wait_for group_is ready_tokens 2
    signs_on east
    breaks west C_Sign:*:hang
    wait_for group_is ready_tokens 1
    breaks west
    wait_for group_is ready_tokens 2
    signs_on west
    kill -KILL $(token_pids_of east)
    wait_for group_is ready_tokens 2
    signs_on east
    kill -TERM "$loader"
    load_ended_well
    stop
    audit_verify
}

@test "the second try stands in the audit of its token under the same request, and once in the front's" {
    world_with_group
    start_both
    keysvc key generate web/shop
    wait_for is_on web/shop "east west"
    breaks east C_Sign:*:CKR_DEVICE_REMOVED
    signs web/shop
    keysvc metrics | grep -qE '^keysvc_requests_sent_again_total [1-9]'
    [ "$(keysvc metrics --json | json 'd["sent_again"] > 0')" = True ]
    stop
    id=$(grep '"event":"sign"' "$W/audit/west-1.log" | tail -n 1 | sed 's/.*"request":\([0-9]*\).*/\1/')
    [ "$(grep -c "\"request\":$id,.*\"operation\":\"sign\"" "$W/audit/front.log")" = 1 ]
    grep "\"request\":$id," "$W/audit/east-1.log" | grep '"event":"sign"' | grep TOKEN_UNAVAILABLE
    grep "\"request\":$id," "$W/audit/west-1.log" | grep '"outcome":"OK"'
    audit_verify
}

@test "with both lost there is a clear error for each, and service again when one is back" {
    world_with_group
    start_both
    keysvc key generate web/shop
    wait_for is_on web/shop "east west"
    breaks east token:removed
    breaks west token:removed
    none()
    {
        ! keysvc sign web/shop --in "$W/data" --timeout 1s && group_is ready_tokens 0
    }
    wait_for none
    [ "$(group state)" = lost ]
    fails 10 "group both: token east is not ready" keysvc sign web/shop --in "$W/data" --timeout 1s
    [[ $output == *"token west is not ready"* ]]
    keysvc key show web/shop
    breaks west
    wait_for group_is ready_tokens 1
    signs web/shop
}

@test "a change goes to the first that is ready, its end unknown stays unknown, and nothing is made twice" {
    world_with_group
    start_both
    breaks east C_GenerateKeyPair:*:"after abort"
    fails 13 "OUTCOME_UNKNOWN" keysvc key generate web/shop
    breaks east
    wait_for group_is ready_tokens 2
    # It was made, and what came of it is found on both by those who look.
    wait_for is_on web/shop "east west"
    [ "$(pkcs11 --list-objects --type privkey | grep -c web/shop@)" = 1 ]
    fails 5 "exists" keysvc key generate web/shop
    breaks east token:removed
    lost()
    {
        keysvc sign web/shop --in "$W/data" >"$W/signature" && group_is ready_tokens 1
    }
    wait_for lost
    keysvc key generate web/mail
    [ "$(pkcs11 --list-objects --type privkey | grep -c web/mail@)" = 1 ]
    grep '"event":"result"' "$W/audit/west-1.log" | grep web/mail
    signs web/mail
    breaks east
    wait_for group_is ready_tokens 2
    wait_for is_on web/mail "east west"
    signs web/mail
    stop
    audit_verify
}

@test "different keys under one label: who names the one is served by the token that shows it, nothing else is done" {
    world_with_group
    start_both
    keysvc key generate web/shop
    keysvc key generate web/same
    keysvc key reference web/shop --out-file "$W/shop.pem"
    keysvc key public web/shop >"$W/shop.pub"
    stop
    west_goes_its_own_way
    start_both
    wait_for group_is keys_differing 1
    keysvc key list | grep -E 'web/shop@1 .* east,west .* different keys'
    keysvc key show web/shop | grep 'these tokens do not show one and the same key'
    for refused in "sign web/shop --in $W/data" "csr web/shop --common-name shop.example" "self-sign web/shop --common-name shop.example" \
        "key rotate web/shop --from 1" "key destroy web/shop@1 --yes"; do
        fails 16 "" keysvc $refused
    done
    signs web/same
    # East's is the one that the reference names.
    signs_by_reference
    run_doctor=$(keysvc doctor --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)" || true)
    grep 'web/shop@1 is not the same key on east and west' <<<"$run_doctor"
    not grep 'two private keys on token' <<<"$run_doctor"
    # The administrator decides for east's.
    sed -i 's|tokens = {east, west}|tokens = {east}|' "$W/keysvcd.conf"
    keysvc reload
    signs web/shop
    [ "$(tokens_of web/shop)" = east ]
}

@test "a token joins and leaves the group with a reload, under load" {
    world_with_group
    sed -i 's|tokens = {east, west}|tokens = {east}|' "$W/keysvcd.conf"
    start nowait
    wait_for group_is ready_tokens 1
    keysvc key generate web/shop
    is_on web/shop east
    sed -i 's|tokens = {east}|tokens = {west, east}|' "$W/keysvcd.conf"
    keysvc reload
    wait_for group_is ready_tokens 2
    keysvc token rescan west
    is_on web/shop "west east"
    load_both --seconds 3600 --open 16
    signs_on west
    signs_on east
    sed -i 's|tokens = {west, east}|tokens = {west}|' "$W/keysvcd.conf"
    keysvc reload
    is_on web/shop west
    signs_on west
    kill -TERM "$loader"
    wait "$loader"
    cat "$W/load.json"
    # What was under way may be told to come again, as with every reload; nothing else.
    [ "$(json 'set(d["outcomes"]) - {"OK", "BUSY"}' <"$W/load.json")" = "set()" ]
    # A file that is wrong changes nothing.
    sed -i 's|tokens = {west}|tokens = {west, nowhere}|' "$W/keysvcd.conf"
    fails 6 "there is no section token nowhere" keysvc reload
    signs web/shop
    stop
    audit_verify
}
