/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_mechanism - a mechanism with its parameters, and the raw input behind it, as any program may give them
 *
 * The first byte chooses the mechanism, the second the type of the key, the third is the length of the parameters. What
 * is accepted has an algorithm that fits the key, and a digest that lies inside of the input.
 */
#include <stdlib.h>

#include "client/pkcs11/mechanism.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
    if (!truth)
        abort();
}

/* A copy of its own, so that each byte too many is seen. */
static void *
copy(const uint8_t *data, size_t len)
{
    void *out = malloc(len > 0 ? len : 1);

    require(out != NULL);
    memcpy(out, data, len);
    return out;
}

static void
use_raw(const struct signing *signing, const uint8_t *data, size_t len)
{
    const uint8_t *digest = NULL;
    enum ks_hash hash = KS_HASH_NONE;
    CK_RV rv = mechanism_raw(signing, data, len, &hash, &digest);

    if (rv) {
        require(rv == CKR_DATA_LEN_RANGE || rv == CKR_DATA_INVALID);
        return;
    }
    require(digest >= data && digest + ks_hash_len(hash) == data + len);
    require(signing->hash == KS_HASH_NONE || signing->hash == hash);
    require(ks_algorithm_for(signing->type, mechanism_algorithm(signing, hash)) !=
            KS_ALGORITHM_COUNT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CK_MECHANISM given = {0};
    struct signing signing;
    enum ks_key_type type;
    size_t len, parameter_len;
    void *parameter, *input;

    if (size < 3)
        return 0;
    given.mechanism = data[0] < mechanism_count() ? mechanism_at(data[0])->type : data[0];
    type = (enum ks_key_type)data[1];
    len = size - 3;
    parameter_len = data[2] < len ? data[2] : len;
    parameter = copy(data + 3, parameter_len);
    input = copy(data + 3 + parameter_len, len - parameter_len);
    given.pParameter = parameter;
    given.ulParameterLen = parameter_len;
    if (mechanism_read(&given, type, &signing) == CKR_OK) {
        require(signing.mechanism->type == given.mechanism);
        if (signing.mechanism->raw)
            use_raw(&signing, input, len - parameter_len);
        else
            require(ks_algorithm_for(type, mechanism_algorithm(&signing, signing.hash)) !=
                    KS_ALGORITHM_COUNT);
    }
    free(input);
    free(parameter);
    return 0;
}
