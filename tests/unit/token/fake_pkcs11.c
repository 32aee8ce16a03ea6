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
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#define MAX_OBJECTS 64
#define MAX_ATTRIBUTES 28
#define MAX_VALUE 4096 /* a certificate, too */
#define MAX_MECHANISMS 16

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
    CK_TOKEN_INFO info;
    struct {
        CK_MECHANISM_TYPE type;
        CK_MECHANISM_INFO info;
    } mechanisms[MAX_MECHANISMS];
    size_t n_mechanisms;
    CK_RV failures[FAKE_CALL_COUNT];
    unsigned int passes[FAKE_CALL_COUNT]; /* calls that go well before the failure */
    unsigned int n_calls[FAKE_CALL_COUNT];
} fake;

static CK_RV
take_failure(enum fake_call call)
{
    CK_RV rv = fake.failures[call];

    fake.n_calls[call]++;
    if (fake.passes[call] > 0) {
        fake.passes[call]--;
        return CKR_OK;
    }
    fake.failures[call] = CKR_OK;
    return rv;
}

static CK_RV
begin(enum fake_call call, CK_SESSION_HANDLE session)
{
    CK_RV rv = take_failure(call);

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
        if (pkey)
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
    CK_RV rv = take_failure(FAKE_TOKEN_INFO);

    cr_assert_eq(slot, FAKE_SLOT);
    if (rv != CKR_OK)
        return rv;
    *info = fake.info;
    info->flags |= CKF_TOKEN_INITIALIZED | fake.flags;
    return CKR_OK;
}

static CK_RV
get_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *n)
{
    CK_RV rv = take_failure(FAKE_MECHANISMS);
    CK_ULONG room = *n;

    cr_assert_eq(slot, FAKE_SLOT);
    if (rv != CKR_OK)
        return rv;
    *n = fake.n_mechanisms;
    if (!list)
        return CKR_OK;
    if (room < fake.n_mechanisms)
        return CKR_BUFFER_TOO_SMALL;
    for (size_t i = 0; i < fake.n_mechanisms; i++)
        list[i] = fake.mechanisms[i].type;
    return CKR_OK;
}

static CK_RV
get_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    CK_RV rv = take_failure(FAKE_MECHANISM_INFO);

    cr_assert_eq(slot, FAKE_SLOT);
    memset(info, 0xa5, sizeof(*info)); /* nobody shall read it after a failure */
    if (rv != CKR_OK)
        return rv;
    for (size_t i = 0; i < fake.n_mechanisms; i++) {
        if (fake.mechanisms[i].type == type) {
            *info = fake.mechanisms[i].info;
            return CKR_OK;
        }
    }
    return CKR_MECHANISM_INVALID;
}

static CK_RV
open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
             CK_SESSION_HANDLE *session)
{
    CK_RV rv = take_failure(FAKE_OPEN_SESSION);

    (void)application;
    (void)notify;
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

        if (attribute && !list[i].pValue) {
            list[i].ulValueLen = attribute->len;
            continue;
        }
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
    CK_RV rv = begin(FAKE_SET_ATTRIBUTES, session);
    struct object *object = object_by(handle);

    if (rv != CKR_OK || !object)
        return rv != CKR_OK ? rv : CKR_OBJECT_HANDLE_INVALID;
    for (CK_ULONG i = 0; i < n; i++)
        set(object, list[i].type, list[i].pValue, list[i].ulValueLen);
    return CKR_OK;
}

static CK_RV
destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle)
{
    CK_RV rv = begin(FAKE_DESTROY, session);
    struct object *object = object_by(handle);

    if (rv != CKR_OK || !object)
        return rv != CKR_OK ? rv : CKR_OBJECT_HANDLE_INVALID;
    object_free(object);
    return CKR_OK;
}

static const CK_ATTRIBUTE *
wanted(const CK_ATTRIBUTE *template, CK_ULONG n, CK_ATTRIBUTE_TYPE type)
{
    for (CK_ULONG i = 0; i < n; i++) {
        if (template[i].type == type)
            return &template[i];
    }
    return NULL;
}

static void
push(OSSL_PARAM_BLD *params, const char *name, const CK_ATTRIBUTE *attribute, BIGNUM **number)
{
    *number = attribute ? BN_bin2bn(attribute->pValue, (int)attribute->ulValueLen, NULL) : NULL;
    if (*number)
        cr_assert_eq(OSSL_PARAM_BLD_push_BN(params, name, *number), 1);
}

static EVP_PKEY *
pkey_from(const char *type, OSSL_PARAM_BLD *builder)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    cr_assert_eq(EVP_PKEY_fromdata_init(context), 1);
    if (EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *
rsa_from(const CK_ATTRIBUTE *template, CK_ULONG n)
{
    static const struct {
        CK_ATTRIBUTE_TYPE type;
        const char *name;
    } parts[] = {
        {CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N},
        {CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E},
        {CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D},
        {CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1},
        {CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2},
        {CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1},
        {CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2},
        {CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
    };
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *numbers[ARRAY_LEN(parts)];
    EVP_PKEY *pkey;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        push(builder, parts[i].name, wanted(template, n, parts[i].type), &numbers[i]);
    pkey = pkey_from("RSA", builder);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        BN_clear_free(numbers[i]);
    OSSL_PARAM_BLD_free(builder);
    return pkey;
}

/* P-256; a token computes the point itself. */
static EVP_PKEY *
ec_from(const CK_ATTRIBUTE *template, CK_ULONG n)
{
    const CK_ATTRIBUTE *value = wanted(template, n, CKA_VALUE);
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = EC_POINT_new(group);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    uint8_t bytes[65];
    BIGNUM *secret;
    EVP_PKEY *pkey = NULL;

    push(builder, OSSL_PKEY_PARAM_PRIV_KEY, value, &secret);
    if (secret && EC_POINT_mul(group, point, secret, NULL, NULL, NULL) == 1 &&
        EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, bytes, sizeof(bytes),
                           NULL) == sizeof(bytes)) {
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof(bytes));
        pkey = pkey_from("EC", builder);
    }
    BN_clear_free(secret);
    OSSL_PARAM_BLD_free(builder);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return pkey;
}

/* What was generated is sensitive for ever; what came from outside never was before. */
static void
note_origin(struct object *object, bool is_local)
{
    set_flag(object, CKA_LOCAL, is_local);
    set_flag(object, CKA_ALWAYS_SENSITIVE, is_local && has_flag(object, CKA_SENSITIVE));
    set_flag(object, CKA_NEVER_EXTRACTABLE, is_local && !has_flag(object, CKA_EXTRACTABLE));
}

static CK_RV
create(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG n, CK_OBJECT_HANDLE *handle)
{
    const CK_ATTRIBUTE *class = wanted(template, n, CKA_CLASS);
    const CK_ATTRIBUTE *type = wanted(template, n, CKA_KEY_TYPE);
    CK_RV rv = begin(FAKE_CREATE, session);
    CK_OBJECT_CLASS kind = 0;
    CK_KEY_TYPE key_type = 0;
    struct object *object;
    EVP_PKEY *pkey = NULL;

    if (rv != CKR_OK)
        return rv;
    if (!fake.is_logged_in)
        return CKR_USER_NOT_LOGGED_IN;
    if (!class || class->ulValueLen != sizeof(kind))
        return CKR_TEMPLATE_INCOMPLETE;
    memcpy(&kind, class->pValue, sizeof(kind));
    if (kind == CKO_PRIVATE_KEY) {
        if (!type || type->ulValueLen != sizeof(key_type))
            return CKR_TEMPLATE_INCOMPLETE;
        memcpy(&key_type, type->pValue, sizeof(key_type));
        pkey = key_type == CKK_RSA ? rsa_from(template, n) : ec_from(template, n);
        if (!pkey)
            return CKR_ATTRIBUTE_VALUE_INVALID;
    }
    object = object_new(kind, pkey);
    EVP_PKEY_free(pkey);
    for (CK_ULONG i = 0; i < n; i++)
        set(object, template[i].type, template[i].pValue, template[i].ulValueLen);
    if (kind == CKO_PRIVATE_KEY)
        note_origin(object, false);
    *handle = object->handle;
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
    /* strict, as some tokens are: nothing longer than the curve's order */
    if (fake.mechanism == CKM_ECDSA && len > 32)
        return CKR_DATA_LEN_RANGE;
    if (fake.mechanism == CKM_ECDSA)
        *out_len = ecdsa(data, len, signature);
    else
        *out_len = rsa(data, len, signature, *out_len);
    if (fake.breaks_signatures)
        signature[10] ^= 1;
    fake.signer = NULL;
    return CKR_OK;
}

static CK_RV
generate_random(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG len)
{
    CK_RV rv = begin(FAKE_RANDOM, session);

    if (rv == CKR_OK)
        memset(out, 4, len);
    return rv;
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
    CK_KEY_TYPE type = is_rsa ? CKK_RSA : CKK_EC;

    set_flag(private_object, CKA_PRIVATE, true);
    set(private_object, CKA_KEY_TYPE, &type, sizeof(type));
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
    note_origin(private_object, true);
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
    memset(&fake.info, ' ', sizeof(fake.info));
    memcpy(fake.info.label, "fake", 4);
    fake.info.flags = 0;
    fake.list.C_GetTokenInfo = get_token_info;
    fake.list.C_GetMechanismList = get_mechanism_list;
    fake.list.C_GetMechanismInfo = get_mechanism_info;
    fake.list.C_OpenSession = open_session;
    fake.list.C_CloseSession = close_session;
    fake.list.C_GetSessionInfo = get_session_info;
    fake.list.C_Login = login;
    fake.list.C_FindObjectsInit = find_init;
    fake.list.C_FindObjects = find;
    fake.list.C_FindObjectsFinal = find_final;
    fake.list.C_GetAttributeValue = get_attributes;
    fake.list.C_SetAttributeValue = set_attributes;
    fake.list.C_CreateObject = create;
    fake.list.C_DestroyObject = destroy;
    fake.list.C_GenerateRandom = generate_random;
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
    fake_fail_after(call, 0, rv);
}

void
fake_fail_after(enum fake_call call, unsigned int n_passes, CK_RV rv)
{
    fake.failures[call] = rv;
    fake.passes[call] = n_passes;
}

void
fake_token_info(const CK_TOKEN_INFO *info)
{
    fake.info = *info;
}

void
fake_add_mechanism(CK_MECHANISM_TYPE type, CK_MECHANISM_INFO info)
{
    cr_assert(fake.n_mechanisms < MAX_MECHANISMS);
    fake.mechanisms[fake.n_mechanisms].type = type;
    fake.mechanisms[fake.n_mechanisms++].info = info;
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

static struct object *
object_labelled(const char *label, CK_OBJECT_CLASS class)
{
    for (size_t i = 0; i < MAX_OBJECTS; i++) {
        struct object *object = &fake.objects[i];
        const struct attribute *kind = attribute_of(object, CKA_CLASS);

        if (is_labelled(object, label) && kind && memcmp(kind->value, &class, sizeof(class)) == 0)
            return object;
    }
    return NULL;
}

bool
fake_flag(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type)
{
    struct object *object = object_labelled(label, class);

    return object && has_flag(object, type);
}

size_t
fake_bytes(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type, uint8_t *out,
           size_t cap)
{
    struct object *object = object_labelled(label, class);
    const struct attribute *attribute = object ? attribute_of(object, type) : NULL;

    if (!attribute)
        return 0;
    cr_assert(attribute->len <= cap);
    memcpy(out, attribute->value, attribute->len);
    return attribute->len;
}

void
fake_set(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type, const void *value,
         size_t len)
{
    struct object *object = object_labelled(label, class);

    cr_assert(object);
    set(object, type, value, len);
}

void
fake_unset(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type)
{
    struct object *object = object_labelled(label, class);
    struct attribute *attribute = object ? attribute_of(object, type) : NULL;

    cr_assert(attribute);
    *attribute = object->attributes[--object->n_attributes];
}

void
fake_remove_object(const char *label, CK_OBJECT_CLASS class)
{
    struct object *object = object_labelled(label, class);

    cr_assert(object);
    object_free(object);
}
