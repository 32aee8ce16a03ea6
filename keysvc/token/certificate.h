/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate - the certificates beside a key on the token: its own and its issuers'
 *
 * Certificate objects of web/shop@1 carry the label `web/shop@1` (the key's own, with the key's
 * CKA_ID) and `web/shop@1:1`, `web/shop@1:2`, ... (its issuers in order). A new chain is written
 * before the old one is removed. After a crash between the two, or when somebody else put objects
 * there, the own certificate is the one with the key's public key and the newest notBefore, and of
 * equals the one with the highest handle; each issuer is one that signed the certificate before it.
 */
#pragma once

#include "token/worker.h"

/* JOB_CERTIFICATE_PUT, a change (change.h). BAD_REQUEST: not certificates, not of this key, or each not
 * followed by its issuer. OUTCOME_UNKNOWN: broken off, and not to be taken back. */
ks_err certificate_put_run(struct worker *worker, const struct job *job, struct answer *answer,
                           struct fault *why) KS_MUST_CHECK;
/* JOB_CERTIFICATE_GET. NO_KEY: there is none. */
ks_err certificate_get_run(struct worker *worker, const struct job *job, struct answer *answer,
                           struct fault *why) KS_MUST_CHECK;
/* JOB_CERTIFICATE_DELETE, a change. NO_KEY: there is none. */
ks_err certificate_delete_run(struct worker *worker, const struct job *job, struct answer *answer,
                              struct fault *why) KS_MUST_CHECK;

/* Writes the chain beside the key, in place of what was there; no class, no audit. BAD_REQUEST: not
 * certificates, or the first is not for this key; UNSUPPORTED: the token keeps none. */
ks_err certificate_put(struct worker *worker, const struct key *key, const struct job_chain *chain,
                       struct fault *why) KS_MUST_CHECK;

/* Removes all certificates of that label; *n_removed says how many objects there were.
 * OUTCOME_UNKNOWN: some are gone. */
ks_err certificate_remove(struct worker *worker, const char *label, size_t *n_removed,
                          struct fault *why) KS_MUST_CHECK;
