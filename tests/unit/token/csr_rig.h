/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csr_rig - a request, a class that allows it, and a token that signs it
 */
#pragma once

#include <openssl/x509.h>

#include "token/csr.h"

/* The token: a software key behind prepare, C_Sign and finish, as the handler does it. */
struct token {
    EVP_PKEY *key;
    enum ks_key_type type;
    enum ks_algorithm algorithm;
    ks_err fails;
    int n_calls;
};

extern const struct config_class CSR_CLASS; /* of purpose tls-server */
extern const struct job_csr CSR_JOB;        /* with every field but the challenge */
extern const struct job_csr CSR_EMPTY;

/* A csr_sign_fn on a `struct token`. */
ks_err csr_rig_sign(void *context, const uint8_t *data, size_t len,
                    uint8_t out[static KS_SIGNATURE_MAX_LEN], size_t *out_len, struct fault *why);

struct token csr_rig_token(enum ks_key_type type);

ks_err csr_rig_build(struct token *token, const struct job_csr *job,
                     const struct config_class *class, X509_REQ **out, struct fault *why);

/* And verified. */
X509_REQ *csr_rig_build_p256(const struct job_csr *job, const struct config_class *class);

/* csr_check() for CSR_CLASS. */
ks_err csr_rig_check(const struct job_csr *job);

void *csr_rig_extension(X509_REQ *req, int nid, int *critical);
