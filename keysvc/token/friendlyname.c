/* SPDX-License-Identifier: Apache-2.0 */
/*
 * friendlyname - the attributes of a key's bag, compared and made fit to be shown
 */
#include "token/friendlyname.h"

#include <ctype.h>
#include <string.h>

#include <openssl/asn1.h>

#include "base/hex.h"
#include "base/util.h"

const ASN1_OCTET_STRING *
friendlyname_id(const PKCS12_SAFEBAG *bag)
{
    const ASN1_TYPE *value = PKCS12_SAFEBAG_get0_attr(bag, NID_localKeyID);

    return value && value->type == V_ASN1_OCTET_STRING ? value->value.octet_string : NULL;
}

static bool
is_id(const ASN1_OCTET_STRING *id, const char *select)
{
    const uint8_t *data = id ? ASN1_STRING_get0_data(id) : NULL;
    size_t n = 0, n_digits = id ? (size_t)ASN1_STRING_length(id) * 2 : 0;
    static const char digits[] = "0123456789abcdef";

    for (; *select; select++) {
        if (*select == ':' || *select == ' ')
            continue;
        if (n == n_digits || digits[n % 2 == 0 ? data[n / 2] >> 4 : data[n / 2] & 0x0f] !=
                                 tolower((unsigned char)*select))
            return false;
        n++;
    }
    return n > 0 && n == n_digits;
}

bool
friendlyname_is(PKCS12_SAFEBAG *bag, const char *select, bool any_case)
{
    char *name;
    bool same;

    if (is_id(friendlyname_id(bag), select))
        return true;
    name = PKCS12_get_friendlyname(bag);
    same = name && (any_case ? OPENSSL_strcasecmp(name, select) : strcmp(name, select)) == 0;
    OPENSSL_free(name);
    return same;
}

static bool
is_shown(unsigned long c)
{
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != '"' && c != '\\';
}

static size_t
copy_shown(const char *name, char *out, size_t cap)
{
    const unsigned char *at = (const unsigned char *)name;
    int left = (int)strlen(name);
    size_t len = 0;

    while (left > 0) {
        unsigned long c = 0;
        int n = UTF8_getc(at, left, &c);
        bool shown = n > 0 && is_shown(c);
        size_t room = shown ? (size_t)n : 1;

        if (len + room >= cap)
            break;
        if (shown)
            memcpy(out + len, at, room);
        else
            out[len] = '?';
        len += room;
        at += n > 0 ? n : 1;
        left -= n > 0 ? n : 1;
    }
    out[len] = '\0';
    return len;
}

void
friendlyname_show(PKCS12_SAFEBAG *bag, char *out, size_t cap)
{
    const ASN1_OCTET_STRING *id = friendlyname_id(bag);
    char *name = PKCS12_get_friendlyname(bag);
    size_t len = name ? copy_shown(name, out, cap) : 0;
    size_t fits = (cap - 1) / 2;

    OPENSSL_free(name);
    if (len > 0)
        return;
    out[0] = '\0';
    if (!id)
        return;
    len = (size_t)ASN1_STRING_length(id);
    hex_text(out, ASN1_STRING_get0_data(id), len < fits ? len : fits);
}
