/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_csr - requests that wait for their certificate
 */
#pragma once

#include "client/agent/certificate/chain.h"
#include "client/agent/identity/identity.h"
#include "client/agent/store/store.h"

#define STORE_CSR_MAX 16u /* of each identity; the oldest goes */

struct csr_row {
    int64_t id; /* of a row that was listed */
    char key_name[KS_NAME_MAX + 1];
    uint32_t key_version;
    char subject[CHAIN_SUBJECT_MAX];
    char who[AGENT_WHO_MAX];
    int64_t made_us;
};

ks_err store_csr_add(struct store *store, const char *identity, const struct csr_row *row,
                     const void *der, size_t der_len, struct fault *why) KS_MUST_CHECK;
/* The newest first. */
ks_err store_csr_list(struct store *store, const char *identity, struct csr_row out[STORE_CSR_MAX],
                      size_t *n, struct fault *why) KS_MUST_CHECK;
/* The request itself, PKCS#10; free(). NOT_FOUND: it went meanwhile. */
ks_err store_csr_der(struct store *store, int64_t id, uint8_t **der, size_t *len,
                     struct fault *why) KS_MUST_CHECK;
/* A certificate for that key was applied. */
ks_err store_csr_settle(struct store *store, const char *identity, const struct ks_key *key,
                        struct fault *why) KS_MUST_CHECK;
/* Removes those whose key no set has any more. */
ks_err store_csr_prune(struct store *store, const char *identity, struct fault *why) KS_MUST_CHECK;
