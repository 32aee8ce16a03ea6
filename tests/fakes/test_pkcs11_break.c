/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pkcs11_break - the module that breaks on purpose, against SoftHSM itself
 *
 * A fake proves nothing by itself: a key made and used through it is one that SoftHSM, loaded
 * alone, knows and whose signatures it verifies.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fakes/break_rig.h"

TestSuite(pkcs11_break, .init = rig_begin, .fini = rig_end, .timeout = 60);

Test(pkcs11_break, forwards_to_the_real_module_which_knows_the_key_and_verifies_the_signature)
{
    CK_FUNCTION_LIST_PTR softhsm = rig_load(RIG_SOFTHSM);
    CK_BYTE signature[64];

    cr_assert_eq(rig_sign(signature), CKR_OK);
    cr_assert_eq(rig_verify(softhsm, rig.session, rig.public_key, signature), CKR_OK);
    signature[0] ^= 1;
    cr_assert_eq(rig_verify(softhsm, rig.session, rig.public_key, signature),
                 CKR_SIGNATURE_INVALID);
}

Test(pkcs11_break, counts_every_call_by_function)
{
    CK_BYTE signature[64];

    cr_assert_eq(rig_counted(FUNCTION_C_Login), 2);
    cr_assert_eq(rig_counted(FUNCTION_C_Sign), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(rig_sign(signature), CKR_OK);
    cr_assert_eq(rig_counted(FUNCTION_C_Sign), 3);
    cr_assert_eq(rig_counted(FUNCTION_C_SignInit), 3);
}

Test(pkcs11_break, answers_the_nth_call_as_the_rule_says_and_no_other)
{
    CK_BYTE signature[64];

    rig_write("rules", "# the second\nC_SignInit:2:CKR_DEVICE_REMOVED\n");
    cr_assert_eq(rig_sign(signature), CKR_OK);
    cr_assert_eq(rig_sign(signature), CKR_DEVICE_REMOVED);
    cr_assert_eq(rig_sign(signature), CKR_OK);
}

Test(pkcs11_break, reads_the_rules_again_when_they_changed)
{
    CK_BYTE signature[64];

    rig_write("rules", "C_SignInit:*:0x30\n");
    cr_assert_eq(rig_sign(signature), CKR_DEVICE_ERROR);
    rig_write("rules", "C_SignInit:*:CKR_DEVICE_REMOVED\n");
    cr_assert_eq(rig_sign(signature), CKR_DEVICE_REMOVED);
    rig_write("rules", "");
    cr_assert_eq(rig_sign(signature), CKR_OK);
}

Test(pkcs11_break, a_file_that_is_no_rules_file_breaks_nothing)
{
    CK_BYTE signature[64];

    rig_write("rules", "C_SignInit:*:CKR_DEVICE_ERROR\nC_Sing:1:hang\n");
    cr_assert_eq(rig_sign(signature), CKR_OK);
}

Test(pkcs11_break, a_wrong_signature_is_one_that_the_real_module_refuses)
{
    CK_BYTE signature[64];

    rig_write("rules", "C_Sign:1:wrong\n");
    cr_assert_eq(rig_sign(signature), CKR_OK);
    cr_assert_eq(rig_verify(rig.p11, rig.session, rig.public_key, signature),
                 CKR_SIGNATURE_INVALID);
    cr_assert_eq(rig_sign(signature), CKR_OK);
    cr_assert_eq(rig_verify(rig.p11, rig.session, rig.public_key, signature), CKR_OK);
}

Test(pkcs11_break, does_the_work_and_then_denies_it)
{
    CK_ATTRIBUTE template[] = {{CKA_LABEL, rig_label, sizeof(rig_label)}};
    CK_OBJECT_HANDLE found[8];
    CK_ULONG n_found = 0;

    rig_write("rules", "C_DestroyObject:1:after CKR_DEVICE_ERROR\n");
    cr_assert_eq(rig.p11->C_DestroyObject(rig.session, rig.private_key), CKR_DEVICE_ERROR);
    cr_assert_eq(rig.p11->C_FindObjectsInit(rig.session, template, 1), CKR_OK);
    cr_assert_eq(rig.p11->C_FindObjects(rig.session, found, 8, &n_found), CKR_OK);
    cr_assert_eq(rig.p11->C_FindObjectsFinal(rig.session), CKR_OK);
    cr_assert_eq(n_found, 1, "the public half alone is left");
}

Test(pkcs11_break, hangs_for_as_long_as_one_waits)
{
    rig_write("rules", "C_Sign:1:hang\n");
    cr_assert_eq(rig_sign_in_child(300), -1);
}

Test(pkcs11_break, crashes_as_a_crash_does)
{
    int status;

    rig_write("rules", "C_Sign:1:abort\n");
    status = rig_sign_in_child(20000);
    cr_assert(status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

Test(pkcs11_break, is_slow_and_then_right)
{
    CK_BYTE signature[64];
    struct timespec before, after;

    rig_write("rules", "C_Sign:*:slow 50\n");
    clock_gettime(CLOCK_MONOTONIC, &before);
    cr_assert_eq(rig_sign(signature), CKR_OK);
    clock_gettime(CLOCK_MONOTONIC, &after);
    cr_assert_geq(
        (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000, 49);
    cr_assert_eq(rig_verify(rig.p11, rig.session, rig.public_key, signature), CKR_OK);
}

Test(pkcs11_break, adds_flags_that_the_token_never_shows_by_itself)
{
    CK_SESSION_INFO info;
    CK_TOKEN_INFO token;

    cr_assert_eq(rig.p11->C_GetSessionInfo(rig.session, &info), CKR_OK);
    cr_assert_eq(rig.p11->C_GetTokenInfo(info.slotID, &token), CKR_OK);
    cr_assert_eq(token.flags & CKF_USER_PIN_COUNT_LOW, 0);
    rig_write("rules", "C_GetTokenInfo:*:flags 0x10000\n");
    cr_assert_eq(rig.p11->C_GetTokenInfo(info.slotID, &token), CKR_OK);
    cr_assert_neq(token.flags & CKF_USER_PIN_COUNT_LOW, 0);
}

Test(pkcs11_break, knows_every_function_of_the_standard_and_counts_it)
{
    CK_FUNCTION_LIST *list = rig.p11;
    size_t first = offsetof(CK_FUNCTION_LIST, C_Initialize);
    size_t n_functions = (sizeof(*list) - first) / sizeof(void *);

    /* C_GetFunctionList makes the list; the others are in it and in the file. */
    cr_assert_eq(n_functions, FUNCTION_COUNT + 1);
    for (size_t i = 0; i < n_functions; i++)
        cr_assert_not_null(((void **)&list->C_Initialize)[i], "%zu", i);
    cr_assert_eq(rig.p11->C_CancelFunction(rig.session), CKR_FUNCTION_NOT_PARALLEL);
    cr_assert_eq(rig_counted(FUNCTION_C_CancelFunction), 1);
}

Test(pkcs11_break, a_call_that_is_answered_instead_is_counted_too)
{
    CK_BYTE signature[64];

    rig_write("rules", "*:*:CKR_FUNCTION_FAILED\n");
    cr_assert_eq(rig_sign(signature), CKR_FUNCTION_FAILED);
    rig_write("rules", "token:removed\n");
    cr_assert_eq(rig_sign(signature), CKR_DEVICE_REMOVED);
    cr_assert_eq(rig_counted(FUNCTION_C_SignInit), 2);
}

/* Which of a thousand calls are answered by the rule. */
static void
draw(bool hit[static 1000])
{
    CK_INFO info;

    for (int i = 0; i < 1000; i++)
        hit[i] = rig.p11->C_GetInfo(&info) != CKR_OK;
}

static void
start_counting_anew(void)
{
    static const uint64_t none;
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/calls", rig.folder);
    fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    /* The module has it mapped. */
    for (off_t i = 0; i < FUNCTION_COUNT; i++)
        cr_assert_eq(pwrite(fd, &none, sizeof(none), i * 8), 8);
    close(fd);
}

Test(pkcs11_break, breaks_at_random_and_at_the_same_calls_with_the_same_seed)
{
    bool first[1000], second[1000], other[1000];
    unsigned n_hit = 0;

    rig_write("seed", "17\n");
    rig_write("rules", "C_GetInfo:~10:CKR_DEVICE_ERROR\n");
    start_counting_anew();
    draw(first);
    start_counting_anew();
    draw(second);
    cr_assert_eq(memcmp(first, second, sizeof(first)), 0);
    rig_write("seed", "18\n");
    rig_write("rules", "C_GetInfo:~10:CKR_DEVICE_ERROR # read again\n");
    start_counting_anew();
    draw(other);
    cr_assert_neq(memcmp(first, other, sizeof(first)), 0);
    for (size_t i = 0; i < 1000; i++)
        n_hit += first[i];
    cr_assert(n_hit > 50 && n_hit < 150, "%u of 1000", n_hit);

    setenv("PKCS11_BREAK_SEED", "17", 1);
    rig_write("rules", "C_GetInfo:~10:CKR_DEVICE_ERROR\n");
    start_counting_anew();
    draw(second);
    cr_assert_eq(memcmp(first, second, sizeof(first)), 0, "the environment's seed counts first");
}

Test(pkcs11_break, ends_by_a_memory_fault_before_and_after_the_call)
{
    int status;

    rig_write("rules", "C_Sign:1:segv\nC_Sign:2:after segv\n");
    for (int i = 0; i < 2; i++) {
        status = rig_sign_in_child(20000);

        cr_assert(status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "%d", i);
    }
    cr_assert_eq(rig_sign_in_child(20000), 0);
}
