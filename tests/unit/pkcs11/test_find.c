/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pkcs11/find.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/pkcs11/directory.h"
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

TestSuite(find, .init = start, .fini = stop);

static CK_ULONG
count_class(CK_OBJECT_CLASS class)
{
    CK_ATTRIBUTE wanted = {CKA_CLASS, &class, sizeof(class)};

    return rig_count(session, &wanted, 1);
}

static void
label_of(CK_OBJECT_HANDLE object, char out[64])
{
    CK_ATTRIBUTE label = {CKA_LABEL, out, 63};

    cr_assert_eq(p11->C_GetAttributeValue(session, object, &label, 1), CKR_OK);
    out[label.ulValueLen] = '\0';
}

Test(find, each_key_is_two_objects_and_chains_share_their_issuer)
{
    cr_assert_eq(count_class(CKO_PRIVATE_KEY), RIG_KEYS);
    cr_assert_eq(count_class(CKO_PUBLIC_KEY), RIG_KEYS);
    cr_assert_eq(count_class(CKO_CERTIFICATE), 3, "two of their own, one issuer");
    cr_assert_eq(count_class(CKO_SECRET_KEY), 0);
    cr_assert_eq(rig_count(session, NULL, 0), 2 * RIG_KEYS + 3);
}

Test(find, a_bare_name_is_the_newest_version)
{
    char label[64];

    label_of(rig_find(session, CKO_PRIVATE_KEY, "web/shop"), label);
    cr_assert_str_eq(label, "web/shop@2");
    label_of(rig_find(session, CKO_PRIVATE_KEY, "web/shop@1"), label);
    cr_assert_str_eq(label, "web/shop@1");
    cr_assert_eq(rig_find(session, CKO_PRIVATE_KEY, "web/shop@3"), CK_INVALID_HANDLE);
    cr_assert_eq(rig_find(session, CKO_PRIVATE_KEY, "web/sho"), CK_INVALID_HANDLE);
    cr_assert_eq(rig_find(session, CKO_PRIVATE_KEY, "web/shop@"), CK_INVALID_HANDLE);
    cr_assert_eq(rig_find(session, CKO_PRIVATE_KEY, ""), CK_INVALID_HANDLE);
    cr_assert_eq(rig_find(session, CKO_CERTIFICATE, "web/shop"), CK_INVALID_HANDLE,
                 "the newest has none");
    label_of(rig_find(session, CKO_CERTIFICATE, "web/shop@1"), label);
    cr_assert_str_eq(label, "web/shop@1");
    label_of(rig_find(session, CKO_CERTIFICATE, "sign/rsa@1 issuer 1"), label);
    cr_assert_str_eq(label, "sign/rsa@1 issuer 1");
}

Test(find, a_key_is_found_by_the_id_of_its_certificate)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    unsigned char id[20] = {0};
    CK_ATTRIBUTE read = {CKA_ID, id, sizeof(id)};
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_ID, id, sizeof(id)}};

    cr_assert_eq(rig_count(session, wanted, 2), 0);
    cr_assert_eq(p11->C_GetAttributeValue(session, rig_find(session, CKO_CERTIFICATE, "web/shop@1"),
                                          &read, 1),
                 CKR_OK);
    cr_assert_eq(rig_count(session, wanted, 2), 1);
    wanted[1].ulValueLen--;
    cr_assert_eq(rig_count(session, wanted, 2), 0);
}

Test(find, attributes_that_an_object_has_not_or_shows_nobody_match_nothing)
{
    CK_ATTRIBUTE secret = {CKA_PRIVATE_EXPONENT, NULL, 0};
    CK_ATTRIBUTE absent = {CKA_WRAP_TEMPLATE, NULL, 0};
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE sensitive = {CKA_SENSITIVE, &yes, sizeof(yes)};
    CK_ULONG bad_class = 99;
    CK_ATTRIBUTE odd[] = {{CKA_CLASS, &bad_class, 1}};

    cr_assert_eq(rig_count(session, &secret, 1), 0);
    cr_assert_eq(rig_count(session, &absent, 1), 0);
    cr_assert_eq(rig_count(session, &sensitive, 1), RIG_KEYS);
    cr_assert_eq(rig_count(session, odd, 1), 0);
}

Test(find, states_and_arguments_are_checked)
{
    CK_ATTRIBUTE nothing = {CKA_LABEL, NULL, 5};
    CK_OBJECT_HANDLE object;
    CK_ULONG n;

    cr_assert_eq(p11->C_FindObjects(session, &object, 1, &n), CKR_OPERATION_NOT_INITIALIZED);
    cr_assert_eq(p11->C_FindObjectsFinal(session), CKR_OPERATION_NOT_INITIALIZED);
    cr_assert_eq(p11->C_FindObjectsInit(session, &nothing, 1), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_FindObjectsInit(session, NULL, 1), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_FindObjectsInit(session, &nothing, (CK_ULONG)-1), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_FindObjectsInit(session, NULL, 0), CKR_OK);
    cr_assert_eq(p11->C_FindObjectsInit(session, NULL, 0), CKR_OPERATION_ACTIVE);
    cr_assert_eq(p11->C_FindObjects(session, NULL, 1, &n), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_FindObjects(session, &object, 1, NULL), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_FindObjects(session, NULL, 0, &n), CKR_OK);
    cr_assert_eq(n, 0);
    cr_assert_eq(p11->C_FindObjects(session, &object, 1, &n), CKR_OK);
    cr_assert_eq(n, 1);
    cr_assert_eq(p11->C_FindObjectsFinal(session), CKR_OK);
}

/* The service's answer is the line for people. */
Test(find, only_a_private_key_that_is_not_found_by_its_name_is_asked_for)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    unsigned char id[20] = {0};
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_ID, id, sizeof(id)}};
    unsigned int n_before;

    cr_assert_eq(rig_count(session, wanted, 2), 0, "this reads all public halves");
    n_before = fake_server_requests(rig->server, RIG_GET);
    cr_assert_eq(rig_find(session, CKO_PRIVATE_KEY, "web/other@1"), CK_INVALID_HANDLE);
    cr_assert_eq(fake_server_requests(rig->server, RIG_GET), n_before + 1);
    cr_assert_eq(rig_find(session, CKO_PUBLIC_KEY, "web/other@1"), CK_INVALID_HANDLE);
    cr_assert_eq(rig_find(session, CKO_PRIVATE_KEY, "no name"), CK_INVALID_HANDLE);
    cr_assert_eq(rig_count(session, wanted, 2), 0);
    cr_assert_eq(fake_server_requests(rig->server, RIG_GET), n_before + 1);
}

Test(find, keys_whose_public_half_is_refused_are_passed_over)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    unsigned char id[20] = {0};
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_ID, id, sizeof(id)}};

    rig->fail[RIG_GET] = KS_ERR_DENIED;
    cr_assert_eq(rig_count(session, wanted, 2), 0);
    rig->fail[RIG_GET] = KS_ERR_BAD_REQUEST;
    cr_assert_eq(p11->C_FindObjectsInit(session, wanted, 2), CKR_DATA_INVALID,
                 "what is no refusal is told");
}

Test(find, a_token_that_is_away_hides_its_certificates_and_no_keys)
{
    rig->fail[RIG_CERTIFICATE_GET] = KS_ERR_TOKEN_UNAVAILABLE;
    cr_assert_eq(rig_count(session, NULL, 0), 2 * RIG_KEYS);
    cr_assert_eq(fake_server_requests(rig->server, RIG_CERTIFICATE_GET), 1,
                 "its further keys are not asked for");
    rig->fail[RIG_CERTIFICATE_GET] = 0;
    cr_assert_eq(rig_count(session, NULL, 0), 2 * RIG_KEYS + 3);
}

Test(find, a_key_that_is_gone_is_found_by_its_id_alone)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    unsigned char id[20];
    CK_ATTRIBUTE read = {CKA_ID, id, sizeof(id)};
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_ID, id, sizeof(id)}};
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PRIVATE_KEY, "web/shop@2");

    cr_assert_eq(p11->C_GetAttributeValue(session, key, &read, 1), CKR_OK);
    rig->keys[3].hidden = true;
    clock_shift(2 * DIRECTORY_AGE_MS * 1000, 0);
    cr_assert_eq(count_class(CKO_PRIVATE_KEY), RIG_KEYS - 1);
    cr_assert_eq(rig_find(session, CKO_PRIVATE_KEY, "web/shop@2"), CK_INVALID_HANDLE);
    cr_assert_eq(rig_count(session, wanted, 2), 1, "its signature will say why");
}

static CK_OBJECT_HANDLE rsa_key;

static void *
find_rsa(void *context)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof(class)}, *(CK_ATTRIBUTE *)context};
    CK_SESSION_HANDLE own;
    CK_ULONG n;

    if (p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &own) == CKR_OK &&
        p11->C_FindObjectsInit(own, wanted, 2) == CKR_OK)
        (void)p11->C_FindObjects(own, &rsa_key, 1, &n);
    return NULL;
}

/* The search waits for the public half of the first key. Meanwhile that key goes, and all others
 * are one place nearer to the front. */
Test(find, a_search_misses_nothing_while_another_thread_reads_the_list_again)
{
    unsigned char id[20];
    CK_ATTRIBUTE rsa = {CKA_ID, id, sizeof(id)};
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PUBLIC_KEY, "sign/rsa");
    pthread_t thread;

    cr_assert_eq(p11->C_GetAttributeValue(session, key, &rsa, 1), CKR_OK);
    rig->defer_gets = true;
    pthread_create(&thread, NULL, find_rsa, &rsa);
    while (!rig->is_deferred)
        usleep(1000);
    rig->keys[0].hidden = true;
    clock_shift(2 * DIRECTORY_AGE_MS * 1000, 0);
    cr_assert_eq(rig_find(session, CKO_PUBLIC_KEY, "sign/ed"), CK_INVALID_HANDLE);
    rig_end_get(rig);
    pthread_join(thread, NULL);
    cr_assert_eq(rsa_key, key);
}

/* A file as a log is: another one than at the beginning gets a line only if it is appended to. */
static int
hear_stderr(void)
{
    int file = memfd_create("stderr", MFD_CLOEXEC);

    setenv("KEYSVC_PKCS11_LOG", "stderr", 1);
    cr_assert_eq(fcntl(file, F_SETFL, O_APPEND), 0);
    cr_assert_geq(dup2(file, STDERR_FILENO), 0);
    return file;
}

static off_t
said_at_all(int file)
{
    return lseek(file, 0, SEEK_END);
}

/* GnuTLS asks every module of p11-kit for the certificates of any server. */
static void
is_told(CK_ATTRIBUTE *more, CK_ULONG n_more)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_ATTRIBUTE wanted = {CKA_CLASS, &class, sizeof(class)};
    int file;

    p11->C_Finalize(NULL);
    setenv("KEYSVC_SOCKET", "/proc/nonexistent/keysvc.sock", 1);
    session = rig_session();
    file = hear_stderr();
    cr_assert_eq(p11->C_FindObjectsInit(session, &wanted, 1), CKR_DEVICE_ERROR);
    cr_assert_eq(said_at_all(file), 0);
    cr_assert_eq(p11->C_FindObjectsInit(session, more, n_more), CKR_DEVICE_ERROR);
    cr_assert_gt(said_at_all(file), 0);
}

Test(find, a_service_that_is_not_there_is_told_to_who_asks_for_keys)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_ATTRIBUTE wanted = {CKA_CLASS, &class, sizeof(class)};

    is_told(&wanted, 1);
}

Test(find, a_service_that_is_not_there_is_told_to_who_asks_for_everything)
{
    is_told(NULL, 0);
}

Test(find, a_service_that_is_not_there_is_told_to_who_names_an_object)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof(class)},
                             {CKA_LABEL, (void *)(uintptr_t) "web/shop", 8}};

    is_told(wanted, 2);
}

Test(find, who_sees_no_key_and_asks_for_keys_is_told_once)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    unsigned char id[20] = {0};
    CK_ATTRIBUTE by_id[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_ID, id, sizeof(id)}};
    int file = hear_stderr();
    char text[512] = "";
    off_t once;

    cr_assert_eq(count_class(CKO_PUBLIC_KEY), RIG_KEYS);
    for (size_t i = 0; i < RIG_KEYS; i++)
        rig->keys[i].hidden = true;
    clock_shift(2 * DIRECTORY_AGE_MS * 1000, 0);
    cr_assert_eq(rig_count(session, NULL, 0), 0);
    cr_assert_eq(count_class(CKO_CERTIFICATE), 0);
    cr_assert_eq(rig_count(session, by_id, 2), 0);
    cr_assert_eq(said_at_all(file), 0, "it only looks");
    cr_assert_eq(count_class(CKO_PUBLIC_KEY), 0);
    once = said_at_all(file);
    cr_assert_gt(pread(file, text, sizeof(text) - 1, 0), 0);
    cr_assert_not_null(strstr(text, "keysvc-pkcs11: no key for uid "), "%s", text);
    cr_assert_not_null(strstr(text, "keysvc policy explain"), "%s", text);
    cr_assert_eq(count_class(CKO_PRIVATE_KEY), 0);
    cr_assert_eq(said_at_all(file), once);
}
