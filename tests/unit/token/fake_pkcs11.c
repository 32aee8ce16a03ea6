/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_pkcs11 - the calls, and how they fail
 */
#include "fake_pkcs11.h"

#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "fake_object.h"

#define MAX_MECHANISMS 16

static struct {
    CK_FUNCTION_LIST list;
    CK_SESSION_HANDLE session; /* 0: none is open */
    CK_SESSION_HANDLE last_session;
    bool is_logged_in;
    bool breaks_signatures;
    bool makes_extractable;
    CK_RV says_after_generate;
    bool hides_points;
    CK_FLAGS flags;
    CK_OBJECT_HANDLE found[FAKE_MAX_OBJECTS];
    size_t n_found;
    bool is_searching;
    struct fake_object *signer;
    CK_MECHANISM_TYPE mechanism;
    CK_TOKEN_INFO info;
    struct {
        CK_MECHANISM_TYPE type;
        CK_MECHANISM_INFO info;
    } mechanisms[MAX_MECHANISMS];
    size_t n_mechanisms;
    CK_RV failures[FAKE_CALL_COUNT];
    unsigned int passes[FAKE_CALL_COUNT]; /* calls that go well before the failure */
    unsigned int times[FAKE_CALL_COUNT];  /* failures after the first one */
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
    if (fake.times[call] > 0)
        fake.times[call]--;
    else
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
matches(struct fake_object *object, const CK_ATTRIBUTE *template, CK_ULONG n)
{
    for (CK_ULONG i = 0; i < n; i++) {
        const struct fake_attribute *attribute = fake_object_attribute(object, template[i].type);

        if (!attribute || attribute->len != template[i].ulValueLen ||
            memcmp(attribute->value, template[i].pValue, attribute->len) != 0)
            return false;
    }
    /* as tokens do: who is not logged in does not see private objects */
    return fake.is_logged_in || !fake_object_has_flag(object, CKA_PRIVATE);
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
    for (size_t i = 0; i < FAKE_MAX_OBJECTS; i++) {
        if (fake_objects[i].exists && matches(&fake_objects[i], template, n))
            fake.found[fake.n_found++] = fake_objects[i].handle;
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
    struct fake_object *object = fake_object_by(handle);

    if (rv == CKR_OK && !object)
        rv = CKR_OBJECT_HANDLE_INVALID;
    for (CK_ULONG i = 0; rv == CKR_ATTRIBUTE_TYPE_INVALID && i < n; i++)
        list[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
    if (rv != CKR_OK)
        return rv;
    for (CK_ULONG i = 0; i < n; i++) {
        const struct fake_attribute *attribute = fake_object_attribute(object, list[i].type);

        if (fake.hides_points && list[i].type == CKA_EC_POINT)
            attribute = NULL;
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
    struct fake_object *object = fake_object_by(handle);

    if (rv != CKR_OK || !object)
        return rv != CKR_OK ? rv : CKR_OBJECT_HANDLE_INVALID;
    for (CK_ULONG i = 0; i < n; i++)
        fake_object_set(object, list[i].type, list[i].pValue, list[i].ulValueLen);
    return CKR_OK;
}

static CK_RV
destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle)
{
    CK_RV rv = begin(FAKE_DESTROY, session);
    struct fake_object *object = fake_object_by(handle);

    if (rv != CKR_OK || !object)
        return rv != CKR_OK ? rv : CKR_OBJECT_HANDLE_INVALID;
    fake_object_free(object);
    return CKR_OK;
}

/* What was generated is sensitive for ever; what came from outside never was before. */
static void
note_origin(struct fake_object *object, bool is_local)
{
    fake_object_set_flag(object, CKA_LOCAL, is_local);
    fake_object_set_flag(object, CKA_ALWAYS_SENSITIVE,
                         is_local && fake_object_has_flag(object, CKA_SENSITIVE));
    fake_object_set_flag(object, CKA_NEVER_EXTRACTABLE,
                         is_local && !fake_object_has_flag(object, CKA_EXTRACTABLE));
}

static CK_RV
create(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG n, CK_OBJECT_HANDLE *handle)
{
    const CK_ATTRIBUTE *class = fake_object_wanted(template, n, CKA_CLASS);
    const CK_ATTRIBUTE *type = fake_object_wanted(template, n, CKA_KEY_TYPE);
    CK_RV rv = begin(FAKE_CREATE, session);
    CK_OBJECT_CLASS kind = 0;
    CK_KEY_TYPE key_type = 0;
    struct fake_object *object;
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
        pkey = key_type == CKK_RSA ? fake_key_rsa(template, n) : fake_key_ec(template, n);
        if (!pkey)
            return CKR_ATTRIBUTE_VALUE_INVALID;
    }
    object = fake_object_new(kind, pkey);
    EVP_PKEY_free(pkey);
    for (CK_ULONG i = 0; i < n; i++)
        fake_object_set(object, template[i].type, template[i].pValue, template[i].ulValueLen);
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
    fake.signer = fake_object_by(handle);
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

static CK_RV
generate(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public_template,
         CK_ULONG n_public, CK_ATTRIBUTE *private_template, CK_ULONG n_private,
         CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
    CK_RV rv = begin(FAKE_GENERATE, session);
    struct fake_object *public_object = NULL, *private_object;

    if (rv != CKR_OK)
        return rv;
    if (!fake.is_logged_in)
        return CKR_USER_NOT_LOGGED_IN;
    private_object =
        fake_key_pair(mechanism->mechanism == CKM_RSA_PKCS_KEY_PAIR_GEN, true, &public_object);
    for (CK_ULONG i = 0; i < n_public; i++) {
        if (public_template[i].type != CKA_MODULUS_BITS)
            fake_object_set(public_object, public_template[i].type, public_template[i].pValue,
                            public_template[i].ulValueLen);
    }
    for (CK_ULONG i = 0; i < n_private; i++)
        fake_object_set(private_object, private_template[i].type, private_template[i].pValue,
                        private_template[i].ulValueLen);
    if (fake.makes_extractable)
        fake_object_set_flag(private_object, CKA_EXTRACTABLE, true);
    note_origin(private_object, true);
    *public_key = public_object->handle;
    *private_key = private_object->handle;
    rv = fake.says_after_generate;
    fake.says_after_generate = CKR_OK;
    if (rv == CKR_SESSION_CLOSED)
        fake_lose_session();
    return rv;
}

CK_FUNCTION_LIST *
fake_new(void)
{
    memset(&fake, 0, sizeof(fake));
    memset(fake_objects, 0, sizeof(fake_objects));
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
fake_fail_next(enum fake_call call, CK_RV rv)
{
    fake_fail_after(call, 0, rv);
}

void
fake_fail_after(enum fake_call call, unsigned int n_passes, CK_RV rv)
{
    fake.failures[call] = rv;
    fake.passes[call] = n_passes;
    fake.times[call] = 0;
}

void
fake_fail_times(enum fake_call call, unsigned int n_times, CK_RV rv)
{
    cr_assert_gt(n_times, 0);
    fake_fail_next(call, rv);
    fake.times[call] = n_times - 1;
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
fake_lie_after_generate(CK_RV rv)
{
    fake.says_after_generate = rv;
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
fake_hide_points(bool yes)
{
    fake.hides_points = yes;
}

void
fake_make_extractable(bool yes)
{
    fake.makes_extractable = yes;
}
