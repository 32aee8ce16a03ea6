/* SPDX-License-Identifier: Apache-2.0 */
/*
 * destroy - removing one version of a key and what stands beside it
 *
 * A change (change.h). Private key first, then public key, then certificates: what a crash leaves is
 * never a key that can sign without being seen. What it leaves (a public half, certificates) is
 * removed by destroying the version again.
 *
 * The caller says by the public key's hash which key it means; zeros mean whatever stands under the
 * label. Two private keys with one label: AMBIGUOUS_KEY for zeros, because one of the two may be in
 * use somewhere; a hash that fits exactly one of them removes that one and its public half, and
 * leaves certificates alone, which may be the other's.
 *
 * A key adopted by a `key` section is not ours to destroy: BAD_REQUEST.
 */
#pragma once

#include "token/worker.h"

/* JOB_DESTROY. NO_KEY; KEY_CHANGED; AMBIGUOUS_KEY; OUTCOME_UNKNOWN: the token failed half-way. */
ks_err destroy_run(struct worker *worker, const struct job *job, struct answer *answer,
                   struct fault *why) KS_MUST_CHECK;
