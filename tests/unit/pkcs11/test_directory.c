/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pkcs11/directory.h"

#include <criterion/criterion.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "module_rig.h"

static struct rig *rig;
static CK_SESSION_HANDLE session;

static void
start(void)
{
    rig = rig_start();
    session = rig_session();
}

static void
stop(void)
{
    rig_stop(rig);
}

TestSuite(directory, .init = start, .fini = stop);

static CK_ULONG
count_private(void)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE wanted = {CKA_CLASS, &class, sizeof(class)};

    return rig_count(session, &wanted, 1);
}

/* Each test is a process of its own. */
static int64_t shift_us;

static void
later(uint32_t ms)
{
    shift_us += ((int64_t)ms + 1) * 1000;
    clock_shift(shift_us, 0);
}

/* However slow the machine is: the clock stands where it was when the module began. */
static void
at_once(void)
{
    static uint64_t began_us;
    uint64_t now_us;

    clock_shift(0, 0);
    now_us = clock_mono_us();
    if (began_us == 0)
        began_us = now_us;
    clock_shift(shift_us - (int64_t)(now_us - began_us), 0);
}

static void
grow_old(void)
{
    later(DIRECTORY_AGE_MS);
}

Test(directory, many_keys_are_listed_in_pages_and_nothing_else)
{
    at_once();
    rig->n_many = 2500;
    cr_assert_eq(count_private(), 2500 + RIG_KEYS);
    cr_assert_eq(fake_server_requests(rig->server, RIG_LIST), 3);
    at_once();
    cr_assert_neq(rig_find(session, CKO_PRIVATE_KEY, "many/02499@1"), CK_INVALID_HANDLE);
    cr_assert_eq(fake_server_requests(rig->server, RIG_LIST), 3);
    cr_assert_eq(fake_server_requests(rig->server, RIG_GET), 0);
    cr_assert_eq(fake_server_requests(rig->server, RIG_CERTIFICATE_GET), 0);
}

Test(directory, the_certificate_of_one_key_is_one_request)
{
    rig->n_many = 1000;
    cr_assert_neq(rig_find(session, CKO_CERTIFICATE, "sign/rsa"), CK_INVALID_HANDLE);
    cr_assert_eq(fake_server_requests(rig->server, RIG_CERTIFICATE_GET), 1);
    cr_assert_eq(fake_server_requests(rig->server, RIG_GET), 0);
}

Test(directory, more_keys_than_fit_are_an_error, .timeout = 60)
{
    rig->n_many = DIRECTORY_MAX - RIG_KEYS;
    cr_assert_eq(count_private(), DIRECTORY_MAX);
    rig->n_many++;
    grow_old();
    cr_assert_eq(p11->C_FindObjectsInit(session, NULL, 0), CKR_DEVICE_MEMORY);
    rig->n_many = 0;
    cr_assert_eq(count_private(), RIG_KEYS);
}

/* A service that says "more" for ever, of what nobody can use. */
Test(directory, keys_of_no_use_count_too, .timeout = 60)
{
    rig->keys[2].purpose = KS_PURPOSE_NONE;
    rig->n_many = DIRECTORY_MAX;
    cr_assert_eq(p11->C_FindObjectsInit(session, NULL, 0), CKR_DEVICE_MEMORY);
    rig->n_many = 0;
    cr_assert_eq(count_private(), RIG_KEYS - 1);
}

Test(directory, a_list_is_read_again_when_it_is_old)
{
    at_once();
    cr_assert_eq(count_private(), RIG_KEYS);
    rig->keys[3].hidden = true;
    at_once();
    cr_assert_eq(count_private(), RIG_KEYS);
    grow_old();
    cr_assert_eq(count_private(), RIG_KEYS - 1);
}

Test(directory, a_handle_stays_while_others_come_and_go)
{
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PRIVATE_KEY, "web/shop@2");

    rig->n_many = 10;
    grow_old();
    cr_assert_eq(rig_find(session, CKO_PRIVATE_KEY, "web/shop@2"), key);
    rig->n_many = 0;
    rig->keys[3].hidden = true;
    grow_old();
    cr_assert_eq(rig_find(session, CKO_PRIVATE_KEY, "web/shop@2"), CK_INVALID_HANDLE);
    rig->keys[3].hidden = false;
    grow_old();
    cr_assert_eq(rig_find(session, CKO_PRIVATE_KEY, "web/shop@2"), key, "it is the same key");
    rig->keys[3].sha256[0] ^= 1;
    grow_old();
    cr_assert_neq(rig_find(session, CKO_PRIVATE_KEY, "web/shop@2"), key, "it is another one");
}

Test(directory, keys_that_nobody_can_use_are_no_objects)
{
    rig->keys[0].purpose = KS_PURPOSE_NONE;
    rig->keys[1].purpose = KS_PURPOSE_AUDIT;
    rig->keys[2].type = KS_KEY_TYPE_ANY;
    cr_assert_eq(count_private(), 1);
}

Test(directory, a_bare_name_is_no_older_version_when_the_newest_cannot_be_used)
{
    rig->keys[3].type = KS_KEY_TYPE_ANY;
    cr_assert_eq(rig_find(session, CKO_PRIVATE_KEY, "web/shop"), CK_INVALID_HANDLE);
    cr_assert_neq(rig_find(session, CKO_PRIVATE_KEY, "web/shop@1"), CK_INVALID_HANDLE);
    rig->keys[3].type = KS_KEY_TYPE_EC_P256;
    grow_old();
    cr_assert_neq(rig_find(session, CKO_PRIVATE_KEY, "web/shop"), CK_INVALID_HANDLE);
}

Test(directory, a_public_half_that_is_another_keys_is_not_shown)
{
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PUBLIC_KEY, "web/shop@2");
    CK_ATTRIBUTE point = {CKA_EC_POINT, NULL, 0};

    rig->keys[3].sha256[0] ^= 1;
    cr_assert_eq(p11->C_GetAttributeValue(session, key, &point, 1), CKR_OBJECT_HANDLE_INVALID);
    cr_assert_neq(rig_find(session, CKO_PUBLIC_KEY, "web/shop@2"), key,
                  "the list is read again at once");
}

Test(directory, certificates_are_read_again_when_they_are_old)
{
    cr_assert_eq(rig_find(session, CKO_CERTIFICATE, "web/shop@2"), CK_INVALID_HANDLE);
    rig->keys[3].certified = true;
    grow_old();
    cr_assert_eq(rig_find(session, CKO_CERTIFICATE, "web/shop@2"), CK_INVALID_HANDLE);
    later(CERTIFICATES_AGE_MS);
    cr_assert_neq(rig_find(session, CKO_CERTIFICATE, "web/shop@2"), CK_INVALID_HANDLE);
}

Test(directory, a_failed_refresh_keeps_what_is_known)
{
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PRIVATE_KEY, "web/shop@2");
    CK_ATTRIBUTE label = {CKA_LABEL, NULL, 0};

    rig->fail[RIG_LIST] = KS_ERR_INTERNAL;
    grow_old();
    cr_assert_eq(p11->C_FindObjectsInit(session, NULL, 0), CKR_GENERAL_ERROR);
    cr_assert_eq(p11->C_GetAttributeValue(session, key, &label, 1), CKR_OK);
}

/* --- threads --- */

#define N_THREADS 4

struct searcher {
    pthread_t thread;
    atomic_int tid; /* once it is about to search */
    CK_RV rv;
};

static void *
search(void *context)
{
    struct searcher *searcher = context;
    CK_SESSION_HANDLE own;

    searcher->rv = p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &own);
    atomic_store(&searcher->tid, (int)syscall(SYS_gettid));
    if (!searcher->rv)
        searcher->rv = p11->C_FindObjectsInit(own, NULL, 0);
    return NULL;
}

/* In a wait, many times in a row: no lock here is held for long. */
static void
wait_until_asleep(struct searcher *searcher)
{
    char path[64], text[128];

    for (int n_asleep = 0; n_asleep < 20; usleep(1000)) {
        FILE *file;
        char state = '?';

        snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&searcher->tid));
        file = atomic_load(&searcher->tid) != 0 ? fopen(path, "re") : NULL;
        if (file && fgets(text, sizeof(text), file))
            (void)sscanf(text, "%*d (%*[^)]) %c", &state);
        if (file)
            fclose(file);
        n_asleep = state == 'S' ? n_asleep + 1 : 0;
    }
}

/* Else a service that hangs costs each thread the patience of all before it. */
Test(directory, threads_that_wait_for_a_read_take_what_becomes_of_it, .timeout = 60)
{
    struct searcher searchers[N_THREADS] = {0};

    rig->hold_lists = true;
    for (int round = 0; round < 2; round++) {
        unsigned int n_before = fake_server_requests(rig->server, RIG_LIST);

        memset(searchers, 0, sizeof(searchers));
        grow_old();
        for (size_t i = 0; i < N_THREADS; i++)
            pthread_create(&searchers[i].thread, NULL, search, &searchers[i]);
        for (size_t i = 0; i < N_THREADS; i++)
            wait_until_asleep(&searchers[i]);
        rig->fail[RIG_LIST] = round == 0 ? 0 : KS_ERR_INTERNAL;
        sem_post(&rig->go);
        for (size_t i = 0; i < N_THREADS; i++)
            pthread_join(searchers[i].thread, NULL);
        for (size_t i = 0; i < N_THREADS; i++)
            cr_assert_eq(searchers[i].rv, round == 0 ? CKR_OK : CKR_GENERAL_ERROR, "%zu: %lx", i,
                         searchers[i].rv);
        cr_assert_eq(fake_server_requests(rig->server, RIG_LIST), n_before + 1);
    }
}
