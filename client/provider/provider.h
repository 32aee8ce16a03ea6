/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provider - what all of keysvc.so's operations share: one context for each loaded provider
 *
 * OpenSSL calls OSSL_provider_init once for each library context that names the provider, and then
 * the functions of the tables below, from any thread. The context does not change after that. Its
 * client makes one connection at the first signature, and another one in each process that was
 * forked from it.
 */
#pragma once

#include <sys/types.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/types.h>

#include "client/lib/keysvc.h"
#include "client/provider/options.h"

#define PROVIDER_NAME "keysvc"
#define PROVIDER_PROPERTIES "provider=" PROVIDER_NAME

/* The names as the default provider has them, or programs would not find the two alike. */
#define NAMES_EC "EC:id-ecPublicKey:1.2.840.10045.2.1"
#define NAMES_ED25519 "ED25519:1.3.101.112"
#define NAMES_RSA "RSA:rsaEncryption:1.2.840.113549.1.1.1"

struct provider {
    const OSSL_CORE_HANDLE *core;
    /* For our own use of libcrypto: the default provider and nothing else, so never ourselves. */
    OSSL_LIB_CTX *libctx;
    /* All that signing needs of it, fetched once: libcrypto's locks do not survive a fork() while
     * another thread holds them, and a fetch takes some. */
    EVP_MD *hashes[KS_HASH_COUNT];
    struct ks_client *client;
    struct options options;
    /* What standard error was when the provider was loaded; inode 0: nothing. */
    dev_t stderr_device;
    ino_t stderr_inode;
    OSSL_FUNC_core_new_error_fn *new_error;
    OSSL_FUNC_core_set_error_debug_fn *set_error_debug;
    OSSL_FUNC_core_vset_error_fn *vset_error;
};

/* OSSL_DISPATCH wants one type for all functions; the casts are the interface's own. */
#define DISPATCH(number, function)                                                                 \
    {                                                                                              \
        (number), (void (*)(void))(function)                                                       \
    }
#define DISPATCH_END                                                                               \
    {                                                                                              \
        0, NULL                                                                                    \
    }

extern const OSSL_ALGORITHM PROVIDER_KEYMGMT[];
extern const OSSL_ALGORITHM PROVIDER_SIGNATURES[];
extern const OSSL_ALGORITHM PROVIDER_DECODERS[];
extern const OSSL_ALGORITHM PROVIDER_STORES[];
