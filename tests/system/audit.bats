#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# audit.bats - the chains: whole after everything, and the first place named where they were altered

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_world
}

CHAIN=main-1.log

# A few records of every kind, and keysvcd stopped again.
history()
{
    world
    start
    keysvc key generate web/shop
    for ((i = 0; i < 5; i++)); do
        as $ALICE keysvc sign web/shop --in "$W/data" >"$W/signature"
    done
    as $BOB keysvc sign web/shop --in "$W/data" >/dev/null 2>&1 || true
    stop
}

@test "whole after work, while the daemon runs and while it is down" {
    history
    audit_verify
    start
    audit_verify
}

@test "a signature's record says who, what and with which key, and not what was signed" {
    history
    grep '"event":"sign"' "$W/audit/$CHAIN" | grep 'web/shop@1' | grep "$ALICE"
    not grep -q 'data to sign' "$W/audit/$CHAIN"
    need_root
    # The refusal stands in the front's own chain.
    grep "$BOB" "$W/audit/front.log" | grep -i -E 'refus|denied'
    # The two join on the request's id.
    id=$(grep '"event":"sign"' "$W/audit/$CHAIN" | tail -n 1 | json 'd.get("request") or d.get("id")')
    grep "$id" "$W/audit/front.log"
}

@test "a generated key leaves an intent before and a result after" {
    history
    intent=$(grep -n '"event":"intent"' "$W/audit/$CHAIN" | grep web/shop | cut -d: -f1)
    result=$(grep -n '"event":"result"' "$W/audit/$CHAIN" | grep web/shop | cut -d: -f1)
    [ "$intent" -lt "$result" ]
}

@test "show reads the files while the daemon is down" {
    history
    audit_show | grep web/shop@1
    audit_show --key web/shop | grep "$ALICE"
}

@test "show as JSON says of which chain a record is: each counts for itself" {
    history
    audit_show --json >"$W/shown"
    /usr/bin/python3 - "$W/shown" <<'END'
import json, sys
records = [json.loads(line) for line in open(sys.argv[1])]
assert {"front", "main-1"} <= {r["chain"] for r in records}, records
assert len({(r["chain"], r["seq"]) for r in records}) == len(records)
END
}

# altered TEXT-IN-OUTPUT: verify fails and names that.
altered()
{
    run audit_verify
    echo "$output"
    [ "$status" != 0 ]
    [[ $output == *"$CHAIN"* || $output == *"${CHAIN%.log}"* ]]
    [[ $output =~ $1 ]]
}

@test "a flipped bit is found and its line named, whichever it is" {
    history
    cp "$W/audit/$CHAIN" "$W/good"
    n_bytes=$(stat -c %s "$W/good")
    # Every byte is flipped by tests of base/verify; here every 97th, through the whole program.
    for ((at = 0; at < n_bytes; at += 97)); do
        /usr/bin/python3 - "$W/good" "$W/audit/$CHAIN" "$at" <<'END'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[int(sys.argv[3])] ^= 1
open(sys.argv[2], "wb").write(data)
END
        line=$(($(head -c "$at" "$W/good" | wc -l) + 1))
        run audit_verify
        [ "$status" != 0 ] || { echo "byte $at of $n_bytes"; return 1; }
        [[ $output == *"$CHAIN:$line:"* ]] || { echo "byte $at is on line $line: $output"; return 1; }
    done
    cp "$W/good" "$W/audit/$CHAIN"
    audit_verify
}

@test "a record cut out is found" {
    history
    sed -i 3d "$W/audit/$CHAIN"
    altered "$CHAIN:3:"
}

@test "the first record cut off is found" {
    history
    sed -i 1d "$W/audit/$CHAIN"
    altered "$CHAIN:1:"
}

@test "two records swapped are found" {
    history
    sed -i '3{h;d};4{G}' "$W/audit/$CHAIN"
    altered "$CHAIN:3:"
}

@test "a record put in twice is found" {
    history
    sed -i '3p' "$W/audit/$CHAIN"
    altered "$CHAIN:4:"
}

@test "a cut at the end is found back to the last checkpoint" {
    DAEMON_OPTIONS='audit-checkpoint = "1s"'
    world
    start
    keysvc key generate web/shop
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    checkpointed()
    {
        grep -q '"event":"checkpoint"' "$W/audit/$CHAIN" && [ -s "$W/state/main-1.checkpoint" ]
    }
    wait_for checkpointed
    stop
    audit_verify
    last=$(grep -n '"event":"checkpoint"' "$W/audit/$CHAIN" | tail -n 1 | cut -d: -f1)
    sed -i "$((last - 1))"',$d' "$W/audit/$CHAIN"
    altered "checkpoint"
}

@test "a chain written anew with right hashes is betrayed by the signed checkpoint" {
    history
    grep -q '"event":"checkpoint"' "$W/audit/$CHAIN"
    # Everything from the key's first record on is made again, as whoever knows the format could.
    /usr/bin/python3 - "$W/audit/$CHAIN" <<'END'
import hashlib, re, sys
lines = open(sys.argv[1]).read().splitlines()
first = next(number for number, line in enumerate(lines) if "web/shop" in line)
lines[first] = lines[first].replace("web/shop", "web/evil")
prev = re.search(r'"hash":"([0-9a-f]{64})"', lines[first - 1]).group(1)
for number in range(first, len(lines)):
    body = re.sub(r'"prev":"[0-9a-f]{64}"', f'"prev":"{prev}"', lines[number].split(',"hash":')[0])
    prev = hashlib.sha256(body.encode()).hexdigest()
    lines[number] = f'{body},"hash":"{prev}"}}'
open(sys.argv[1], "w").write("\n".join(lines) + "\n")
END
    altered checkpoint
}

# forged FIRST: the chain's file becomes one that says it continues another and begins with record FIRST.
forged()
{
    /usr/bin/python3 - "$W/audit/$CHAIN" "$1" <<'END'
import hashlib, sys
prev = "ab" * 32
lines = []
for seq, event in enumerate(["continued", "sign", "sign"], int(sys.argv[2])):
    body = f'{{"seq":{seq},"time":"2026-11-22T01:00:00.000000Z","prev":"{prev}","event":"{event}"'
    prev = hashlib.sha256(body.encode()).hexdigest()
    lines.append(f'{body},"hash":"{prev}"}}\n')
open(sys.argv[1], "w").writelines(lines)
END
}

@test "a file that claims to continue another cannot stand for the history that the checkpoint names" {
    history
    named=$(sed -E 's/.* seq=([0-9]+) .*/\1/' "$W/state/main-1.checkpoint")
    for after in 2 3 60; do
        forged $((named + after))
        altered "$CHAIN:1:.*up to $named.*missing"
    done
    # Right behind it, only with its hash.
    forged $((named + 1))
    altered "$CHAIN:1:.*written anew"
}

@test "a history whose older files are gone is whole, and says that they were not read" {
    world
    start
    keysvc key generate web/shop
    mv "$W/audit/$CHAIN" "$W/audit/$CHAIN.1"
    keysvc reload
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    stop
    run audit_verify
    [ "$status" = 0 ]
    [[ $output != *"not read"* ]]
    last=$(tail -n 1 "$W/audit/$CHAIN.1" | json 'd["seq"]')
    rm "$W/audit/$CHAIN.1"
    run audit_verify
    echo "$output"
    [ "$status" = 0 ]
    [[ $output == *"$CHAIN: whole, "*"continues records up to $last, which were not read"* ]]
}

@test "a chain taken away whole is missed" {
    history
    rm "$W/audit/$CHAIN"
    altered "missing|gone|no file|taken away"
}

@test "a state folder that cannot be read stands in the one report, and hides no alteration" {
    history
    # A public key of its own: without the state folder no other would do.
    openssl pkey -pubout -in <(openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256) -out "$W/key.pem"
    run -1 --separate-stderr keysvc audit verify --json --audit-dir "$W/audit" --state-dir "$W/none" --key "$W/key.pem"
    [ "$(json 'd["whole"], d["code"], len(d["chains"])' <<<"$output")" = "(False, 'INTERNAL', 2)" ]
    [[ $(json 'd["problem"]' <<<"$output") == *"$W/none: No such file"* ]]
    [ -z "$stderr" ]
    sed -i '1s/"time":"20/"time":"21/' "$W/audit/$CHAIN"
    for json in "" --json; do
        # shellcheck disable=SC2086
        run -6 keysvc audit verify $json --audit-dir "$W/audit" --state-dir "$W/none" --key "$W/key.pem"
        [[ $output == *"altered"*"$W/none: No such file"* ]]
    done
}

@test "a chain that begins anew does not replace the checkpoint of the one that was removed" {
    history
    cp "$W/state/main-1.checkpoint" "$W/kept"
    rm "$W/audit/$CHAIN"
    start
    refused()
    {
        grep 'event=checkpoint ' "$W/log" | grep -q 'was cut or replaced'
    }
    wait_for refused
    # Nor when it has become longer than the old one was.
    for ((i = 0; i < 30; i++)); do
        keysvc sign web/shop --in "$W/data" >"$W/signature"
    done
    stop
    start
    stop
    cmp "$W/kept" "$W/state/main-1.checkpoint"
    altered checkpoint
    # Done on purpose: the administrator moves it away.
    rm "$W/state/main-1.checkpoint"
    start
    stop
    [ -s "$W/state/main-1.checkpoint" ]
    audit_verify
}

@test "a torn last line is closed, recorded and no alteration" {
    history
    printf '{"seq":99,"time":"2026-11-' >>"$W/audit/$CHAIN"
    start
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    stop
    grep '"event":"torn"' "$W/audit/$CHAIN"
    audit_verify
}

@test "a chain is carried on after a restart" {
    history
    before=$(wc -l <"$W/audit/$CHAIN")
    start
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    stop
    [ "$(wc -l <"$W/audit/$CHAIN")" -gt "$before" ]
    audit_verify
}

@test "rotated by renaming and reloading, the chain goes on in the new file" {
    world
    start
    keysvc key generate web/shop
    mv "$W/audit/$CHAIN" "$W/audit/$CHAIN.1"
    keysvc reload
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    wait_for test -s "$W/audit/$CHAIN"
    last=$(tail -n 1 "$W/audit/$CHAIN.1" | json 'd["hash"]')
    [ "$(head -n 1 "$W/audit/$CHAIN" | json 'd["prev"]')" = "$last" ]
    audit_verify
}

@test "rotated by renaming and SIGUSR1, nobody waits for a token that is in a long call" {
    need_root # BOB is refused
    local slow nth
    world break
    start
    keysvc key generate web/shop
    nth=$(next C_GenerateKeyPair)
    break_rules "C_GenerateKeyPair:$nth:slow 8000"
    keysvc key generate web/slow >"$W/slow" 3>&- &
    slow=$!
    called()
    {
        [ "$(calls C_GenerateKeyPair)" = "$nth" ]
    }
    wait_for called
    rename_away
    kill -USR1 "$(pid)"
    wait_for test -e "$W/audit/front.log"
    fails 3 "" as "$BOB" keysvc sign web/shop --in "$W/data"
    wait_for test -s "$W/audit/front.log"
    not is_gone "$slow"
    wait "$slow"
    break_rules
    goes_on
}

# As logrotate does: the file, and those before it one further.
rename_away()
{
    local file number
    for file in "$CHAIN" front.log; do
        for number in 4 3 2 1; do
            [ ! -e "$W/audit/$file.$number" ] || mv "$W/audit/$file.$number" "$W/audit/$file.$((number + 1))"
        done
        mv "$W/audit/$file" "$W/audit/$file.1"
    done
}

goes_on()
{
    wait_ready
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    wait_for test -s "$W/audit/$CHAIN"
    wait_for test -s "$W/audit/front.log"
    for file in "$CHAIN" front.log; do
        [ "$(head -n 1 "$W/audit/$file" | json 'd["event"]')" = continued ]
        [ "$(head -n 1 "$W/audit/$file" | json 'd["prev"]')" = "$(tail -n 1 "$W/audit/$file.1" | json 'd["hash"]')" ]
    done
    audit_verify
}

@test "renamed while a process is down, or while keysvcd is, each chain goes on where it ended" {
    local front worker
    world
    start
    keysvc key generate web/shop
    # Stopped, keysvcd starts none of the two again before the files are gone.
    front=$(front_pid) worker=$(token_pids)
    kill -STOP "$(cat "$W/keysvcd.pid")"
    kill -KILL "$front" "$worker"
    rename_away
    kill -CONT "$(cat "$W/keysvcd.pid")"
    goes_on
    stop
    rename_away
    start
    goes_on
}

@test "a full disk: signatures and changes are refused, reads go on, and room is enough to mend it" {
    need_root
    world
    keysvc_in_full_disk
    keysvc key generate web/shop
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    workers=$(token_pids)
    inside dd if=/dev/zero of="$W/audit/ballast" bs=4096 status=none || true
    # What fits into the page that is open may still be written.
    full()
    {
        run keysvc sign web/shop --in "$W/data" --timeout 5s
        [ "$status" = 14 ]
    }
    wait_for full
    run keysvc key generate web/more
    [ "$status" = 14 ]
    # Reads need no record.
    keysvc key show web/shop
    keysvc key list
    keysvc status
    inside rm "$W/audit/ballast"
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
    keysvc key generate web/more
    [ "$(token_pids)" = "$workers" ]
    stop_inside
}

# keysvcd in a mount namespace of its own, with its audit on a small file system.
keysvc_in_full_disk()
{
    unshare -m sh -c '
        mount -t tmpfs -o size=256k,mode=700 tmpfs "$W/audit"
        exec keysvcd --config "$W/keysvcd.conf" --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$1"
    ' sh "$SOURCE/hsm-profiles" >>"$W/log" 2>&1 3>&- &
    echo $! >"$W/keysvcd.pid"
    wait_ready
}

inside()
{
    nsenter -m -t "$(pid)" -- "$@"
}

# The files are gone with the namespace: verified before.
stop_inside()
{
    inside env PATH="$PATH" keysvc audit verify --audit-dir "$W/audit" --state-dir "$W/state"
    stop
}

@test "the configuration's hash stands in the chain at each start and reload" {
    world
    start
    sum=$(keysvc status --json | json 'd.get("configuration_sha256")')
    grep -r "$sum" "$W/audit"
    echo '# changed' >>"$W/keysvcd.conf"
    keysvc reload
    other=$(keysvc status --json | json 'd.get("configuration_sha256")')
    [ "$sum" != "$other" ]
    grep -r "$other" "$W/audit"
}

# foreign_key TYPE LABEL: a key pair that another tool makes on the token.
foreign_key()
{
    as $TOKEN pkcs11-tool --module "$MODULE" --login --pin "$PIN" --token-label keysvc \
        --keypairgen --key-type "$1" --label "$2" --id 77
}

@test "a newer version of the audit key on a token, of whatever kind, disturbs no checkpoint" {
    DAEMON_OPTIONS='audit-checkpoint = "1s"'
    world
    start
    keysvc key generate web/shop
    wait_for test -s "$W/state/front.checkpoint"
    stop
    foreign_key rsa:4096 keysvc/audit@2
    foreign_key EC:prime256v1 keysvc/audit@3
    start
    front=$(front_pid)
    cp "$W/state/front.checkpoint" "$W/before"
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    wait_for not cmp -s "$W/before" "$W/state/front.checkpoint"
    [ "$(front_pid)" = "$front" ]
    not grep -E 'event=(kill|checkpoint-failed)|event=checkpoint error' "$W/log"
    stop
    audit_verify
}

@test "an audit key of another kind: the token serves its keys without checkpoints, and the log says what to do" {
    DAEMON_OPTIONS='audit-checkpoint = "1s"'
    world
    foreign_key rsa:4096 keysvc/audit@1
    start
    worker=$(token_pids)
    keysvc key generate web/shop
    for ((i = 0; i < 3; i++)); do
        keysvc sign web/shop --in "$W/data" >"$W/signature"
        sleep 1
    done
    verify web/shop "$W/data" "$W/signature"
    [ "$(token_pids)" = "$worker" ]
    [ "$(grep -c 'event=no-audit-key' "$W/log")" = 1 ]
    grep 'event=no-audit-key' "$W/log" | grep 'keysvc/audit@1 is none of P-256.*remove it'
    not grep -E 'event=(kill|checkpoint-failed)' "$W/log"
    # Removed with the tool that made it: the next process makes the right one.
    stop
    for class in privkey pubkey; do
        as $TOKEN pkcs11-tool --module "$MODULE" --login --pin "$PIN" --token-label keysvc \
            --delete-object --type $class --label keysvc/audit@1
    done
    start
    wait_for test -s "$W/state/main-1.checkpoint"
}

@test "a pipe under an audit file's name is named, and one on the command line is read" {
    world
    start
    stop
    mv "$W/audit/main-1.log" "$W/main-1.log"
    mkfifo "$W/audit/main-1.log"
    fails 1 "main-1.log: is no regular file" timeout 20 keysvc audit show --audit-dir "$W/audit"
    run -1 timeout 20 keysvc audit verify --audit-dir "$W/audit" --state-dir "$W/state"
    [[ $output == *"main-1.log: cannot be verified: is no regular file"* && $output == *"front.log: whole"* ]]
    [[ $(keysvc audit show <(cat "$W/main-1.log")) == *' start '* ]]
}
