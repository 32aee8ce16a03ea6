/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certobject - the certificate objects beside one key: their labels, finding, making, removing
 *
 * Works in the slot's session and recovers nothing. Positions are certificate.h's: 0 is the key's
 * own, 1 its issuer, and so on. Issuers are written before the own one and removed after it, from
 * the last: what a crash leaves is never an own certificate without its chain, nor a gap, which
 * would hide what stands behind it from the search.
 */
#pragma once

#include "ipc/job.h"
#include "token/object.h"
#include "token/ossl.h"

#define CERTOBJECT_LABEL_MAX (KEYNAME_LABEL_MAX + 3) /* ":15" */

/* What carries the labels of one key, by position; several in one place if a replacement broke
 * off, or if somebody else put them there. */
struct certobject_set {
    struct object_list places[JOB_MAX_CHAIN];
};

/* For ks_auto; a zeroed one is fine. */
void certobject_set_deinit(struct certobject_set *set);
size_t certobject_count(const struct certobject_set *set);

/* `set` starts zeroed. */
ks_err certobject_find(struct slot *slot, const char *key_label, struct certobject_set *set,
                       struct fault *why) KS_MUST_CHECK;

/* The objects of one position only. */
ks_err certobject_find_at(struct slot *slot, const char *key_label, size_t position,
                          struct object_list *out, struct fault *why) KS_MUST_CHECK;

/* `id` (SPKI_KEY_ID_LEN bytes) becomes CKA_ID; NULL: none. UNSUPPORTED: the token takes none. */
ks_err certobject_create(struct slot *slot, const char *key_label, size_t position,
                         X509 *certificate, const uint8_t *id, struct fault *why) KS_MUST_CHECK;

/* NULL in *out: the object holds no certificate that could be used. X509_free. */
ks_err certobject_read(struct slot *slot, CK_OBJECT_HANDLE object, X509 **out,
                       struct fault *why) KS_MUST_CHECK;

/* Is each object of `part` in `set`? */
bool certobject_has_all(const struct certobject_set *set, const struct certobject_set *part);

/* Removes all of the set but what is in `keep` (NULL: nothing is kept); adds to *n_removed. */
ks_err certobject_remove(struct slot *slot, const struct certobject_set *set,
                         const struct certobject_set *keep, size_t *n_removed,
                         struct fault *why) KS_MUST_CHECK;
