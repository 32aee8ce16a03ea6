/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature - messages and digests on their way to keysvcd
 *
 * A message goes whole, since what a key may sign is decided over the whole message; only one that
 * is longer than a request can be goes as its digest, which keys for TLS refuse. What comes as a
 * digest goes as one, with its hash named.
 */
#include "client/provider/signature.h"

#include "client/provider/fail.h"

static OSSL_FUNC_signature_newctx_fn signature_new;
static OSSL_FUNC_signature_freectx_fn signature_free;
static OSSL_FUNC_signature_dupctx_fn signature_dup;
static OSSL_FUNC_signature_sign_init_fn sign_init;
static OSSL_FUNC_signature_sign_fn sign_digest;
static OSSL_FUNC_signature_digest_sign_init_fn message_init;
static OSSL_FUNC_signature_digest_sign_update_fn message_update;
static OSSL_FUNC_signature_digest_sign_final_fn message_final;
static OSSL_FUNC_signature_digest_sign_fn sign_message;
static int ask_keysvcd(const struct signature *signature, enum ks_hash hash, bool is_digest,
                       const void *data, size_t len, unsigned char *sig, size_t *sig_len,
                       size_t sig_cap);

static void *
signature_new(void *context, const char *properties)
{
    struct signature *signature = calloc(1, sizeof(*signature));

    (void)properties;
    if (!signature)
        return NULL;
    signature->provider = context;
    signature->padding = RSA_PKCS1_PADDING;
    signature->salt_len = RSA_PSS_SALTLEN_DIGEST;
    signature->message.max = KS_SIGN_MAX_LEN;
    return signature;
}

static void
signature_free(void *context)
{
    struct signature *signature = context;

    if (!signature)
        return;
    signature_rewind(signature);
    key_free(signature->key);
    free(signature);
}

/* libcrypto takes a copy before each final call, so that a program can go on afterwards. */
static void *
signature_dup(void *context)
{
    const struct signature *from = context;
    struct signature *to = malloc(sizeof(*to));

    if (!to)
        return NULL;
    *to = *from;
    to->key = from->key ? key_ref(from->key) : NULL;
    to->message = (struct buf){.max = KS_SIGN_MAX_LEN};
    to->digest = NULL;
    buf_append(&to->message, from->message.data, from->message.len);
    if (from->digest)
        to->digest = EVP_MD_CTX_new();
    if (!verify_copy(from, to) || to->message.failed ||
        (from->digest && (!to->digest || !EVP_MD_CTX_copy_ex(to->digest, from->digest)))) {
        signature_free(to);
        return NULL;
    }
    return to;
}

bool
signature_take_key(struct signature *signature, struct key *key)
{
    signature_rewind(signature);
    if (key) {
        key_free(signature->key);
        signature->key = key_ref(key);
    }
    return signature->key && signature->key->public;
}

void
signature_rewind(struct signature *signature)
{
    signature->ready = false;
    buf_deinit(&signature->message);
    signature->digesting = false;
    EVP_MD_CTX_free(signature->digest);
    signature->digest = NULL;
    verify_end(signature);
}

static int
begin(struct signature *signature, struct key *key)
{
    if (!signature_take_key(signature, key))
        return 0;
    if (!signature->key->private)
        return fail(signature->provider, FAIL_NOT_PRIVATE,
                    "this %s key is a public key and no reference to a key of keysvcd",
                    signature->key->type);
    return 1;
}

/* libcrypto lets a program go on after an init that was refused; what it would get then is another
 * kind of signature than it asked for. */
static bool
is_ready(const struct signature *signature)
{
    if (!signature->ready)
        fail(signature->provider, KS_ERR_USAGE,
             "nothing is signed: what was to be signed, and how, was refused or not said before");
    return signature->ready;
}

/* --- a digest --- */

static int
sign_init(void *context, void *key, const OSSL_PARAM params[])
{
    struct signature *signature = context;

    signature->ready = begin(signature, key) && signature_set_params(signature, params);
    return signature->ready;
}

static int
max_len(const struct signature *signature, size_t *len)
{
    int size = EVP_PKEY_get_size(signature->key->public);

    *len = size > 0 ? (size_t)size : 0;
    return size > 0;
}

/* ECDSA signs the digest alone, so its length has to tell. */
static enum ks_hash
hash_of_len(const struct signature *signature, size_t len)
{
    for (enum ks_hash hash = KS_HASH_SHA256; hash < KS_HASH_COUNT; hash++) {
        if (ks_hash_len(hash) == len)
            return hash;
    }
    fail(signature->provider, FAIL_NOT_MADE,
         "%s: %zu bytes are the length of no digest by SHA-256, SHA-384 or SHA-512",
         signature->key->label, len);
    return KS_HASH_NONE;
}

/* PKCS#1 v1.5 may be given the structure that it signs; the digest inside takes its place. */
static enum ks_hash
hash_of_info(const struct signature *signature, const uint8_t **data, size_t *len)
{
    enum ks_hash hash = KS_HASH_NONE;

    if (signature->padding == RSA_PKCS1_PADDING)
        hash = ks_digest_info_read(*data, *len, data);
    *len = ks_hash_len(hash);
    if (hash == KS_HASH_NONE)
        fail(signature->provider, FAIL_NOT_MADE,
             "%s: a digest without its hash: name sha256, sha384 or sha512, or give PKCS#1 v1.5 a "
             "whole DigestInfo",
             signature->key->label);
    return hash;
}

/* The hash by which `data` is a digest; NONE: refused. The library checks the length. */
static enum ks_hash
find_hash(const struct signature *signature, const uint8_t **data, size_t *len)
{
    if (signature->hash != KS_HASH_NONE)
        return signature->hash;
    if (strcmp(signature->key->type, "RSA") == 0)
        return hash_of_info(signature, data, len);
    return hash_of_len(signature, *len);
}

static int
sign_digest(void *context, unsigned char *sig, size_t *sig_len, size_t sig_cap,
            const unsigned char *data, size_t len)
{
    const struct signature *signature = context;
    enum ks_hash hash;

    if (!is_ready(signature))
        return 0;
    if (!sig)
        return max_len(signature, sig_len);
    hash = find_hash(signature, &data, &len);
    if (hash == KS_HASH_NONE)
        return 0;
    return ask_keysvcd(signature, hash, true, data, len, sig, sig_len, sig_cap);
}

/* --- a message --- */

static int
message_init(void *context, const char *hash, void *key, const OSSL_PARAM params[])
{
    struct signature *signature = context;

    if (!begin(signature, key))
        return 0;
    if (hash && hash[0] != '\0' && !signature_set_hash(signature, hash))
        return 0;
    if (signature->hash == KS_HASH_NONE && strcmp(signature->key->type, "ED25519") != 0)
        signature->hash = KS_HASH_SHA256; /* what the default provider says its default is */
    signature->ready = signature_set_params(signature, params);
    return signature->ready;
}

/* From here on only a digest of the message is kept. */
static bool
begin_digesting(struct signature *signature)
{
    const struct buf *message = &signature->message;

    signature->digest = EVP_MD_CTX_new();
    signature->digesting =
        signature->digest &&
        EVP_DigestInit_ex2(signature->digest, signature->provider->hashes[signature->hash], NULL) &&
        EVP_DigestUpdate(signature->digest, message->data, message->len);
    buf_deinit(&signature->message);
    return signature->digesting;
}

static int
message_update(void *context, const unsigned char *data, size_t len)
{
    struct signature *signature = context;

    if (!is_ready(signature))
        return 0;
    if (!signature->digesting && len > KS_SIGN_MAX_LEN - signature->message.len &&
        !begin_digesting(signature))
        return fail(signature->provider, FAIL_MEMORY, "no memory for a digest");
    if (signature->digesting)
        return EVP_DigestUpdate(signature->digest, data, len);
    buf_append(&signature->message, data, len);
    if (signature->message.failed)
        return fail(signature->provider, FAIL_MEMORY, "no memory for a message");
    return 1;
}

static int
message_final(void *context, unsigned char *sig, size_t *sig_len, size_t sig_cap)
{
    const struct signature *signature = context;
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int len;

    if (!is_ready(signature))
        return 0;
    if (!sig)
        return max_len(signature, sig_len);
    if (!signature->digesting)
        return ask_keysvcd(signature, signature->hash, false, signature->message.data,
                           signature->message.len, sig, sig_len, sig_cap);
    return EVP_DigestFinal_ex(signature->digest, digest, &len) &&
           ask_keysvcd(signature, signature->hash, true, digest, len, sig, sig_len, sig_cap);
}

/* On a copy, as libcrypto does before a final call: one that fails can be made again. */
static int
update_and_finish(const struct signature *signature, unsigned char *sig, size_t *sig_len,
                  size_t sig_cap, const unsigned char *data, size_t len)
{
    struct signature *copy = signature_dup((void *)(uintptr_t)signature);
    int done;

    if (!copy)
        return fail(signature->provider, FAIL_MEMORY, "no memory for a message");
    done = message_update(copy, data, len) && message_final(copy, sig, sig_len, sig_cap);
    signature_free(copy);
    return done;
}

static int
sign_message(void *context, unsigned char *sig, size_t *sig_len, size_t sig_cap,
             const unsigned char *data, size_t len)
{
    const struct signature *signature = context;

    if (!is_ready(signature))
        return 0;
    if (!sig)
        return max_len(signature, sig_len);
    /* What came before belongs to the message. What is too long for a request takes the way over a
     * digest, where there is one. */
    if (signature->message.len > 0 || signature->digesting ||
        (len > KS_SIGN_MAX_LEN && signature->hash != KS_HASH_NONE))
        return update_and_finish(signature, sig, sig_len, sig_cap, data, len);
    return ask_keysvcd(signature, signature->hash, false, data, len, sig, sig_len, sig_cap);
}

/* --- to keysvcd --- */

static int
ask_keysvcd(const struct signature *signature, enum ks_hash hash, bool is_digest, const void *data,
            size_t len, unsigned char *sig, size_t *sig_len, size_t sig_cap)
{
    enum ks_algorithm algorithm = signature_algorithm(signature, hash);
    const struct key *key = signature->key;
    uint8_t made[KS_SIGNATURE_MAX_LEN];
    struct ks_error error;
    size_t made_len, max;

    if (algorithm == KS_ALGORITHM_COUNT)
        return 0;
    if (ks_sign(key->provider->client, &key->info, algorithm, is_digest ? hash : KS_HASH_NONE, data,
                len, made, &made_len, NULL, &error))
        return fail_key(key, &error);
    if (!max_len(signature, &max) || made_len == 0 || made_len > max)
        return fail(key->provider, KS_ERR_INTERNAL,
                    "%s: INTERNAL: keysvcd sent a signature of impossible length, %zu bytes",
                    key->label, made_len);
    if (made_len > sig_cap)
        return fail(key->provider, KS_ERR_USAGE, "%s: a signature of %zu bytes has no place in %zu",
                    key->label, made_len, sig_cap);
    memcpy(sig, made, made_len);
    *sig_len = made_len;
    return 1;
}

/* --- the tables --- */

/* clang-format off */
#define CONTEXT_FUNCTIONS                                                                          \
    DISPATCH(OSSL_FUNC_SIGNATURE_NEWCTX, signature_new),                                           \
    DISPATCH(OSSL_FUNC_SIGNATURE_FREECTX, signature_free),                                         \
    DISPATCH(OSSL_FUNC_SIGNATURE_DUPCTX, signature_dup),                                           \
    DISPATCH(OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, signature_get_params)

#define ONE_SHOT_FUNCTIONS                                                                         \
    DISPATCH(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, message_init),                                  \
    DISPATCH(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, sign_message),                                       \
    DISPATCH(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_INIT, verify_message_init),                         \
    DISPATCH(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY, verify_message)

/* Those of algorithms with a hash. */
#define HASH_FUNCTIONS                                                                             \
    DISPATCH(OSSL_FUNC_SIGNATURE_SIGN_INIT, sign_init),                                            \
    DISPATCH(OSSL_FUNC_SIGNATURE_SIGN, sign_digest),                                               \
    DISPATCH(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, message_update),                              \
    DISPATCH(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, message_final),                                \
    DISPATCH(OSSL_FUNC_SIGNATURE_VERIFY_INIT, verify_init),                                        \
    DISPATCH(OSSL_FUNC_SIGNATURE_VERIFY, verify_run),                                              \
    DISPATCH(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_UPDATE, verify_message_update),                     \
    DISPATCH(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_FINAL, verify_message_final),                       \
    DISPATCH(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signature_set_params)

static const OSSL_DISPATCH ECDSA[] = {
    CONTEXT_FUNCTIONS,
    ONE_SHOT_FUNCTIONS,
    HASH_FUNCTIONS,
    DISPATCH(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, signature_gettable),
    DISPATCH(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable),
    DISPATCH_END,
};

static const OSSL_DISPATCH ED25519[] = {
    CONTEXT_FUNCTIONS,
    ONE_SHOT_FUNCTIONS,
    DISPATCH(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, signature_gettable),
    DISPATCH_END,
};

static const OSSL_DISPATCH RSA_SIGNATURES[] = {
    CONTEXT_FUNCTIONS,
    ONE_SHOT_FUNCTIONS,
    HASH_FUNCTIONS,
    DISPATCH(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, signature_gettable_rsa),
    DISPATCH(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable_rsa),
    DISPATCH_END,
};

const OSSL_ALGORITHM PROVIDER_SIGNATURES[] = {
    {"ECDSA",       PROVIDER_PROPERTIES, ECDSA,          "ECDSA by keysvcd"},
    {NAMES_ED25519, PROVIDER_PROPERTIES, ED25519,        "Ed25519 by keysvcd"},
    {NAMES_RSA,     PROVIDER_PROPERTIES, RSA_SIGNATURES, "RSA PKCS#1 v1.5 and PSS by keysvcd"},
    {NULL, NULL, NULL, NULL},
};
/* clang-format on */
