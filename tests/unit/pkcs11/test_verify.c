/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include <openssl/rsa.h>
#include <openssl/sha.h>

#include "base/util.h"
#include "module_rig.h"

static struct rig *rig;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE ec, rsa;

static void
start(void)
{
    rig = rig_start();
    session = rig_session();
    ec = rig_find(session, CKO_PUBLIC_KEY, "web/shop@2");
    rsa = rig_find(session, CKO_PUBLIC_KEY, "sign/rsa");
}

static void
stop(void)
{
    rig_stop(rig);
}

TestSuite(verify, .init = start, .fini = stop);

/* By the key in software. */
static size_t
pss_signature(unsigned char out[256], const EVP_MD *hash)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    size_t len = 256;

    cr_assert(EVP_DigestSignInit(context, &options, hash, NULL, rig->keys[1].key));
    cr_assert(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0);
    cr_assert(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) > 0);
    cr_assert(EVP_DigestSign(context, out, &len, (const unsigned char *)"text", 4));
    EVP_MD_CTX_free(context);
    return len;
}

Test(verify, pss_of_a_message_and_of_its_digest)
{
    CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};
    CK_MECHANISM whole = {CKM_SHA256_RSA_PKCS_PSS, &pss, sizeof(pss)};
    CK_MECHANISM raw = {CKM_RSA_PKCS_PSS, &pss, sizeof(pss)};
    unsigned char signature[256], digest[32];
    CK_ULONG len = pss_signature(signature, EVP_sha256());

    SHA256((const unsigned char *)"text", 4, digest);
    cr_assert_eq(p11->C_VerifyInit(session, &whole, rsa), CKR_OK);
    cr_assert_eq(p11->C_VerifyUpdate(session, (unsigned char *)"te", 2), CKR_OK);
    cr_assert_eq(p11->C_Verify(session, digest, 1, signature, len), CKR_OPERATION_ACTIVE);
    cr_assert_eq(p11->C_VerifyUpdate(session, (unsigned char *)"xt", 2), CKR_OK);
    cr_assert_eq(p11->C_VerifyFinal(session, signature, len), CKR_OK);
    cr_assert_eq(p11->C_VerifyInit(session, &raw, rsa), CKR_OK);
    cr_assert_eq(p11->C_Verify(session, digest, 32, signature, len), CKR_OK);
    signature[0] ^= 1;
    cr_assert_eq(p11->C_VerifyInit(session, &raw, rsa), CKR_OK);
    cr_assert_eq(p11->C_Verify(session, digest, 32, signature, len), CKR_SIGNATURE_INVALID);
    cr_assert_eq(fake_server_requests(rig->server, RIG_SIGN), 0);
}

Test(verify, states_and_arguments_are_checked)
{
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    unsigned char signature[64] = {0};

    cr_assert_eq(p11->C_Verify(session, signature, 1, signature, 64),
                 CKR_OPERATION_NOT_INITIALIZED);
    cr_assert_eq(p11->C_VerifyFinal(session, signature, 64), CKR_OPERATION_NOT_INITIALIZED);
    cr_assert_eq(p11->C_VerifyInit(session, &mechanism, rsa), CKR_KEY_TYPE_INCONSISTENT);
    cr_assert_eq(p11->C_VerifyInit(session, &mechanism, 0), CKR_KEY_HANDLE_INVALID);
    cr_assert_eq(p11->C_VerifyInit(session, NULL, ec), CKR_ARGUMENTS_BAD);
    cr_assert_eq(
        p11->C_VerifyInit(session, &mechanism, rig_find(session, CKO_PRIVATE_KEY, "web/shop")),
        CKR_KEY_TYPE_INCONSISTENT);
    cr_assert_eq(p11->C_VerifyInit(session, &mechanism, ec), CKR_OK);
    cr_assert_eq(p11->C_VerifyInit(session, &mechanism, ec), CKR_OPERATION_ACTIVE);
    cr_assert_eq(p11->C_Verify(session, signature, 1, signature, 63), CKR_SIGNATURE_LEN_RANGE);
    cr_assert_eq(p11->C_VerifyInit(session, &mechanism, ec), CKR_OK);
    cr_assert_eq(p11->C_Verify(session, signature, 1, signature, 64), CKR_SIGNATURE_INVALID,
                 "r and s of zero");
    cr_assert_eq(p11->C_VerifyInit(session, &mechanism, ec), CKR_OK);
    cr_assert_eq(p11->C_Verify(session, signature, 1, NULL, 64), CKR_ARGUMENTS_BAD);
}

Test(verify, digests_are_made_here)
{
    CK_MECHANISM mechanism = {CKM_SHA384, NULL, 0}, other = {CKM_ECDSA, NULL, 0};
    unsigned char digest[48], wanted[48];
    CK_ULONG len = 0;

    SHA384((const unsigned char *)"text", 4, wanted);
    cr_assert_eq(p11->C_Digest(session, digest, 1, digest, &len), CKR_OPERATION_NOT_INITIALIZED);
    cr_assert_eq(p11->C_DigestInit(session, NULL), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_DigestInit(session, &other), CKR_MECHANISM_INVALID);
    cr_assert_eq(p11->C_DigestInit(session, &mechanism), CKR_OK);
    cr_assert_eq(p11->C_DigestInit(session, &mechanism), CKR_OPERATION_ACTIVE);
    cr_assert_eq(p11->C_Digest(session, (unsigned char *)"text", 4, NULL, &len), CKR_OK);
    cr_assert_eq(len, 48);
    len = 47;
    cr_assert_eq(p11->C_Digest(session, (unsigned char *)"text", 4, digest, &len),
                 CKR_BUFFER_TOO_SMALL);
    cr_assert_eq(p11->C_Digest(session, (unsigned char *)"text", 4, digest, &len), CKR_OK);
    cr_assert_arr_eq(digest, wanted, 48);
    cr_assert_eq(p11->C_DigestInit(session, &mechanism), CKR_OK);
    cr_assert_eq(p11->C_DigestUpdate(session, (unsigned char *)"te", 2), CKR_OK);
    cr_assert_eq(p11->C_Digest(session, (unsigned char *)"x", 1, digest, &len),
                 CKR_OPERATION_ACTIVE);
    cr_assert_eq(p11->C_DigestUpdate(session, (unsigned char *)"xt", 2), CKR_OK);
    cr_assert_eq(p11->C_DigestFinal(session, digest, &len), CKR_OK);
    cr_assert_arr_eq(digest, wanted, 48);
    cr_assert_eq(p11->C_DigestFinal(session, digest, &len), CKR_OPERATION_NOT_INITIALIZED);
}
