#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# peers.bats - the number of a process that connected becomes another process's: nobody gets the other's rights
#
# Alice's process (unit other.service) connects, leaves the connection to a child and ends. A process of Bob's, in another
# group and in nginx.service, is given its number. There are rules for each of them; the child asks for a key by each rule.
# Then the same with a service that is on a kernel without SO_PEERPIDFD.

OLD_GROUP=64898 NEW_GROUP=64899

setup_file()
{
    load harness
    # What is missing is said by setup(): here bats takes a skip for a failure.
    [ "$ME" = 0 ] || return 0
    local root
    root=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)
    [ -n "$root" ] || return 0
    SLICE=$root/keysvctest$$$RANDOM.slice
    mkdir -p "$SLICE/nginx.service" "$SLICE/other.service" 2>/dev/null || return 0
    export SLICE
    world
    rules <<END
keys "**" { token = main type = ec-p256 purpose = sign }
allow alice { user = {"$ALICE"} keys = {"alice/**"} operations = {all} }
allow alice-group { group = {"$OLD_GROUP"} keys = {"alice-group/**"} operations = {all} }
allow alice-unit { unit = {"other.service"} keys = {"alice-unit/**"} operations = {all} }
allow bob { user = {"$BOB"} keys = {"bob/**"} operations = {all} }
allow bob-group { group = {"$NEW_GROUP"} keys = {"bob-group/**"} operations = {all} }
allow bob-unit { unit = {"nginx.service"} keys = {"bob-unit/**"} operations = {all} }
allow alice-in-bobs-unit { user = {"$ALICE"} unit = {"nginx.service"} keys = {"both/**"} operations = {all} }
END
    start nowait
    # Nobody here is told what state a token is in.
    wait_for grep -q 'keysvc-front: event=token-state token=main state=ready' "$W/log"
    python_client
    cp "$SOURCE/tests/system/recycle.py" "$W/python"
}

setup()
{
    load harness
    need_root
    [ -n "${SLICE-}" ] || skip "no control group can be made"
    # What a rule on a unit alone answers to whoever is in it: DENIED where nothing proves it.
    PROVEN=0
    /usr/bin/python3 -c 'import socket; a, b = socket.socketpair(); a.getsockopt(socket.SOL_SOCKET, 77, 4)' || PROVEN=3
}

teardown()
{
    show_log_if_failed
}

teardown_file()
{
    load harness
    end_world
    if [ -n "${SLICE-}" ] && [ -d "$SLICE" ]; then
        wait_for rmdir "$SLICE/nginx.service"
        wait_for rmdir "$SLICE/other.service"
        rmdir "$SLICE"
    fi
}

# recycle MODE OLD-UNIT: what the child is answered; keys are new with each mode.
recycle()
{
    local mode=$1 unit=$2 names=() rule
    for rule in alice alice-group alice-unit bob bob-group bob-unit both; do
        names+=("$rule/${KERNEL-}$mode-$unit")
    done
    run --separate-stderr timeout 60 /usr/bin/python3 -B "$W/python/recycle.py" "$KEYSVC_SOCKET" "$mode" "$(front_pid)" \
        $ALICE $OLD_GROUP "$SLICE/$unit" $BOB $NEW_GROUP "$SLICE/nginx.service" "${names[@]}"
    [ "$status" != 77 ] || skip "no process can be given a number here: $stderr"
    [ "$status" = 0 ] || { echo "$output$stderr" >&2; return 1; }
    answer=$output
    echo "$answer"
}

# answered RULE CODE
answered()
{
    [ "$(json "[code for name, code in d['answers'].items() if name.startswith('$1/')][0]" <<<"$answer")" = "$2" ]
}

is_alice()
{
    [ "$(json 'd["uid"]' <<<"$answer")" = "$ALICE" ]
    answered alice 0
    answered alice-group 0
    answered bob 3
    answered bob-group 3
}

@test "a process that lives has its own rights, by user, group and unit" {
    recycle alive other.service
    is_alice
    [ "$(json 'd["unit"]' <<<"$answer")" = other.service ]
    answered alice-unit $PROVEN
    answered bob-unit 3
    answered both 3
    recycle alive nginx.service
    is_alice
    [ "$(json 'd["unit"]' <<<"$answer")" = nginx.service ]
    answered bob-unit $PROVEN
    answered both 0
}

@test "a number that changed hands after the connection was seen: rights stay those of who connected" {
    recycle seen other.service
    is_alice
    [ "$(json 'd["unit"]' <<<"$answer")" = other.service ]
    answered alice-unit $PROVEN
    answered bob-unit 3
    answered both 3
}

@test "a number that changed hands before the connection was seen: no unit at all, user and groups as at connect" {
    recycle unseen other.service
    is_alice
    answered alice-unit 3
    answered bob-unit 3
    # Without SO_PEERPIDFD the number is all there is to go by: why a unit only narrows a user's rule there.
    [ $PROVEN = 0 ] || return 0
    [ "$(json 'd["unit"]' <<<"$answer")" = "" ]
    answered both 3
}

# The service anew, on an old kernel; keys are others again.
old_kernel()
{
    stop
    keysvcd()
    {
        exec /usr/bin/python3 -B "$SOURCE/tests/system/without_peerpidfd.py" "$(type -P keysvcd)" "$@"
    }
    start nowait
    unset -f keysvcd
    wait_for keysvc status
    PROVEN=3 KERNEL=old-
}

@test "without SO_PEERPIDFD nobody has a unit's rights alone, and a unit narrows a user's" {
    old_kernel
    recycle alive other.service
    is_alice
    [ "$(json 'd["unit"]' <<<"$answer")" = other.service ]
    answered alice-unit 3
    answered both 3
    recycle alive nginx.service
    is_alice
    answered bob-unit 3
    answered both 0
}

@test "without SO_PEERPIDFD a number that changed hands gives user's and groups' rights to nobody" {
    old_kernel
    recycle seen other.service
    is_alice
    [ "$(json 'd["unit"]' <<<"$answer")" = other.service ]
    answered alice-unit 3
    answered bob-unit 3
    answered both 3
    recycle unseen other.service
    is_alice
    answered alice-unit 3
    answered bob-unit 3
    # The other's unit is all that can be seen. It narrowed Alice's own rule: docs/security.md says so.
    answered both 0
}
