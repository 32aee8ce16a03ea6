/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object - finding objects on the token and reading what keys.c needs of them
 *
 * Works in the slot's session; knows no cache. What a token says is bounded and checked here. What it
 * does not say because it fails is no answer: an object that is gone since it was found is
 * TOKEN_UNAVAILABLE, too, with why->rv CKR_OBJECT_HANDLE_INVALID, and another search tells.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/keyname.h"
#include "token/slot.h"
#include "token/spki.h"

#define OBJECT_MAX 1000000u /* handles of one search: a token that lists more is broken */

struct object_list {
    CK_OBJECT_HANDLE *handles;
    size_t n_handles;
};

#define OBJECT_LIST_INIT                                                                           \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

void object_list_deinit(struct object_list *list);

/* All objects of the class, or those with `label` if it is not NULL. `out` starts empty. */
ks_err object_find(struct slot *slot, CK_OBJECT_CLASS class, const char *label,
                   struct object_list *out, struct fault *why) KS_MUST_CHECK;

/* All objects that have these attributes. */
ks_err object_find_by(struct slot *slot, CK_ATTRIBUTE *template, CK_ULONG n_attributes,
                      struct object_list *out, struct fault *why) KS_MUST_CHECK;

/* A new object on the token. UNSUPPORTED: this token does not take it. */
ks_err object_create(struct slot *slot, CK_ATTRIBUTE *template, CK_ULONG n_attributes,
                     CK_OBJECT_HANDLE *out, struct fault *why) KS_MUST_CHECK;

/* An invalid handle is no sign that the object is gone: it may have another one by now. Whoever
 * searches again (worker_try) sees which. */
ks_err object_destroy(struct slot *slot, CK_OBJECT_HANDLE object, struct fault *why) KS_MUST_CHECK;

/* An attribute of at most `max` bytes, appended. NO_KEY: the object does not have it, or has more. */
ks_err object_bytes(struct slot *slot, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, size_t max,
                    struct buf *out, struct fault *why) KS_MUST_CHECK;

/* NO_KEY: it has no label that could be a key's. */
ks_err object_label(struct slot *slot, CK_OBJECT_HANDLE object,
                    char out[static KEYNAME_LABEL_MAX + 1], struct fault *why) KS_MUST_CHECK;

/* From a public key object, or a private one that shows its public half. NO_KEY: it shows none. */
ks_err object_spki(struct slot *slot, CK_OBJECT_HANDLE object, struct spki *out,
                   struct fault *why) KS_MUST_CHECK;

/* A CK_BBOOL attribute; NO_KEY: the object does not have it. */
ks_err object_flag(struct slot *slot, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool *out,
                   struct fault *why) KS_MUST_CHECK;
