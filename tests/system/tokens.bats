#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# tokens.bats - several tokens in one keysvcd: each with its own process, PIN and classes, none in another's way

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_world
}

# Besides main a token `spare`: in a folder of its own, with a PIN and, where there are several, a user of its own.
world_of_two()
{
    STORE=yes world
    SPARE=$TOKEN
    [ "$ME" != 0 ] || SPARE=64803
    SPARE_PIN=Spare-1618
    mkdir -m 700 "$W/spare-tokens"
    [ "$ME" != 0 ] || chown "$SPARE:$SPARE" "$W/spare-tokens"
    echo "directories.tokendir = $W/spare-tokens" >"$W/spare-softhsm2.conf"
    (umask 077 && printf '%s' "$SPARE_PIN" >"$W/spare-pin")
    echo 'copies = {"*/token.object"}' >>"$W/profile.conf"
    {
        echo "token spare {"
        echo "    profile = \"$W/profile.conf\""
        echo "    label = \"spare\""
        echo "    pin-file = \"$W/spare-pin\""
        echo "    store = \"$W/spare-tokens\""
        [ "$ME" != 0 ] || echo "    user = \"$SPARE\""
        echo "    environment = {\"SOFTHSM2_CONF=$W/spare-softhsm2.conf\", $(token_environment)}"
        echo "}"
        echo 'keys "spare/**" { token = spare type = ec-p384 purpose = sign }'
    } >>"$W/keysvcd.conf"
}

make_spare()
{
    as "$SPARE" env SOFTHSM2_CONF="$W/spare-softhsm2.conf" softhsm2-util --init-token --free --label spare \
        --pin "$SPARE_PIN" --so-pin "$SO_PIN"
}

state_of()
{
    keysvc status --json | json '[t["state"] for t in d["tokens"] if t["name"] == "'"$1"'"][0]'
}

state_is()
{
    [ "$(state_of "$1")" = "$2" ]
}

both_ready()
{
    state_is main ready && state_is spare ready
}

signs()
{
    keysvc sign "$1" --in "$W/data" >"$W/signature"
}

@test "two tokens serve side by side, each in its own process, with its own PIN and classes" {
    world_of_two
    make_spare
    start nowait
    wait_for both_ready
    keysvc key generate web/shop
    keysvc key generate spare/shop
    signs web/shop
    signs spare/shop
    keysvc key list --json >"$W/list"
    json '[k["token"] for k in d["keys"] if k["name"] == "spare/shop"][0]' <"$W/list" | grep -x spare
    json '[k["type"] for k in d["keys"] if k["name"] == "spare/shop"][0]' <"$W/list" | grep -x ec-p384
    [ "$(token_pids_of main)" != "$(token_pids_of spare)" ]
    [ "$ME" != 0 ] || grep -P "^Uid:\t$SPARE\t" "/proc/$(token_pids_of spare)/status"
    # A module sees no other token's folder.
    [ "$ME" != 0 ] || not as "$SPARE" ls "$W/tokens"
    stop
    audit_verify
}

@test "an absent token disturbs no other, and is served seconds after it comes" {
    world_of_two
    start nowait
    wait_for state_is main ready
    wait_for state_is spare absent
    keysvc key generate web/shop
    signs web/shop
    run keysvc key generate spare/shop --timeout 1s
    [ "$status" = 10 ] || [ "$status" = 12 ]
    main=$(token_pids_of main)
    # It has been looked for a few times in vain by now.
    sleep 4
    make_spare
    wait_for both_ready
    keysvc key generate spare/shop
    signs spare/shop
    [ "$(token_pids_of main)" = "$main" ]
    # One line of why it was absent, however often it was looked for.
    [ "$(grep -c 'child=spare/1 event=ended' "$W/log")" = 1 ]
}

@test "a token whose PIN is refused disturbs no other" {
    world_of_two
    make_spare
    printf 'wrong' >"$W/spare-pin"
    start nowait
    wait_for state_is main ready
    wait_for state_is spare login-blocked
    keysvc key generate web/shop
    signs web/shop
    keysvc status --json | json '[t["text"] for t in d["tokens"] if t["name"] == "spare"][0]' | grep spare-pin
    printf '%s' "$SPARE_PIN" >"$W/spare-pin"
    wait_for both_ready
}

replaced()
{
    [ "$(token_pids_of spare)" != "$1" ] && state_is spare ready
}

@test "a killed process of one token leaves the other's alone" {
    world_of_two
    make_spare
    start nowait
    wait_for both_ready
    keysvc key generate web/shop
    main=$(token_pids_of main)
    spare=$(token_pids_of spare)
    for ((i = 0; i < 5; i++)); do
        process=$(token_pids_of spare || true)
        [ -z "$process" ] || kill -KILL "$process"
        signs web/shop
        # Twice in one login would be for an administrator to judge.
        wait_for replaced "$process"
    done
    wait_for both_ready
    [ "$(token_pids_of main)" = "$main" ]
    [ "$(token_pids_of spare)" != "$spare" ]
}

@test "two tokens in one store: one lock for both, a copy of each, and each is put back" {
    world_of_two
    rmdir "$W/spare-tokens"
    cp "$W/softhsm2.conf" "$W/spare-softhsm2.conf"
    sed -i "s|$W/spare-tokens|$W/tokens|; s|^    user = \"$SPARE\"|    user = \"$TOKEN\"|" "$W/keysvcd.conf"
    SPARE=$TOKEN
    make_spare
    start nowait
    wait_for both_ready
    keysvc key generate web/shop
    keysvc key generate spare/shop
    [ "$(ls "$W"/tokens/*/token.object.keysvc-copy | wc -l)" = 2 ]
    [ "$(grep -c event=store-locked "$W/log")" = 1 ]
    stop
    for file in "$W"/tokens/*/token.object; do
        truncate -s 0 "$file"
    done
    start nowait
    wait_for both_ready
    signs web/shop
    signs spare/shop
}

@test "a token that is added by a reload is served, one that is removed is not, the third stays" {
    world_of_two
    make_spare
    cp "$W/keysvcd.conf" "$W/both.conf"
    sed -i '/^token spare {/,/^keys "spare/d' "$W/keysvcd.conf"
    start
    main=$(token_pids_of main)
    cp "$W/both.conf" "$W/keysvcd.conf"
    keysvc reload
    wait_for both_ready
    sed -i '/^token spare {/,/^keys "spare/d' "$W/keysvcd.conf"
    keysvc reload
    gone()
    {
        [ -z "$(token_pids_of spare)" ]
    }
    wait_for gone
    [ "$(token_pids_of main)" = "$main" ]
    # Its store is free for another keysvcd, or another's hands.
    wait_for flock -n "$W/spare-tokens" true
    not flock -n "$W/tokens" true
}
