/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purpose_tls - TLS 1.3 CertificateVerify, TLS 1.2 ServerKeyExchange, and what is ASN.1 instead
 *
 * In a ServerKeyExchange 64 bytes are chosen by the two peers, and whoever asks for the signature
 * can claim any. So bytes that pass the strictest parse of it can be the body of a certificate
 * request as well, with the ServerECDHParams inside of a name or a key. Hence the test for ASN.1,
 * which must never call something no ASN.1 that another parser reads as such. A handshake with
 * honest random bytes looks like ASN.1 about twice in a million times and is then refused.
 */
#include "token/purpose_tls.h"

#include <openssl/obj_mac.h>

#include "token/spki.h"

#define TLS13_PADDING_LEN 64
#define TLS12_RANDOMS_LEN 64 /* the client's and the server's */

/* In purpose_tls_resembles_der: PKCS#10, TBSCertificate, CRL and OCSP bodies have three or more. */
#define DER_ELEMENTS_ENOUGH 3

#define ASN1_SEQUENCE 0x10
#define ASN1_SET 0x11         /* the signed attributes of CMS */
#define ASN1_CONSTRUCTED 0x20 /* must be set; libcrypto does not look at it in a SEQUENCE OF */

enum { CURVE_TYPE_NAMED = 3 };

struct bytes {
    const uint8_t *at;
    size_t left;
};

enum element { ELEMENT_NONE, ELEMENT_DEFINITE, ELEMENT_INDEFINITE };

static enum element element_header(struct bytes *in, size_t *content_len);

bool
purpose_tls_resembles_der(const uint8_t *data, size_t len)
{
    struct bytes in = {data, len};
    size_t content_len;
    enum element element;

    if (len == 0 || ((data[0] & ~ASN1_CONSTRUCTED) != ASN1_SEQUENCE &&
                     (data[0] & ~ASN1_CONSTRUCTED) != ASN1_SET))
        return false;
    element = element_header(&in, &content_len);
    if (element == ELEMENT_INDEFINITE)
        return in.left >= 2 && in.at[in.left - 1] == 0 && in.at[in.left - 2] == 0;
    if (element == ELEMENT_NONE || content_len != in.left)
        return false;

    for (int n = 0; n < DER_ELEMENTS_ENOUGH && in.left > 0; n++) {
        element = element_header(&in, &content_len);
        if (element == ELEMENT_INDEFINITE)
            return true;
        if (element == ELEMENT_NONE || content_len > in.left)
            return false;
        in.at += content_len;
        in.left -= content_len;
    }
    return true;
}

/* Tag and length, in any encoding that a BER parser takes; moves to the contents. */
static enum element
element_header(struct bytes *in, size_t *content_len)
{
    const uint8_t *at = in->at, *end = in->at + in->left;
    size_t n_octets, value = 0;

    *content_len = 0;
    if (at == end)
        return ELEMENT_NONE;
    if ((*at++ & 0x1f) == 0x1f) {
        while (at < end && (*at & 0x80))
            at++;
        if (at++ == end)
            return ELEMENT_NONE;
    }
    if (at == end)
        return ELEMENT_NONE;
    if (*at == 0x80) {
        in->left = (size_t)(end - at - 1);
        in->at = at + 1;
        return ELEMENT_INDEFINITE;
    }
    n_octets = *at & 0x80 ? *at & 0x7f : 0;
    value = n_octets ? 0 : *at;
    at++;
    if (n_octets > (size_t)(end - at))
        return ELEMENT_NONE;
    for (; n_octets > 0; n_octets--) {
        if (value > SIZE_MAX >> 8)
            return ELEMENT_NONE;
        value = value << 8 | *at++;
    }
    in->left = (size_t)(end - at);
    in->at = at;
    *content_len = value;
    return ELEMENT_DEFINITE;
}

bool
purpose_tls_resembles_13(const uint8_t *data, size_t len)
{
    if (len < TLS13_PADDING_LEN)
        return false;
    for (size_t i = 0; i < TLS13_PADDING_LEN; i++) {
        if (data[i] != ' ')
            return false;
    }
    return true;
}

const char *
purpose_tls_13(bool server, bool client, enum ks_algorithm algorithm, const uint8_t *data,
               size_t len)
{
    /* Each with its NUL, which is the separator. */
    static const char server_context[] = "TLS 1.3, server CertificateVerify";
    static const char client_context[] = "TLS 1.3, client CertificateVerify";
    const size_t context_len = sizeof(server_context);
    size_t hash_len;

    _Static_assert(sizeof(server_context) == sizeof(client_context), "one length for both");
    if (!purpose_tls_resembles_13(data, len))
        return "the message is no TLS 1.3 CertificateVerify";
    if (len < TLS13_PADDING_LEN + context_len)
        return "the TLS 1.3 CertificateVerify is too short";
    if (memcmp(data + TLS13_PADDING_LEN, server_context, context_len) == 0) {
        if (!server)
            return "the message is the server's CertificateVerify, this key is for clients";
    } else if (memcmp(data + TLS13_PADDING_LEN, client_context, context_len) == 0) {
        if (!client)
            return "the message is a client's CertificateVerify, this key is for servers";
    } else {
        return "the context string is not that of a TLS 1.3 CertificateVerify";
    }
    hash_len = len - TLS13_PADDING_LEN - context_len;
    if (hash_len != ks_hash_len(KS_HASH_SHA256) && hash_len != ks_hash_len(KS_HASH_SHA384))
        return "the transcript hash of a TLS 1.3 CertificateVerify has 32 or 48 bytes";
    if (algorithm == KS_ALGORITHM_RSA_PKCS1_SHA256 || algorithm == KS_ALGORITHM_RSA_PKCS1_SHA384 ||
        algorithm == KS_ALGORITHM_RSA_PKCS1_SHA512)
        return "TLS 1.3 signs with RSA-PSS, not with RSA PKCS#1";
    return NULL;
}

const char *
purpose_tls_12_server(const uint8_t *data, size_t len)
{
    /* clang-format off */
    static const struct { unsigned int id; int nid; size_t point_len; } groups[] = {
        {23, NID_X9_62_prime256v1, 65},
        {24, NID_secp384r1, 97},
        {25, NID_secp521r1, 133},
        {29, NID_undef, 32}, /* x25519: every 32 bytes are a point */
    };
    /* clang-format on */
    const uint8_t *params = data + TLS12_RANDOMS_LEN, *point;
    enum { HEADER_LEN = 4 }; /* curve type, group, length of the point */
    unsigned int group;

    if (len < TLS12_RANDOMS_LEN + HEADER_LEN || params[0] != CURVE_TYPE_NAMED)
        return "the message is neither a TLS 1.3 CertificateVerify nor a TLS 1.2 ServerKeyExchange";
    group = (unsigned int)params[1] << 8 | params[2];
    point = params + HEADER_LEN;
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        if (groups[i].id != group)
            continue;
        if (params[3] != groups[i].point_len ||
            len != TLS12_RANDOMS_LEN + HEADER_LEN + groups[i].point_len)
            return "the point of the TLS 1.2 ServerKeyExchange has the wrong length";
        if (groups[i].nid != NID_undef && !spki_point_on_curve(groups[i].nid, point, params[3]))
            return "the point of the TLS 1.2 ServerKeyExchange is not on its curve";
        return NULL;
    }
    return "the group of the TLS 1.2 ServerKeyExchange is none of secp256r1, secp384r1, secp521r1, "
           "x25519";
}
