/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - what calls about one key share
 */
#pragma once

#include "client/lib/convert.h"

/* One call whose answer is this key (version 0: any of the name); `out` may be NULL. */
ks_err key_call(struct ks_client *client, const struct request *request, const char *name,
                uint32_t version, struct ks_key *out, struct ks_error *error) KS_MUST_CHECK;

/* BAD_REQUEST: not a name. */
ks_err key_check_name(const char *name, struct ks_error *error) KS_MUST_CHECK;

/* BAD_REQUEST: nothing that ks_get() gave: no name, or no version. */
ks_err key_check(const struct ks_key *key, struct ks_error *error) KS_MUST_CHECK;
