/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_parts - the single checks, for check.c only; each adds itself to the report
 */
#pragma once

#include "client/agent/certificate/altname.h"
#include "client/agent/certificate/check.h"

#define CHECK_SUBJECT_LEN 128u /* bytes of a name in a text of several */
#define CHECK_STRENGTH_BITS 112
#define CHECK_STRENGTH_LEVEL 2 /* libcrypto's word for these bits */

/* What libcrypto's verification said, sorted by check; "": nothing. */
struct check_chain {
    char issuer[400], validity[200], usage[200], names[200], strength[200];
    STACK_OF(X509) * chain; /* as far as it was built, the certificate first; owned */
};

/* check_chain.c: asks libcrypto; INTERNAL: no memory. */
ks_err check_chain_build(X509 *leaf, STACK_OF(X509) * others, STACK_OF(X509) * cas, int64_t now_s,
                         struct check_chain *out) KS_MUST_CHECK;
void check_chain_deinit(struct check_chain *chain);
/* "CN=shop.example" */
void check_subject(const X509 *certificate, char out[static CHECK_SUBJECT_LEN]);

/* check_leaf.c: what the certificate itself says. */
void check_key(X509 *leaf, const struct check_wanted *wanted, struct report *report);
void check_validity(const X509 *leaf, const struct check_chain *chain, int64_t now_s,
                    struct report *report);
void check_usage(X509 *leaf, const struct check_chain *chain, struct report *report);
void check_leaf(X509 *leaf, struct report *report);
void check_strength(X509 *leaf, const struct check_chain *chain, struct report *report);
/* Is this its public key? */
bool check_key_fits(X509 *leaf, const struct check_key *key);

/* check_names.c; `key`: the place of the request that fits best among those with the certificate's
 * key, set if there is one. INTERNAL: no memory. */
ks_err check_names(X509 *leaf, const struct check_wanted *wanted, const struct check_chain *chain,
                   size_t *key, struct report *report) KS_MUST_CHECK;
