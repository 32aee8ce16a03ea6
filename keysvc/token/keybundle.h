/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keybundle - what a key file gives: one private key, and its certificates in order
 *
 * pkcs12.c and pkcs8.c fill it; nothing in it belongs to a context of OpenSSL.
 */
#pragma once

#include "base/buf.h"
#include "ipc/job.h"
#include "token/ossl.h"
#include "token/private_key.h"

struct keybundle {
    struct private_key key;
    struct buf certificates[JOB_MAX_CHAIN]; /* DER: the key's own, its issuer's, ... */
    size_t n_certificates;
    char alias[JOB_MAX_SELECT +
               1]; /* what the file calls the key (friendlyname.h); empty: nothing */
};

#define KEYBUNDLE_INIT                                                                             \
    {                                                                                              \
        .key = PRIVATE_KEY_INIT                                                                    \
    }

/* For ks_auto. */
void keybundle_deinit(struct keybundle *bundle);

/* The chain as certificate_put() takes it; borrowed from the bundle. */
void keybundle_chain(const struct keybundle *bundle, struct job_chain *out);

/*
 * Takes from `certificates`, in whatever order they are, the one for the bundle's key, then its
 * issuer, and so on; those that belong to no chain of the key are left out. Among several for the key
 * the one whose X509_keyid is `key_id` (may be NULL) wins. BAD_REQUEST: one is too large.
 */
ks_err keybundle_order(struct keybundle *bundle, const struct stack_st_X509 *certificates,
                       const ASN1_OCTET_STRING *key_id, struct fault *why) KS_MUST_CHECK;
