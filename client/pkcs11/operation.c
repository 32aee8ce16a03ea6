/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operation - buffers, and the digest that follows a buffer
 */
#include "client/pkcs11/operation.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

struct operation {
    struct signing signing;
    struct entry *entry;
    struct buf message;
    EVP_MD_CTX *running; /* the message no longer fits; NULL: it does */
    uint8_t digest[KS_HASH_MAX_LEN];
    bool in_parts;
};

static CK_RV operation_new(const struct object *object, const CK_MECHANISM *mechanism,
                           struct operation **out);
static CK_RV add(struct operation *operation, const struct hashes *hashes, const uint8_t *part,
                 size_t len);
static CK_RV make_input(const struct operation *operation, const uint8_t *data, size_t len,
                        struct input *out);
static CK_RV start_digest(struct operation *operation, const struct hashes *hashes);

CK_RV
operation_begin(struct operation **place, struct module *module, const CK_MECHANISM *mechanism,
                CK_OBJECT_HANDLE key, enum object_kind kind)
{
    ks_auto(object_deinit) struct object object = OBJECT_INIT;
    CK_RV rv;

    if (!mechanism)
        return CKR_ARGUMENTS_BAD;
    if (*place)
        return CKR_OPERATION_ACTIVE;
    rv = object_open(module, key, &object);
    if (rv)
        return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_KEY_HANDLE_INVALID : rv;
    if (object.kind != kind)
        return CKR_KEY_TYPE_INCONSISTENT;
    return operation_new(&object, mechanism, place);
}

static CK_RV
operation_new(const struct object *object, const CK_MECHANISM *mechanism, struct operation **out)
{
    struct operation *operation;
    struct signing signing;
    CK_RV rv;

    rv = mechanism_read(mechanism, object->entry->type, &signing);
    if (rv)
        return rv;
    operation = calloc(1, sizeof(*operation));
    if (!operation)
        return CKR_HOST_MEMORY;
    operation->signing = signing;
    operation->message.max = signing.mechanism->raw ? MECHANISM_RAW_MAX : KS_SIGN_MAX_LEN;
    /* Until it is ready to be used by others, nobody counts but us. */
    module_lock();
    operation->entry = object->entry;
    operation->entry->n_users++;
    module_unlock();
    *out = operation;
    return CKR_OK;
}

static void
wipe_message(struct operation *operation)
{
    if (operation->message.data)
        OPENSSL_cleanse(operation->message.data, operation->message.len);
    buf_deinit(&operation->message);
}

struct operation *
operation_free(struct operation *operation)
{
    if (!operation)
        return NULL;
    wipe_message(operation);
    EVP_MD_CTX_free(operation->running);
    entry_put(operation->entry);
    free(operation);
    return NULL;
}

struct entry *
operation_entry(const struct operation *operation)
{
    return operation->entry;
}

size_t
operation_signature_len(const struct operation *operation)
{
    return key_info_signature_len(operation->signing.type);
}

bool
operation_in_parts(const struct operation *operation)
{
    return operation->in_parts;
}

CK_RV
operation_update(struct operation **place, const struct hashes *hashes, const uint8_t *part,
                 size_t len)
{
    CK_RV rv = CKR_ARGUMENTS_BAD;

    if (!*place)
        return CKR_OPERATION_NOT_INITIALIZED;
    (*place)->in_parts = true;
    if (part || len == 0)
        rv = add(*place, hashes, part, len);
    if (rv)
        *place = operation_free(*place);
    return rv;
}

static CK_RV
add(struct operation *operation, const struct hashes *hashes, const uint8_t *part, size_t len)
{
    CK_RV rv = CKR_OK;

    if (!operation->running && len <= operation->message.max - operation->message.len) {
        buf_append(&operation->message, part, len);
        return operation->message.failed ? CKR_HOST_MEMORY : CKR_OK;
    }
    if (!operation->running)
        rv = start_digest(operation, hashes);
    if (!rv && EVP_DigestUpdate(operation->running, part, len) <= 0)
        rv = CKR_GENERAL_ERROR;
    return rv;
}

/* From here on the message is only its digest. */
static CK_RV
start_digest(struct operation *operation, const struct hashes *hashes)
{
    const EVP_MD *method = hashes->by_hash[operation->signing.hash];
    bool good;

    if (operation->signing.mechanism->raw || operation->signing.hash == KS_HASH_NONE)
        return CKR_DATA_LEN_RANGE;
    operation->running = EVP_MD_CTX_new();
    good =
        operation->running && EVP_DigestInit_ex2(operation->running, method, NULL) > 0 &&
        EVP_DigestUpdate(operation->running, operation->message.data, operation->message.len) > 0;
    wipe_message(operation);
    return good ? CKR_OK : CKR_GENERAL_ERROR;
}

CK_RV
operation_input(struct operation *operation, struct input *out)
{
    unsigned int len = 0;

    if (!operation->running)
        return make_input(operation, operation->message.data, operation->message.len, out);
    if (EVP_DigestFinal_ex(operation->running, operation->digest, &len) <= 0)
        return CKR_GENERAL_ERROR;
    out->algorithm = mechanism_algorithm(&operation->signing, operation->signing.hash);
    out->prehashed = operation->signing.hash;
    out->data = operation->digest;
    out->len = len;
    return CKR_OK;
}

CK_RV
operation_input_once(struct operation *operation, const struct hashes *hashes, const uint8_t *data,
                     size_t len, struct input *out)
{
    CK_RV rv;

    if (len <= operation->message.max)
        return make_input(operation, data, len, out);
    rv = add(operation, hashes, data, len);
    return rv ? rv : operation_input(operation, out);
}

static CK_RV
make_input(const struct operation *operation, const uint8_t *data, size_t len, struct input *out)
{
    enum ks_hash hash = operation->signing.hash;
    CK_RV rv;

    out->prehashed = KS_HASH_NONE;
    out->data = len > 0 ? data : (const uint8_t *)"";
    out->len = len;
    if (operation->signing.mechanism->raw) {
        rv = mechanism_raw(&operation->signing, out->data, len, &hash, &out->data);
        if (rv)
            return rv;
        out->prehashed = hash;
        out->len = ks_hash_len(hash);
    }
    out->algorithm = mechanism_algorithm(&operation->signing, hash);
    return CKR_OK;
}
