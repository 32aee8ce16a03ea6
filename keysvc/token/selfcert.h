/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selfcert - an X.509 certificate that a key signs for itself
 *
 * Version 3, a random positive serial number of 16 bytes, issuer = subject, valid from now for
 * `days` days (GeneralizedTime from 2050 on). Subject and extensions are certparts.h's, so never a
 * CA's, and the key's identifier as SubjectKeyIdentifier and AuthorityKeyIdentifier. The names are
 * checked as a CSR's are (csr_check).
 *
 * A certificate whose issuer is empty is none (RFC 5280, 4.1.2.4), so the subject must not be: an
 * alternative name is never made into a common name by us.
 */
#pragma once

#include "token/csr.h"

/* csr_check(), and: BAD_REQUEST for an empty subject, a challenge password, days out of range. */
ks_err selfcert_check(const struct job_csr *job, uint32_t days, const struct config_class *class,
                      struct fault *why) KS_MUST_CHECK;

/*
 * Checks, builds, signs; `now_s` is seconds since 1970. *der is OPENSSL_malloc'ed: OPENSSL_free.
 * The algorithm fits the key and is not DEFAULT. What `sign` returns is passed on. TOO_LARGE: above
 * JOB_MAX_CERTIFICATE, said before anything is signed.
 */
ks_err selfcert_build(const struct job_csr *job, uint32_t days, int64_t now_s,
                      const struct config_class *class, const struct spki *spki,
                      enum ks_algorithm algorithm, csr_sign_fn sign, void *context, uint8_t **der,
                      size_t *der_len, struct fault *why) KS_MUST_CHECK;
