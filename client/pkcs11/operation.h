/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operation - a message on its way to be signed or verified, in one part or many
 *
 * It is kept whole as long as the service takes it whole (KS_SIGN_MAX_LEN), since a key for TLS
 * signs nothing else; beyond, a digest of it is kept, if the mechanism has a hash.
 */
#pragma once

#include "base/buf.h"
#include "client/pkcs11/mechanism.h"
#include "client/pkcs11/object.h"

struct operation;

/* What is to be signed: a message if `prehashed` is NONE. Lives as long as the operation. */
struct input {
    enum ks_algorithm algorithm;
    enum ks_hash prehashed;
    const uint8_t *data;
    size_t len;
};

/* C_SignInit and C_VerifyInit: a new one in the session's place for it, with a key of that kind.
 * CKR_OPERATION_ACTIVE, CKR_KEY_HANDLE_INVALID, what mechanism_read says, CKR_HOST_MEMORY. */
CK_RV operation_begin(struct operation **place, struct module *module,
                      const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key,
                      enum object_kind kind) KS_MUST_CHECK;

/* C_SignUpdate and C_VerifyUpdate. What fails ends the operation; CKR_DATA_LEN_RANGE: more than
 * fits. */
CK_RV operation_update(struct operation **place, const struct hashes *hashes, const uint8_t *part,
                       size_t len) KS_MUST_CHECK;

/* Takes NULL; returns NULL; wipes what it holds. */
struct operation *operation_free(struct operation *operation);

struct entry *operation_entry(const struct operation *operation);
size_t operation_signature_len(const struct operation *operation);

/* Was there an update? */
bool operation_in_parts(const struct operation *operation);

/* All parts, once. CKR_DATA_INVALID, CKR_DATA_LEN_RANGE. */
CK_RV operation_input(struct operation *operation, struct input *out) KS_MUST_CHECK;

/* The same of a message that is there as a whole, which is not copied. */
CK_RV operation_input_once(struct operation *operation, const struct hashes *hashes,
                           const uint8_t *data, size_t len, struct input *out) KS_MUST_CHECK;
