/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pki - keys, certificates and requests for tests, made by libcrypto
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/buf.h"

#define PKI_NOW 1800000000 /* 2027-01-15T08:00:00Z, when all the tests take place */
#define PKI_DAY (24 * 60 * 60)

enum pki_type { PKI_P256, PKI_RSA2048, PKI_ED25519, PKI_RSA1024, PKI_N_TYPES };

/* Made once each, `which` of them may be told apart; not the caller's to free. */
EVP_PKEY *pki_key(enum pki_type type, unsigned int which);

struct pki_certificate {
    const char *subject; /* CN */
    EVP_PKEY *key;
    X509 *issuer;            /* NULL: signed by itself */
    const char *issuer_name; /* NULL: that of `issuer` */
    EVP_PKEY *issuer_key;
    int64_t from_s, to_s;    /* 0: a day before PKI_NOW, 30 days after */
    const char *usage;       /* extended; NULL: none */
    const char *names;       /* as openssl.cnf has them, "DNS:a,IP:1.2.3.4"; NULL: none */
    const char *constraints; /* "critical,CA:TRUE"; NULL: none */
    const char *key_usage;   /* NULL: none */
    const char *permitted;   /* nameConstraints; NULL: none */
    bool sha1;
};

X509 *pki_make(const struct pki_certificate *wanted);

/* X509_REQ_free. `names` may be NULL. */
X509_REQ *pki_request(const char *subject, EVP_PKEY *key, const char *names);

void pki_add_pem(struct buf *out, X509 *certificate);
void pki_add_der(struct buf *out, X509 *certificate);
