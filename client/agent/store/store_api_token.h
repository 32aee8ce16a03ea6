/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_api_token - the table of tokens of the REST interface
 */
#pragma once

#include "client/agent/api_token.h"
#include "client/agent/store/store.h"

/* EXISTS: the id is taken. */
ks_err store_api_token_add(struct store *store, const struct api_token *token,
                           struct fault *why) KS_MUST_CHECK;
/* NOT_FOUND */
ks_err store_api_token_get(struct store *store, const char *id, struct api_token *out,
                           struct fault *why) KS_MUST_CHECK;
/* *out: free(). The oldest first. */
ks_err store_api_token_list(struct store *store, struct api_token **out, size_t *n,
                            struct fault *why) KS_MUST_CHECK;
/* NOT_FOUND. Keeps the time of an earlier revocation. */
ks_err store_api_token_revoke(struct store *store, const char *id, int64_t at_us,
                              struct fault *why) KS_MUST_CHECK;
ks_err store_api_token_used(struct store *store, const char *id, int64_t at_us,
                            struct fault *why) KS_MUST_CHECK;
