/* SPDX-License-Identifier: Apache-2.0 */
/*
 * software_key - an OpenSSL key that answers as a token would: attributes and C_Sign's raw bytes
 */
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "token/signature.h"
#include "token/spki.h"

EVP_PKEY *software_key_new(enum ks_key_type type);

/* As spki_from_ec() and spki_from_rsa() make it from what a token shows. */
struct spki software_key_spki(enum ks_key_type type, EVP_PKEY *key);

/* The key's own bytes: an EC point, an Ed25519 key, a modulus. */
size_t software_key_public(EVP_PKEY *key, const char *parameter, uint8_t *out, size_t cap);

/* CKM_ECDSA, CKM_RSA_PKCS, CKM_RSA_PKCS_PSS or CKM_EDDSA over what was prepared. */
size_t software_key_sign(EVP_PKEY *key, enum ks_algorithm algorithm,
                         const struct signature_input *input,
                         uint8_t out[static KS_SIGNATURE_MAX_LEN]);
