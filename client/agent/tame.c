/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tame - UTF-8 as RFC 3629 has it, and what a terminal would obey
 */
#include "client/agent/tame.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character that begins here; 0: it is none, or a control character. */
static size_t
character_len(const unsigned char *text)
{
    size_t len = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

    if (text[0] < 0x20 || text[0] == 0x7f || (text[0] >= 0x80 && text[0] < 0xc2) || text[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    /* Longer than need be, half of a pair of UTF-16, or beyond the last. */
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    /* C1 controls, and the marks that turn the direction of what follows. */
    if (text[0] == 0xc2 && text[1] < 0xa0)
        return 0;
    if (text[0] == 0xe2 && ((text[1] == 0x80 && text[2] >= 0x8b && text[2] <= 0xaf) ||
                            (text[1] == 0x81 && text[2] >= 0xa0 && text[2] <= 0xaf)))
        return 0;
    return len;
}

static void
tame(char *text, bool lines)
{
    size_t len;

    for (char *next = text; *next; next += len) {
        len = lines && *next == '\n' ? 1 : character_len((const unsigned char *)next);
        if (len == 0) {
            *next = '?';
            len = 1;
        }
    }
}

void
tame_text(char *text)
{
    tame(text, false);
}

void
tame_lines(char *text)
{
    tame(text, true);
}
