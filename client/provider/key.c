/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - the life of a key inside the provider
 */
#include "client/provider/key.h"

#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/x509.h>

#include "client/provider/fail.h"

struct key *
key_new(struct provider *provider, const char *type)
{
    struct key *key = calloc(1, sizeof(*key));

    if (!key)
        return NULL;
    key->provider = provider;
    key->type = type;
    atomic_init(&key->n_owners, 1);
    return key;
}

/* What OpenSSL calls keys of that type; NULL: a type we do not know. */
static const char *
type_of(const struct ks_key *info)
{
    switch (info->type) {
    case KS_KEY_TYPE_EC_P256:
    case KS_KEY_TYPE_EC_P384:
    case KS_KEY_TYPE_EC_P521:
        return "EC";
    case KS_KEY_TYPE_ED25519:
        return "ED25519";
    case KS_KEY_TYPE_RSA_2048:
    case KS_KEY_TYPE_RSA_3072:
    case KS_KEY_TYPE_RSA_4096:
        return "RSA";
    case KS_KEY_TYPE_ANY:
    case KS_KEY_TYPE_COUNT:
        break;
    }
    return NULL;
}

struct key *
key_new_private(struct provider *provider, const struct ks_key *info)
{
    const unsigned char *at = info->public_key;
    const char *type = type_of(info);
    struct key *key = key_new(provider, type);

    if (!key) {
        fail(provider, FAIL_MEMORY, "%s@%u: no memory for a key", info->name, info->version);
        return NULL;
    }
    key->private = true;
    key->info = *info;
    keyname_label(info->name, info->version, key->label);
    if (!type) {
        fail(provider, KS_ERR_UNSUPPORTED, "%s: a key of a type that this provider does not know",
             key->label);
        return key_free(key);
    }
    /* Then the library sends every message whole: what a key may sign is decided over the message,
     * and a digest where the class takes none would be refused. */
    key->info.purpose = KS_PURPOSE_NONE;
    ERR_set_mark();
    key->public = d2i_PUBKEY_ex(NULL, &at, (long)info->public_key_len, provider->libctx, NULL);
    ERR_pop_to_mark();
    if (!key->public || at != info->public_key + info->public_key_len) {
        fail(provider, FAIL_REFERENCE, "%s: the reference's public key is damaged", key->label);
        return key_free(key);
    }
    return key;
}

struct key *
key_ref(struct key *key)
{
    atomic_fetch_add(&key->n_owners, 1);
    return key;
}

struct key *
key_free(struct key *key)
{
    if (!key || atomic_fetch_sub(&key->n_owners, 1) > 1)
        return NULL;
    EVP_PKEY_free(key->public);
    free(key);
    return NULL;
}

int
key_hand_over(struct key *key, OSSL_CALLBACK *object, void *object_arg)
{
    int kind = OSSL_OBJECT_PKEY, done;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &kind),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, (char *)(uintptr_t)key->type,
                                         0),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &key, sizeof(key)),
        OSSL_PARAM_construct_end(),
    };

    done = object(params, object_arg);
    key_free(key);
    return done;
}

struct key *
key_take(const void *reference, size_t len)
{
    struct key **place = (struct key **)(uintptr_t)reference;

    if (!reference || len != sizeof(*place) || !*place)
        return NULL;
    return ks_steal(place);
}
