/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crypto - the words for key types, purposes, hashes and signature algorithms
 *
 * The numbers are the wire's and never change; 0 means "not said". This header is installed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum ks_key_type {
    KS_KEY_TYPE_ANY = 0, /* as the key's class says */
    KS_KEY_TYPE_EC_P256 = 1,
    KS_KEY_TYPE_EC_P384 = 2,
    KS_KEY_TYPE_EC_P521 = 3,
    KS_KEY_TYPE_ED25519 = 4,
    KS_KEY_TYPE_RSA_2048 = 5,
    KS_KEY_TYPE_RSA_3072 = 6,
    KS_KEY_TYPE_RSA_4096 = 7,
    KS_KEY_TYPE_COUNT,
};

enum ks_purpose {
    KS_PURPOSE_NONE = 0, /* a key in no class: visible to administrators, used by nobody */
    KS_PURPOSE_TLS_SERVER = 1,
    KS_PURPOSE_TLS_CLIENT = 2,
    KS_PURPOSE_TLS = 3,
    KS_PURPOSE_SIGN = 4,
    KS_PURPOSE_AUDIT = 5, /* the audit's own checkpoints and nothing else */
    KS_PURPOSE_COUNT,
};

enum ks_hash {
    KS_HASH_NONE = 0,
    KS_HASH_SHA256 = 1,
    KS_HASH_SHA384 = 2,
    KS_HASH_SHA512 = 3,
    KS_HASH_COUNT,
};

/* ECDSA signatures are DER Ecdsa-Sig-Value (RFC 3279); PSS has MGF1 with the same hash and a salt
 * of the hash's length. */
enum ks_algorithm {
    KS_ALGORITHM_DEFAULT = 0, /* by the key: ECDSA with the hash of the curve's size, RSA PKCS#1
                                 with SHA-256, Ed25519 */
    KS_ALGORITHM_ECDSA_SHA256 = 1,
    KS_ALGORITHM_ECDSA_SHA384 = 2,
    KS_ALGORITHM_ECDSA_SHA512 = 3,
    KS_ALGORITHM_RSA_PKCS1_SHA256 = 4,
    KS_ALGORITHM_RSA_PKCS1_SHA384 = 5,
    KS_ALGORITHM_RSA_PKCS1_SHA512 = 6,
    KS_ALGORITHM_RSA_PSS_SHA256 = 7,
    KS_ALGORITHM_RSA_PSS_SHA384 = 8,
    KS_ALGORITHM_RSA_PSS_SHA512 = 9,
    KS_ALGORITHM_ED25519 = 10,
    KS_ALGORITHM_COUNT,
};

#define KS_SHA256_LEN 32
#define KS_HASH_MAX_LEN 64
#define KS_SIGNATURE_MAX_LEN 512  /* bytes: RSA-4096 */
#define KS_PUBLIC_KEY_MAX_LEN 640 /* bytes of DER SubjectPublicKeyInfo: RSA-4096 has 550 */

/* These are in libkeysvc.so too. */
#pragma GCC visibility push(default)

/* The names as in keysvcd.conf and on the command line: "ec-p256", "tls-server", "sha256",
 * "ecdsa-sha256"; never NULL. */
const char *ks_key_type_name(enum ks_key_type type);
const char *ks_purpose_name(enum ks_purpose purpose);
const char *ks_hash_name(enum ks_hash hash);
const char *ks_algorithm_name(enum ks_algorithm algorithm);

/* The value with that name, or the enum's COUNT. */
enum ks_key_type ks_key_type_from_name(const char *name);
enum ks_purpose ks_purpose_from_name(const char *name);
enum ks_hash ks_hash_from_name(const char *name);
enum ks_algorithm ks_algorithm_from_name(const char *name);

/* Bytes; 0 for NONE. */
size_t ks_hash_len(enum ks_hash hash);

/* The hash inside an algorithm; NONE for Ed25519 and for DEFAULT. */
enum ks_hash ks_algorithm_hash(enum ks_algorithm algorithm);

/* DEFAULT becomes the type's own; what does not fit the type gives COUNT. */
enum ks_algorithm ks_algorithm_for(enum ks_key_type type, enum ks_algorithm algorithm);

#pragma GCC visibility pop
