/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign - signatures by the service
 *
 * How long a signature is follows from the key: who asks for the length, or brings too little room,
 * is answered without one being made, and goes on with the same operation. Every other end ends it.
 */
#include <openssl/ecdsa.h>

#include "client/pkcs11/operation.h"
#include "client/pkcs11/report.h"
#include "client/pkcs11/session.h"

static bool has_room(const struct operation *operation, const unsigned char *out, CK_ULONG *len,
                     CK_RV *rv);
static CK_RV sign(const struct call *call, const struct input *input, unsigned char *out,
                  CK_ULONG *len);
static CK_RV sign_failed(const struct module *module, const struct entry *entry, ks_err err,
                         const struct ks_error *error);
static bool to_pair(const uint8_t *der, size_t der_len, unsigned char *out, size_t len);

CK_RV
C_SignInit(CK_SESSION_HANDLE handle, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    ks_auto(object_deinit) struct object object = OBJECT_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (!rv && !mechanism)
        rv = CKR_ARGUMENTS_BAD;
    if (!rv && call.session->sign)
        rv = CKR_OPERATION_ACTIVE;
    if (!rv)
        rv = object_open(call.module, key, &object);
    if (rv == CKR_OBJECT_HANDLE_INVALID)
        return CKR_KEY_HANDLE_INVALID;
    if (rv)
        return rv;
    if (object.kind != OBJECT_PRIVATE)
        return CKR_KEY_TYPE_INCONSISTENT;
    return operation_new(&object, mechanism, &call.session->sign);
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
    else if (!has_room(operation, signature, signature_len, &rv))
        return rv;
    if (!rv)
        rv = operation_input_once(operation, call.module->libcrypto, data, data_len, &input);
    if (!rv)
        rv = sign(&call, &input, signature, signature_len);
    call.session->sign = operation_free(operation);
    return rv;
}

CK_RV
C_SignUpdate(CK_SESSION_HANDLE handle, unsigned char *part, CK_ULONG part_len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    if (!call.session->sign)
        return CKR_OPERATION_NOT_INITIALIZED;
    rv = CKR_ARGUMENTS_BAD;
    if (part || part_len == 0)
        rv = operation_add(call.session->sign, call.module->libcrypto, part, part_len);
    if (rv)
        call.session->sign = operation_free(call.session->sign);
    return rv;
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
    else if (!has_room(operation, signature, signature_len, &rv))
        return rv;
    if (!rv)
        rv = operation_input(operation, &input);
    if (!rv)
        rv = sign(&call, &input, signature, signature_len);
    call.session->sign = operation_free(operation);
    return rv;
}

/* False: the length is the answer, and the operation stays. */
static bool
has_room(const struct operation *operation, const unsigned char *out, CK_ULONG *len, CK_RV *rv)
{
    size_t need = operation_signature_len(operation);
    bool enough = out && *len >= need;

    *rv = enough || !out ? CKR_OK : CKR_BUFFER_TOO_SMALL;
    if (!enough)
        *len = need;
    return enough;
}

static CK_RV
sign(const struct call *call, const struct input *input, unsigned char *out, CK_ULONG *len)
{
    const struct operation *operation = call->session->sign;
    const struct entry *entry = operation_entry(operation);
    size_t need = operation_signature_len(operation), made_len = 0;
    uint8_t made[KS_SIGNATURE_MAX_LEN];
    struct ks_error error;
    struct ks_key key;
    ks_err err;

    entry_key(entry, &key);
    err = ks_sign(call->module->client, &key, input->algorithm, input->prehashed, input->data,
                  input->len, made, &made_len, NULL, &error);
    if (err)
        return sign_failed(call->module, entry, err, &error);
    if (key_info_pkcs11_type(entry->type) == CKK_EC) {
        if (!to_pair(made, made_len, out, need))
            return CKR_DEVICE_ERROR;
    } else {
        if (made_len != need)
            return CKR_DEVICE_ERROR;
        memcpy(out, made, need);
    }
    *len = need;
    return CKR_OK;
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

/* DER to r and s, each of half the length. */
static bool
to_pair(const uint8_t *der, size_t der_len, unsigned char *out, size_t len)
{
    const unsigned char *at = der;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
    int half = (int)(len / 2);
    bool good = pair && at == der + der_len &&
                BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, half) == half &&
                BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + half, half) == half;

    ECDSA_SIG_free(pair);
    return good;
}
