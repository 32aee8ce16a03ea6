/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_upload - the table of uploaded certificates
 */
#pragma once

#include "base/strv.h"
#include "client/agent/identity/identity.h"
#include "client/agent/store/store.h"
#include "client/agent/upload/verifier.h"

struct upload {
    char name[IDENTITY_NAME_MAX + 1];
    struct ks_key key; /* with its public half */
    char alias[256];   /* what the file called the key */
    struct ks_chain *chain;
    char verifier[VERIFIER_TEXT_MAX]; /* of the file's password */
    int64_t made_us;
    uint8_t
        source_sha256[KS_SHA256_LEN]; /* of the file and the alias asked for; zeros: not known */
};

/* For ks_auto. */
void upload_deinit(struct upload *upload);

/* NOT_FOUND. upload_deinit. */
ks_err store_upload_get(struct store *store, const char *name, struct upload *out,
                        struct fault *why) KS_MUST_CHECK;
/* Adds it, or replaces the one of its name. */
ks_err store_upload_put(struct store *store, const struct upload *upload,
                        struct fault *why) KS_MUST_CHECK;
ks_err store_upload_delete(struct store *store, const char *name, struct fault *why) KS_MUST_CHECK;
/* In the order of their names. */
ks_err store_upload_names(struct store *store, struct strv *out, struct fault *why) KS_MUST_CHECK;
