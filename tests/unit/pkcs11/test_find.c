/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pkcs11/find.h"

#include <criterion/criterion.h>
#include <string.h>

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
