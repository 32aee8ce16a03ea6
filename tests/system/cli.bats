#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# cli.bats - what all commands share: help, man page, completion, JSON, and a token shown from end to end

setup_file()
{
    load harness
    world
    start
    keysvc key generate web/shop
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

# Every command of `keysvc --help`, one a line.
commands()
{
    keysvc --help | sed '1,/^Commands:/d' | sed -n 's/^  \(.\{20\}\).*/\1/p' | sed 's/ *$//'
}

@test "each command of --help has help of its own and stands in the man page" {
    commands >"$W/commands"
    [ "$(wc -l <"$W/commands")" -ge 20 ]
    while read -r command; do
        # shellcheck disable=SC2086
        keysvc $command --help | grep "Usage: keysvc $command"
        grep -F "*keysvc $command*" "$SOURCE/docs/keysvc.1.scd"
    done <"$W/commands"
}

@test "the long options of each command stand in its man page entry or among the common ones" {
    commands >"$W/commands"
    while read -r command; do
        # shellcheck disable=SC2086
        for option in $(keysvc $command --help | grep -oE '^ +(-.,)? +--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+'); do
            case $option in --help | --usage | --version) continue ;; esac
            grep -qF -e "$option" "$SOURCE/docs/keysvc.1.scd" || [[ $command == audit* ]] ||
                { echo "$command $option is not in keysvc(1)"; return 1; }
        done
    done <"$W/commands"
}

@test "the completion offers every verb of every noun, keys and versions" {
    source "$SOURCE/client/cli/completion/keysvc.bash"
    complete_words()
    {
        COMP_WORDS=(keysvc "$@")
        COMP_CWORD=$#
        _keysvc
        printf '%s\n' "${COMPREPLY[@]}"
    }
    commands >"$W/commands"
    while read -r noun verb; do
        complete_words "" | grep -x -e "$noun"
        [ -z "$verb" ] || complete_words "$noun" "" | grep -x -e "$verb"
    done <"$W/commands"
    complete_words key show "" | grep -x web/shop
    complete_words key destroy "" | grep -x web/shop@1
    complete_words key certificate web/shop "" | grep -x put
    complete_words key import web/x -- | grep -x -e --pkcs12
}

@test "each error is one line, or one object" {
    for arguments in "key show web/nothing" "key destroy web/nothing@1 --yes" "key certificate web/nothing get" \
        "self-sign web/nothing" "csr web/nothing" "key import web/shop --pkcs8 $W/none" "token show nothing" \
        "key list --nonsense" "key destroy web/shop@1"; do
        # shellcheck disable=SC2086
        run keysvc $arguments
        [ "$status" != 0 ]
        [ "${#lines[@]}" = 1 ]
        [[ $output == "keysvc: "* ]]
        code=$status
        # shellcheck disable=SC2086
        run keysvc --json $arguments
        [ "$status" = "$code" ]
        [ "$(json 'sorted(d["error"])' <<<"$output")" = "['code', 'hint', 'message', 'retryable']" ]
    done
}

@test "an administrator sees what the token says of itself" {
    keysvc token show main >"$W/shown"
    grep -E '^user PIN +ok' "$W/shown"
    grep -E '^manufacturer +SoftHSM' "$W/shown"
    grep -E '^free private memory' "$W/shown"
    grep -E '^CKM_ECDSA .*sign' "$W/shown"
    keysvc token show main --json >"$W/shown.json"
    [ "$(json 'd["info"]["user_pin"]' <"$W/shown.json")" = ok ]
    [ "$(json '[m["does"] for m in d["info"]["mechanisms"] if m["name"] == "CKM_ECDSA"][0]' <"$W/shown.json")" \
        = "['sign', 'verify']" ]
    [ "$(json 'd["state"]' <"$W/shown.json")" = ready ]
}

@test "others see the token's name and state" {
    need_root
    as $BOB keysvc token show main --json >"$W/bob.json"
    [ "$(json 'd["state"], d["info"]' <"$W/bob.json")" = "('ready', None)" ]
    as $BOB keysvc token show main >"$W/bob.text"
    not grep MECHANISM "$W/bob.text"
}

@test "a token that is not ready is shown all the same, and why it says nothing" {
    (
        world
        printf 'wrong-pin' >"$W/pin"
        start nowait
        wait_for token_is login-blocked
        keysvc --timeout 1 token show main >"$W/shown"
        grep -E '^state +login-blocked' "$W/shown"
        grep -E '^the token says +nothing: ' "$W/shown"
        [ "$(keysvc --timeout 1 token show main --json | json 'd["error"]["code"]')" != OK ]
        end_world
    )
}
