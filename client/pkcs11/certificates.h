/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificates - the certificates beside one key, each of which is kept once for all keys
 */
#pragma once

#include "client/pkcs11/certificate.h"

#define CERTIFICATES_MAX_BYTES (64u * 1024 * 1024) /* of all keys: some 30,000 */

struct certificate_pool;

/* The key's own first, then its issuer, and so on; shared by counting, under the module's lock. */
struct certificates {
    unsigned int n_users;
    struct certificate_pool *pool;
    size_t n;
    struct certificate *at[KS_CHAIN_MAX];
};

struct certificate_pool *certificate_pool_new(void);

/* Nothing that came from it may be in use. Takes NULL; returns NULL. */
struct certificate_pool *certificate_pool_free(struct certificate_pool *pool);

/* From a chain as the service has it, NULL for none; what is no certificate ends it. It has one user.
 * CKR_DEVICE_MEMORY: with these all would be more than CERTIFICATES_MAX_BYTES. */
CK_RV certificates_new(struct certificate_pool *pool, const struct hashes *hashes,
                       const struct ks_chain *chain, struct certificates **out) KS_MUST_CHECK;

/* With the lock held: one user less; NULL does nothing. */
void certificates_put_locked(struct certificates *certificates);

/* Without it; for ks_auto. */
void certificates_putp(struct certificates **certificates);
