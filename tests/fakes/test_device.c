/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_device - a device that is pulled out, exchanged, full or locked
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fakes/break_rig.h"

TestSuite(device, .init = rig_begin, .fini = rig_end, .timeout = 60);

Test(device, a_removed_device_is_in_no_list_and_answers_nobody)
{
    CK_SLOT_ID slots[4];
    CK_ULONG n_slots = 4;
    CK_SESSION_INFO session_info;
    CK_SESSION_HANDLE opened;
    CK_SLOT_INFO slot_info;
    CK_TOKEN_INFO token_info;
    CK_BYTE signature[64];

    cr_assert_eq(rig.p11->C_GetSessionInfo(rig.session, &session_info), CKR_OK);
    rig_write("rules", "token:removed\n");
    cr_expect_eq(rig.p11->C_GetSlotList(CK_TRUE, slots, &n_slots), CKR_OK);
    cr_expect_eq(n_slots, 0);
    n_slots = 4;
    cr_expect_eq(rig.p11->C_GetSlotList(CK_FALSE, slots, &n_slots), CKR_OK);
    cr_expect_geq(n_slots, 1, "the slot stays");
    cr_expect_eq(rig.p11->C_GetSlotInfo(session_info.slotID, &slot_info), CKR_OK);
    cr_expect_eq(slot_info.flags & CKF_TOKEN_PRESENT, 0);
    cr_expect_eq(rig.p11->C_GetTokenInfo(session_info.slotID, &token_info), CKR_TOKEN_NOT_PRESENT);
    cr_expect_eq(
        rig.p11->C_OpenSession(session_info.slotID, CKF_SERIAL_SESSION, NULL, NULL, &opened),
        CKR_TOKEN_NOT_PRESENT);
    cr_expect_eq(rig_sign(signature), CKR_DEVICE_REMOVED);
    cr_expect_eq(rig_login(rig.session, "1234"), CKR_DEVICE_REMOVED);
}

Test(device, a_device_that_is_back_knows_neither_session_nor_login)
{
    CK_SESSION_HANDLE again;
    CK_SESSION_INFO info;
    CK_BYTE signature[64];

    rig_write("rules", "token:removed\n");
    cr_assert_eq(rig_sign(signature), CKR_DEVICE_REMOVED);
    rig_write("rules", "");
    cr_assert_eq(rig_sign(signature), CKR_SESSION_HANDLE_INVALID);
    cr_assert_eq(rig_open_session(&again), CKR_OK);
    cr_assert_neq(again, rig.session);
    cr_assert_eq(rig.p11->C_GetSessionInfo(again, &info), CKR_OK);
    cr_assert_eq(info.state, CKS_RW_PUBLIC_SESSION);
    cr_assert_eq(rig_login(again, "1234"), CKR_OK);
    cr_assert_eq(rig_sign(signature), CKR_SESSION_HANDLE_INVALID, "the old one stays dead");
}

/* The private keys called k@1, and the public point of the last. */
static CK_ULONG
look(CK_SESSION_HANDLE in, CK_BYTE point[static 67])
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_ATTRIBUTE template[] = {{CKA_LABEL, rig_label, sizeof(rig_label)},
                               {CKA_CLASS, &class, sizeof(class)}};
    CK_ATTRIBUTE attribute = {CKA_EC_POINT, point, 67};
    CK_OBJECT_HANDLE found[8];
    CK_ULONG n_found = 0;

    cr_assert_eq(rig.p11->C_FindObjectsInit(in, template, 2), CKR_OK);
    cr_assert_eq(rig.p11->C_FindObjects(in, found, 8, &n_found), CKR_OK);
    cr_assert_eq(rig.p11->C_FindObjectsFinal(in), CKR_OK);
    if (n_found > 0)
        cr_assert_eq(rig.p11->C_GetAttributeValue(in, found[n_found - 1], &attribute, 1), CKR_OK);
    return n_found;
}

Test(device, another_token_in_the_slot_has_its_own_keys_until_it_is_taken_out)
{
    char line[300], command[600];
    CK_SESSION_HANDLE other, own;
    CK_BYTE point[67], other_point[67], signature[64];
    CK_TOKEN_INFO before, after;
    CK_SESSION_INFO info;

    /* A copy has label and serial of this one; its keys become others. */
    rig_softhsm("/other");
    snprintf(command, sizeof(command), "cp -r %s/tokens/. %s/other/tokens", rig.folder, rig.folder);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(rig.p11->C_GetSessionInfo(rig.session, &info), CKR_OK);
    cr_assert_eq(rig.p11->C_GetTokenInfo(info.slotID, &before), CKR_OK);
    cr_assert_eq(look(rig.session, point), 1);

    snprintf(line, sizeof(line), "token:other %s/other # exchanged\n", rig.folder);
    rig_write("rules", line);
    cr_assert_eq(rig_sign(signature), CKR_SESSION_HANDLE_INVALID);
    cr_assert_eq(rig_open_session(&other), CKR_OK);
    cr_assert_eq(rig_sign(signature), CKR_SESSION_HANDLE_INVALID,
                 "though the number is used again");
    cr_assert_eq(rig.p11->C_GetSessionInfo(other, &info), CKR_OK);
    cr_assert_eq(rig.p11->C_GetTokenInfo(info.slotID, &after), CKR_OK);
    cr_assert_eq(memcmp(before.label, after.label, sizeof(before.label)), 0);
    cr_assert_eq(memcmp(before.serialNumber, after.serialNumber, sizeof(before.serialNumber)), 0);
    cr_assert_eq(rig_login(other, "1234"), CKR_OK);
    rig.session = other;
    rig_generate();
    cr_assert_eq(look(other, other_point), 2, "the copy, and the one just made");

    rig_write("rules", "");
    cr_assert_eq(rig_open_session(&own), CKR_OK);
    cr_assert_eq(rig_login(own, "1234"), CKR_OK);
    cr_assert_eq(look(own, other_point), 1, "what was made on the other one is not here");
    cr_assert_eq(memcmp(point, other_point, sizeof(point)), 0);
}

Test(device, a_token_that_is_none_is_like_none)
{
    CK_SESSION_HANDLE opened;
    CK_BYTE signature[64];

    rig_write("rules", "token:other /proc/nonexistent\n");
    cr_assert_eq(rig_sign(signature), CKR_DEVICE_REMOVED);
    rig_write("rules", "");
    cr_assert_eq(rig_open_session(&opened), CKR_OK);
}

/* Reaps a child that opens a session and ends; whether it could. */
static bool
opens_in_child(void)
{
    CK_SESSION_HANDLE opened;
    int status = 0;
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(rig_open_session(&opened) == CKR_OK ? 0 : 1);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Test(device, has_few_sessions_for_all_processes_together)
{
    CK_SESSION_HANDLE second, third;

    rig_write("rules", "sessions:2\n");
    cr_assert(opens_in_child());
    cr_assert_eq(rig_open_session(&second), CKR_OK, "the child's is free again");
    cr_assert_eq(rig_open_session(&third), CKR_SESSION_COUNT);
    cr_assert_not(opens_in_child());
    cr_assert_eq(rig.p11->C_CloseSession(second), CKR_OK);
    cr_assert(opens_in_child());
    rig_write("rules", "");
    cr_assert_eq(rig_open_session(&second), CKR_OK);
    cr_assert_eq(rig_open_session(&third), CKR_OK);
}

Test(device, locks_its_pin_after_so_many_wrong_ones)
{
    CK_SESSION_INFO info;
    CK_TOKEN_INFO token;
    CK_FLAGS all = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;
    static const CK_FLAGS shown[] = {0, CKF_USER_PIN_COUNT_LOW,
                                     CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY,
                                     CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_LOCKED};

    rig_write("rules", "pin:3\n");
    cr_assert_eq(rig.p11->C_GetSessionInfo(rig.session, &info), CKR_OK);
    cr_assert_eq(rig.p11->C_Logout(rig.session), CKR_OK);
    cr_assert_eq(rig_login(rig.session, "wrong"), CKR_PIN_INCORRECT);
    cr_assert_eq(rig_login(rig.session, "1234"), CKR_OK, "which forgives the wrong one");
    cr_assert_eq(rig.p11->C_Logout(rig.session), CKR_OK);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(rig.p11->C_GetTokenInfo(info.slotID, &token), CKR_OK);
        cr_assert_eq(token.flags & all, shown[i], "after %zu", i);
        cr_assert_eq(rig_login(rig.session, "wrong"), CKR_PIN_INCORRECT);
    }
    cr_assert_eq(rig.p11->C_GetTokenInfo(info.slotID, &token), CKR_OK);
    cr_assert_eq(token.flags & all, shown[3]);
    cr_assert_eq(rig_login(rig.session, "wrong"), CKR_PIN_LOCKED);
    cr_assert_eq(rig_login(rig.session, "1234"), CKR_PIN_LOCKED, "the right one neither");
    cr_assert_eq(rig.p11->C_SetPIN(rig.session, (CK_BYTE_PTR) "1234", 4, (CK_BYTE_PTR) "5678", 4),
                 CKR_PIN_LOCKED);

    cr_assert_eq(rig.p11->C_Login(rig.session, CKU_SO, (CK_BYTE_PTR) "12345678", 8), CKR_OK);
    cr_assert_eq(rig.p11->C_InitPIN(rig.session, (CK_BYTE_PTR) "5678", 4), CKR_OK);
    cr_assert_eq(rig.p11->C_Logout(rig.session), CKR_OK);
    cr_assert_eq(rig_login(rig.session, "5678"), CKR_OK);
}
