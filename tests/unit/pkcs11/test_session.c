/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "client/pkcs11/session.h"
#include "module_rig.h"

/* Nobody is asked: a service that is not there is not missed. */
static void
start(void)
{
    setenv("KEYSVC_SOCKET", "/proc/nonexistent/keysvc.sock", 1);
    cr_assert_eq(C_GetFunctionList(&p11), CKR_OK);
    cr_assert_eq(p11->C_Initialize(NULL), CKR_OK);
}

static void
stop(void)
{
    p11->C_Finalize(NULL);
}

TestSuite(session, .init = start, .fini = stop);

static CK_SESSION_HANDLE
open_session(CK_FLAGS flags)
{
    CK_SESSION_HANDLE session;

    cr_assert_eq(p11->C_OpenSession(0, flags | CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
    return session;
}

static CK_STATE
state_of(CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;

    cr_assert_eq(p11->C_GetSessionInfo(session, &info), CKR_OK);
    return info.state;
}

Test(session, is_opened_read_only_and_read_write)
{
    cr_assert_eq(state_of(open_session(0)), CKS_RO_PUBLIC_SESSION);
    cr_assert_eq(state_of(open_session(CKF_RW_SESSION)), CKS_RW_PUBLIC_SESSION);
}

Test(session, arguments_are_checked)
{
    CK_SESSION_HANDLE session;

    cr_assert_eq(p11->C_OpenSession(1, CKF_SERIAL_SESSION, NULL, NULL, &session),
                 CKR_SLOT_ID_INVALID);
    cr_assert_eq(p11->C_OpenSession(0, 0, NULL, NULL, &session),
                 CKR_SESSION_PARALLEL_NOT_SUPPORTED);
    cr_assert_eq(p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, NULL), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_GetSessionInfo(open_session(0), NULL), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_CloseAllSessions(1), CKR_SLOT_ID_INVALID);
}

Test(session, a_handle_is_dead_after_its_session_and_not_used_again)
{
    CK_SESSION_HANDLE first = open_session(0), second;

    cr_assert_eq(p11->C_CloseSession(first), CKR_OK);
    cr_assert_eq(p11->C_CloseSession(first), CKR_SESSION_HANDLE_INVALID);
    for (int i = 0; i < 3 * (int)SESSIONS_MAX; i++) {
        second = open_session(0);
        cr_assert_neq(second, first);
        cr_assert_eq(p11->C_CloseSession(second), CKR_OK);
    }
    cr_assert_eq(p11->C_CloseSession(0), CKR_SESSION_HANDLE_INVALID);
    cr_assert_eq(p11->C_CloseSession((CK_SESSION_HANDLE)-1), CKR_SESSION_HANDLE_INVALID);
}

Test(session, the_table_has_an_end_and_room_again)
{
    CK_SESSION_HANDLE last = 0, refused;
    CK_TOKEN_INFO info;

    for (unsigned int i = 0; i < SESSIONS_MAX; i++)
        last = open_session(i % 2 ? CKF_RW_SESSION : 0);
    cr_assert_eq(p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &refused),
                 CKR_SESSION_COUNT);
    cr_assert_eq(p11->C_GetTokenInfo(0, &info), CKR_OK);
    cr_assert_eq(info.ulSessionCount, SESSIONS_MAX);
    cr_assert_eq(info.ulRwSessionCount, SESSIONS_MAX / 2);
    cr_assert_eq(p11->C_CloseSession(last), CKR_OK);
    (void)open_session(0);
    cr_assert_eq(p11->C_CloseAllSessions(0), CKR_OK);
    cr_assert_eq(p11->C_GetTokenInfo(0, &info), CKR_OK);
    cr_assert_eq(info.ulSessionCount, 0);
    cr_assert_eq(info.ulRwSessionCount, 0);
}

Test(session, any_pin_is_right_and_the_login_ends_with_the_last_session)
{
    CK_SESSION_HANDLE one = open_session(0), two = open_session(CKF_RW_SESSION);

    cr_assert_eq(p11->C_Login(one, CKU_USER, (unsigned char *)"any", 3), CKR_OK);
    cr_assert_eq(p11->C_Login(two, CKU_USER, NULL, 0), CKR_USER_ALREADY_LOGGED_IN);
    cr_assert_eq(state_of(one), CKS_RO_USER_FUNCTIONS);
    cr_assert_eq(state_of(two), CKS_RW_USER_FUNCTIONS);
    cr_assert_eq(p11->C_Logout(one), CKR_OK);
    cr_assert_eq(p11->C_Logout(one), CKR_USER_NOT_LOGGED_IN);
    cr_assert_eq(p11->C_Login(one, CKU_USER, NULL, 0), CKR_OK);
    cr_assert_eq(p11->C_CloseAllSessions(0), CKR_OK);
    cr_assert_eq(state_of(open_session(0)), CKS_RO_PUBLIC_SESSION);
}

/* A length without bytes, and bytes behind which nothing may be read. */
Test(session, a_pin_is_not_read)
{
    CK_SESSION_HANDLE session = open_session(0);

    cr_assert_eq(p11->C_Login(session, CKU_USER, NULL, 5), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_Login(session, CKU_USER, (unsigned char *)16, 5), CKR_OK);
    cr_assert_eq(p11->C_Login(session, CKU_SO, NULL, 0), CKR_USER_TYPE_INVALID);
    cr_assert_eq(p11->C_Login(session, CKU_CONTEXT_SPECIFIC, NULL, 0), CKR_OK);
    cr_assert_eq(p11->C_Login(0, CKU_USER, NULL, 0), CKR_SESSION_HANDLE_INVALID);
}

Test(session, random_bytes_are_given)
{
    CK_SESSION_HANDLE session = open_session(0);
    unsigned char one[32] = {0}, two[32] = {0};

    cr_assert_eq(p11->C_SeedRandom(session, one, sizeof(one)), CKR_OK);
    cr_assert_eq(p11->C_GenerateRandom(session, one, sizeof(one)), CKR_OK);
    cr_assert_eq(p11->C_GenerateRandom(session, two, sizeof(two)), CKR_OK);
    cr_assert_arr_neq(one, two, sizeof(one));
    cr_assert_eq(p11->C_GenerateRandom(session, NULL, 1), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_GenerateRandom(session, NULL, 0), CKR_OK);
}
