/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/chain.h"
#include "token/purpose.h"
#include "token/purpose_tls.h"

#include "bytes.h"
#include "handshake.h"

#define RANDOMS_LEN 64

static struct bytes
tls13(const char *side, size_t hash_len)
{
    struct bytes out = {.len = 0};
    uint8_t filler[64];
    char context[64];
    int n = snprintf(context, sizeof(context), "TLS 1.3, %s CertificateVerify", side);

    memset(filler, ' ', sizeof(filler));
    bytes_append(&out, filler, sizeof(filler));
    bytes_append(&out, context, (size_t)n + 1);
    memset(filler, 0xa5, sizeof(filler));
    bytes_append(&out, filler, hash_len);
    return out;
}

/* Randoms of 0xa5, a named group and its point. */
static struct bytes
server_key_exchange(unsigned int group, const uint8_t *point, size_t point_len)
{
    struct bytes out = {.len = 0};
    uint8_t randoms[RANDOMS_LEN],
        params[4] = {3, (uint8_t)(group >> 8), (uint8_t)group, (uint8_t)point_len};

    memset(randoms, 0xa5, sizeof(randoms));
    bytes_append(&out, randoms, sizeof(randoms));
    bytes_append(&out, params, sizeof(params));
    bytes_append(&out, point, point_len);
    return out;
}

static size_t
new_point(const char *curve, uint8_t *out, size_t cap)
{
    EVP_PKEY *key = EVP_EC_gen(curve);
    size_t len = 0;

    cr_assert_eq(EVP_PKEY_get_octet_string_param(key, "pub", out, cap, &len), 1);
    EVP_PKEY_free(key);
    return len;
}

Test(purpose, signs_the_certificate_verify_of_its_own_side_only)
{
    struct bytes server = tls13("server", 32), client = tls13("client", 48);

    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_SERVER, server.data, server.len), KS_OK);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_SERVER, client.data, client.len), KS_ERR_PURPOSE);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, server.data, server.len), KS_ERR_PURPOSE);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, client.data, client.len), KS_OK);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS, server.data, server.len), KS_OK);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS, client.data, client.len), KS_OK);
}

Test(purpose, takes_a_transcript_hash_of_32_or_48_bytes_only)
{
    for (size_t len = 0; len <= 64; len++) {
        struct bytes message = tls13("server", len);

        cr_assert_eq(bytes_check(KS_PURPOSE_TLS, message.data, message.len) == KS_OK,
                     len == 32 || len == 48, "%zu", len);
    }
}

Test(purpose, refuses_a_certificate_verify_with_any_fixed_byte_changed)
{
    struct bytes message = tls13("server", 32);
    size_t fixed = message.len - 32;

    for (size_t i = 0; i < fixed; i++) {
        message.data[i] ^= 1;
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS, message.data, message.len), KS_ERR_PURPOSE, "%zu",
                     i);
        message.data[i] ^= 1;
    }
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS, message.data, message.len), KS_OK);
}

struct algorithm_case {
    enum ks_algorithm algorithm;
    ks_err tls13, tls12;
};

ParameterizedTestParameters(purpose, signs_tls_13_with_pss_but_not_with_pkcs1)
{
    static struct algorithm_case cases[] = {
        {KS_ALGORITHM_DEFAULT, KS_ERR_BAD_REQUEST, KS_ERR_BAD_REQUEST},
        {KS_ALGORITHM_ECDSA_SHA256, KS_OK, KS_OK},
        {KS_ALGORITHM_ECDSA_SHA384, KS_OK, KS_OK},
        {KS_ALGORITHM_ECDSA_SHA512, KS_OK, KS_OK},
        {KS_ALGORITHM_RSA_PKCS1_SHA256, KS_ERR_PURPOSE, KS_OK},
        {KS_ALGORITHM_RSA_PKCS1_SHA384, KS_ERR_PURPOSE, KS_OK},
        {KS_ALGORITHM_RSA_PKCS1_SHA512, KS_ERR_PURPOSE, KS_OK},
        {KS_ALGORITHM_RSA_PSS_SHA256, KS_OK, KS_OK},
        {KS_ALGORITHM_RSA_PSS_SHA384, KS_OK, KS_OK},
        {KS_ALGORITHM_RSA_PSS_SHA512, KS_OK, KS_OK},
        {KS_ALGORITHM_ED25519, KS_OK, KS_OK},
        {KS_ALGORITHM_COUNT, KS_ERR_BAD_REQUEST, KS_ERR_BAD_REQUEST},
    };

    return cr_make_param_array(struct algorithm_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct algorithm_case *c, purpose, signs_tls_13_with_pss_but_not_with_pkcs1)
{
    struct bytes message = tls13("server", 32);
    struct fault why = FAULT_INIT;

    cr_assert_eq(purpose_check(KS_PURPOSE_TLS_SERVER, false, c->algorithm, KS_HASH_NONE,
                               message.data, message.len, &why),
                 c->tls13);
    cr_assert_eq(purpose_check(KS_PURPOSE_TLS_SERVER, false, c->algorithm, KS_HASH_NONE,
                               HANDSHAKE_SERVER_KEY_EXCHANGE, sizeof(HANDSHAKE_SERVER_KEY_EXCHANGE),
                               &why),
                 c->tls12);
}

Test(purpose, signs_what_a_real_tls_12_server_and_client_signed)
{
    const uint8_t *server = HANDSHAKE_SERVER_KEY_EXCHANGE;
    const uint8_t *client = HANDSHAKE_TO_CLIENT_KEY_EXCHANGE;
    size_t server_len = sizeof(HANDSHAKE_SERVER_KEY_EXCHANGE);
    size_t client_len = sizeof(HANDSHAKE_TO_CLIENT_KEY_EXCHANGE);

    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_SERVER, server, server_len), KS_OK);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_SERVER, client, client_len), KS_ERR_PURPOSE);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, server, server_len), KS_ERR_PURPOSE);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, client, client_len), KS_OK);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS, server, server_len), KS_OK);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS, client, client_len), KS_OK);
}

Test(purpose, with_tls_13_only_refuses_both_forms_of_tls_12)
{
    struct bytes message = tls13("client", 32);
    struct fault why = FAULT_INIT;

    cr_assert_eq(purpose_check(KS_PURPOSE_TLS, true, KS_ALGORITHM_ECDSA_SHA256, KS_HASH_NONE,
                               message.data, message.len, &why),
                 KS_OK);
    cr_assert_eq(purpose_check(KS_PURPOSE_TLS, true, KS_ALGORITHM_ECDSA_SHA256, KS_HASH_NONE,
                               HANDSHAKE_SERVER_KEY_EXCHANGE, sizeof(HANDSHAKE_SERVER_KEY_EXCHANGE),
                               &why),
                 KS_ERR_PURPOSE);
    cr_assert_eq(purpose_check(KS_PURPOSE_TLS, true, KS_ALGORITHM_ECDSA_SHA256, KS_HASH_NONE,
                               HANDSHAKE_TO_CLIENT_KEY_EXCHANGE,
                               sizeof(HANDSHAKE_TO_CLIENT_KEY_EXCHANGE), &why),
                 KS_ERR_PURPOSE);
    cr_assert(strstr(why.text, "tls = 1.3"), "%s", why.text);
}

struct group_case {
    unsigned int group;
    char curve[8]; /* empty: the point is 32 bytes */
    bool allowed;
};

ParameterizedTestParameters(purpose, signs_a_server_key_exchange_over_four_groups_only)
{
    static struct group_case cases[] = {
        {23, "P-256", true},      {24, "P-384", true}, {25, "P-521", true},  {29, "", true},
        {30, "", false},          {0, "", false},      {29, "P-256", false}, {24, "P-256", false},
        {0x1700, "P-256", false}, {256, "", false},    {26, "P-256", false},
    };

    return cr_make_param_array(struct group_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct group_case *c, purpose, signs_a_server_key_exchange_over_four_groups_only)
{
    uint8_t point[160] = {9};
    size_t len = c->curve[0] ? new_point(c->curve, point, sizeof(point)) : 32;
    struct bytes message = server_key_exchange(c->group, point, len);

    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_SERVER, message.data, message.len),
                 c->allowed ? KS_OK : KS_ERR_PURPOSE);
    if (!c->allowed)
        return;
    for (size_t cut = 0; cut < message.len; cut++)
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS_SERVER, message.data, cut), KS_ERR_PURPOSE, "%zu",
                     cut);
    bytes_append(&message, "", 1);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_SERVER, message.data, message.len), KS_ERR_PURPOSE);
}

Test(purpose, refuses_points_that_are_not_on_their_curve)
{
    static const struct {
        const char *curve;
        unsigned int group;
    } curves[] = {{"P-256", 23}, {"P-384", 24}, {"P-521", 25}};

    for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
        uint8_t point[160];
        size_t len = new_point(curves[i].curve, point, sizeof(point));
        struct bytes message;

        point[len - 1] ^= 1;
        message = server_key_exchange(curves[i].group, point, len);
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS, message.data, message.len), KS_ERR_PURPOSE);
        point[len - 1] ^= 1;
        point[0] = 6; /* hybrid form */
        message = server_key_exchange(curves[i].group, point, len);
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS, message.data, message.len), KS_ERR_PURPOSE);
        memset(point, 0, sizeof(point));
        message = server_key_exchange(curves[i].group, point, len);
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS, message.data, message.len), KS_ERR_PURPOSE);
        message = server_key_exchange(curves[i].group, point, 1); /* infinity */
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS, message.data, message.len), KS_ERR_PURPOSE);
    }
}

Test(purpose, refuses_a_curve_that_is_not_named)
{
    uint8_t message[sizeof(HANDSHAKE_SERVER_KEY_EXCHANGE)];

    memcpy(message, HANDSHAKE_SERVER_KEY_EXCHANGE, sizeof(message));
    for (int type = 0; type < 256; type++) {
        message[RANDOMS_LEN] = (uint8_t)type;
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS, message, sizeof(message)),
                     type == 3 ? KS_OK : KS_ERR_PURPOSE);
    }
}

/* One DER element; its length in the shortest form. */
static struct bytes
element(uint8_t tag, const struct bytes *contents)
{
    struct bytes out = {.len = 0};
    uint8_t header[3] = {tag, 0x81, (uint8_t)contents->len};

    cr_assert_leq(contents->len, 255);
    if (contents->len < 128) {
        header[1] = header[2];
        bytes_append(&out, header, 2);
    } else {
        bytes_append(&out, header, 3);
    }
    bytes_append(&out, contents->data, contents->len);
    return out;
}

/* Version, empty subject, an Ed25519 key. */
static struct bytes
request_begin(void)
{
    static const uint8_t begin[] = {0x02, 0x01, 0x00, 0x30, 0x00, 0x30, 0x2a, 0x30, 0x05,
                                    0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    struct bytes out = {.len = 0};
    uint8_t key[32];

    memset(key, 0x5a, sizeof(key));
    bytes_append(&out, begin, sizeof(begin));
    bytes_append(&out, key, sizeof(key));
    return out;
}

/*
 * A CertificationRequestInfo whose one attribute holds the end of a ServerKeyExchange. The
 * attribute's type is as long as it takes to put ServerECDHParams at offset 64.
 */
static struct bytes
request_and_server_key_exchange(unsigned int group, const uint8_t *point, size_t point_len)
{
    static const uint8_t type_of_3[] = {0x06, 0x03, 0x55, 0x04, 0x03};
    static const uint8_t type_of_2[] = {0x06, 0x02, 0x55, 0x04};
    struct bytes exchange = server_key_exchange(group, point, point_len);
    struct bytes value = {.len = 0}, attribute = {.len = 0}, body = request_begin();

    bytes_append(&value, exchange.data + RANDOMS_LEN, exchange.len - RANDOMS_LEN);
    value = element(V_ASN1_OCTET_STRING, &value);
    value = element(V_ASN1_SET | V_ASN1_CONSTRUCTED, &value);
    if (point_len == 32)
        bytes_append(&attribute, type_of_3, sizeof(type_of_3));
    else
        bytes_append(&attribute, type_of_2, sizeof(type_of_2));
    bytes_append(&attribute, value.data, value.len);
    attribute = element(V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, &attribute);
    attribute = element(V_ASN1_CONTEXT_SPECIFIC | V_ASN1_CONSTRUCTED, &attribute);
    bytes_append(&body, attribute.data, attribute.len);
    return element(V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, &body);
}

static bool
is_request_body(const uint8_t *data, size_t len)
{
    const uint8_t *at = data;
    X509_REQ_INFO *body = d2i_X509_REQ_INFO(NULL, &at, (long)len);
    bool whole = body && at == data + len;

    X509_REQ_INFO_free(body);
    return whole;
}

Test(purpose, refuses_bytes_that_are_a_server_key_exchange_and_a_certificate_request)
{
    static const struct {
        unsigned int group;
        const char *curve;
    } groups[] = {{29, NULL}, {23, "P-256"}, {24, "P-384"}};

    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        uint8_t point[160] = {9};
        size_t len = groups[i].curve ? new_point(groups[i].curve, point, sizeof(point)) : 32;
        struct bytes both = request_and_server_key_exchange(groups[i].group, point, len);

        cr_assert(is_request_body(both.data, both.len), "a request's body over its whole length");
        cr_assert_null(purpose_tls_12_server(both.data, both.len), "the shape alone lets it pass");
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS_SERVER, both.data, both.len), KS_ERR_PURPOSE);
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS, both.data, both.len), KS_ERR_PURPOSE);
        both.data[0] = 0xa5; /* the same bytes, no longer ASN.1 */
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS_SERVER, both.data, both.len), KS_OK);
    }
}

Test(purpose, refuses_a_request_with_bytes_left_over_that_a_lenient_parser_skips)
{
    struct bytes body = request_begin(), whole;
    struct bytes exchange = server_key_exchange(29, (const uint8_t[32]){9}, 32);

    bytes_append(&body, "\xa0", 2);
    bytes_append(&body, exchange.data, RANDOMS_LEN - 2 - body.len);
    bytes_append(&body, exchange.data + RANDOMS_LEN, exchange.len - RANDOMS_LEN);
    whole = element(V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, &body);
    cr_assert_null(purpose_tls_12_server(whole.data, whole.len));
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_SERVER, whole.data, whole.len), KS_ERR_PURPOSE);
}

struct der_case {
    const char *name;
    uint8_t data[24];
    size_t len;
    bool resembles;
};

Test(purpose, tells_asn1_from_other_bytes_in_every_encoding_a_parser_takes)
{
    static const struct der_case cases[] = {
        {"empty message", {0}, 0, false},
        {"tag alone", {0x30}, 1, false},
        {"empty sequence", {0x30, 0x00}, 2, true},
        {"one element", {0x30, 0x03, 0x02, 0x01, 0x00}, 5, true},
        {"set", {0x31, 0x03, 0x02, 0x01, 0x00}, 5, true},
        {"sequence said to be primitive", {0x10, 0x03, 0x02, 0x01, 0x00}, 5, true},
        {"set said to be primitive", {0x11, 0x03, 0x02, 0x01, 0x00}, 5, true},
        {"sequence of another class", {0x70, 0x03, 0x02, 0x01, 0x00}, 5, false},
        {"integer", {0x02, 0x01, 0x00}, 3, false},
        {"a byte after it", {0x30, 0x03, 0x02, 0x01, 0x00, 0x00}, 6, false},
        {"a byte missing", {0x30, 0x04, 0x02, 0x01, 0x00}, 5, false},
        {"length in two bytes", {0x30, 0x81, 0x03, 0x02, 0x01, 0x00}, 6, true},
        {"length with zeros", {0x30, 0x84, 0, 0, 0, 0x03, 0x02, 0x01, 0x00}, 9, true},
        {"ten length bytes", {0x30, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x05, 0x00}, 14, true},
        {"length that overflows",
         {0x30, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x05, 0x00},
         13,
         false},
        {"length cut short", {0x30, 0x84, 0, 0}, 4, false},
        {"indefinite", {0x30, 0x80, 0x02, 0x01, 0x00, 0x00, 0x00}, 7, true},
        {"indefinite and empty", {0x30, 0x80, 0x00, 0x00}, 4, true},
        {"indefinite without an end", {0x30, 0x80, 0x02, 0x01, 0x00, 0x00, 0x01}, 7, false},
        {"indefinite inside", {0x30, 0x06, 0xa0, 0x80, 0x05, 0x00, 0x00, 0x00}, 8, true},
        {"non-minimal inside", {0x30, 0x04, 0x02, 0x81, 0x01, 0x00}, 6, true},
        {"high tag number inside", {0x30, 0x05, 0x1f, 0x81, 0x01, 0x01, 0x00}, 7, true},
        {"high tag number cut short", {0x30, 0x02, 0x1f, 0x81}, 4, false},
        {"element too long", {0x30, 0x03, 0x02, 0x02, 0x00}, 5, false},
        {"second element too long", {0x30, 0x05, 0x05, 0x00, 0x02, 0x02, 0x00}, 7, false},
        {"three elements, then anything",
         {0x30, 0x09, 0x05, 0x00, 0x05, 0x00, 0x05, 0x00, 0xff, 0xff, 0xff},
         11,
         true},
        {"two elements, then anything",
         {0x30, 0x07, 0x05, 0x00, 0x05, 0x00, 0xff, 0xff, 0xff},
         9,
         false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(purpose_tls_resembles_der(cases[i].data, cases[i].len), cases[i].resembles,
                     "%s", cases[i].name);
}

Test(purpose, gives_no_tls_key_a_digest)
{
    uint8_t digest[32] = {0};
    struct bytes message = tls13("server", 32);
    struct fault why = FAULT_INIT;

    for (enum ks_purpose p = KS_PURPOSE_TLS_SERVER; p <= KS_PURPOSE_TLS; p++) {
        cr_assert_eq(purpose_check(p, false, KS_ALGORITHM_ECDSA_SHA256, KS_HASH_SHA256, digest,
                                   sizeof(digest), &why),
                     KS_ERR_PURPOSE);
        cr_assert_eq(purpose_check(p, false, KS_ALGORITHM_ECDSA_SHA256, KS_HASH_SHA256,
                                   message.data, message.len, &why),
                     KS_ERR_PURPOSE);
    }
}

Test(purpose, lets_sign_have_any_message)
{
    struct bytes both = request_and_server_key_exchange(29, (const uint8_t[32]){9}, 32);

    cr_assert_eq(bytes_check(KS_PURPOSE_SIGN, both.data, both.len), KS_OK);
    cr_assert_eq(bytes_check(KS_PURPOSE_SIGN, "x", 1), KS_OK);
    cr_assert_eq(bytes_check(KS_PURPOSE_SIGN, NULL, 0), KS_OK);
}

struct digest_case {
    enum ks_algorithm algorithm;
    enum ks_hash hash;
    size_t len;
    ks_err err;
};

ParameterizedTestParameters(purpose, takes_a_digest_by_the_algorithms_own_hash_only)
{
    static struct digest_case cases[] = {
        {KS_ALGORITHM_ECDSA_SHA256, KS_HASH_SHA256, 32, KS_OK},
        {KS_ALGORITHM_ECDSA_SHA256, KS_HASH_SHA256, 31, KS_ERR_BAD_REQUEST},
        {KS_ALGORITHM_ECDSA_SHA256, KS_HASH_SHA256, 0, KS_ERR_BAD_REQUEST},
        {KS_ALGORITHM_ECDSA_SHA256, KS_HASH_SHA384, 48, KS_ERR_BAD_REQUEST},
        {KS_ALGORITHM_ECDSA_SHA384, KS_HASH_SHA384, 48, KS_OK},
        {KS_ALGORITHM_RSA_PKCS1_SHA512, KS_HASH_SHA512, 64, KS_OK},
        {KS_ALGORITHM_RSA_PKCS1_SHA512, KS_HASH_SHA512, 65, KS_ERR_BAD_REQUEST},
        {KS_ALGORITHM_RSA_PSS_SHA256, KS_HASH_SHA256, 32, KS_OK},
        {KS_ALGORITHM_RSA_PSS_SHA256, KS_HASH_SHA512, 32, KS_ERR_BAD_REQUEST},
        {KS_ALGORITHM_ED25519, KS_HASH_SHA512, 64, KS_ERR_BAD_REQUEST},
        {KS_ALGORITHM_ECDSA_SHA256, KS_HASH_COUNT, 32, KS_ERR_BAD_REQUEST},
    };

    return cr_make_param_array(struct digest_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct digest_case *c, purpose, takes_a_digest_by_the_algorithms_own_hash_only)
{
    uint8_t digest[65] = {0};
    struct fault why = FAULT_INIT;

    cr_assert_eq(purpose_check(KS_PURPOSE_SIGN, false, c->algorithm, c->hash, digest, c->len, &why),
                 c->err);
}

Test(purpose, lets_audit_sign_checkpoints_and_nothing_else)
{
    char text[CHAIN_CHECKPOINT_MAX + 2];
    const size_t prefix = sizeof(CHAIN_CHECKPOINT_PREFIX) - 1;
    struct bytes message = tls13("server", 32);
    struct fault why = FAULT_INIT;

    memset(text, 'x', sizeof(text));
    memcpy(text, CHAIN_CHECKPOINT_PREFIX, prefix);
    cr_assert_eq(bytes_check(KS_PURPOSE_AUDIT, text, prefix), KS_ERR_PURPOSE);
    cr_assert_eq(bytes_check(KS_PURPOSE_AUDIT, text, prefix + 1), KS_OK);
    cr_assert_eq(bytes_check(KS_PURPOSE_AUDIT, text, CHAIN_CHECKPOINT_MAX), KS_OK);
    cr_assert_eq(bytes_check(KS_PURPOSE_AUDIT, text, CHAIN_CHECKPOINT_MAX + 1), KS_ERR_PURPOSE);
    cr_assert_eq(purpose_check(KS_PURPOSE_AUDIT, false, KS_ALGORITHM_ECDSA_SHA256, KS_HASH_SHA256,
                               (uint8_t *)text, 32, &why),
                 KS_ERR_PURPOSE);
    text[prefix + 3] = '\n';
    cr_assert_eq(bytes_check(KS_PURPOSE_AUDIT, text, prefix + 9), KS_ERR_PURPOSE);
    text[prefix + 3] = (char)0x80;
    cr_assert_eq(bytes_check(KS_PURPOSE_AUDIT, text, prefix + 9), KS_ERR_PURPOSE);
    text[prefix + 3] = 'x';
    text[0] ^= 1;
    cr_assert_eq(bytes_check(KS_PURPOSE_AUDIT, text, prefix + 9), KS_ERR_PURPOSE);
    cr_assert_eq(bytes_check(KS_PURPOSE_AUDIT, message.data, message.len), KS_ERR_PURPOSE);
    cr_assert_eq(bytes_check(KS_PURPOSE_AUDIT, NULL, 0), KS_ERR_PURPOSE);
}

Test(purpose, lets_keys_of_no_class_sign_nothing)
{
    struct bytes message = tls13("server", 32);

    cr_assert_eq(bytes_check(KS_PURPOSE_NONE, message.data, message.len), KS_ERR_PURPOSE);
    cr_assert_eq(bytes_check(KS_PURPOSE_NONE, CHAIN_CHECKPOINT_PREFIX "x", 28), KS_ERR_PURPOSE);
    cr_assert_eq(bytes_check(KS_PURPOSE_COUNT, message.data, message.len), KS_ERR_PURPOSE);
}
