/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certparts - what certificate requests and self-signed certificates are made of
 *
 * Subject in the order C, ST, L, O, OU, CN, emailAddress; UTF8String except C (PrintableString) and
 * emailAddress (IA5String). Extensions: basicConstraints CA:FALSE, keyUsage, extendedKeyUsage by the
 * class's purpose (tls-server: serverAuth, tls-client: clientAuth, tls: both, sign: what `usage`
 * names), subjectAltName. keyUsage is digitalSignature for every purpose and type of key: RSA keys
 * too are never used to decrypt (TLS 1.2's static RSA), so keyEncipherment would be a promise that
 * no token process keeps.
 *
 * The algorithm identifiers are made here, because OpenSSL would only make them while signing with
 * a key of its own. Everything returned is the caller's to free; NULL: no memory, or what `why` says.
 * Trusts its input: csr_check() has seen it.
 */
#pragma once

#include "base/fault.h"
#include "ipc/config.h"
#include "ipc/job.h"
#include "token/ossl.h"

X509_NAME *certparts_subject(const struct job_csr *job);

/* `nameless`: the subject is empty, so the alternative names are critical. A usage of the class
 * that is not known is named in `why`. */
struct stack_st_X509_EXTENSION *certparts_extensions(const struct job_csr *job,
                                                     const struct config_class *class,
                                                     bool nameless, struct fault *why);

/* One more extension; `value` is OpenSSL's form of it and stays the caller's. */
bool certparts_add(struct stack_st_X509_EXTENSION **list, int nid, void *value,
                   bool critical) KS_MUST_CHECK;

/* Not DEFAULT. */
X509_ALGOR *certparts_algorithm(enum ks_algorithm algorithm);

/* The wire's form of a signature as X.509 holds it. */
ASN1_BIT_STRING *certparts_signature(const uint8_t *signature, size_t len);
