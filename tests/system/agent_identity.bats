#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_identity.bats - identities of keysvc-agent: made at first use, as files and in the store

load agent

# What the files of an identity say.
certificate_text()
{
    openssl x509 -in "$STATE/identities/${1-agent}/current/certificate.pem" -noout -text
}

@test "an identity is a key on the token and a certificate that it signed itself, in files and in the store" {
    world
    agent_world
    start
    agent identity-create agent
    [ "$(agent identity-list)" = agent ]
    [ "$(readlink "$STATE/identities/agent/current")" = sets/1 ]
    files_show
    keysvc key show "$AGENT_KEYS/agent@1"
    certificate_text | grep -q "CN = $(hostname)"
    certificate_text | grep -q "TLS Web Server Authentication"
    openssl verify -CAfile "$STATE/identities/agent/current/certificate.pem" \
        "$STATE/identities/agent/current/certificate.pem"
    [ ! -s "$STATE/identities/agent/current/chain.pem" ]
    cmp "$STATE/identities/agent/current/fullchain.pem" "$STATE/identities/agent/current/certificate.pem"
    # A second time changes nothing.
    agent identity-create agent
    [ "$(readlink "$STATE/identities/agent/current")" = sets/1 ]
    [ "$(keysvc key list --json | json "len([k for k in d['keys'] if k['name'].startswith('agents/')])")" = 1 ]
}

@test "identities are listed by name, each with its own key, and names that are none are refused" {
    world
    agent_world
    start
    agent identity-create shop-2
    agent identity-create agent
    [ "$(agent identity-list --json | json "','.join(d)")" = agent,shop-2 ]
    files_show shop-2
    [ "$(reference_key "$STATE/identities/shop-2/current/reference.pem" | sha256sum)" != \
        "$(reference_key "$STATE/identities/agent/current/reference.pem" | sha256sum)" ]
    fails 6 '"code": "BAD_REQUEST"' agent identity-create ../x
    fails 6 '"code": "BAD_REQUEST"' agent identity-create a/b
    fails 2 '"code": "USAGE"' agent identity-create
    [ "$(agent identity-list | wc -l)" = 2 ]
}

@test "the state is for its owner: store 0600, files for the group, a folder that others may write to is refused" {
    world
    agent_world
    start
    (umask 0 && agent identity-create agent)
    [ "$(stat -c %a "$STATE/agent.db")" = 600 ]
    [ "$(stat -c %a "$STATE/identities/agent" "$STATE/identities/agent/current/"{,reference.pem} | tr '\n' ' ')" = \
        "750 750 640 " ]
    [ "$(find "$STATE" -perm /o+rwx ! -type l | wc -l)" = 0 ]
    chmod g+w "$STATE"
    fails 2 "must be the agent's own" agent identity-list
    chmod g-w "$STATE"
    agent identity-list
}

@test "root works as the folder's owner, and the history says that it was root" {
    need_root
    world
    agent_world
    start
    KEYSVC_SOCKET=/nowhere keysvc-agent --config "$W/agent.conf" identity-create agent
    [ "$(find "$STATE" ! -uid "$AGENT" | wc -l)" = 0 ]
    keysvc key show "$AGENT_KEYS/agent@1"
    [ "$(sqlite3_of "SELECT who, action FROM history")" = "('root', 'create')" ]
}

# What the store says, read by another program.
sqlite3_of()
{
    /usr/bin/python3 -c 'import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(row)' "$STATE/agent.db" "$1"
}

@test "a key that is there already is taken, in its newest version" {
    world
    agent_world
    start
    as "$AGENT" keysvc key generate "$AGENT_KEYS/agent"
    as "$AGENT" keysvc key rotate "$AGENT_KEYS/agent" --from 1
    agent identity-create agent
    files_show
    [ "$(sqlite3_of "SELECT key_name, key_version FROM certificate_set")" = "('$AGENT_KEYS/agent', 2)" ]
}

@test "no class and no rule: the first start says what is missing, and where all of it stands; never to administer" {
    world
    agent_world
    sed -i '/^keys "agents/,$d' "$W/keysvcd.conf"
    start
    fails 3 "FIRST START" agent run
    [[ $output == *"the key is in no class"* && $output == *"operations = {get}"* && $output != *administer* ]]
}

@test "a class without the host's own name: the first start says which section to change, and leaves nothing" {
    world
    AGENT_NAMES='".other.example"'
    agent_world
    start
    fails 9 "names = {" agent identity-create agent
    [ -z "$(agent identity-list)" ]
    [ ! -e "$STATE/identities/agent/current" ]
    # With the name in the class it goes on with the key that was made.
    unset AGENT_NAMES
    agent_rules >"$W/section"
    sed -i '/^keys "agents/,$d' "$W/keysvcd.conf"
    cat "$W/section" >>"$W/keysvcd.conf"
    keysvc reload
    agent identity-create agent
    files_show
    keysvc key show "$AGENT_KEYS/agent@1"
}

@test "without keysvcd: what is known is shown, what needs a key says NO_SERVICE" {
    world
    agent_world
    start
    agent identity-create agent
    stop
    [ "$(agent identity-list)" = agent ]
    fails 17 '"code": "NO_SERVICE"' agent identity-create shop
    [ "$(agent identity-list)" = agent ]
}

@test "a key of RSA and one of Ed25519" {
    local type
    for type in rsa-2048 ed25519; do
        KEY_TYPE=$type world
        KEY_TYPE=$type agent_world
        start
        agent identity-create agent
        files_show
        [ "$(keysvc key show "$AGENT_KEYS/agent" --json | json "d['type']")" = "$type" ]
        stop
        end_world
    done
}
