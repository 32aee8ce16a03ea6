#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# disk.bats - folders that are full, read-only or gone, and audit files that somebody removes, cuts or replaces
#
# Everywhere the same: signatures and changes are refused with AUDIT_UNWRITABLE, reads go on, nothing is restarted, and
# what happened stands in the log, in the chain and in what `audit verify` says.

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    [ -z "${STOPPED-}" ] || kill -CONT "$STOPPED"
    end_world
}

CHAIN=main-1.log

# The service with a key, and the processes it has now.
serving()
{
    world
    start
    keysvc key generate web/shop
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    PROCESSES=$(pgrep -P "$(pid)" | sort)
}

unwritable()
{
    fails 14 "${1-}" keysvc sign web/shop --in "$W/data" --timeout 5s
}

# Everything that needs a record is refused; what needs none goes on.
refused_and_read()
{
    wait_for unwritable
    fails 14 "" keysvc key generate "web/no$RANDOM"
    keysvc key show web/shop
    keysvc key list
    keysvc status
}

signs()
{
    keysvc sign web/shop --in "$W/data" >"$W/signature" && verify web/shop "$W/data" "$W/signature"
}

# Without a restart.
back()
{
    wait_for signs
    keysvc key generate web/more
    [ "$(pgrep -P "$(pid)" | sort)" = "$PROCESSES" ]
}

# With keysvcd asleep nobody makes a new file: what the process itself sees of the old one decides.
keysvcd_sleeps()
{
    STOPPED=$(pid)
    kill -STOP "$STOPPED"
}

keysvcd_wakes()
{
    kill -CONT "$STOPPED"
    STOPPED=
}

# lost CHAIN: its new file says that the one before is gone, and so does verify, by name; the checkpoint in the state
# folder says it first where it names one of the records that are gone.
lost()
{
    head -n 3 "$W/audit/$1" | grep -q '"event":"continued","lost":1'
    run audit_verify
    echo "$output"
    [ "$status" != 0 ]
    [[ $output =~ $1:[12]:.*(lost:\ their\ file\ was\ removed|checkpoint\ kept\ outside\ names.*missing) ]]
}

for_chain_removed()
{
    serving
    keysvcd_sleeps
    rm "$W/audit/$1"
    refused_and_read
    keysvcd_wakes
    back
    lost "$1"
    grep 'event=audit-unwritable' "$W/log" | grep 'was removed'
    grep 'event=audit-writable' "$W/log"
    stop
    lost "$1"
}

@test "a worker's audit file is removed: nothing is signed into nowhere, and the chain goes on in a new file" {
    for_chain_removed $CHAIN
}

@test "the front's audit file is removed: the same" {
    for_chain_removed front.log
}

@test "the whole folder is removed: refused until it is there again" {
    serving
    rm -r "$W/audit"
    refused_and_read
    both_said()
    {
        [ "$(grep -c 'event=audit-gone.*cannot open the audit file' "$W/log")" = 2 ]
    }
    wait_for both_said
    mkdir -m 700 "$W/audit"
    back
    both_said
    lost $CHAIN
    lost front.log
}

@test "cut at the end or emptied, as by copytruncate: refused until what is left is moved away" {
    serving
    truncate -s 0 "$W/audit/$CHAIN"
    refused_and_read
    grep 'event=audit-unwritable' "$W/log" | grep 'was cut from outside'
    mv "$W/audit/$CHAIN" "$W/evidence"
    back
    lost $CHAIN
}

@test "renamed away without a word: the chain goes on in a new file, and nothing is lost" {
    serving
    mv "$W/audit/$CHAIN" "$W/audit/$CHAIN.1"
    mv "$W/audit/front.log" "$W/audit/front.log.1"
    wait_for test -e "$W/audit/front.log" -a -e "$W/audit/$CHAIN"
    back
    [ -s "$W/audit/$CHAIN" ]
    audit_verify
    stop
    audit_verify
}

# replaced NUMBER COMMAND...: the file is moved away and something put in its place that is no continuation.
replaced()
{
    local number=$1 file
    shift
    for file in $CHAIN front.log; do
        mv "$W/audit/$file" "$W/audit/$file.$number"
        "$@" "$W/audit/$file"
        refused_and_read
        rm -r "${W:?}/audit/$file"
        wait_for signs
    done
}

@test "replaced by a symbolic link or a folder: refused, and neither is followed" {
    serving
    replaced 2 ln -s "$W/elsewhere"
    replaced 1 mkdir
    not test -e "$W/elsewhere"
    back
    audit_verify
}

@test "replaced by an older copy of itself: the chain does not fork" {
    world
    start
    keysvc key generate web/shop
    PROCESSES=$(pgrep -P "$(pid)" | sort)
    cp -p "$W/audit/$CHAIN" "$W/older"
    signs
    mv "$W/audit/$CHAIN" "$W/audit/$CHAIN.1"
    mv "$W/older" "$W/audit/$CHAIN"
    refused_and_read
    grep 'another file stands in its place' "$W/log"
    mv "$W/audit/$CHAIN" "$W/evidence"
    back
    audit_verify
}
