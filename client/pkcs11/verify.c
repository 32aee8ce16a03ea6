/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - signatures checked here in the process, with the public half
 *
 * Programs that sign with a token want to verify with it too. The service is not asked.
 */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "client/pkcs11/operation.h"
#include "client/pkcs11/session.h"

static CK_RV verify(const struct call *call, const struct input *input,
                    const unsigned char *signature, size_t len);

CK_RV
C_VerifyInit(CK_SESSION_HANDLE handle, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    return rv ? rv
              : operation_begin(&call.session->verify, call.module, mechanism, key, OBJECT_PUBLIC);
}

CK_RV
C_Verify(CK_SESSION_HANDLE handle, unsigned char *data, CK_ULONG data_len, unsigned char *signature,
         CK_ULONG signature_len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    struct operation *operation;
    struct input input;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    operation = call.session->verify;
    if (!operation)
        return CKR_OPERATION_NOT_INITIALIZED;
    if (operation_in_parts(operation))
        return CKR_OPERATION_ACTIVE;
    rv = CKR_ARGUMENTS_BAD;
    if (signature && (data || data_len == 0))
        rv = operation_input_once(operation, &call.module->hashes, data, data_len, &input);
    if (!rv)
        rv = verify(&call, &input, signature, signature_len);
    call.session->verify = operation_free(operation);
    return rv;
}

CK_RV
C_VerifyUpdate(CK_SESSION_HANDLE handle, unsigned char *part, CK_ULONG part_len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    return rv ? rv : operation_update(&call.session->verify, &call.module->hashes, part, part_len);
}

CK_RV
C_VerifyFinal(CK_SESSION_HANDLE handle, unsigned char *signature, CK_ULONG signature_len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    struct operation *operation;
    struct input input;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    operation = call.session->verify;
    if (!operation)
        return CKR_OPERATION_NOT_INITIALIZED;
    rv = signature ? operation_input(operation, &input) : CKR_ARGUMENTS_BAD;
    if (!rv)
        rv = verify(&call, &input, signature, signature_len);
    call.session->verify = operation_free(operation);
    return rv;
}

/* --- with libcrypto --- */

static bool
is_pss(enum ks_algorithm algorithm)
{
    return algorithm == KS_ALGORITHM_RSA_PSS_SHA256 || algorithm == KS_ALGORITHM_RSA_PSS_SHA384 ||
           algorithm == KS_ALGORITHM_RSA_PSS_SHA512;
}

static bool
set_padding(EVP_PKEY_CTX *context, enum ks_algorithm algorithm)
{
    if (!is_pss(algorithm))
        return true;
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
}

static bool
verify_digest(OSSL_LIB_CTX *libcrypto, EVP_PKEY *key, const struct input *input,
              const uint8_t *signature, size_t len)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(libcrypto, key, NULL);
    EVP_MD *method = EVP_MD_fetch(libcrypto, ks_hash_name(input->prehashed), NULL);
    bool good = context && method && EVP_PKEY_verify_init(context) > 0 &&
                set_padding(context, input->algorithm) &&
                EVP_PKEY_CTX_set_signature_md(context, method) > 0 &&
                EVP_PKEY_verify(context, signature, len, input->data, input->len) == 1;

    EVP_MD_free(method);
    EVP_PKEY_CTX_free(context);
    return good;
}

static bool
verify_message(OSSL_LIB_CTX *libcrypto, EVP_PKEY *key, const struct input *input,
               const uint8_t *signature, size_t len)
{
    enum ks_hash hash = ks_algorithm_hash(input->algorithm);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    bool good =
        context &&
        EVP_DigestVerifyInit_ex(context, &options, hash != KS_HASH_NONE ? ks_hash_name(hash) : NULL,
                                libcrypto, NULL, key, NULL) > 0 &&
        set_padding(options, input->algorithm) &&
        EVP_DigestVerify(context, signature, len, input->data, input->len) == 1;

    EVP_MD_CTX_free(context);
    return good;
}

/* r and s to DER. */
static int
from_pair(const uint8_t *pair, size_t len, unsigned char **der)
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(pair, (int)(len / 2), NULL);
    BIGNUM *s = BN_bin2bn(pair + len / 2, (int)(len / 2), NULL);
    int der_len = -1;

    if (signature && r && s && ECDSA_SIG_set0(signature, r, s)) {
        r = s = NULL;
        der_len = i2d_ECDSA_SIG(signature, der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(signature);
    return der_len;
}

static bool
verify_either(OSSL_LIB_CTX *libcrypto, EVP_PKEY *key, const struct input *input,
              const uint8_t *signature, size_t len)
{
    return input->prehashed != KS_HASH_NONE ? verify_digest(libcrypto, key, input, signature, len)
                                            : verify_message(libcrypto, key, input, signature, len);
}

static CK_RV
verify(const struct call *call, const struct input *input, const unsigned char *signature,
       size_t len)
{
    OSSL_LIB_CTX *libcrypto = call->module->libcrypto;
    struct entry *entry = operation_entry(call->session->verify);
    const struct key_info *info;
    const unsigned char *at;
    unsigned char *der = NULL;
    EVP_PKEY *key = NULL;
    bool good = false;
    int der_len;
    CK_RV rv;

    if (len != operation_signature_len(call->session->verify))
        return CKR_SIGNATURE_LEN_RANGE;
    rv = entry_info(call->module, entry, false, &info);
    if (rv)
        return rv;
    at = info->der.data;
    key = d2i_PUBKEY_ex(NULL, &at, (long)info->der.len, libcrypto, NULL);
    if (!key)
        return CKR_GENERAL_ERROR;
    if (key_info_pkcs11_type(entry->type) == CKK_EC) {
        der_len = from_pair(signature, len, &der);
        good = der_len > 0 && verify_either(libcrypto, key, input, der, (size_t)der_len);
    } else {
        good = verify_either(libcrypto, key, input, signature, len);
    }
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return good ? CKR_OK : CKR_SIGNATURE_INVALID;
}
