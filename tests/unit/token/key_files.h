/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_files - key files made by OpenSSL's own functions, for what reads them
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/pkcs12.h>

#include "token/keyfile.h"

/* "EC" (P-256), "EC:P-384", "EC:secp256k1", "RSA:2048", "ED25519", ... */
EVP_PKEY *key_files_key(const char *type);

/* A certificate for `key`, issued by `issuer` with the name `by` (NULL, NULL: by itself). */
X509 *key_files_certificate(EVP_PKEY *key, const char *name, EVP_PKEY *issuer, const char *by);

/* The bytes as they would have come; keyfile_deinit. */
struct keyfile key_files_of(const void *data, size_t len);
struct keyfile key_files_text(const char *text);

struct key_files_p12 {
    const char *password;           /* UTF-8; NULL: none */
    const char *name;               /* friendlyName */
    int pbe;                        /* 0: PBES2; -1: not encrypted */
    int iterations, mac_iterations; /* 0: few; mac -1: no MAC */
};

/* One key with its certificates, as PKCS12_create() arranges them; PKCS12_free. */
PKCS12 *key_files_p12(EVP_PKEY *key, X509 *certificate, STACK_OF(X509) * others,
                      const struct key_files_p12 *how);
struct keyfile key_files_der(PKCS12 *file);

/* The usual: an EC key "shop" with its certificate behind `password`. */
struct keyfile key_files_usual(const char *password);

/* PKCS#8; `password` NULL: not encrypted. */
struct keyfile key_files_p8(EVP_PKEY *key, const char *password, bool pem);
