/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "bytes.h"
#include "handshake.h"

static const uint8_t *
real_chain(void)
{
    return HANDSHAKE_TO_CLIENT_KEY_EXCHANGE;
}

/* The handshake's messages one by one: offset of each and of the end. */
static size_t
chain_offsets(size_t offsets[16])
{
    const uint8_t *chain = real_chain();
    size_t n = 0, at = 0, end = sizeof(HANDSHAKE_TO_CLIENT_KEY_EXCHANGE);

    while (at < end) {
        offsets[n++] = at;
        at += 4 + ((size_t)chain[at + 1] << 16 | (size_t)chain[at + 2] << 8 | chain[at + 3]);
    }
    cr_assert_eq(at, end);
    offsets[n] = end;
    return n;
}

enum {
    CLIENT_HELLO,
    SERVER_HELLO,
    SERVER_CERTIFICATE,
    SERVER_KEY_EXCHANGE,
    CERTIFICATE_REQUEST,
    SERVER_HELLO_DONE,
    CLIENT_CERTIFICATE,
    CLIENT_KEY_EXCHANGE,
    N_MESSAGES
};

/* The messages of the given order; N_MESSAGES ends it. */
static struct bytes
chain_of(const int *order)
{
    size_t offsets[16];
    struct bytes out = {.len = 0};

    cr_assert_eq(chain_offsets(offsets), N_MESSAGES);
    for (; *order != N_MESSAGES; order++)
        bytes_append(&out, real_chain() + offsets[*order], offsets[*order + 1] - offsets[*order]);
    return out;
}

Test(purpose, takes_a_handshake_without_its_optional_messages_but_without_no_other)
{
    for (int missing = 0; missing < N_MESSAGES; missing++) {
        int order[N_MESSAGES + 1], n = 0;
        struct bytes chain;

        for (int i = 0; i < N_MESSAGES; i++) {
            if (i != missing)
                order[n++] = i;
        }
        order[n] = N_MESSAGES;
        chain = chain_of(order);
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, chain.data, chain.len) == KS_OK,
                     missing == SERVER_CERTIFICATE || missing == SERVER_KEY_EXCHANGE, "%d",
                     missing);
    }
}

Test(purpose, refuses_a_handshake_with_two_messages_swapped_or_one_doubled)
{
    for (int at = 0; at + 1 < N_MESSAGES; at++) {
        int swapped[N_MESSAGES + 1], doubled[N_MESSAGES + 2];
        struct bytes chain;

        for (int i = 0; i <= N_MESSAGES; i++) {
            swapped[i] = i == at ? at + 1 : i == at + 1 ? at : i;
            doubled[i + (i > at)] = i;
        }
        doubled[at + 1] = at;
        chain = chain_of(swapped);
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, chain.data, chain.len), KS_ERR_PURPOSE,
                     "%d", at);
        chain = chain_of(doubled);
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, chain.data, chain.len), KS_ERR_PURPOSE,
                     "%d", at);
    }
}

Test(purpose, takes_a_certificate_status_in_its_place)
{
    static const uint8_t status[] = {22, 0, 0, 5, 1, 0, 0, 1, 0x7f};
    size_t offsets[16];
    struct bytes chain = {.len = 0};
    size_t at;

    chain_offsets(offsets);
    at = offsets[SERVER_KEY_EXCHANGE];
    bytes_append(&chain, real_chain(), at);
    bytes_append(&chain, status, sizeof(status));
    bytes_append(&chain, real_chain() + at, sizeof(HANDSHAKE_TO_CLIENT_KEY_EXCHANGE) - at);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, chain.data, chain.len), KS_OK);
    chain.data[at + 4] = 3; /* no such type of status */
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, chain.data, chain.len), KS_ERR_PURPOSE);
    chain.data[at + 4] = 1;
    chain.data[at + 7] = 2; /* longer than its message */
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, chain.data, chain.len), KS_ERR_PURPOSE);
}

Test(purpose, refuses_a_handshake_cut_or_continued_anywhere)
{
    struct bytes chain = {.len = 0};

    bytes_append(&chain, real_chain(), sizeof(HANDSHAKE_TO_CLIENT_KEY_EXCHANGE));
    for (size_t len = 0; len < chain.len; len++)
        cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, chain.data, len), KS_ERR_PURPOSE, "%zu",
                     len);
    bytes_append(&chain, "", 1);
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, chain.data, chain.len), KS_ERR_PURPOSE);
}

struct patch_case {
    char what[48];
    int message;
    size_t offset; /* in the body */
    uint8_t value;
};

ParameterizedTestParameters(purpose, refuses_a_handshake_whose_bodies_do_not_add_up)
{
    static struct patch_case cases[] = {
        {"ClientHello of another version", CLIENT_HELLO, 1, 1},
        {"ClientHello: session id of 33 bytes", CLIENT_HELLO, 34, 33},
        {"ClientHello: session id of 255 bytes", CLIENT_HELLO, 34, 255},
        {"ClientHello: odd cipher suites", CLIENT_HELLO, 68, 0x3d},
        {"ClientHello: no cipher suites", CLIENT_HELLO, 68, 0},
        {"ClientHello: too many cipher suites", CLIENT_HELLO, 67, 0xff},
        {"ServerHello of another version", SERVER_HELLO, 1, 4},
        {"ServerHello: session id of 33 bytes", SERVER_HELLO, 34, 33},
        {"Certificate: list too short", SERVER_CERTIFICATE, 2, 1},
        {"Certificate: list too long", SERVER_CERTIFICATE, 0, 1},
        {"Certificate: member too long", SERVER_CERTIFICATE, 3, 1},
        {"CertificateRequest: no types", CERTIFICATE_REQUEST, 0, 0},
        {"CertificateRequest: too many types", CERTIFICATE_REQUEST, 0, 255},
        {"CertificateRequest: odd algorithms", CERTIFICATE_REQUEST, 5, 0x27},
        {"client Certificate: empty member", CLIENT_CERTIFICATE, 5, 0},
        {"ClientKeyExchange: point too long", CLIENT_KEY_EXCHANGE, 0, 33},
        {"ClientKeyExchange: point too short", CLIENT_KEY_EXCHANGE, 0, 31},
    };

    return cr_make_param_array(struct patch_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct patch_case *c, purpose, refuses_a_handshake_whose_bodies_do_not_add_up)
{
    size_t offsets[16];
    struct bytes chain = {.len = 0};

    chain_offsets(offsets);
    bytes_append(&chain, real_chain(), sizeof(HANDSHAKE_TO_CLIENT_KEY_EXCHANGE));
    cr_assert_neq(chain.data[offsets[c->message] + 4 + c->offset], c->value, "%s", c->what);
    chain.data[offsets[c->message] + 4 + c->offset] = c->value;
    cr_assert_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, chain.data, chain.len), KS_ERR_PURPOSE, "%s",
                 c->what);
}
