/* SPDX-License-Identifier: Apache-2.0 */
/*
 * padded - texts as PKCS#11's structures have them: of fixed length, blanks behind, no NUL
 */
#pragma once

#include "base/util.h"

static inline void
padded_text(unsigned char *out, size_t len, const char *text)
{
    size_t text_len = strnlen(text, len);

    memset(out, ' ', len);
    memcpy(out, text, text_len);
}
