/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign - one signature with one key of this process's token
 *
 * Called by serve.c with a job that the front has already allowed; decides again what may be
 * signed. Nothing the token returns is believed: lengths are checked, and RSA signatures and each
 * key's first one are verified before they leave (a faulty RSA signature gives the key away).
 */
#pragma once

#include "token/signature.h"
#include "token/worker.h"

/* JOB_SIGN. */
ks_err sign_run(struct worker *worker, const struct job *job, struct answer *answer,
                struct fault *why) KS_MUST_CHECK;

struct sign_result {
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    size_t signature_len;
    uint8_t digest[KS_HASH_MAX_LEN]; /* of what was signed, for the audit */
    size_t digest_len;
};

/*
 * A signature by `key`, for which the caller has decided everything; brings a lost session back
 * once. The algorithm fits the key. KEY_CHANGED: it came back as another key.
 */
ks_err sign_bytes(struct worker *worker, struct key *key, enum ks_algorithm algorithm,
                  enum ks_hash prehashed, const uint8_t *data, size_t len, struct sign_result *out,
                  struct fault *why) KS_MUST_CHECK;

/* The key's own algorithm for DEFAULT; UNSUPPORTED: the key, or the kind of token, cannot do what
 * was asked. */
ks_err sign_algorithm(const struct worker *worker, const struct key *key, enum ks_algorithm wanted,
                      enum ks_algorithm *out, struct fault *why) KS_MUST_CHECK;
