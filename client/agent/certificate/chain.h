/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain - certificates in DER, the key's own first: as one run of bytes for the store, and as PEM
 */
#pragma once

#include <openssl/x509.h>

#include "base/buf.h"
#include "base/fault.h"
#include "client/lib/keysvc.h"

#define CHAIN_SUBJECT_MAX 512u

void chain_certificates_freep(struct ks_chain **chain);

/* One behind the other: DER says itself where it ends. */
ks_err chain_join(const struct ks_chain *chain, struct buf *out) KS_MUST_CHECK;
/* INTERNAL: not such bytes, or no memory. ks_chain_free. */
ks_err chain_split(const void *data, size_t len, struct ks_chain **out) KS_MUST_CHECK;
/* From the certificates `first`.. on, for others than the store: no text between them. */
ks_err chain_pem(const struct ks_chain *chain, size_t first, size_t n,
                 struct buf *out) KS_MUST_CHECK;

/* The key's own; NULL: it cannot be parsed. X509_free. */
X509 *chain_leaf(const struct ks_chain *chain);
/* "CN=host.example,O=Example" (RFC 2253), cut to what fits. */
void chain_name_text(const X509_NAME *name, char *out, size_t cap);
/* "2026-11-22T12:00:00Z"; empty: it cannot be read. */
#define CHAIN_TIME_MAX 32
void chain_time_text(const ASN1_TIME *time, char out[static CHAIN_TIME_MAX]);
/* "from 2026-11-22T12:00:00Z to 2027-11-22T12:00:00Z" */
void chain_validity_text(const X509 *certificate, char *out, size_t cap);
/* Lower-case hex of the key's own certificate. */
void chain_sha256(const struct ks_chain *chain, char out[static 2 * KS_SHA256_LEN + 1]);
