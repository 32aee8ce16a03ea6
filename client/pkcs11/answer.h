/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer - how PKCS#11's functions answer: texts of fixed length, and lengths that are asked for
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include "base/util.h"

/* Blanks behind, no NUL. */
static inline void
answer_text(unsigned char *out, size_t len, const char *text)
{
    size_t text_len = strnlen(text, len);

    memset(out, ' ', len);
    memcpy(out, text, text_len);
}

/* Is there room for `need`? *len gets that in any case. False: the length is the whole answer, as
 * nobody wants more (`out` NULL) or too little was brought. */
static inline bool
answer_room(const void *out, CK_ULONG need, CK_ULONG *len, CK_RV *rv)
{
    bool enough = *len >= need;

    *len = need;
    *rv = out && !enough ? CKR_BUFFER_TOO_SMALL : CKR_OK;
    return out && enough;
}
