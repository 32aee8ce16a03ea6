/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_spki - public keys as a token shows them: curve and point, modulus and exponent, a certificate
 *
 * The first byte chooses, the second is the length of the first attribute. What is taken as a key of
 * one of our types is one to OpenSSL as well, of the same type; no RSA key has another's modulus.
 */
#include <openssl/crypto.h>

#include "token/spki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
    if (!truth)
        abort();
}

/* A copy of its own, so that each byte too many is seen. */
static uint8_t *
copy(const uint8_t *data, size_t len)
{
    uint8_t *out = malloc(len > 0 ? len : 1);

    require(out != NULL);
    memcpy(out, data, len);
    return out;
}

static bool
is_type(const EVP_PKEY *pkey, enum ks_key_type type)
{
    if (type >= KS_KEY_TYPE_RSA_2048)
        return EVP_PKEY_is_a(pkey, "RSA");
    return EVP_PKEY_is_a(pkey, type == KS_KEY_TYPE_ED25519 ? "ED25519" : "EC");
}

static void
check(const struct spki *spki)
{
    uint8_t id[SPKI_KEY_ID_LEN], sha256[KS_SHA256_LEN];
    struct fault why = FAULT_INIT;
    EVP_PKEY *pkey = NULL;

    require((unsigned int)spki->type < KS_KEY_TYPE_COUNT && spki->len <= sizeof(spki->der));
    require((spki->type == KS_KEY_TYPE_ANY) == (spki->len == 0));
    if (spki->len == 0)
        return;
    require(spki_pkey(spki, &pkey, &why) == KS_OK && is_type(pkey, spki->type));
    require(spki_key_id(spki, id) == KS_OK);
    spki_sha256(spki, sha256);
    EVP_PKEY_free(pkey);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spki spki = {.type = KS_KEY_TYPE_ANY};
    struct fault why = FAULT_INIT;
    uint8_t *first, *second;
    size_t len, first_len;
    ks_err err;

    if (size < 2)
        return 0;
    len = size - 2;
    first_len = data[0] % 3 == 1 ? (size_t)data[1] * 4 : data[1]; /* 1,020 bytes of modulus */
    if (first_len > len)
        first_len = len;
    first = copy(data + 2, first_len);
    second = copy(data + 2 + first_len, len - first_len);
    if (data[0] % 3 == 0)
        err = spki_from_ec(first, first_len, second, len - first_len, &spki, &why);
    else if (data[0] % 3 == 1)
        err = spki_from_rsa(first, first_len, second, len - first_len, &spki, &why);
    else
        err = spki_from_certificate(data + 2, len, &spki, &why);
    require(err == KS_OK || (err == KS_ERR_BAD_REQUEST && why.text[0] != '\0'));
    if (!err)
        check(&spki);
    if (!err && data[0] % 3 == 1 && spki.len > 0)
        require(spki_has_modulus(&spki, first, first_len));
    free(first);
    free(second);
    return 0;
}
