#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# rules.bats - who may do what: nothing by default, a refusal that names the rule that is missing

setup()
{
    load harness
}


# Folders of our own in the second hierarchy of control groups, if there is one.
unit_of_two_users()
{
    local root
    root=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)
    [ -n "$root" ] || skip "no cgroup v2 is mounted"
    SLICE=$root/keysvctest$$$RANDOM.slice
    mkdir -p "$SLICE/nginx.service" "$SLICE/other.service" 2>/dev/null || skip "no folder can be made in $root"
    echo "$SLICE" >"$W/slice"
}

in_unit()
{
    local unit=$1 user=$2
    shift 2
    (
        echo $BASHPID >"$SLICE/$unit/cgroup.procs"
        as "$user" "$@"
    )
}

teardown()
{
    show_log_if_failed
    local slice
    slice=$(cat "$W/slice" 2>/dev/null || true)
    end_world
    if [ -n "$slice" ]; then
        wait_for rmdir "$slice/nginx.service"
        wait_for rmdir "$slice/other.service"
        rmdir "$slice"
    fi
}

# A second client's key, made by the administrator.
shop()
{
    world
    start
    keysvc key generate web/shop
    openssl dgst -sha256 -binary "$W/data" >"$W/digest"
}

@test "a user without a rule uses no key and is told which rule is missing" {
    need_root
    shop
    for command in "sign web/shop --in $W/data" "csr web/shop --common-name shop.example" "key show web/shop" \
        "key public web/shop" "key generate web/bob" "key rotate web/shop --from 1"; do
        # shellcheck disable=SC2086
        fails 3 "allow " as $BOB keysvc $command
        [[ $output == *"$BOB"* ]]
    done
    # Nor does he learn which keys there are.
    for command in "key show web/NAME" "sign web/NAME --in $W/data" "key certificate web/NAME get"; do
        # shellcheck disable=SC2086
        fails 3 "" as $BOB keysvc ${command/NAME/shop}
        there=${output//shop/NAME}
        # shellcheck disable=SC2086
        fails 3 "" as $BOB keysvc ${command/NAME/none}
        [ "${output//none/NAME}" = "$there" ]
    done
    # The list of keys is empty rather than refused: nothing is his.
    run as $BOB keysvc key list --json
    [ "$status" = 3 ] || [ "$(json 'len(d["keys"])' <<<"$output")" = 0 ]
}

@test "a user without a rule administers nothing" {
    need_root
    shop
    for command in reload "token retry-login main" "token rescan main"; do
        # shellcheck disable=SC2086
        fails 3 "administer" as $BOB keysvc $command
    done
    # Nor does one whose rule is about keys.
    fails 3 "administer" as $ALICE keysvc reload
}

@test "a user without a rule reads neither token files nor PIN nor audit" {
    need_root
    shop
    for user in $BOB $ALICE $FRONT; do
        not as "$user" cat "$W/pin"
        not as "$user" ls "$W/tokens"
        not as "$user" ls "$W/audit"
    done
    not as "$TOKEN" cat "$W/pin"
    # Nor from the processes that hold them.
    for process in $(token_pids) $(front_pid) $(pid); do
        not as $BOB cat "/proc/$process/environ"
        not as "$FRONT" cat "/proc/$process/environ"
        not as $BOB ls "/proc/$process/fd"
    done
}

@test "the processes are the users they should be" {
    need_root
    shop
    grep -P "^Uid:\t$FRONT\t$FRONT\t$FRONT\t$FRONT" "/proc/$(front_pid)/status"
    grep -P "^Gid:\t$FRONT\t" "/proc/$(front_pid)/status"
    for process in $(token_pids); do
        grep -P "^Uid:\t$TOKEN\t$TOKEN\t$TOKEN\t$TOKEN" "/proc/$process/status"
        grep -P '^CapEff:\t0+$' "/proc/$process/status"
        grep -P '^NoNewPrivs:\t1' "/proc/$process/status"
    done
    grep -P '^CapEff:\t0+$' "/proc/$(front_pid)/status"
    grep -P '^NoNewPrivs:\t1' "/proc/$(front_pid)/status"
}

@test "root is not allowed by default" {
    need_root
    world
    rules <<END
keys "web/**" { token = main type = ec-p256 purpose = sign }
allow alice { user = {"$ALICE"} keys = {"web/**"} operations = {all} }
END
    start
    as $ALICE keysvc key generate web/shop
    as $ALICE keysvc sign web/shop --in "$W/data" >"$W/signature"
    fails 3 "allow " keysvc sign web/shop --in "$W/data"
    fails 3 "administer" keysvc reload
}

@test "the rule that is named is the one that helps" {
    need_root
    shop
    run as $BOB keysvc policy explain --key web/shop --operation sign --json
    [ "$(json 'd["allowed"]' <<<"$output")" = False ]
    json 'd["missing"]' <<<"$output" >>"$W/keysvcd.conf"
    fails 3 "" as $BOB keysvc sign web/shop --in "$W/data"
    keysvc reload
    # Exactly that: the operation and no other.
    as $BOB keysvc policy explain --key web/shop --operation sign
    fails 3 "" as $BOB keysvc policy explain --key web/shop --operation csr
}

@test "an operation that the rule does not list is refused" {
    need_root
    world
    rules <<END
keys "web/**" { token = main type = ec-p256 purpose = sign names = {"shop.example"} }
allow signer { user = {"$ALICE"} keys = {"web/**"} operations = {get, sign} }
allow admins { user = {"$ME"} keys = {"**"} operations = {all, administer} }
END
    start
    keysvc key generate web/shop
    as $ALICE keysvc sign web/shop --in "$W/data" >"$W/signature"
    fails 3 csr as $ALICE keysvc csr web/shop --common-name shop.example
    fails 3 generate as $ALICE keysvc key generate web/more
}

@test "one star stays in its component, two cross" {
    need_root
    world
    rules <<END
keys "**" { token = main type = ec-p256 purpose = sign }
allow one { user = {"$ALICE"} keys = {"web/*"} operations = {all} }
allow two { user = {"$BOB"} keys = {"web/**"} operations = {all} }
END
    start
    as $ALICE keysvc key generate web/shop
    fails 3 "" as $ALICE keysvc key generate web/shop/deep
    fails 3 "" as $ALICE keysvc key generate other
    as $BOB keysvc key generate web/shop/deep
}

@test "{uid} in a rule is the caller's" {
    need_root
    world
    rules <<END
keys "agents/**" { token = main type = ec-p256 purpose = sign }
allow each { user = {"$ALICE", "$BOB"} keys = {"agents/{uid}/**"} operations = {all} }
END
    start
    as $ALICE keysvc key generate "agents/$ALICE/host"
    fails 3 "" as $BOB keysvc key show "agents/$ALICE/host"
    fails 3 "" as $ALICE keysvc key generate "agents/$BOB/host"
    as $BOB keysvc key generate "agents/$BOB/host"
    [ "$(as $BOB keysvc key list --json | json 'len(d["keys"])')" = 1 ]
}

@test "a group in a rule is any of the caller's" {
    need_root
    world
    rules <<END
keys "web/**" { token = main type = ec-p256 purpose = sign }
allow group { group = {"64899"} keys = {"web/**"} operations = {all} }
END
    start
    fails 3 "" as $BOB keysvc key generate web/shop
    setpriv --reuid $BOB --regid $BOB --groups 64898,64899 -- keysvc key generate web/shop
}

@test "both user and unit must match, and the unit is what the kernel says" {
    need_root
    world
    unit_of_two_users
    rules <<END
keys "web/**" { token = main type = ec-p256 purpose = sign }
allow nginx { user = {"$ALICE"} unit = {"nginx.service"} keys = {"web/**"} operations = {all} }
END
    start
    in_unit nginx.service $ALICE keysvc key generate web/shop
    fails 3 "" as $ALICE keysvc sign web/shop --in "$W/data"
    fails 3 "" in_unit other.service $ALICE keysvc sign web/shop --in "$W/data"
    fails 3 "" in_unit nginx.service $BOB keysvc sign web/shop --in "$W/data"
    in_unit nginx.service $ALICE keysvc sign web/shop --in "$W/data" >"$W/signature"
    [ "$(in_unit nginx.service $ALICE keysvc status --json | json 'd["caller"]["unit"]')" = nginx.service ]
}

@test "a unit alone is enough where the kernel proves who is calling" {
    need_root
    world
    unit_of_two_users
    rules <<END
keys "web/**" { token = main type = ec-p256 purpose = sign }
allow nginx { unit = {"nginx.service"} keys = {"web/**"} operations = {all} }
END
    if /usr/bin/python3 -c 'import socket; a, b = socket.socketpair(); a.getsockopt(socket.SOL_SOCKET, 77, 4)'; then
        start
        in_unit nginx.service $BOB keysvc key generate web/shop
        fails 3 "" as $BOB keysvc sign web/shop --in "$W/data"
    else
        start nowait
        wait_for keysvc status
        fails 3 "" in_unit nginx.service $BOB keysvc key generate web/shop
    fi
}

@test "explain says why, for oneself, and for others to administrators" {
    need_root
    shop
    as $ALICE keysvc policy explain --key web/shop --operation sign | grep alice
    fails 3 "allow " as $BOB keysvc policy explain --key web/shop --operation sign
    keysvc policy explain --user $ALICE --key web/shop --operation sign | grep alice
    fails 3 "allow " keysvc policy explain --user $BOB --key web/shop --operation sign
    fails 3 administer as $BOB keysvc policy explain --user $ALICE --key web/shop --operation sign
}

@test "a rate is a quota of the rule's: what is too fast is BUSY, and the others are served on" {
    need_root
    world
    rules <<END
keys "web/**" { token = main type = ec-p256 purpose = sign }
allow slow { user = {"$ALICE"} keys = {"web/**"} operations = {get, sign} rate = "5/s" }
allow admins { user = {"$ME"} keys = {"**"} operations = {all, administer} }
END
    start
    keysvc key generate web/shop
    python_client
    fails 11 "" as $ALICE client pipeline web/shop "$W/data" 100
    keysvc sign web/shop --in "$W/data" >"$W/signature"
}

@test "--check names file and line of each mistake" {
    world
    keysvcd --config "$W/keysvcd.conf" --check
    echo 'allow x { user = {"1"} keyz = {"**"} operations = {all} }' >"$W/wrong.conf"
    fails 1 "$W/wrong.conf:1: " keysvcd --config "$W/wrong.conf" --check || fails 6 "$W/wrong.conf:1: " keysvcd --config "$W/wrong.conf" --check
    for mistake in \
        'keys "web/**" { token = other type = ec-p256 }' \
        'keys "web/**" { token = main type = ec-p256 purpose = ca }' \
        'keys "web/*" { token = main type = ec-p256 }
         keys "web/**" { token = main type = ec-p256 }' \
        'allow a { user = {"1"} keys = {"**"} operations = {fly} }' \
        'allow a { user = {"no-such-user-anywhere"} keys = {"**"} operations = {all} }' \
        'allow a { user = {"1"} keys = {"a***"} operations = {all} }' \
        'allow a { user = {"1"} keys = {"**"} operations = {all} }
         allow a { user = {"2"} keys = {"**"} operations = {all} }' \
        'daemon { }'; do
        rules <<<"$mistake"
        run keysvcd --config "$W/keysvcd.conf" --check
        [ "$status" != 0 ]
        [[ $output == *"$W/keysvcd.conf:"[0-9]* ]]
    done
}

@test "on a kernel without SO_PEERPIDFD rules by a unit alone are named, those whose keys are its own too" {
    need_root
    world
    rules <<END
keys "**" { token = main type = ec-p256 purpose = sign }
allow alone { unit = {"a.service"} keys = {"a/**"} operations = {get} }
allow own { user = {"*"} keys = {"all/**", "{unit}/**"} operations = {get} }
allow narrowed { user = {"$ALICE"} keys = {"{unit}/**"} operations = {get} }
END
    run -0 /usr/bin/python3 -B "$SOURCE/tests/system/without_peerpidfd.py" "$PROGRAMS/keysvc/keysvcd" \
        --config "$W/keysvcd.conf" --profile-dir "$SOURCE/hsm-profiles" --check
    [[ $output == *"allow alone: never matches on this kernel"* ]]
    [[ $output == *'allow own: keys "{unit}/**" never match on this kernel'* ]]
    [[ $output != *all/** && $output != *narrowed* ]]
}
