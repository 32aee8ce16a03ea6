#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_self_signed.bats - certificate-apply-self-signed and certificate-rollback where something is missing: the key, the
# token, time, a name

load agent

serving()
{
    world "$@"
    agent_world
    start
    agent identity-create agent >"$W/created"
}

destroy()
{
    keysvc key destroy "$AGENT_KEYS/agent@$1" --yes
}

@test "the kept certificate serves already: nothing is changed" {
    serving
    agent certificate-apply-self-signed
    [ "$(agent_json "d['set'], len(d['history'])")" = "(1, 1)" ]
}

@test "the kept certificate's key is gone: a new one on the key that is there, and it is said" {
    serving
    agent certificate-apply-self-signed --rekey
    [ "$(agent_json "d['key']")" = "$AGENT_KEYS/agent@2" ]
    destroy 2
    [ "$(agent_json "d['state'], d['key_state'], d['trust']")" = "('key-missing', 'missing', 'untrusted')" ]
    agent certificate-apply-self-signed >"$W/said"
    grep -q "agent@2, is gone" "$W/said"
    [ "$(agent_json "d['set'], d['state'], d['key']")" = "(3, 'valid', '$AGENT_KEYS/agent@1')" ]
    files_show
}

@test "no version of the key is left: a new key is made" {
    serving
    destroy 1
    agent certificate-apply-self-signed
    [ "$(agent_json "d['set'], d['state']")" = "(2, 'valid')" ]
    files_show
    # --rekey too.
    destroy 1
    agent certificate-apply-self-signed --rekey
    [ "$(agent_json "d['set'], d['state']")" = "(3, 'valid')" ]
    files_show
}

# bats test_tags=uninstrumented
@test "the kept certificate has expired: a new one, and it is said; a rollback to it is refused" {
    serving
    /usr/bin/python3 -c 'import struct, sys; sys.stdout.buffer.write(struct.pack("q", 366 * 86400))' >"$W/clock"
    chmod 644 "$W/clock"
    later=(as "$AGENT" env "LD_PRELOAD=$PROGRAMS/tests/fakes/libclock-shift.so" "KEYSVC_CLOCK_SHIFT=$W/clock"
        keysvc-agent --config "$W/agent.conf")
    [ "$("${later[@]}" certificate-status --json | json "d['state'], d['trust']")" = "('expired', 'untrusted')" ]
    "${later[@]}" certificate-apply-self-signed >"$W/said"
    grep -q "not valid any more; made a new one" "$W/said"
    [ "$(agent_json "d['set'], d['key']")" = "(2, '$AGENT_KEYS/agent@1')" ]
    fails 20 '"validity"' "${later[@]}" certificate-rollback
    [ "$(agent_json "d['set']")" = 2 ]
    agent certificate-rollback
    [ "$(agent_json "d['set']")" = 1 ]
}

@test "a rollback whose key is gone is refused; the first set has none before it" {
    serving
    fails 21 '"NOT_FOUND"' agent certificate-rollback
    agent certificate-apply-self-signed --rekey
    destroy 1
    fails 4 '"NO_KEY"' agent certificate-rollback
    [[ $output == *"certificate-apply-self-signed serves at once"* ]]
    [ "$(agent_json "d['set'], d['state']")" = "(2, 'valid')" ]
    fails 21 '"NOT_FOUND"' agent certificate-rollback --identity nobody
}

@test "a rollback leads back, a second one forth again" {
    serving
    agent certificate-apply-self-signed --rekey
    agent certificate-rollback
    [ "$(agent_json "d['set'], d['key']")" = "(1, '$AGENT_KEYS/agent@1')" ]
    files_show
    agent certificate-rollback
    [ "$(agent_json "d['set'], d['key']")" = "(2, '$AGENT_KEYS/agent@2')" ]
    files_show
    [ "$(agent_json "[h['action'] for h in d['history']]")" = "['rollback', 'rollback', 'rekey', 'create']" ]
}

@test "the token's process dies in a rekey: the old set serves, and the next rekey takes what was made" {
    serving break
    # Behind C_GenerateKeyPair: the key is there, and nobody was told.
    break_rules "C_SetAttributeValue:$(next C_SetAttributeValue):abort"
    run agent certificate-apply-self-signed --rekey
    echo "$output"
    break_rules
    wait_ready
    files_show
    [ "$SET" = "sets/$(agent_json "d['set']")" ]
    if [ "$status" != 0 ]; then
        [ "$status" = 13 ]
        [ "$SET" = sets/1 ]
        agent certificate-apply-self-signed --rekey
    fi
    [ "$(agent_json "d['set'], d['key'], d['state']")" = "(2, '$AGENT_KEYS/agent@2', 'valid')" ]
    files_show
}

@test "names that the class does not allow are left out of what nobody asked for, and named" {
    need_root
    AGENT_NAMES="\"$(hostname)\", \"$(hostname -f 2>/dev/null || hostname)\""
    world
    agent_world
    start
    # An address that stays, where there may be none.
    unshare -n sh -c 'ip link set lo up && ip address add 192.0.2.7/32 dev lo && touch "$1/network" &&
        exec keysvc-agent --config "$1/agent.conf" identity-create agent' \
        sh "$W" >"$W/said" || { [ -e "$W/network" ] || skip "no network can be made here"; return 1; }
    grep -q "left out.*192.0.2.7" "$W/said"
    [ "$(agent_json "[n for n in d['names'] if n.startswith('IP:')]")" = "[]" ]
    agent_json "d['names']" | grep -q "DNS:$(hostname)"
}
