/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lie - another public key in the place of the one that was read
 *
 * Of a point the negative: it is on the curve too. Of a modulus one with another byte in the middle
 * that no small prime divides: OpenSSL finds nothing wrong with it.
 */
#include "tests/fakes/lie.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define POINT_UNCOMPRESSED 4
#define ED25519_LEN 32
#define ED25519_SIGN 0x80
#define SMALL_PRIMES_END 752 /* those that OpenSSL tries */

/* The primes of the fields, from their highest byte. */
static const uint8_t p256[32] = {
    0xff, 0xff, 0xff, 0xff, 0,    0,    0,    1,    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};
static const uint8_t p384[48] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0,    0,    0,    0,    0xff, 0xff, 0xff, 0xff,
};

static void
negate(uint8_t *y, size_t len)
{
    unsigned borrow = 0;

    for (size_t i = len; i-- > 0;) {
        /* P-521's prime has all its 521 bits set. */
        unsigned prime = len == sizeof(p256)   ? p256[i]
                         : len == sizeof(p384) ? p384[i]
                         : i == 0              ? 1
                                               : 0xff;
        unsigned subtracted = y[i] + borrow;

        borrow = subtracted > prime;
        y[i] = (uint8_t)(prime - subtracted);
    }
}

/* Plain, or in an OCTET STRING; a header of three bytes for P-521 alone. */
static void
other_point(uint8_t *value, size_t len)
{
    size_t header = len == 2 + ED25519_LEN || len == 2 + 65 || len == 2 + 97 ? 2
                    : len == 3 + 133                                         ? 3
                                                                             : 0;

    value += header;
    len -= header;
    if (len == ED25519_LEN)
        value[len - 1] ^= ED25519_SIGN;
    else if (len % 2 == 1 && value[0] == POINT_UNCOMPRESSED)
        negate(value + 1 + len / 2, len / 2);
}

static bool
has_small_factor(const uint8_t *number, size_t len)
{
    for (unsigned divisor = 3; divisor < SMALL_PRIMES_END; divisor += 2) {
        unsigned rest = 0;

        for (size_t i = 0; i < len; i++)
            rest = (rest << 8 | number[i]) % divisor;
        if (rest == 0)
            return true;
    }
    return false;
}

static void
other_modulus(uint8_t *modulus, size_t len)
{
    uint8_t before = modulus[len / 2];

    do {
        modulus[len / 2]++;
    } while (modulus[len / 2] != before && has_small_factor(modulus, len));
}

void
lie_about(CK_ATTRIBUTE *attributes, CK_ULONG n_attributes)
{
    for (CK_ULONG i = 0; i < n_attributes; i++) {
        CK_ATTRIBUTE *attribute = &attributes[i];

        if (!attribute->pValue || attribute->ulValueLen == CK_UNAVAILABLE_INFORMATION ||
            attribute->ulValueLen == 0)
            continue;
        if (attribute->type == CKA_EC_POINT)
            other_point(attribute->pValue, attribute->ulValueLen);
        if (attribute->type == CKA_MODULUS)
            other_modulus(attribute->pValue, attribute->ulValueLen);
    }
}
