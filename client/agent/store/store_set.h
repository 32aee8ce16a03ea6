/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_set - the table of certificate sets
 */
#pragma once

#include "client/agent/identity/identity.h"
#include "client/agent/store/store.h"

#define STORE_SETS_MAX 3u /* that stay: the current one, the previous, the newest self-signed one */

/* NOT_FOUND. identity_set_deinit. */
ks_err store_set_get(struct store *store, const char *identity, int64_t number,
                     struct identity_set *out, struct fault *why) KS_MUST_CHECK;
ks_err store_set_put(struct store *store, const char *identity, const struct identity_set *set,
                     struct fault *why) KS_MUST_CHECK;
/* The newest self-signed one's; 0: none. */
ks_err store_set_self_signed(struct store *store, const char *identity, int64_t *out,
                             struct fault *why) KS_MUST_CHECK;
/* Removes all but those three. */
ks_err store_set_prune(struct store *store, const char *identity, struct fault *why) KS_MUST_CHECK;
/* Those that are there. */
ks_err store_set_numbers(struct store *store, const char *identity, int64_t out[STORE_SETS_MAX],
                         size_t *n, struct fault *why) KS_MUST_CHECK;
