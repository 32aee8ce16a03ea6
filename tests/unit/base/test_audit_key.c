/* SPDX-License-Identifier: Apache-2.0 */
#include "base/audit_key.h"

#include <criterion/criterion.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

/* Takes the key. */
static bool
known(EVP_PKEY *pkey)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(pkey, &der);
    bool is_known;

    cr_assert_gt(len, 0);
    is_known = audit_key_known(der, (size_t)len);
    cr_assert_not(audit_key_known(der, (size_t)len - 1));
    OPENSSL_free(der);
    EVP_PKEY_free(pkey);
    return is_known;
}

static EVP_PKEY *
rsa_with_exponent_3(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *three = BN_new();
    EVP_PKEY *pkey = NULL;

    cr_assert(BN_set_word(three, 3) && EVP_PKEY_keygen_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) == 1 &&
              EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, three) == 1 &&
              EVP_PKEY_generate(ctx, &pkey) == 1);
    BN_free(three);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

Test(audit_key, knows_the_kinds_that_are_named)
{
    cr_assert(known(EVP_EC_gen("P-256")));
    cr_assert(known(EVP_EC_gen("P-384")));
    cr_assert(known(EVP_EC_gen("P-521")));
    cr_assert(known(EVP_RSA_gen(2048)));
    cr_assert(known(EVP_RSA_gen(3072)));
}

Test(audit_key, knows_no_other)
{
    cr_assert_not(known(EVP_EC_gen("secp256k1")));
    cr_assert_not(known(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")));
    cr_assert_not(known(EVP_RSA_gen(1024)));
    cr_assert_not(known(EVP_RSA_gen(4096)));
    cr_assert_not(known(rsa_with_exponent_3()));
    cr_assert_not(audit_key_known(NULL, 0));
}
