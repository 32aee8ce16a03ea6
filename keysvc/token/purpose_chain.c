/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purpose_chain - TLS 1.2 client CertificateVerify: the handshake messages that it signs
 *
 *   ClientHello ServerHello [Certificate] [CertificateStatus] [ServerKeyExchange]
 *   CertificateRequest ServerHelloDone Certificate ClientKeyExchange
 *
 * and nothing after them. Each body is read to its exact end, except the inside of extensions,
 * certificates and key exchanges, which other standards define. So a message is signed only if it
 * reads as a handshake from its first byte to its last.
 */
#include "token/purpose_tls.h"

#define TLS_RANDOM_LEN 32
#define TLS_SESSION_ID_MAX 32
#define TLS_VERSION_12 0x0303

struct span {
    const uint8_t *at;
    size_t left;
};

enum handshake_type {
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    CERTIFICATE = 11,
    SERVER_KEY_EXCHANGE = 12,
    CERTIFICATE_REQUEST = 13,
    SERVER_HELLO_DONE = 14,
    CLIENT_KEY_EXCHANGE = 16,
    CERTIFICATE_STATUS = 22,
};

static bool client_hello(struct span body);
static bool server_hello(struct span body);
static bool certificate(struct span body);
static bool certificate_status(struct span body);
static bool server_key_exchange(struct span body);
static bool certificate_request(struct span body);
static bool server_hello_done(struct span body);
static bool client_key_exchange(struct span body);

/* clang-format off */
static const struct {
    enum handshake_type type;
    bool optional;
    bool (*body)(struct span body);
    const char *refusal;
} MESSAGES[] = {
    {CLIENT_HELLO, false, client_hello,
     "the message is neither a TLS 1.3 CertificateVerify nor a TLS 1.2 handshake"},
    {SERVER_HELLO, false, server_hello,
     "no sound ServerHello in the TLS 1.2 handshake"},
    {CERTIFICATE, true, certificate,
     "the server's Certificate in the TLS 1.2 handshake is malformed"},
    {CERTIFICATE_STATUS, true, certificate_status,
     "the CertificateStatus in the TLS 1.2 handshake is malformed"},
    {SERVER_KEY_EXCHANGE, true, server_key_exchange,
     "the ServerKeyExchange in the TLS 1.2 handshake is malformed"},
    {CERTIFICATE_REQUEST, false, certificate_request,
     "no sound CertificateRequest in the TLS 1.2 handshake"},
    {SERVER_HELLO_DONE, false, server_hello_done,
     "no sound ServerHelloDone in the TLS 1.2 handshake"},
    {CERTIFICATE, false, certificate,
     "no sound client Certificate in the TLS 1.2 handshake"},
    {CLIENT_KEY_EXCHANGE, false, client_key_exchange,
     "no sound ClientKeyExchange in the TLS 1.2 handshake"},
};
/* clang-format on */

static bool take_number(struct span *in, size_t n_bytes, size_t *out);
static bool take_span(struct span *in, size_t len, struct span *out);
static bool take_vector(struct span *in, size_t n_length_bytes, size_t min, size_t max,
                        struct span *out);
static bool take_session_id_and_before(struct span *in);
static bool extensions_to_end(struct span in);

bool
purpose_tls_resembles_12_client(const uint8_t *data, size_t len)
{
    return len > 1 && data[0] == CLIENT_HELLO && data[1] == 0;
}

const char *
purpose_tls_12_client(const uint8_t *data, size_t len)
{
    struct span in = {data, len}, body;
    size_t type;

    for (size_t i = 0; i < ARRAY_LEN(MESSAGES); i++) {
        if (MESSAGES[i].optional && in.left > 0 && in.at[0] != MESSAGES[i].type)
            continue;
        if (!take_number(&in, 1, &type) || type != MESSAGES[i].type ||
            !take_vector(&in, 3, 0, SIZE_MAX, &body) || !MESSAGES[i].body(body))
            return MESSAGES[i].refusal;
    }
    return in.left == 0 ? NULL : "something follows the ClientKeyExchange of the TLS 1.2 handshake";
}

/* RFC 5246, 7.4.1.2 */
static bool
client_hello(struct span body)
{
    struct span suites, compressions;

    return take_session_id_and_before(&body) && take_vector(&body, 2, 2, UINT16_MAX - 1, &suites) &&
           suites.left % 2 == 0 && take_vector(&body, 1, 1, UINT8_MAX, &compressions) &&
           extensions_to_end(body);
}

/* RFC 5246, 7.4.1.3; compression is refused, as every TLS library of today does. */
static bool
server_hello(struct span body)
{
    size_t suite, compression;

    return take_session_id_and_before(&body) && take_number(&body, 2, &suite) &&
           take_number(&body, 1, &compression) && compression == 0 && extensions_to_end(body);
}

static bool
take_session_id_and_before(struct span *in)
{
    struct span random, session_id;
    size_t version;

    return take_number(in, 2, &version) && version == TLS_VERSION_12 &&
           take_span(in, TLS_RANDOM_LEN, &random) &&
           take_vector(in, 1, 0, TLS_SESSION_ID_MAX, &session_id);
}

static bool
extensions_to_end(struct span in)
{
    struct span list, extension;
    size_t type;

    if (in.left == 0)
        return true;
    if (!take_vector(&in, 2, 0, UINT16_MAX, &list) || in.left > 0)
        return false;
    while (list.left > 0) {
        if (!take_number(&list, 2, &type) || !take_vector(&list, 2, 0, UINT16_MAX, &extension))
            return false;
    }
    return true;
}

/* RFC 5246, 7.4.2. Nobody signs after an empty Certificate, the client's least of all. */
static bool
certificate(struct span body)
{
    struct span list, one;

    if (!take_vector(&body, 3, 1, SIZE_MAX, &list) || body.left > 0)
        return false;
    while (list.left > 0) {
        if (!take_vector(&list, 3, 1, SIZE_MAX, &one))
            return false;
    }
    return true;
}

/* RFC 6066, 8, and RFC 6961, 2.2 */
static bool
certificate_status(struct span body)
{
    enum { OCSP = 1, OCSP_MULTI = 2 };
    struct span response;
    size_t type;

    return take_number(&body, 1, &type) && (type == OCSP || type == OCSP_MULTI) &&
           take_vector(&body, 3, 1, SIZE_MAX, &response) && body.left == 0;
}

/* Its form depends on the cipher suite. */
static bool
server_key_exchange(struct span body)
{
    return body.left > 0;
}

/* RFC 5246, 7.4.4 */
static bool
certificate_request(struct span body)
{
    struct span types, algorithms, authorities, name;

    if (!take_vector(&body, 1, 1, UINT8_MAX, &types) ||
        !take_vector(&body, 2, 2, UINT16_MAX - 1, &algorithms) || algorithms.left % 2 != 0 ||
        !take_vector(&body, 2, 0, UINT16_MAX, &authorities) || body.left > 0)
        return false;
    while (authorities.left > 0) {
        if (!take_vector(&authorities, 2, 1, UINT16_MAX, &name))
            return false;
    }
    return true;
}

static bool
server_hello_done(struct span body)
{
    return body.left == 0;
}

/* A point with one byte of length (ECDHE), or a number or ciphertext with two (DHE, RSA). */
static bool
client_key_exchange(struct span body)
{
    struct span in = body, value;

    if (take_vector(&in, 1, 1, UINT8_MAX, &value) && in.left == 0)
        return true;
    in = body;
    return take_vector(&in, 2, 1, UINT16_MAX, &value) && in.left == 0;
}

static bool
take_number(struct span *in, size_t n_bytes, size_t *out)
{
    *out = 0;
    if (in->left < n_bytes)
        return false;
    for (size_t i = 0; i < n_bytes; i++)
        *out = *out << 8 | in->at[i];
    in->at += n_bytes;
    in->left -= n_bytes;
    return true;
}

static bool
take_span(struct span *in, size_t len, struct span *out)
{
    if (in->left < len)
        return false;
    *out = (struct span){in->at, len};
    in->at += len;
    in->left -= len;
    return true;
}

/* A length of `n_length_bytes` and as many bytes, between min and max. */
static bool
take_vector(struct span *in, size_t n_length_bytes, size_t min, size_t max, struct span *out)
{
    size_t len;

    return take_number(in, n_length_bytes, &len) && len >= min && len <= max &&
           take_span(in, len, out);
}
