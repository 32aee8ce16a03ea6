#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_owned.bats - what somebody who owns the agent's process, and so its user, does not get

load agent

# refused OUTCOME COMMAND...: by keysvcd, to the agent's user.
refused()
{
    local outcome=$1
    shift
    run as "$AGENT" "$@"
    [ "$status" != 0 ]
    [[ $output == *"$outcome"* ]] || { echo "$output"; return 1; }
}

@test "the agent's user has the keys of its rule and no others, with the names of their class and no others" {
    local key
    need_root
    world
    agent_world
    start
    agent identity-create shop >/dev/null
    key=$AGENT_KEYS/shop
    as "$ALICE" keysvc key generate web/theirs
    for command in "sign web/theirs --in $W/data" "csr web/theirs --common-name shop.example" "key rotate web/theirs --from 1" \
        "key destroy web/theirs@1 --yes" "key generate agents/somebody-else/agent" "key generate web/mine"; do
        # shellcheck disable=SC2086
        refused DENIED keysvc $command
    done
    # Its own: a server's handshakes and nothing else, names of the class and no others.
    refused PURPOSE keysvc sign "$key" --in "$W/data"
    refused NAME_NOT_ALLOWED keysvc csr "$key" --common-name bank.example
    as "$ALICE" keysvc key show web/theirs >/dev/null
}

@test "the agent's user reads neither PIN, nor token, nor audit, and does not look into a process that has a secret" {
    local pid
    need_root
    world
    agent_world
    start
    for file in "$W/pin" "$W/audit" "$W/state"/*; do
        not as "$AGENT" cat "$file"
        not as "$AGENT" ls -A "$file/"
    done
    agent_start
    for pid in $(service_pids) "$(pid)" "$AGENT_PID"; do
        : <"/proc/$pid/mem"             # root may
        not as "$AGENT" sh -c ": <'/proc/$pid/mem'"
        not as "$AGENT" cat "/proc/$pid/environ"
    done
}

@test "who reads the state folder finds no token of the API and no password in it" {
    local token
    need_root
    world
    agent_world
    start
    agent identity-create shop >/dev/null
    token=$(agent token create --name manager --scope "certificate management")
    [ -n "$token" ]
    [ "$(grep -rlaF "${token##*_}" "$STATE" | wc -l)" = 0 ]
    # Nobody else reads the store, and the group reads certificates only.
    not as "$BOB" ls "$STATE"
    [ "$(find "$STATE" -type f ! -perm 0600 ! -name '*.pem' | wc -l)" = 0 ]
}
