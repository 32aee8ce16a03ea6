/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make_certificate - small certificates of a made-up authority, signed with keys in memory
 */
#pragma once

#include <openssl/x509.h>

struct made_certificate {
    const char *subject;  /* common name */
    EVP_PKEY *key;        /* of the subject; the public half is enough */
    const char *issuer;   /* NULL: itself */
    EVP_PKEY *issuer_key; /* EC; signs with SHA-256 */
    int64_t not_before_s; /* from now */
    size_t ballast;       /* bytes of a netscape comment, to make it large */
};

/* X509_free. */
X509 *make_certificate(const struct made_certificate *wanted);

/* A P-256 key; EVP_PKEY_free. */
EVP_PKEY *make_certificate_key(void);
