/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certview - how certificates are shown: PEM, DER, and as objects
 */
#pragma once

#include "client/cli/output.h"

/* {subject, issuer, not_before, not_after, sha256, pem}; a certificate that cannot be read has only
 * the last two. NULL: no memory. */
json_t *certview_json(const struct ks_blob *certificate);

/* The chain as the result of a command, with --json as a list of objects; `as_der`: the first
 * certificate only. Returns the exit code. */
int certview_result(struct cli *cli, const struct ks_key *key, const struct ks_chain *chain,
                    bool as_der);

/* For ks_auto. */
void certview_chain_freep(struct ks_chain **chain);
