/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate - the fields of one certificate that PKCS#11 has attributes for
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include "client/pkcs11/hash.h"
#include "client/pkcs11/key_info.h"

struct certificate {
    /* Of the pool that shares it (certificates.h). */
    struct certificate *next;
    unsigned int n_users;
    size_t size; /* bytes, with all that is in it */

    struct ks_blob der;
    struct ks_blob subject, issuer, serial, public_key; /* DER */
    CK_DATE begins, ends;
    uint8_t sha256[KS_SHA256_LEN];
    uint8_t check_value[3]; /* CKA_CHECK_VALUE: of the SHA-1 */
    uint8_t id[KEY_ID_LEN]; /* of its public key */
};

/* `sha256` of the bytes. NULL: no certificate, or no memory. certificate_free. */
struct certificate *certificate_new(const struct hashes *hashes, const struct ks_blob *der,
                                    const uint8_t sha256[static KS_SHA256_LEN]);
struct certificate *certificate_free(struct certificate *certificate);
