/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mechanism - the table of mechanisms, and what their parameters and raw inputs mean to the service
 *
 * The service signs messages, or digests whose hash is named. A mechanism that hashes takes the
 * message; a raw one takes what names its hash by itself: CKM_ECDSA by the length, CKM_RSA_PKCS by
 * a DigestInfo, CKM_RSA_PKCS_PSS by its parameters. All else is refused here.
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include "base/util.h"
#include "client/lib/keysvc.h"

#define MECHANISM_RAW_MAX 83 /* bytes of a raw input: a DigestInfo with SHA-512 */

enum scheme {
    SCHEME_DIGEST,
    SCHEME_ECDSA,
    SCHEME_EDDSA,
    SCHEME_PKCS1,
    SCHEME_PSS,
};

struct mechanism {
    CK_MECHANISM_TYPE type;
    enum scheme scheme;
    enum ks_hash hash; /* NONE: raw, or Ed25519 */
    bool raw;
};

/* A mechanism with its parameters, for one key. */
struct signing {
    const struct mechanism *mechanism;
    enum ks_key_type type;
    enum ks_hash hash; /* NONE: the input names it, or Ed25519 */
};

size_t mechanism_count(void);
const struct mechanism *mechanism_at(size_t i);

/* NULL: none of ours. */
const struct mechanism *mechanism_find(CK_MECHANISM_TYPE type);
void mechanism_info(const struct mechanism *mechanism, CK_MECHANISM_INFO *out);

/* Has a key of that type and purpose something to do with it? CKA_ALLOWED_MECHANISMS. */
bool mechanism_allowed(const struct mechanism *mechanism, enum ks_key_type type,
                       enum ks_purpose purpose);

/* CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID, CKR_KEY_TYPE_INCONSISTENT. */
CK_RV mechanism_read(const CK_MECHANISM *given, enum ks_key_type type,
                     struct signing *out) KS_MUST_CHECK;

/* The digest inside of a raw input. CKR_DATA_LEN_RANGE, CKR_DATA_INVALID. */
CK_RV mechanism_raw(const struct signing *signing, const uint8_t *data, size_t len,
                    enum ks_hash *hash, const uint8_t **digest) KS_MUST_CHECK;

/* COUNT: there is none. */
enum ks_algorithm mechanism_algorithm(const struct signing *signing, enum ks_hash hash);
