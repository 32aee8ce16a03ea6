/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_identity - the table of identities
 */
#pragma once

#include "base/strv.h"
#include "client/agent/identity/identity.h"
#include "client/agent/store/store.h"

struct identity_row {
    char name[IDENTITY_NAME_MAX + 1];
    char key[KS_NAME_MAX + 1]; /* its own, without version; what is uploaded has another */
    int64_t current;
    int64_t previous; /* 0: none */
    int64_t next_number;
    int64_t made_us;
};

/* NOT_FOUND */
ks_err store_identity_get(struct store *store, const char *name, struct identity_row *out,
                          struct fault *why) KS_MUST_CHECK;
/* Adds it, or replaces the row of its name. */
ks_err store_identity_put(struct store *store, const struct identity_row *row,
                          struct fault *why) KS_MUST_CHECK;
/* In the order of their names. */
ks_err store_identity_names(struct store *store, struct strv *out, struct fault *why) KS_MUST_CHECK;
