#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# tpm_pin.bats - a TPM really locks after three wrong PINs, and keysvcd spends one of them, whatever restarts
#
# Who else is on the host has tries of his own; the lock is the TPM's, not a program's.

export TOKEN_KIND=tpm2-pkcs11

setup()
{
    load ../system/harness
    need_token
    world
    start
    keysvc key generate web/shop
    stop
    printf 'wrong' >"$W/pin"
}

teardown()
{
    show_log_if_failed
    end_world
}

blocked()
{
    token_is login-blocked
}

# How many wrong PINs the TPM has counted.
wrong_pins()
{
    tpm tpm2_getcap properties-variable | sed -n 's/^TPM2_PT_LOCKOUT_COUNTER: *//p' | { read -r n; echo $((n)); }
}

signs_again()
{
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
}

@test "twenty restarts with a wrong PIN cost one try of the TPM's" {
    [ "$(wrong_pins)" = 0 ]
    for ((i = 0; i < 20; i++)); do
        start nowait
        wait_for blocked
        stop
    done
    [ "$(wrong_pins)" = 1 ]
    # So the right PIN still serves.
    printf '%s' "$PIN" >"$W/pin"
    start
    signs_again
}

@test "three wrong PINs lock the TPM, keysvcd says so, and serves again when an administrator has cleared it" {
    start nowait
    wait_for blocked
    stop
    # Two more, by somebody else's program.
    for ((i = 0; i < 2; i++)); do
        fails 1 CKR_PIN_INCORRECT as "$TOKEN" pkcs11-tool --module "$TOKEN_MODULE" --token-label keysvc --login \
            --pin wrong --list-objects
    done
    fails 1 CKR_PIN_LOCKED pkcs11 --list-objects

    # The right PIN does not help any more, and it is tried once.
    printf '%s' "$PIN" >"$W/pin"
    start nowait
    wait_for blocked
    keysvc status --json | json 'd["tokens"][0]["text"]' | grep 'have it unlocked'
    keysvc token list | grep login-blocked
    fails 18 unlocked keysvc key generate web/other
    fails 18 unlocked keysvc sign web/shop --in "$W/data" --timeout 1s

    tpm tpm2_dictionarylockout --clear-lockout
    keysvc token retry-login main
    wait_ready
    signs_again
}
