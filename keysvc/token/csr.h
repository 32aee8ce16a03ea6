/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csr - a PKCS#10 request built here from checked fields, signed by one call to the token
 *
 * Subject and extensions are certparts.h's; they are requested as extensionRequest. The common name
 * is checked like an alternative name and not added to the alternatives by itself. A challenge
 * password becomes the PKCS#9 attribute, in clear: it is for the authority that revokes by it.
 *
 * The body is encoded first (i2d_re_X509_REQ_tbs), its bytes are signed, the signature is put
 * beside it: nothing here needs an EVP_PKEY that signs, so no provider of our own.
 */
#pragma once

#include "ipc/config.h"
#include "ipc/job.h"
#include "token/signature.h"
#include "token/spki.h"

/* Signs `data` (the whole message) and gives the wire's form of the signature. */
typedef ks_err (*csr_sign_fn)(void *context, const uint8_t *data, size_t len,
                              uint8_t out[static KS_SIGNATURE_MAX_LEN], size_t *out_len,
                              struct fault *why);

/*
 * Field lengths (RFC 5280's and RFC 2985's upper bounds, in characters), UTF-8 without control
 * characters, at least one name, and every name against the class. BAD_REQUEST; NAME_NOT_ALLOWED: the class does
 * not allow it, or allows none; PURPOSE: keys of this purpose get no certificates.
 */
ks_err csr_check(const struct job_csr *job, const struct config_class *class,
                 struct fault *why) KS_MUST_CHECK;

/*
 * Checks as csr_check() does, builds, signs. *der is OPENSSL_malloc'ed: OPENSSL_free. The algorithm
 * fits the key and is not DEFAULT. What `sign` returns is passed on. TOO_LARGE: above JOB_MAX_CSR.
 */
ks_err csr_build(const struct job_csr *job, const struct config_class *class,
                 const struct spki *spki, enum ks_algorithm algorithm, csr_sign_fn sign,
                 void *context, uint8_t **der, size_t *der_len, struct fault *why) KS_MUST_CHECK;
