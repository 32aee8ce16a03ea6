/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certchain - certificates that came from outside: are they such, for this key, and in order?
 *
 * Nothing is asked of a token here. Who signed what is verified; whether anybody trusts it, dates
 * and names are for those who are shown the chain.
 */
#pragma once

#include "ipc/job.h"
#include "token/ossl.h"

#define CERTCHAIN_MAX_LEN (960 * 1024) /* bytes of all certificates: one frame holds them */

struct certchain {
    X509 *items[JOB_MAX_CHAIN];
    size_t n_items;
};

#define CERTCHAIN_INIT                                                                             \
    {                                                                                              \
        {NULL}, 0                                                                                  \
    }

/* For ks_auto. */
void certchain_deinit(struct certchain *chain);

/* Exactly one certificate in DER, nothing behind it; X509_free. NULL: it is none. */
X509 *certchain_certificate(const uint8_t *data, size_t len);

/*
 * All of them, the key's own first, each of the others the issuer of the one before it; the last
 * may be a root. `key` is the public key it is for, `label` its name in `why`. BAD_REQUEST: not a
 * certificate, not of this key, or out of order (the position is said); TOO_LARGE.
 */
ks_err certchain_take(const struct job_chain *data, EVP_PKEY *key, const char *label,
                      struct certchain *out, struct fault *why) KS_MUST_CHECK;

/* Is it for this public key? */
bool certchain_is_for(const X509 *certificate, EVP_PKEY *key);

/* Did `issuer` issue it? By name and by signature; true for a root and itself. */
bool certchain_issued(X509 *issuer, X509 *certificate);
