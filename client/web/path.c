/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path - splitting, decoding, and what no path holds
 */
#include "client/web/path.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define DELETE_CHARACTER 0x7f
#define UTF8_CONTINUES(byte) (((byte)&0xc0) == 0x80)

static char *path_begin(char *target);
static bool plain(const char *text);
static bool decode(char *text);
static int hex_digit(char c);
static bool dotted(const char *path);
static bool utf8(const char *text);

bool
path_parse(char *target, const char **path, const char **query)
{
    char *begin, *mark;

    if (!plain(target))
        return false;
    begin = path_begin(target);
    if (!begin)
        return false;
    mark = strchr(begin, '?');
    *query = "";
    if (mark) {
        *mark = '\0';
        *query = mark + 1;
    }
    *path = begin;
    return decode(begin) && !dotted(begin) && utf8(begin);
}

/* Printable ASCII; a fragment never reaches a server. */
static bool
plain(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text >= DELETE_CHARACTER || *text == '#')
            return false;
    return true;
}

/* Where the path begins. NULL: "*", "host:port", another scheme. */
static char *
path_begin(char *target)
{
    static const char *const SCHEMES[] = {"https://", "http://"};

    if (target[0] == '/')
        return target;
    for (size_t i = 0; i < sizeof(SCHEMES) / sizeof(SCHEMES[0]); i++)
        if (strncasecmp(target, SCHEMES[i], strlen(SCHEMES[i])) == 0)
            return strchr(target + strlen(SCHEMES[i]), '/');
    return NULL;
}

static bool
decode(char *text)
{
    char *out = text;

    for (; *text != '\0'; text++) {
        int high, low, byte;

        if (*text != '%') {
            *out++ = *text;
            continue;
        }
        high = hex_digit(text[1]);
        low = high < 0 ? -1 : hex_digit(text[2]);
        if (low < 0)
            return false;
        byte = high << 4 | low;
        if (byte < ' ' || byte == DELETE_CHARACTER || byte == '/')
            return false;
        *out++ = (char)byte;
        text += 2;
    }
    *out = '\0';
    return true;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool
dotted(const char *path)
{
    while (path) {
        const char *word = path + 1;

        path = strchr(word, '/');
        if (strncmp(word, "./", 2) == 0 || strncmp(word, "../", 3) == 0 || strcmp(word, ".") == 0 ||
            strcmp(word, "..") == 0)
            return true;
    }
    return false;
}

/* Shortest forms only, no surrogates, nothing above U+10FFFF. */
static bool
utf8(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;

    while (*at != '\0') {
        size_t more = *at < 0x80 ? 0 : *at >= 0xf0 ? 3 : *at >= 0xe0 ? 2 : 1;

        if ((*at >= 0x80 && *at < 0xc2) || *at > 0xf4)
            return false;
        if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) ||
            (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))
            return false;
        for (at++; more > 0; more--, at++)
            if (!UTF8_CONTINUES(*at))
                return false;
    }
    return true;
}
