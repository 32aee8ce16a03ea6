/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_history - what was made current when, and by whom; nothing is ever taken out of it
 */
#pragma once

#include "client/agent/certificate/chain.h"
#include "client/agent/identity/identity.h"
#include "client/agent/store/store.h"

struct history_row {
    int64_t at_us;
    char who[AGENT_WHO_MAX];
    char action[32];
    int64_t number;
    enum set_kind kind;
    char key_name[KS_NAME_MAX + 1];
    uint32_t key_version;
    char subject[CHAIN_SUBJECT_MAX];
    char sha256[2 * KS_SHA256_LEN + 1];
};

ks_err store_history_add(struct store *store, const char *identity, const struct history_row *row,
                         struct fault *why) KS_MUST_CHECK;
/* The newest first, at most `max`. *out: free(). */
ks_err store_history_list(struct store *store, const char *identity, size_t max,
                          struct history_row **out, size_t *n, struct fault *why) KS_MUST_CHECK;
/* The highest version of this key that ever served the identity; 0: none. */
ks_err store_history_version(struct store *store, const char *identity, const char *key_name,
                             uint32_t *out, struct fault *why) KS_MUST_CHECK;
