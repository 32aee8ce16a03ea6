/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt - keys that another tool made, named by a `key` section of the configuration and found by
 * its URI
 *
 * Version 1 of the section's name is the private key that the URI means (RFC 7512: `object` is
 * CKA_LABEL, `id` is CKA_ID). Its public half is taken from where other tools put it, and only if it
 * can be this key's.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "base/keyname.h"
#include "ipc/config.h"
#include "token/object.h"
#include "token/slot.h"
#include "token/spki.h"

#define ADOPT_ATTRIBUTE_MAX 255 /* bytes of CKA_LABEL or CKA_ID */

struct adopted {
    char label[KEYNAME_LABEL_MAX + 1]; /* NAME@1, as if it were one of ours */
    bool has_object, has_id;           /* one of them at least */
    size_t object_len, id_len;
    uint8_t object[ADOPT_ATTRIBUTE_MAX];
    uint8_t id[ADOPT_ATTRIBUTE_MAX];
};

/* The sections that mean keys of one token. Starts as ADOPT_LIST_INIT. */
struct adopt_list {
    struct adopted *items;
    size_t n_items;
};

#define ADOPT_LIST_INIT                                                                            \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

void adopt_list_deinit(struct adopt_list *list);

/*
 * The sections for `token`, which says `info` of itself: those whose name is in a class of this
 * token or in none, and whose URI does not mean another token. A URI that is none is logged and
 * skipped: it costs its own key only. INTERNAL: no memory.
 */
ks_err adopt_list_make(const struct config *config, const struct config_token *token,
                       const CK_TOKEN_INFO *info, struct adopt_list *out,
                       struct fault *why) KS_MUST_CHECK;

bool adopt_list_same(const struct adopt_list *a, const struct adopt_list *b);

/* NULL: the label is nobody's but ours. */
const struct adopted *adopt_find(const struct adopt_list *list, const char *label);

/* Reads the URI. BAD_REQUEST: it is none, means no private key, or says what is not understood
 * here; *matches: its token attributes fit `info`. Pure. */
ks_err adopt_parse(const char *uri, const CK_TOKEN_INFO *info, struct adopted *out, bool *matches,
                   struct fault *why) KS_MUST_CHECK;

/* All private keys that the URI means; `out` starts empty. */
ks_err adopt_private(struct slot *slot, const struct adopted *adopted, struct object_list *out,
                     struct fault *why) KS_MUST_CHECK;

/* The public half of a foreign private key; out->len 0: the token shows none. */
ks_err adopt_public(struct slot *slot, CK_OBJECT_HANDLE private_key, struct spki *out,
                    struct fault *why) KS_MUST_CHECK;

/* Does the token say that this key can leave it, or can be read? */
ks_err adopt_is_weak(struct slot *slot, CK_OBJECT_HANDLE private_key, bool *weak,
                     struct fault *why) KS_MUST_CHECK;
