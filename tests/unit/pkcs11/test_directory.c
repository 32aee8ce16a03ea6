/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pkcs11/directory.h"

#include <criterion/criterion.h>

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
static void
later(uint32_t ms)
{
    static int64_t shift_us;

    shift_us += ((int64_t)ms + 1) * 1000;
    clock_shift(shift_us, 0);
}

static void
grow_old(void)
{
    later(DIRECTORY_AGE_MS);
}

Test(directory, many_keys_are_listed_in_pages_and_nothing_else)
{
    rig->n_many = 2500;
    cr_assert_eq(count_private(), 2500 + RIG_KEYS);
    cr_assert_eq(fake_server_requests(rig->server, RIG_LIST), 3);
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

Test(directory, a_list_is_read_again_when_it_is_old)
{
    cr_assert_eq(count_private(), RIG_KEYS);
    rig->keys[3].hidden = true;
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
