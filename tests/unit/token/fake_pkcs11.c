/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_pkcs11 - objects in an array, keys by OpenSSL
 */
#include "fake_pkcs11.h"

#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#define MAX_OBJECTS 64
#define MAX_ATTRIBUTES 24
#define MAX_VALUE 640

struct attribute {
    CK_ATTRIBUTE_TYPE type;
    size_t len;
    uint8_t value[MAX_VALUE];
};

struct object {
    bool exists;
    CK_OBJECT_HANDLE handle;
    struct attribute attributes[MAX_ATTRIBUTES];
    size_t n_attributes;
    EVP_PKEY *pkey;
};

static struct {
    CK_FUNCTION_LIST list;
    struct object objects[MAX_OBJECTS];
    CK_OBJECT_HANDLE last_handle;
    CK_SESSION_HANDLE session; /* 0: none is open */
    CK_SESSION_HANDLE last_session;
    bool is_logged_in;
    bool breaks_signatures;
    bool makes_extractable;
    bool loses_after_generate;
    CK_FLAGS flags;
    CK_OBJECT_HANDLE found[MAX_OBJECTS];
    size_t n_found;
    bool is_searching;
    struct object *signer;
    CK_MECHANISM_TYPE mechanism;
    CK_RV failures[FAKE_CALL_COUNT];
    unsigned int n_calls[FAKE_CALL_COUNT];
} fake;

static CK_RV
begin(enum fake_call call, CK_SESSION_HANDLE session)
{
    CK_RV rv = fake.failures[call];

    fake.n_calls[call]++;
    fake.failures[call] = CKR_OK;
    if (rv == CKR_OK && (session == 0 || session != fake.session))
        rv = CKR_SESSION_HANDLE_INVALID;
    return rv;
}

static struct attribute *
attribute_of(struct object *object, CK_ATTRIBUTE_TYPE type)
{
    for (size_t i = 0; i < object->n_attributes; i++) {
        if (object->attributes[i].type == type)
            return &object->attributes[i];
    }
    return NULL;
}

static void
set(struct object *object, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
    struct attribute *attribute = attribute_of(object, type);

    cr_assert(len <= MAX_VALUE && (attribute || object->n_attributes < MAX_ATTRIBUTES));
    if (!attribute)
        attribute = &object->attributes[object->n_attributes++];
    attribute->type = type;
    attribute->len = len;
    memcpy(attribute->value, value, len);
}

static void
set_flag(struct object *object, CK_ATTRIBUTE_TYPE type, bool value)
{
    CK_BBOOL byte = value ? CK_TRUE : CK_FALSE;

    set(object, type, &byte, sizeof(byte));
}

static bool
has_flag(struct object *object, CK_ATTRIBUTE_TYPE type)
{
    struct attribute *attribute = attribute_of(object, type);

    return attribute && attribute->len == 1 && attribute->value[0] == CK_TRUE;
}

static struct object *
object_new(CK_OBJECT_CLASS class, EVP_PKEY *pkey)
{
    for (size_t i = 0; i < MAX_OBJECTS; i++) {
        struct object *object = &fake.objects[i];

        if (object->exists)
            continue;
        *object = (struct object){.exists = true, .handle = ++fake.last_handle, .pkey = pkey};
        EVP_PKEY_up_ref(pkey);
        set(object, CKA_CLASS, &class, sizeof(class));
        return object;
    }
    cr_assert(false, "the fake token is full");
    return NULL;
}

static struct object *
object_by(CK_OBJECT_HANDLE handle)
{
    for (size_t i = 0; i < MAX_OBJECTS; i++) {
        if (fake.objects[i].exists && fake.objects[i].handle == handle)
            return &fake.objects[i];
    }
    return NULL;
}

static void
object_free(struct object *object)
{
    EVP_PKEY_free(object->pkey);
    *object = (struct object){.exists = false};
}

static CK_RV
get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    cr_assert_eq(slot, FAKE_SLOT);
    memset(info, ' ', sizeof(*info));
    memcpy(info->label, "fake", 4);
    info->flags = CKF_TOKEN_INITIALIZED | fake.flags;
    return CKR_OK;
}

static CK_RV
open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
             CK_SESSION_HANDLE *session)
{
    CK_RV rv = fake.failures[FAKE_OPEN_SESSION];

    (void)application;
    (void)notify;
    fake.n_calls[FAKE_OPEN_SESSION]++;
    fake.failures[FAKE_OPEN_SESSION] = CKR_OK;
    cr_assert_eq(slot, FAKE_SLOT);
    cr_assert(flags & CKF_SERIAL_SESSION);
    if (rv == CKR_OK)
        *session = fake.session = ++fake.last_session;
    return rv;
}

static CK_RV
close_session(CK_SESSION_HANDLE session)
{
    if (session != fake.session)
        return CKR_SESSION_HANDLE_INVALID;
    fake.session = 0;
    fake.is_logged_in = false;
    return CKR_OK;
}

static CK_RV
get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
    if (session != fake.session)
        return CKR_SESSION_HANDLE_INVALID;
    *info = (CK_SESSION_INFO){.slotID = FAKE_SLOT,
                              .state = fake.is_logged_in ? CKS_RW_USER_FUNCTIONS
                                                         : CKS_RW_PUBLIC_SESSION};
    return CKR_OK;
}

static CK_RV
login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG len)
{
    CK_RV rv = begin(FAKE_LOGIN, session);

    cr_assert_eq(user, CKU_USER);
    if (rv != CKR_OK)
        return rv;
    if (fake.is_logged_in)
        return CKR_USER_ALREADY_LOGGED_IN;
    if (len != strlen(FAKE_PIN) || memcmp(pin, FAKE_PIN, len) != 0)
        return CKR_PIN_INCORRECT;
    fake.is_logged_in = true;
    return CKR_OK;
}

static bool
matches(struct object *object, const CK_ATTRIBUTE *template, CK_ULONG n)
{
    for (CK_ULONG i = 0; i < n; i++) {
        const struct attribute *attribute = attribute_of(object, template[i].type);

        if (!attribute || attribute->len != template[i].ulValueLen ||
            memcmp(attribute->value, template[i].pValue, attribute->len) != 0)
            return false;
    }
    /* as tokens do: who is not logged in does not see private objects */
    return fake.is_logged_in || !has_flag(object, CKA_PRIVATE);
}

static CK_RV
find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG n)
{
    CK_RV rv = begin(FAKE_FIND_INIT, session);

    if (rv != CKR_OK)
        return rv;
    if (fake.is_searching)
        return CKR_OPERATION_ACTIVE;
    fake.is_searching = true;
    fake.n_found = 0;
    for (size_t i = 0; i < MAX_OBJECTS; i++) {
        if (fake.objects[i].exists && matches(&fake.objects[i], template, n))
            fake.found[fake.n_found++] = fake.objects[i].handle;
    }
    return CKR_OK;
}

static CK_RV
find(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *handles, CK_ULONG max, CK_ULONG *n)
{
    (void)session;
    *n = fake.n_found < max ? fake.n_found : max;
    memcpy(handles, fake.found, *n * sizeof(*handles));
    fake.n_found -= *n;
    memmove(fake.found, fake.found + *n, fake.n_found * sizeof(*handles));
    return CKR_OK;
}

static CK_RV
find_final(CK_SESSION_HANDLE session)
{
    (void)session;
    fake.is_searching = false;
    return CKR_OK;
}

static CK_RV
get_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *list, CK_ULONG n)
{
    CK_RV rv = begin(FAKE_GET_ATTRIBUTES, session);
    struct object *object = object_by(handle);

    if (rv == CKR_OK && !object)
        rv = CKR_OBJECT_HANDLE_INVALID;
    for (CK_ULONG i = 0; rv != CKR_SESSION_HANDLE_INVALID && object && i < n; i++) {
        const struct attribute *attribute = attribute_of(object, list[i].type);

        if (!attribute || attribute->len > list[i].ulValueLen) {
            list[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
            rv = attribute ? CKR_BUFFER_TOO_SMALL : CKR_ATTRIBUTE_TYPE_INVALID;
            continue;
        }
        memcpy(list[i].pValue, attribute->value, attribute->len);
        list[i].ulValueLen = attribute->len;
    }
    return rv;
}

static CK_RV
set_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *list, CK_ULONG n)
{
    struct object *object = object_by(handle);

    if (session != fake.session || !object)
        return CKR_OBJECT_HANDLE_INVALID;
    for (CK_ULONG i = 0; i < n; i++)
        set(object, list[i].type, list[i].pValue, list[i].ulValueLen);
    return CKR_OK;
}

static CK_RV
destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle)
{
    struct object *object = object_by(handle);

    if (session != fake.session || !object)
        return CKR_OBJECT_HANDLE_INVALID;
    object_free(object);
    return CKR_OK;
}

static CK_RV
sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE handle)
{
    CK_RV rv = begin(FAKE_SIGN_INIT, session);

    if (rv != CKR_OK)
        return rv;
    if (!fake.is_logged_in)
        return CKR_USER_NOT_LOGGED_IN;
    fake.signer = object_by(handle);
    fake.mechanism = mechanism->mechanism;
    return fake.signer ? CKR_OK : CKR_KEY_HANDLE_INVALID;
}

static size_t
ecdsa(const uint8_t *data, size_t len, uint8_t raw[static 64])
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(fake.signer->pkey, NULL);
    uint8_t der[80];
    const uint8_t *at = der;
    size_t der_len = sizeof(der);
    ECDSA_SIG *signature;

    cr_assert_eq(EVP_PKEY_sign_init(context), 1);
    cr_assert_eq(EVP_PKEY_sign(context, der, &der_len, data, len), 1);
    signature = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + 32, 32);
    ECDSA_SIG_free(signature);
    EVP_PKEY_CTX_free(context);
    return 64;
}

static size_t
rsa(const uint8_t *data, size_t len, uint8_t *raw, size_t cap)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(fake.signer->pkey, NULL);
    size_t raw_len = cap;

    cr_assert_eq(EVP_PKEY_sign_init(context), 1);
    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING);
    cr_assert_eq(EVP_PKEY_sign(context, raw, &raw_len, data, len), 1);
    EVP_PKEY_CTX_free(context);
    return raw_len;
}

static CK_RV
sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG len, CK_BYTE *signature, CK_ULONG *out_len)
{
    CK_RV rv = begin(FAKE_SIGN, session);

    if (rv != CKR_OK)
        return rv;
    cr_assert(fake.signer);
    cr_assert(*out_len >= 256);
    if (fake.mechanism == CKM_ECDSA)
        *out_len = ecdsa(data, len, signature);
    else
        *out_len = rsa(data, len, signature, *out_len);
    if (fake.breaks_signatures)
        signature[10] ^= 1;
    fake.signer = NULL;
    return CKR_OK;
}

static void
set_public(struct object *object, EVP_PKEY *pkey, bool is_rsa)
{
    static const uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    static const uint8_t f4[] = {1, 0, 1};
    CK_KEY_TYPE type = is_rsa ? CKK_RSA : CKK_EC;
    uint8_t value[512];
    size_t len = 0;

    set(object, CKA_KEY_TYPE, &type, sizeof(type));
    if (is_rsa) {
        BIGNUM *n = NULL;

        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n);
        set(object, CKA_MODULUS, value, (size_t)BN_bn2bin(n, value));
        set(object, CKA_PUBLIC_EXPONENT, f4, sizeof(f4));
        BN_free(n);
        return;
    }
    EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, value + 2, sizeof(value) - 2,
                                    &len);
    value[0] = 0x04;
    value[1] = (uint8_t)len;
    set(object, CKA_EC_PARAMS, p256, sizeof(p256));
    set(object, CKA_EC_POINT, value, len + 2);
}

/* The private object always shows its public half if there is no public object. */
static struct object *
make_pair(bool is_rsa, bool with_public, struct object **public_object)
{
    EVP_PKEY *pkey = is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    struct object *private_object = object_new(CKO_PRIVATE_KEY, pkey);

    set_flag(private_object, CKA_PRIVATE, true);
    if (with_public) {
        *public_object = object_new(CKO_PUBLIC_KEY, pkey);
        set_public(*public_object, pkey, is_rsa);
    } else {
        set_public(private_object, pkey, is_rsa);
    }
    EVP_PKEY_free(pkey);
    return private_object;
}

static CK_RV
generate(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public_template,
         CK_ULONG n_public, CK_ATTRIBUTE *private_template, CK_ULONG n_private,
         CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
    CK_RV rv = begin(FAKE_GENERATE, session);
    struct object *public_object = NULL, *private_object;

    if (rv != CKR_OK)
        return rv;
    if (!fake.is_logged_in)
        return CKR_USER_NOT_LOGGED_IN;
    private_object =
        make_pair(mechanism->mechanism == CKM_RSA_PKCS_KEY_PAIR_GEN, true, &public_object);
    for (CK_ULONG i = 0; i < n_public; i++) {
        if (public_template[i].type != CKA_MODULUS_BITS)
            set(public_object, public_template[i].type, public_template[i].pValue,
                public_template[i].ulValueLen);
    }
    for (CK_ULONG i = 0; i < n_private; i++)
        set(private_object, private_template[i].type, private_template[i].pValue,
            private_template[i].ulValueLen);
    if (fake.makes_extractable)
        set_flag(private_object, CKA_EXTRACTABLE, true);
    set_flag(private_object, CKA_ALWAYS_SENSITIVE, has_flag(private_object, CKA_SENSITIVE));
    set_flag(private_object, CKA_NEVER_EXTRACTABLE, !has_flag(private_object, CKA_EXTRACTABLE));
    *public_key = public_object->handle;
    *private_key = private_object->handle;
    if (fake.loses_after_generate) {
        fake.loses_after_generate = false;
        fake_lose_session();
        return CKR_SESSION_CLOSED;
    }
    return CKR_OK;
}

CK_FUNCTION_LIST *
fake_new(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.last_handle = 100;
    fake.list.C_GetTokenInfo = get_token_info;
    fake.list.C_OpenSession = open_session;
    fake.list.C_CloseSession = close_session;
    fake.list.C_GetSessionInfo = get_session_info;
    fake.list.C_Login = login;
    fake.list.C_FindObjectsInit = find_init;
    fake.list.C_FindObjects = find;
    fake.list.C_FindObjectsFinal = find_final;
    fake.list.C_GetAttributeValue = get_attributes;
    fake.list.C_SetAttributeValue = set_attributes;
    fake.list.C_DestroyObject = destroy;
    fake.list.C_SignInit = sign_init;
    fake.list.C_Sign = sign;
    fake.list.C_GenerateKeyPair = generate;
    return &fake.list;
}

void
fake_free(void)
{
    for (size_t i = 0; i < MAX_OBJECTS; i++)
        object_free(&fake.objects[i]);
}

void
fake_fail_next(enum fake_call call, CK_RV rv)
{
    fake.failures[call] = rv;
}

void
fake_lose_session_after_generate(void)
{
    fake.loses_after_generate = true;
}

unsigned int
fake_n_calls(enum fake_call call)
{
    return fake.n_calls[call];
}

void
fake_token_flags(CK_FLAGS flags)
{
    fake.flags = flags;
}

void
fake_lose_session(void)
{
    fake.session = 0;
    fake.is_logged_in = false;
}

void
fake_log_out(void)
{
    fake.is_logged_in = false;
}

void
fake_break_signatures(bool broken)
{
    fake.breaks_signatures = broken;
}

void
fake_make_extractable(bool yes)
{
    fake.makes_extractable = yes;
}

void
fake_add_pair(const char *label, bool is_rsa, bool with_public)
{
    struct object *public_object = NULL;
    struct object *private_object = make_pair(is_rsa, with_public, &public_object);

    set(private_object, CKA_LABEL, label, strlen(label));
    if (public_object)
        set(public_object, CKA_LABEL, label, strlen(label));
}

static bool
is_labelled(struct object *object, const char *label)
{
    const struct attribute *attribute = attribute_of(object, CKA_LABEL);

    return object->exists && attribute && attribute->len == strlen(label) &&
           memcmp(attribute->value, label, attribute->len) == 0;
}

void
fake_remove(const char *label)
{
    for (size_t i = 0; i < MAX_OBJECTS; i++) {
        if (is_labelled(&fake.objects[i], label))
            object_free(&fake.objects[i]);
    }
}

unsigned int
fake_count(const char *label)
{
    unsigned int n = 0;

    for (size_t i = 0; i < MAX_OBJECTS; i++)
        n += is_labelled(&fake.objects[i], label);
    return n;
}

bool
fake_flag(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type)
{
    for (size_t i = 0; i < MAX_OBJECTS; i++) {
        struct object *object = &fake.objects[i];
        const struct attribute *kind = attribute_of(object, CKA_CLASS);

        if (is_labelled(object, label) && kind && memcmp(kind->value, &class, sizeof(class)) == 0)
            return has_flag(object, type);
    }
    return false;
}
