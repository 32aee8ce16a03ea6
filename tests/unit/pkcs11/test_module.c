/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pkcs11/module.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/pkcs11/directory.h"
#include "client/pkcs11/entry.h"
#include "client/pkcs11/mechanism.h"
#include "module_rig.h"

static void
start(void)
{
    setenv("KEYSVC_SOCKET", "/proc/nonexistent/keysvc.sock", 1);
    setenv("KEYSVC_PKCS11_LOG", "none", 1);
    cr_assert_eq(C_GetFunctionList(&p11), CKR_OK);
}

TestSuite(module, .init = start);

Test(module, no_function_of_the_list_is_missing)
{
    const char *at = (const char *)p11 + offsetof(CK_FUNCTION_LIST, C_Initialize);

    for (; at < (const char *)(p11 + 1); at += sizeof(void *)) {
        void *function;

        memcpy(&function, at, sizeof(function));
        cr_assert_not_null(function, "at %zd", at - (const char *)p11);
    }
    cr_assert_eq(C_GetFunctionList(NULL), CKR_ARGUMENTS_BAD);
}

Test(module, what_is_not_there_says_so)
{
    cr_assert_eq(p11->C_EncryptInit(0, NULL, 0), CKR_FUNCTION_NOT_SUPPORTED);
    cr_assert_eq(p11->C_CreateObject(0, NULL, 0, NULL), CKR_FUNCTION_NOT_SUPPORTED);
    cr_assert_eq(p11->C_GenerateKeyPair(0, NULL, NULL, 0, NULL, 0, NULL, NULL),
                 CKR_FUNCTION_NOT_SUPPORTED);
    cr_assert_eq(p11->C_SetPIN(0, NULL, 0, NULL, 0), CKR_FUNCTION_NOT_SUPPORTED);
    cr_assert_eq(p11->C_GetFunctionStatus(0), CKR_FUNCTION_NOT_PARALLEL);
}

Test(module, nothing_works_before_initialise_nor_after_finalise)
{
    CK_SESSION_HANDLE session;
    CK_ULONG n = 0;
    CK_INFO info;

    for (int i = 0; i < 2; i++) {
        cr_assert_eq(p11->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
        cr_assert_eq(p11->C_GetSlotList(CK_TRUE, NULL, &n), CKR_CRYPTOKI_NOT_INITIALIZED);
        cr_assert_eq(p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session),
                     CKR_CRYPTOKI_NOT_INITIALIZED);
        cr_assert_eq(p11->C_Sign(1, NULL, 0, NULL, NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
        cr_assert_eq(p11->C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
        cr_assert_eq(p11->C_Initialize(NULL), CKR_OK);
        cr_assert_eq(p11->C_Initialize(NULL), CKR_CRYPTOKI_ALREADY_INITIALIZED);
        cr_assert_eq(p11->C_GetInfo(&info), CKR_OK);
        cr_assert_eq(p11->C_Finalize(&n), CKR_ARGUMENTS_BAD);
        cr_assert_eq(p11->C_Finalize(NULL), CKR_OK);
    }
}

static CK_RV
no_mutex(void **mutex)
{
    (void)mutex;
    return CKR_OK;
}

static CK_RV
no_lock(void *mutex)
{
    (void)mutex;
    return CKR_OK;
}

Test(module, initialise_takes_the_systems_locks_and_no_others)
{
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};

    cr_assert_eq(p11->C_Initialize(&arguments), CKR_OK);
    cr_assert_eq(p11->C_Finalize(NULL), CKR_OK);
    arguments.CreateMutex = no_mutex;
    cr_assert_eq(p11->C_Initialize(&arguments), CKR_ARGUMENTS_BAD);
    arguments.DestroyMutex = arguments.LockMutex = arguments.UnlockMutex = no_lock;
    cr_assert_eq(p11->C_Initialize(&arguments), CKR_OK);
    cr_assert_eq(p11->C_Finalize(NULL), CKR_OK);
    arguments.flags = 0;
    cr_assert_eq(p11->C_Initialize(&arguments), CKR_CANT_LOCK);
    arguments = (CK_C_INITIALIZE_ARGS){.flags = CKF_LIBRARY_CANT_CREATE_OS_THREADS};
    cr_assert_eq(p11->C_Initialize(&arguments), CKR_OK);
    cr_assert_eq(p11->C_Finalize(NULL), CKR_OK);
    arguments.pReserved = &arguments;
    cr_assert_eq(p11->C_Initialize(&arguments), CKR_ARGUMENTS_BAD);
}

Test(module, there_is_one_slot_with_a_token_that_asks_for_no_login)
{
    CK_ULONG n = 5;
    CK_SLOT_ID slots[1];
    CK_TOKEN_INFO token;
    CK_SLOT_INFO slot;

    cr_assert_eq(p11->C_Initialize(NULL), CKR_OK);
    cr_assert_eq(p11->C_GetSlotList(CK_FALSE, NULL, &n), CKR_OK);
    cr_assert_eq(n, 1);
    n = 0;
    cr_assert_eq(p11->C_GetSlotList(CK_TRUE, slots, &n), CKR_BUFFER_TOO_SMALL);
    cr_assert_eq(n, 1);
    cr_assert_eq(p11->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    cr_assert_eq(p11->C_GetSlotList(CK_TRUE, slots, NULL), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_GetSlotInfo(slots[0], &slot), CKR_OK);
    cr_assert(slot.flags & CKF_TOKEN_PRESENT);
    cr_assert_eq(p11->C_GetTokenInfo(slots[0], &token), CKR_OK);
    cr_assert_eq(memcmp(token.label, "keysvc                          ", 32), 0);
    cr_assert(token.flags & CKF_TOKEN_INITIALIZED);
    cr_assert_not(token.flags & CKF_LOGIN_REQUIRED);
    cr_assert_eq(p11->C_GetTokenInfo(slots[0] + 1, &token), CKR_SLOT_ID_INVALID);
    cr_assert_eq(p11->C_GetTokenInfo(slots[0], NULL), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, slots, NULL), CKR_NO_EVENT);
}

Test(module, mechanisms_are_listed_by_the_same_rules)
{
    CK_MECHANISM_TYPE list[64];
    CK_MECHANISM_INFO info;
    CK_ULONG n = 0;

    cr_assert_eq(p11->C_Initialize(NULL), CKR_OK);
    cr_assert_eq(p11->C_GetMechanismList(0, NULL, &n), CKR_OK);
    cr_assert_eq(n, mechanism_count());
    n--;
    cr_assert_eq(p11->C_GetMechanismList(0, list, &n), CKR_BUFFER_TOO_SMALL);
    cr_assert_eq(p11->C_GetMechanismList(0, list, &n), CKR_OK);
    for (CK_ULONG i = 0; i < n; i++)
        cr_assert_eq(p11->C_GetMechanismInfo(0, list[i], &info), CKR_OK);
    cr_assert_eq(p11->C_GetMechanismInfo(0, CKM_RSA_X_509, &info), CKR_MECHANISM_INVALID);
    cr_assert_eq(p11->C_GetMechanismInfo(0, list[0], NULL), CKR_ARGUMENTS_BAD);
}

Test(module, a_service_that_is_down_shows_in_the_first_search_only)
{
    CK_SESSION_HANDLE session = rig_session();
    CK_OBJECT_HANDLE object;
    CK_ULONG n;

    cr_assert_eq(p11->C_FindObjectsInit(session, NULL, 0), CKR_DEVICE_ERROR);
    cr_assert_eq(p11->C_FindObjects(session, &object, 1, &n), CKR_OPERATION_NOT_INITIALIZED);
}

/* --- threads and forks --- */

#define N_THREADS 8
#define N_ROUNDS 20

static bool
sign_once(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    unsigned char signature[64];
    CK_ULONG len = sizeof(signature);

    return p11->C_SignInit(session, &mechanism, key) == CKR_OK &&
           p11->C_Sign(session, (unsigned char *)"x", 1, signature, &len) == CKR_OK && len == 64;
}

static void *
work(void *context)
{
    CK_SESSION_HANDLE session;
    intptr_t n_good = 0;

    (void)context;
    if (p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_OK)
        return NULL;
    for (int i = 0; i < N_ROUNDS; i++) {
        CK_OBJECT_HANDLE key = rig_find(session, CKO_PRIVATE_KEY, "web/shop");

        n_good += sign_once(session, key);
    }
    return (void *)n_good;
}

Test(module, threads_search_and_sign_at_once, .timeout = 60)
{
    struct rig *rig = rig_start();
    pthread_t threads[N_THREADS];

    (void)rig_session();
    for (int i = 0; i < N_THREADS; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < N_THREADS; i++) {
        void *n_good;

        pthread_join(threads[i], &n_good);
        cr_assert_eq((intptr_t)n_good, N_ROUNDS);
    }
    rig_stop(rig);
}

/* One session in many hands: each call whole, whatever the order. */
static void *
share(void *context)
{
    CK_SESSION_HANDLE session = *(CK_SESSION_HANDLE *)context;
    CK_OBJECT_HANDLE found[4];
    CK_ULONG n;

    for (int i = 0; i < N_ROUNDS; i++) {
        (void)p11->C_FindObjectsInit(session, NULL, 0);
        (void)p11->C_FindObjects(session, found, 4, &n);
        (void)p11->C_FindObjectsFinal(session);
    }
    return NULL;
}

Test(module, threads_that_share_a_session_get_answers, .timeout = 60)
{
    struct rig *rig = rig_start();
    CK_SESSION_HANDLE session = rig_session();
    pthread_t threads[N_THREADS];

    for (int i = 0; i < N_THREADS; i++)
        pthread_create(&threads[i], NULL, share, &session);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_neq(rig_find(session, CKO_PRIVATE_KEY, "web/shop"), CK_INVALID_HANDLE);
    rig_stop(rig);
}

/* A child that waits for ever is ended by SIGALRM, which is no good end either. Whatever it waits
 * for: a lock that another thread of the parent had, or criterion, of which an assertion that fails
 * in a child expects an answer. */
#define CHILD_MAX_S 20

static bool
child_is_well(bool (*child)(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key),
              CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        alarm(CHILD_MAX_S);
        _exit(child(session, key) ? 0 : 1);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
goes_on(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    return sign_once(session, key) && p11->C_Finalize(NULL) == CKR_OK;
}

static bool
starts_anew(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_SESSION_INFO info;

    (void)key;
    if (p11->C_Initialize(NULL) != CKR_OK ||
        p11->C_Initialize(NULL) != CKR_CRYPTOKI_ALREADY_INITIALIZED ||
        p11->C_GetSessionInfo(session, &info) != CKR_SESSION_HANDLE_INVALID)
        return false;
    session = rig_session();
    return sign_once(session, rig_find(session, CKO_PRIVATE_KEY, "web/shop"));
}

Test(module, a_child_goes_on_with_its_handles_or_starts_anew, .timeout = 60)
{
    struct rig *rig = rig_start();
    CK_SESSION_HANDLE session = rig_session();
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PRIVATE_KEY, "web/shop");

    cr_assert(sign_once(session, key));
    cr_assert(child_is_well(goes_on, session, key));
    cr_assert(child_is_well(starts_anew, session, key));
    cr_assert(sign_once(session, key), "the parent's are as before");
    rig_stop(rig);
}

#ifndef __SANITIZE_ADDRESS__ /* its allocator may be locked by another thread when the child begins */
/* Searches too: list and certificates are old in the child, and whoever was reading them is gone. */
static bool
searches_and_signs(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    (void)key;
    clock_shift(2 * (int64_t)CERTIFICATES_AGE_MS * 1000, 0);
    return rig_count(session, NULL, 0) == 2 * RIG_KEYS + 3 &&
           sign_once(session, rig_find(session, CKO_PRIVATE_KEY, "web/shop"));
}

/* The session that threads share, which one of them has busy at any time. */
static bool
takes_a_busy_session(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_SESSION_INFO info;

    (void)key;
    (void)p11->C_FindObjectsFinal(session);
    return p11->C_GetSessionInfo(session, &info) == CKR_OK &&
           rig_find(session, CKO_PRIVATE_KEY, "web/shop") != CK_INVALID_HANDLE &&
           p11->C_CloseSession(session) == CKR_OK;
}

Test(module, forks_beside_threads_leave_both_sides_working, .timeout = 120)
{
    struct rig *rig = rig_start();
    CK_SESSION_HANDLE shared = rig_session(), own = rig_session();
    CK_OBJECT_HANDLE key = rig_find(own, CKO_PRIVATE_KEY, "web/shop");
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, i % 2 ? work : share, &shared);
    for (int i = 0; i < 10; i++) {
        cr_assert(child_is_well(searches_and_signs, own, key), "child %d", i);
        cr_assert(child_is_well(takes_a_busy_session, shared, key), "child %d", i);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert(sign_once(own, key));
    rig_stop(rig);
}
#endif

static atomic_bool finalised;

/* Time passes. */
static void *
pass_time(void *context)
{
    int64_t shift_us = 0;

    (void)context;
    while (!finalised) {
        shift_us += 1000 * 1000;
        clock_shift(shift_us, 0);
        usleep(1000);
    }
    return NULL;
}

/* exit() in a signal's handler, whose thread was in a call: that one never comes back. */
Test(module, finalise_waits_for_running_calls_and_not_for_ever, .timeout = 60)
{
    struct module *entered = NULL;
    CK_SESSION_HANDLE session = rig_session();
    CK_SESSION_INFO info;
    pthread_t thread;

    cr_assert_eq(module_enter(&entered), CKR_OK);
    pthread_create(&thread, NULL, pass_time, NULL);
    cr_assert_eq(p11->C_Finalize(NULL), CKR_FUNCTION_FAILED);
    finalised = true;
    pthread_join(thread, NULL);
    cr_assert_eq(p11->C_GetSessionInfo(session, &info), CKR_OK, "what the call has is still there");
    module_leave(&entered);
    cr_assert_eq(p11->C_Finalize(NULL), CKR_OK);
}
