/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_view - a second program on the token
 */
#include "token_view.h"

#include <dlfcn.h>

#include <criterion/criterion.h>

#define MAX_FOUND 256

static char path[CONFIG_PATH_MAX + 1];
static CK_FUNCTION_LIST *p11;
static CK_SESSION_HANDLE session;

void
view_of(const struct rig *rig)
{
    text_copy(path, sizeof(path), rig->token.profile.module);
}

static void
open_view(bool login)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_RV (*get_list)(CK_FUNCTION_LIST **);
    CK_SLOT_ID slots[4];
    CK_ULONG n = 4;

    cr_assert(module, "%s", dlerror());
    get_list = (CK_RV(*)(CK_FUNCTION_LIST **))(uintptr_t)dlsym(module, "C_GetFunctionList");
    cr_assert_eq(get_list(&p11), CKR_OK);
    cr_assert_eq(p11->C_Initialize(NULL), CKR_OK);
    cr_assert_eq(p11->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    cr_assert_eq(
        p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
        CKR_OK);
    if (login)
        cr_assert_eq(
            p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)(uintptr_t)RIG_PIN, strlen(RIG_PIN)),
            CKR_OK);
}

static void
close_view(void)
{
    cr_assert_eq(p11->C_Finalize(NULL), CKR_OK);
}

static CK_ULONG
find(CK_OBJECT_CLASS class, const char *label, CK_OBJECT_HANDLE found[static MAX_FOUND])
{
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)},
                               {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
    CK_ULONG n = 0;

    cr_assert_eq(p11->C_FindObjectsInit(session, template, ARRAY_LEN(template)), CKR_OK);
    cr_assert_eq(p11->C_FindObjects(session, found, MAX_FOUND, &n), CKR_OK);
    cr_assert_eq(p11->C_FindObjectsFinal(session), CKR_OK);
    return n;
}

size_t
view_count(CK_OBJECT_CLASS class, const char *label)
{
    CK_OBJECT_HANDLE found[MAX_FOUND];
    CK_ULONG n;

    open_view(class == CKO_PRIVATE_KEY);
    n = find(class, label, found);
    close_view();
    return n;
}

void
view_destroy(CK_OBJECT_CLASS class, const char *label, size_t n)
{
    CK_OBJECT_HANDLE found[MAX_FOUND];
    CK_ULONG n_found;

    open_view(true);
    n_found = find(class, label, found);
    cr_assert(n_found >= n && n_found > 0);
    for (CK_ULONG i = 0; i < (n ? n : n_found); i++)
        cr_assert_eq(p11->C_DestroyObject(session, found[i]), CKR_OK);
    close_view();
}

void
view_generate(const char *label, const char *id)
{
    CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE common[] = {{CKA_TOKEN, &yes, 1},
                             {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
                             {CKA_ID, (void *)(uintptr_t)id, strlen(id)},
                             {CKA_EC_PARAMS, p256, sizeof(p256)},
                             {CKA_VERIFY, &yes, 1}};
    CK_ATTRIBUTE private_template[] = {
        common[0], common[1], common[2], {CKA_SIGN, &yes, 1}, {CKA_SENSITIVE, &yes, 1}};
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE public_key, private_key;

    open_view(true);
    cr_assert_eq(p11->C_GenerateKeyPair(session, &mechanism, common, ARRAY_LEN(common),
                                        private_template, ARRAY_LEN(private_template), &public_key,
                                        &private_key),
                 CKR_OK);
    close_view();
}

void
view_certificate(const char *label, const void *value, size_t len)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_CERTIFICATE_TYPE type = CKC_X_509;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_BYTE subject[] = {0x30, 0x00};
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)},
                               {CKA_CERTIFICATE_TYPE, &type, sizeof(type)},
                               {CKA_TOKEN, &yes, 1},
                               {CKA_PRIVATE, &no, 1},
                               {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
                               {CKA_SUBJECT, subject, sizeof(subject)},
                               {CKA_VALUE, (void *)(uintptr_t)value, len}};
    CK_OBJECT_HANDLE object;

    open_view(true);
    cr_assert_eq(p11->C_CreateObject(session, template, ARRAY_LEN(template), &object), CKR_OK);
    close_view();
}
