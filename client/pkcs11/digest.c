/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest - hashing, for programs that want from one module what they sign and how it is hashed
 */
#include "client/pkcs11/digest.h"

#include <openssl/evp.h>

#include "client/pkcs11/answer.h"
#include "client/pkcs11/mechanism.h"
#include "client/pkcs11/session.h"

struct digest {
    EVP_MD_CTX *context;
    size_t len;
    bool in_parts;
};

struct digest *
digest_free(struct digest *digest)
{
    if (!digest)
        return NULL;
    EVP_MD_CTX_free(digest->context);
    free(digest);
    return NULL;
}

static CK_RV
digest_new(const struct hashes *hashes, enum ks_hash hash, struct digest **out)
{
    struct digest *digest = calloc(1, sizeof(*digest));
    bool good = false;

    if (digest) {
        digest->len = ks_hash_len(hash);
        digest->context = EVP_MD_CTX_new();
        good =
            digest->context && EVP_DigestInit_ex2(digest->context, hashes->by_hash[hash], NULL) > 0;
    }
    if (!good) {
        digest_free(digest);
        return CKR_HOST_MEMORY;
    }
    *out = digest;
    return CKR_OK;
}

CK_RV
C_DigestInit(CK_SESSION_HANDLE handle, CK_MECHANISM *given)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    const struct mechanism *mechanism;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    if (!given)
        return CKR_ARGUMENTS_BAD;
    if (call.session->digest)
        return CKR_OPERATION_ACTIVE;
    mechanism = mechanism_find(given->mechanism);
    if (!mechanism || mechanism->scheme != SCHEME_DIGEST)
        return CKR_MECHANISM_INVALID;
    if (given->ulParameterLen > 0)
        return CKR_MECHANISM_PARAM_INVALID;
    return digest_new(&call.module->hashes, mechanism->hash, &call.session->digest);
}

static CK_RV
add(struct digest *digest, const unsigned char *part, CK_ULONG part_len)
{
    if (!part && part_len > 0)
        return CKR_ARGUMENTS_BAD;
    return EVP_DigestUpdate(digest->context, part, part_len) > 0 ? CKR_OK : CKR_GENERAL_ERROR;
}

static CK_RV
finish(struct digest *digest, unsigned char *out)
{
    return EVP_DigestFinal_ex(digest->context, out, NULL) > 0 ? CKR_OK : CKR_GENERAL_ERROR;
}

CK_RV
C_Digest(CK_SESSION_HANDLE handle, unsigned char *data, CK_ULONG data_len, unsigned char *out,
         CK_ULONG *out_len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    struct digest *digest;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    digest = call.session->digest;
    if (!digest)
        return CKR_OPERATION_NOT_INITIALIZED;
    if (digest->in_parts)
        return CKR_OPERATION_ACTIVE;
    if (!out_len)
        rv = CKR_ARGUMENTS_BAD;
    else if (!answer_room(out, digest->len, out_len, &rv))
        return rv;
    if (!rv)
        rv = add(digest, data, data_len);
    if (!rv)
        rv = finish(digest, out);
    call.session->digest = digest_free(digest);
    return rv;
}

CK_RV
C_DigestUpdate(CK_SESSION_HANDLE handle, unsigned char *part, CK_ULONG part_len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    if (!call.session->digest)
        return CKR_OPERATION_NOT_INITIALIZED;
    call.session->digest->in_parts = true;
    rv = add(call.session->digest, part, part_len);
    if (rv)
        call.session->digest = digest_free(call.session->digest);
    return rv;
}

CK_RV
C_DigestFinal(CK_SESSION_HANDLE handle, unsigned char *out, CK_ULONG *out_len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    struct digest *digest;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    digest = call.session->digest;
    if (!digest)
        return CKR_OPERATION_NOT_INITIALIZED;
    if (!out_len)
        rv = CKR_ARGUMENTS_BAD;
    else if (!answer_room(out, digest->len, out_len, &rv))
        return rv;
    if (!rv)
        rv = finish(digest, out);
    call.session->digest = digest_free(digest);
    return rv;
}
