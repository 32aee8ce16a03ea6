/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pending - the keys that a certificate of an identity may be for, and what was asked for with each
 */
#pragma once

#include "client/agent/certificate/check.h"
#include "client/agent/identity/identity.h"
#include "client/agent/store/store_csr.h"

#define PENDING_MAX (1 + STORE_CSR_MAX)
#define PENDING_LABEL_LEN (KS_NAME_MAX + 11) /* NAME@VERSION */

/* Starts as {0}. The first is the identity's own key, the others its pending requests, newest first. */
struct pending {
    struct check_key keys[PENDING_MAX]; /* they point into the rest */
    size_t n_keys;
    struct ks_key own;
    char labels[PENDING_MAX][PENDING_LABEL_LEN];
    uint8_t *public_keys[PENDING_MAX]; /* of the requests */
};

/* For ks_auto. */
void pending_deinit(struct pending *pending);

/* The identity's own key: that of the current set, unless it was uploaded; then the newest version of
 * its own. keysvcd's errors. */
ks_err pending_own_key(struct agent *agent, const char *identity,
                       const struct identity_set *current, struct ks_key *out,
                       struct report *report) KS_MUST_CHECK;

/* `out` must not be moved. */
ks_err pending_read(struct agent *agent, const char *identity, const struct identity_set *current,
                    struct pending *out, struct report *report) KS_MUST_CHECK;
