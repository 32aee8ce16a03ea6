/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign - signatures, and the hashing of long messages before they travel
 */
#include <assert.h>

#include <openssl/evp.h>

#include "client/lib/call.h"
#include "client/lib/error.h"
#include "proto/wire/frame.h"

#define HASH_HERE_ABOVE (32 * 1024) /* bytes: a digest is cheaper to send, from about here on */

static_assert(KS_SIGN_MAX_LEN + 512 < FRAME_MAX_LEN, "a message, its key's name and digest fit");

struct input {
    const void *data;
    size_t len;
    enum ks_hash prehashed;
    uint8_t digest[KS_HASH_MAX_LEN];
};

static ks_err check_input(const struct ks_key *key, enum ks_algorithm algorithm,
                          const struct input *input, struct ks_error *error);
static ks_err shorten(const struct ks_key *key, enum ks_algorithm algorithm, struct input *input,
                      struct ks_error *error);

ks_err
ks_sign(struct ks_client *client, const struct ks_key *key, enum ks_algorithm algorithm,
        enum ks_hash prehashed, const void *data, size_t data_len,
        uint8_t signature[KS_SIGNATURE_MAX_LEN], size_t *signature_len, enum ks_algorithm *used,
        struct ks_error *error)
{
    struct input input = {.data = data, .len = data_len, .prehashed = prehashed};
    ks_auto(response_freep) struct response *response = NULL;
    struct request request = {.operation = OPERATION_SIGN};
    ks_err err;

    error_clear(error);
    err = check_input(key, algorithm, &input, error);
    if (!err)
        err = shorten(key, algorithm, &input, error);
    if (err)
        return err;
    request.sign.key = key;
    request.sign.algorithm = algorithm;
    request.sign.prehashed = input.prehashed;
    request.sign.data = input.data;
    request.sign.data_len = input.len;
    err = call_run(client, &request, &response, error);
    if (err)
        return err;
    return response_signature(response, signature, signature_len, used, error);
}

static ks_err
check_input(const struct ks_key *key, enum ks_algorithm algorithm, const struct input *input,
            struct ks_error *error)
{
    enum ks_algorithm wanted = ks_algorithm_for(key->type, algorithm);

    if (wanted == KS_ALGORITHM_COUNT)
        return error_set(error, KS_ERR_USAGE, "%s: %s does not fit a key of type %s", key->name,
                         ks_algorithm_name(algorithm), ks_key_type_name(key->type));
    if (input->prehashed == KS_HASH_NONE)
        return KS_OK;
    if (ks_algorithm_hash(wanted) != input->prehashed)
        return error_set(error, KS_ERR_USAGE, "%s: %s takes no digest by %s", key->name,
                         ks_algorithm_name(wanted), ks_hash_name(input->prehashed));
    if (input->len != ks_hash_len(input->prehashed))
        return error_set(error, KS_ERR_USAGE, "%s: a digest by %s has %zu bytes, not %zu",
                         key->name, ks_hash_name(input->prehashed), ks_hash_len(input->prehashed),
                         input->len);
    return KS_OK;
}

/* Only where the class may sign a digest: a TLS key signs what was looked at as a whole. */
static ks_err
shorten(const struct ks_key *key, enum ks_algorithm algorithm, struct input *input,
        struct ks_error *error)
{
    enum ks_hash hash = ks_algorithm_hash(ks_algorithm_for(key->type, algorithm));
    unsigned int len = 0;
    EVP_MD *method;
    int done;

    if (key->purpose == KS_PURPOSE_SIGN && hash != KS_HASH_NONE &&
        input->prehashed == KS_HASH_NONE && input->len > HASH_HERE_ABOVE) {
        method = EVP_MD_fetch(NULL, ks_hash_name(hash), NULL);
        done = method && EVP_Digest(input->data, input->len, input->digest, &len, method, NULL);
        EVP_MD_free(method);
        if (!done || len != ks_hash_len(hash))
            return error_set(error, KS_ERR_INTERNAL, "libcrypto has no %s", ks_hash_name(hash));
        input->data = input->digest;
        input->len = len;
        input->prehashed = hash;
    }
    if (input->len > KS_SIGN_MAX_LEN)
        return error_set(error, KS_ERR_TOO_LARGE,
                         "%s: a message of %zu bytes; at most %u can be signed with this key",
                         key->name, input->len, KS_SIGN_MAX_LEN);
    return KS_OK;
}
