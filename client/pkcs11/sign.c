/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign - signatures by the service
 *
 * How long a signature is follows from the key: who asks for the length, or brings too little room,
 * is answered without one being made, and goes on with the same operation. Every other end ends it.
 */
#include <openssl/ecdsa.h>

#include "client/pkcs11/answer.h"
#include "client/pkcs11/directory.h"
#include "client/pkcs11/operation.h"
#include "client/pkcs11/report.h"
#include "client/pkcs11/session.h"

static CK_RV sign(const struct call *call, const struct input *input, unsigned char *out);
static CK_RV sign_failed(const struct module *module, const struct entry *entry, ks_err err,
                         const struct ks_error *error);
static bool take_signature(enum ks_key_type type, const uint8_t *made, size_t made_len,
                           unsigned char *out, size_t len);

CK_RV
C_SignInit(CK_SESSION_HANDLE handle, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    return rv ? rv
              : operation_begin(&call.session->sign, call.module, mechanism, key, OBJECT_PRIVATE);
}

CK_RV
C_Sign(CK_SESSION_HANDLE handle, unsigned char *data, CK_ULONG data_len, unsigned char *signature,
       CK_ULONG *signature_len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    struct operation *operation;
    struct input input;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    operation = call.session->sign;
    if (!operation)
        return CKR_OPERATION_NOT_INITIALIZED;
    if (operation_in_parts(operation))
        return CKR_OPERATION_ACTIVE;
    if (!signature_len || (!data && data_len > 0))
        rv = CKR_ARGUMENTS_BAD;
    else if (!answer_room(signature, operation_signature_len(operation), signature_len, &rv))
        return rv;
    if (!rv)
        rv = operation_input_once(operation, &call.module->hashes, data, data_len, &input);
    if (!rv)
        rv = sign(&call, &input, signature);
    call.session->sign = operation_free(operation);
    return rv;
}

CK_RV
C_SignUpdate(CK_SESSION_HANDLE handle, unsigned char *part, CK_ULONG part_len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    return rv ? rv : operation_update(&call.session->sign, &call.module->hashes, part, part_len);
}

CK_RV
C_SignFinal(CK_SESSION_HANDLE handle, unsigned char *signature, CK_ULONG *signature_len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    struct operation *operation;
    struct input input;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    operation = call.session->sign;
    if (!operation)
        return CKR_OPERATION_NOT_INITIALIZED;
    if (!signature_len)
        rv = CKR_ARGUMENTS_BAD;
    else if (!answer_room(signature, operation_signature_len(operation), signature_len, &rv))
        return rv;
    if (!rv)
        rv = operation_input(operation, &input);
    if (!rv)
        rv = sign(&call, &input, signature);
    call.session->sign = operation_free(operation);
    return rv;
}

static CK_RV
sign(const struct call *call, const struct input *input, unsigned char *out)
{
    const struct operation *operation = call->session->sign;
    const struct entry *entry = operation_entry(operation);
    size_t need = operation_signature_len(operation), made_len = 0;
    uint8_t made[KS_SIGNATURE_MAX_LEN];
    char label[KEYNAME_LABEL_MAX + 1];
    struct ks_error error;
    struct ks_key key;
    ks_err err;

    entry_key(entry, &key);
    err = ks_sign(call->module->client, &key, input->algorithm, input->prehashed, input->data,
                  input->len, made, &made_len, NULL, &error);
    if (err)
        return sign_failed(call->module, entry, err, &error);
    if (take_signature(entry->type, made, made_len, out, need))
        return CKR_OK;
    entry_label(entry, label);
    report_text("%s: keysvcd answered with %zu bytes that are no signature by such a key; "
                "see its log, and the profile of the token",
                label, made_len);
    return CKR_DEVICE_ERROR;
}

static CK_RV
sign_failed(const struct module *module, const struct entry *entry, ks_err err,
            const struct ks_error *error)
{
    char label[KEYNAME_LABEL_MAX + 1];

    if (err == KS_ERR_KEY_CHANGED || err == KS_ERR_NO_KEY)
        directory_spoil(module->directory);
    entry_label(entry, label);
    return report(label, err, error);
}

/* From 1 to below the order, which has the curve's bits; BN_bn2binpad takes no sign. */
static bool
in_range(const BIGNUM *number, CK_ULONG bits)
{
    return !BN_is_zero(number) && !BN_is_negative(number) && (CK_ULONG)BN_num_bits(number) <= bits;
}

/* DER to r and s, each of half the length. */
static bool
to_pair(const uint8_t *der, size_t der_len, CK_ULONG bits, unsigned char *out, size_t len)
{
    const unsigned char *at = der;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
    int half = (int)(len / 2);
    bool good = pair && at == der + der_len && in_range(ECDSA_SIG_get0_r(pair), bits) &&
                in_range(ECDSA_SIG_get0_s(pair), bits) &&
                BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, half) == half &&
                BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + half, half) == half;

    ECDSA_SIG_free(pair);
    return good;
}

static bool
take_signature(enum ks_key_type type, const uint8_t *made, size_t made_len, unsigned char *out,
               size_t len)
{
    if (key_info_pkcs11_type(type) == CKK_EC)
        return to_pair(made, made_len, key_info_bits(type), out, len);
    if (made_len != len)
        return false;
    memcpy(out, made, len);
    return true;
}
