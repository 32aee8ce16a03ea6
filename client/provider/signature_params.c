/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature_params - what programs set before a signature, and ask about it
 *
 * What keysvcd does not make is refused here, by its name, and not replaced by something near it.
 */
#include <limits.h>
#include <stdio.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "client/provider/algorithm_id.h"
#include "client/provider/fail.h"
#include "client/provider/signature.h"

#define TEXT_LEN 64 /* more than any name or number that is taken here */

struct word {
    const char *name;
    int value;
};

static const struct word PADDING[] = {
    {OSSL_PKEY_RSA_PAD_MODE_PKCSV15, RSA_PKCS1_PADDING},
    {OSSL_PKEY_RSA_PAD_MODE_PSS, RSA_PKCS1_PSS_PADDING},
    {NULL, 0},
};

/* "auto" leaves the choice to the signer; "max" does not. */
static const struct word SALT_LEN[] = {
    {OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST, RSA_PSS_SALTLEN_DIGEST},
    {OSSL_PKEY_RSA_PSS_SALT_LEN_AUTO, RSA_PSS_SALTLEN_AUTO},
    {OSSL_PKEY_RSA_PSS_SALT_LEN_MAX, RSA_PSS_SALTLEN_MAX},
    {NULL, 0},
};

static bool read_text(const struct signature *signature, const OSSL_PARAM *param,
                      char text[static TEXT_LEN]);
static bool set_padding(struct signature *signature, const OSSL_PARAM *param);
static bool set_salt_len(struct signature *signature, const OSSL_PARAM *param);
static bool set_mgf1(struct signature *signature, const OSSL_PARAM *param);

/* --- which signature --- */

enum ks_algorithm
signature_algorithm(const struct signature *signature, enum ks_hash hash)
{
    static const enum ks_algorithm OF_HASH[KS_HASH_COUNT][3] = {
        [KS_HASH_SHA256] = {KS_ALGORITHM_ECDSA_SHA256, KS_ALGORITHM_RSA_PKCS1_SHA256,
                            KS_ALGORITHM_RSA_PSS_SHA256},
        [KS_HASH_SHA384] = {KS_ALGORITHM_ECDSA_SHA384, KS_ALGORITHM_RSA_PKCS1_SHA384,
                            KS_ALGORITHM_RSA_PSS_SHA384},
        [KS_HASH_SHA512] = {KS_ALGORITHM_ECDSA_SHA512, KS_ALGORITHM_RSA_PKCS1_SHA512,
                            KS_ALGORITHM_RSA_PSS_SHA512},
    };

    if (strcmp(signature->key->type, "RSA") != 0)
        return OF_HASH[hash][0]; /* DEFAULT without a hash: Ed25519 */
    if (signature->padding != RSA_PKCS1_PSS_PADDING)
        return OF_HASH[hash][1];
    if (signature->mgf1 != KS_HASH_NONE && signature->mgf1 != hash) {
        fail(signature->provider, FAIL_NOT_MADE, "%s: PSS with %s, but MGF1 with %s",
             signature->key->label, ks_hash_name(hash), ks_hash_name(signature->mgf1));
        return KS_ALGORITHM_COUNT;
    }
    if (signature->salt_len != RSA_PSS_SALTLEN_DIGEST &&
        (size_t)signature->salt_len != ks_hash_len(hash)) {
        fail(signature->provider, FAIL_NOT_MADE,
             "%s: PSS with a salt of %d bytes; keysvc makes it as long as the hash, %zu",
             signature->key->label, signature->salt_len, ks_hash_len(hash));
        return KS_ALGORITHM_COUNT;
    }
    return OF_HASH[hash][2];
}

/* NONE: none of those that keysvcd signs with. */
static enum ks_hash
hash_of_name(const struct signature *signature, const char *name)
{
    enum ks_hash found = KS_HASH_NONE;

    for (enum ks_hash hash = KS_HASH_SHA256; hash < KS_HASH_COUNT; hash++) {
        if (EVP_MD_is_a(signature->provider->hashes[hash], name))
            found = hash;
    }
    if (found == KS_HASH_NONE)
        fail(signature->provider, FAIL_NOT_MADE,
             "%s: no signature with %.50s; keysvc signs with SHA-256, SHA-384 and SHA-512",
             signature->key->label, name);
    return found;
}

bool
signature_set_hash(struct signature *signature, const char *name)
{
    enum ks_hash hash;

    if (strcmp(signature->key->type, "ED25519") == 0) {
        fail(signature->provider, FAIL_NOT_MADE,
             "%s: Ed25519 signs messages, and takes no hash like %.50s", signature->key->label,
             name);
        return false;
    }
    hash = hash_of_name(signature, name);
    if (hash == KS_HASH_NONE)
        return false;
    signature->hash = hash;
    return true;
}

/* --- setting --- */

int
signature_set_params(void *context, const OSSL_PARAM params[])
{
    struct signature *signature = context;
    EVP_PKEY_CTX *verify = verify_context(signature);
    const OSSL_PARAM *hash, *padding, *salt_len, *mgf1;
    char name[TEXT_LEN];

    if (!params || !params[0].key)
        return 1;
    if (verify)
        return EVP_PKEY_CTX_set_params(verify, params) == 1;
    if (!signature->key)
        return 0;
    hash = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST);
    if (hash && (!read_text(signature, hash, name) || !signature_set_hash(signature, name)))
        return 0;
    if (strcmp(signature->key->type, "RSA") != 0)
        return 1;
    padding = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
    salt_len = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
    mgf1 = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST);
    return (!padding || set_padding(signature, padding)) &&
           (!salt_len || set_salt_len(signature, salt_len)) && (!mgf1 || set_mgf1(signature, mgf1));
}

/* A program's text has a length, and need not have a NUL behind it. */
static bool
read_text(const struct signature *signature, const OSSL_PARAM *param, char text[static TEXT_LEN])
{
    bool done;

    ERR_set_mark();
    done = param->data && OSSL_PARAM_get_utf8_string(param, &text, TEXT_LEN);
    ERR_pop_to_mark();
    if (!done)
        fail(signature->provider, FAIL_NOT_MADE, "%s: \"%s\" is no text of less than %d bytes",
             signature->key->label, param->key, TEXT_LEN);
    return done;
}

/* A number, or a word that stands for one, or the number as text: TLS sends this one so and that
 * one so, and command lines send text. */
static bool
read_number(const struct signature *signature, const OSSL_PARAM *param, const struct word *words,
            int *number)
{
    char text[TEXT_LEN], *end;
    long value;

    if (param->data_type != OSSL_PARAM_UTF8_STRING)
        return OSSL_PARAM_get_int(param, number);
    if (!read_text(signature, param, text))
        return false;
    for (; words->name; words++) {
        if (strcmp(text, words->name) == 0) {
            *number = words->value;
            return true;
        }
    }
    value = strtol(text, &end, 10);
    *number = (int)value;
    return end != text && *end == '\0' && value >= INT_MIN && value <= INT_MAX;
}

static bool
set_padding(struct signature *signature, const OSSL_PARAM *param)
{
    int padding;

    if (!read_number(signature, param, PADDING, &padding) ||
        (padding != RSA_PKCS1_PADDING && padding != RSA_PKCS1_PSS_PADDING)) {
        fail(signature->provider, FAIL_NOT_MADE,
             "%s: RSA signatures are PKCS#1 v1.5 or PSS, and have no other padding",
             signature->key->label);
        return false;
    }
    signature->padding = padding;
    return true;
}

static bool
set_salt_len(struct signature *signature, const OSSL_PARAM *param)
{
    int salt_len;

    if (!read_number(signature, param, SALT_LEN, &salt_len) || salt_len <= RSA_PSS_SALTLEN_MAX) {
        fail(signature->provider, FAIL_NOT_MADE,
             "%s: the salt of PSS is as long as the hash (\"digest\"); no other is made",
             signature->key->label);
        return false;
    }
    /* A number waits for the hash, which may be set after it. */
    signature->salt_len = salt_len == RSA_PSS_SALTLEN_AUTO ? RSA_PSS_SALTLEN_DIGEST : salt_len;
    return true;
}

static bool
set_mgf1(struct signature *signature, const OSSL_PARAM *param)
{
    char name[TEXT_LEN];
    enum ks_hash mgf1;

    if (!read_text(signature, param, name))
        return false;
    mgf1 = hash_of_name(signature, name);
    if (mgf1 == KS_HASH_NONE)
        return false;
    signature->mgf1 = mgf1;
    return true;
}

/* --- asking --- */

static bool
give_number(OSSL_PARAM *param, const struct word *words, int number)
{
    char text[16];

    if (!param)
        return true;
    if (param->data_type != OSSL_PARAM_UTF8_STRING)
        return OSSL_PARAM_set_int(param, number);
    for (; words->name; words++) {
        if (words->value == number)
            return OSSL_PARAM_set_utf8_string(param, words->name);
    }
    snprintf(text, sizeof(text), "%d", number);
    return OSSL_PARAM_set_utf8_string(param, text);
}

static bool
give_hash(OSSL_PARAM *param, enum ks_hash hash)
{
    const char *name = hash != KS_HASH_NONE ? ks_hash_name(hash) : "";

    return !param || OSSL_PARAM_set_utf8_string(param, name);
}

static bool
give_algorithm_id(const struct signature *signature, OSSL_PARAM *param)
{
    enum ks_algorithm algorithm;
    const uint8_t *der;
    size_t len;

    if (!param)
        return true;
    algorithm = ks_algorithm_for(signature->key->info.type,
                                 signature_algorithm(signature, signature->hash));
    der = algorithm_id(algorithm, &len);
    return der && OSSL_PARAM_set_octet_string(param, der, len);
}

int
signature_get_params(void *context, OSSL_PARAM params[])
{
    const struct signature *signature = context;
    EVP_PKEY_CTX *verify = verify_context(signature);
    OSSL_PARAM *param;

    if (verify)
        return EVP_PKEY_CTX_get_params(verify, params) == 1;
    if (!signature->key ||
        !give_algorithm_id(signature,
                           OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_ALGORITHM_ID)) ||
        !give_hash(OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_DIGEST), signature->hash))
        return 0;
    param = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_DIGEST_SIZE);
    if (param && !OSSL_PARAM_set_size_t(param, ks_hash_len(signature->hash)))
        return 0;
    if (strcmp(signature->key->type, "RSA") != 0)
        return 1;
    return give_number(OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_PAD_MODE), PADDING,
                       signature->padding) &&
           give_number(OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN), SALT_LEN,
                       signature->salt_len) &&
           give_hash(OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST),
                     signature->mgf1 != KS_HASH_NONE ? signature->mgf1 : signature->hash);
}

/* --- the lists --- */

#define HASH_PARAMS                                                                                \
    OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),                                  \
        OSSL_PARAM_size_t(OSSL_SIGNATURE_PARAM_DIGEST_SIZE, NULL)
#define RSA_PARAMS                                                                                 \
    OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),                                \
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),                         \
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0)
#define ID_PARAM OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0)
#define PROPERTIES_PARAM OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PROPERTIES, NULL, 0)

const OSSL_PARAM *
signature_gettable(void *context, void *provider)
{
    static const OSSL_PARAM PARAMS[] = {ID_PARAM, HASH_PARAMS, OSSL_PARAM_END};

    (void)context, (void)provider;
    return PARAMS;
}

const OSSL_PARAM *
signature_gettable_rsa(void *context, void *provider)
{
    static const OSSL_PARAM PARAMS[] = {ID_PARAM, HASH_PARAMS, RSA_PARAMS, OSSL_PARAM_END};

    (void)context, (void)provider;
    return PARAMS;
}

const OSSL_PARAM *
signature_settable(void *context, void *provider)
{
    static const OSSL_PARAM PARAMS[] = {HASH_PARAMS, PROPERTIES_PARAM, OSSL_PARAM_END};

    (void)context, (void)provider;
    return PARAMS;
}

const OSSL_PARAM *
signature_settable_rsa(void *context, void *provider)
{
    static const OSSL_PARAM PARAMS[] = {
        HASH_PARAMS, PROPERTIES_PARAM, RSA_PARAMS,
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_PROPERTIES, NULL, 0), OSSL_PARAM_END};

    (void)context, (void)provider;
    return PARAMS;
}
