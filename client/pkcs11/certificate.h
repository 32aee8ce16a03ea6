/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate - the certificates beside one key, with the fields PKCS#11 has attributes for
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include <openssl/types.h>

#include "client/pkcs11/key_info.h"

struct certificate {
    struct ks_blob der;
    struct ks_blob subject, issuer, serial, public_key; /* DER */
    CK_DATE begins, ends;
    uint8_t sha256[KS_SHA256_LEN];
    uint8_t check_value[3]; /* CKA_CHECK_VALUE: of the SHA-1 */
    uint8_t id[KEY_ID_LEN]; /* of its public key */
};

/* The key's own first, then its issuer, and so on; shared by counting, under the module's lock. */
struct certificates {
    unsigned int n_users;
    size_t n;
    struct certificate *at[KS_CHAIN_MAX];
};

/* From a chain as the service has it, NULL for none; what is no certificate ends it. NULL: no
 * memory. Has one user. */
struct certificates *certificates_new(OSSL_LIB_CTX *libcrypto, const struct ks_chain *chain);

/* With the lock held: one user less; NULL does nothing. */
void certificates_put_locked(struct certificates *certificates);

/* Without it; for ks_auto. */
void certificates_putp(struct certificates **certificates);
