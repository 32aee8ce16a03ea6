/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get - ks_get() on the way to another operation on the same key
 */
#pragma once

#include "client/cli/cli.h"

/* As ks_get(). DENIED: if no rule allows `operation` ("sign") either, the hint says so. */
ks_err get_for(struct ks_client *client, const char *name, const char *operation,
               struct ks_key *key, struct ks_error *error) KS_MUST_CHECK;
