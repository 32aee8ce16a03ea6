/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keymgmt - keys as OpenSSL's EVP_PKEY sees them
 *
 * Everything but the private half is answered by the public key inside of the reference, so a
 * program loads its keys, compares them with certificates and starts while keysvcd is down.
 *
 * An export of the private half fails. That is what makes libcrypto come back for signatures: it
 * offers each key to the default provider first, with an export of everything.
 */
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "client/provider/fail.h"
#include "client/provider/key.h"

#define SELECT_PRIVATE OSSL_KEYMGMT_SELECT_PRIVATE_KEY
#define SELECT_PUBLIC OSSL_KEYMGMT_SELECT_PUBLIC_KEY

static OSSL_FUNC_keymgmt_free_fn keymgmt_free;
static OSSL_FUNC_keymgmt_load_fn keymgmt_load;
static OSSL_FUNC_keymgmt_dup_fn keymgmt_dup;
static OSSL_FUNC_keymgmt_has_fn keymgmt_has;
static OSSL_FUNC_keymgmt_match_fn keymgmt_match;
static OSSL_FUNC_keymgmt_validate_fn keymgmt_validate;
static OSSL_FUNC_keymgmt_get_params_fn keymgmt_get_params;
static OSSL_FUNC_keymgmt_import_fn keymgmt_import;
static OSSL_FUNC_keymgmt_export_fn keymgmt_export;

static void *
new_ec(void *context)
{
    return key_new(context, "EC");
}

static void *
new_ed25519(void *context)
{
    return key_new(context, "ED25519");
}

static void *
new_rsa(void *context)
{
    return key_new(context, "RSA");
}

static void *
keymgmt_load(const void *reference, size_t len)
{
    return key_take(reference, len);
}

static void
keymgmt_free(void *key)
{
    key_free(key);
}

static void *
keymgmt_dup(const void *data, int selection)
{
    struct key *key = (struct key *)(uintptr_t)data;
    struct key *half;

    if (!key->private || (selection & SELECT_PRIVATE))
        return key_ref(key);
    half = key_new(key->provider, key->type);
    if (half && key->public && EVP_PKEY_up_ref(key->public))
        half->public = key->public;
    return half;
}

static int
keymgmt_has(const void *data, int selection)
{
    const struct key *key = data;

    if (!key || ((selection & SELECT_PRIVATE) && !key->private))
        return 0;
    return key->public || !(selection & OSSL_KEYMGMT_SELECT_ALL);
}

static int
keymgmt_match(const void *a, const void *b, int selection)
{
    const struct key *one = a, *other = b;

    if (!one->public || !other->public)
        return 0;
    if (selection & OSSL_KEYMGMT_SELECT_KEYPAIR)
        return EVP_PKEY_eq(one->public, other->public) == 1;
    return EVP_PKEY_parameters_eq(one->public, other->public) == 1;
}

/* The private half is checked where it is. */
static int
keymgmt_validate(const void *data, int selection, int check_type)
{
    const struct key *key = data;
    EVP_PKEY_CTX *check;
    int done;

    if (!key->public || ((selection & SELECT_PRIVATE) && !key->private))
        return 0;
    if (!(selection & SELECT_PUBLIC))
        return 1;
    check = EVP_PKEY_CTX_new_from_pkey(key->provider->libctx, key->public, NULL);
    done = check &&
           (check_type == OSSL_KEYMGMT_VALIDATE_QUICK_CHECK ? EVP_PKEY_public_check_quick(check)
                                                            : EVP_PKEY_public_check(check)) == 1;
    EVP_PKEY_CTX_free(check);
    return done;
}

/* --- parameters --- */

static int
keymgmt_get_params(void *data, OSSL_PARAM params[])
{
    const struct key *key = data;

    return key->public && EVP_PKEY_get_params(key->public, params);
}

#define COMMON_PARAMS                                                                              \
    OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),                                                    \
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),                                       \
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),                                            \
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),                           \
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0)
#define EC_PARAMS                                                                                  \
    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),                                   \
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0)
#define RSA_PARAMS                                                                                 \
    OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0), OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0)

static const OSSL_PARAM *
gettable_ec(void *context)
{
    static const OSSL_PARAM PARAMS[] = {
        COMMON_PARAMS,
        EC_PARAMS,
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_ENCODING, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_FIELD_TYPE, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_P, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_A, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_B, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_EC_GENERATOR, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_ORDER, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_COFACTOR, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_PUB_X, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_PUB_Y, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)context;
    return PARAMS;
}

static const OSSL_PARAM *
gettable_ed25519(void *context)
{
    static const OSSL_PARAM PARAMS[] = {
        COMMON_PARAMS,
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)context;
    return PARAMS;
}

static const OSSL_PARAM *
gettable_rsa(void *context)
{
    static const OSSL_PARAM PARAMS[] = {COMMON_PARAMS, RSA_PARAMS, OSSL_PARAM_END};

    (void)context;
    return PARAMS;
}

/* --- from and to other providers --- */

static int
keymgmt_import(void *data, int selection, const OSSL_PARAM params[])
{
    struct key *key = data;
    EVP_PKEY_CTX *from;
    int done;

    if (key->public || !(selection & SELECT_PUBLIC))
        return 0;
    from = EVP_PKEY_CTX_new_from_name(key->provider->libctx, key->type, NULL);
    done = from && EVP_PKEY_fromdata_init(from) == 1 &&
           EVP_PKEY_fromdata(from, &key->public, EVP_PKEY_PUBLIC_KEY,
                             (OSSL_PARAM *)(uintptr_t)params) == 1;
    EVP_PKEY_CTX_free(from);
    return done;
}

static int
keymgmt_export(void *data, int selection, OSSL_CALLBACK *take, void *take_arg)
{
    const struct key *key = data;

    if (!key->public || (selection & SELECT_PRIVATE))
        return 0;
    return EVP_PKEY_export(key->public, selection, take, take_arg);
}

static const OSSL_PARAM *
types_ec(int selection)
{
    static const OSSL_PARAM TYPES[] = {EC_PARAMS, OSSL_PARAM_END};

    return selection & SELECT_PRIVATE ? NULL : TYPES;
}

static const OSSL_PARAM *
types_ed25519(int selection)
{
    static const OSSL_PARAM TYPES[] = {OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
                                       OSSL_PARAM_END};

    return selection & SELECT_PRIVATE ? NULL : TYPES;
}

static const OSSL_PARAM *
types_rsa(int selection)
{
    static const OSSL_PARAM TYPES[] = {RSA_PARAMS, OSSL_PARAM_END};

    return selection & SELECT_PRIVATE ? NULL : TYPES;
}

/* EC keys sign by an algorithm of another name; nothing is derived with them here. */
static const char *
operation_ec(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

/* --- the tables --- */

/* clang-format off */
#define COMMON_FUNCTIONS                                                                           \
    DISPATCH(OSSL_FUNC_KEYMGMT_FREE, keymgmt_free),                                                \
    DISPATCH(OSSL_FUNC_KEYMGMT_LOAD, keymgmt_load),                                                \
    DISPATCH(OSSL_FUNC_KEYMGMT_DUP, keymgmt_dup),                                                  \
    DISPATCH(OSSL_FUNC_KEYMGMT_HAS, keymgmt_has),                                                  \
    DISPATCH(OSSL_FUNC_KEYMGMT_MATCH, keymgmt_match),                                              \
    DISPATCH(OSSL_FUNC_KEYMGMT_VALIDATE, keymgmt_validate),                                        \
    DISPATCH(OSSL_FUNC_KEYMGMT_GET_PARAMS, keymgmt_get_params),                                    \
    DISPATCH(OSSL_FUNC_KEYMGMT_IMPORT, keymgmt_import),                                            \
    DISPATCH(OSSL_FUNC_KEYMGMT_EXPORT, keymgmt_export)

static const OSSL_DISPATCH EC[] = {
    COMMON_FUNCTIONS,
    DISPATCH(OSSL_FUNC_KEYMGMT_NEW, new_ec),
    DISPATCH(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, gettable_ec),
    DISPATCH(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, types_ec),
    DISPATCH(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, types_ec),
    DISPATCH(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, operation_ec),
    DISPATCH_END,
};

static const OSSL_DISPATCH ED25519[] = {
    COMMON_FUNCTIONS,
    DISPATCH(OSSL_FUNC_KEYMGMT_NEW, new_ed25519),
    DISPATCH(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, gettable_ed25519),
    DISPATCH(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, types_ed25519),
    DISPATCH(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, types_ed25519),
    DISPATCH_END,
};

static const OSSL_DISPATCH RSA_KEYS[] = {
    COMMON_FUNCTIONS,
    DISPATCH(OSSL_FUNC_KEYMGMT_NEW, new_rsa),
    DISPATCH(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, gettable_rsa),
    DISPATCH(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, types_rsa),
    DISPATCH(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, types_rsa),
    DISPATCH_END,
};

const OSSL_ALGORITHM PROVIDER_KEYMGMT[] = {
    {NAMES_EC,      PROVIDER_PROPERTIES, EC,       "keys of keysvcd on a NIST curve"},
    {NAMES_ED25519, PROVIDER_PROPERTIES, ED25519,  "Ed25519 keys of keysvcd"},
    {NAMES_RSA,     PROVIDER_PROPERTIES, RSA_KEYS, "RSA keys of keysvcd"},
    {NULL, NULL, NULL, NULL},
};
/* clang-format on */
