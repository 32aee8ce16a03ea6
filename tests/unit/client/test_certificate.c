/* SPDX-License-Identifier: Apache-2.0 */
/* ks_self_sign, ks_certificate_*, ks_destroy, ks_chain_free, and the challenge password of ks_csr. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "client/lib/keysvc.h"
#include "fake_server.h"

enum {
    CSR = 17,
    SELF_SIGN = 22,
    DESTROY = 24,
    PUT = 25,
    GET = 26,
    DELETE = 27,
};

/* What the service saw last, and what it answers. */
struct talk {
    struct fake_request seen;
    char name[128], common_name[64], challenge_password[64];
    size_t lens[20];
    size_t n_lens;
    ks_err code; /* not KS_OK: this instead */
    char refused_name[300];
    bool other; /* another kind of answer */
};

static struct talk talk;
static struct fake_server *server;
static struct ks_client *client;
static struct ks_error error;

static void
answer(struct fake_server *from, const struct fake_request *request)
{
    (void)from;
    talk.seen = *request;
    snprintf(talk.name, sizeof(talk.name), "%s", request->name ? request->name : "");
    snprintf(talk.common_name, sizeof(talk.common_name), "%s",
             request->common_name ? request->common_name : "");
    snprintf(talk.challenge_password, sizeof(talk.challenge_password), "%s",
             request->challenge_password ? request->challenge_password : "");
    if (talk.code) {
        fake_refusal(request, talk.code, false, talk.refused_name);
    } else if (talk.other) {
        fake_csr(&(struct fake_request){
            .fd = request->fd, .id = request->id, .operation = CSR + (request->operation == CSR)});
    } else if (request->operation == CSR) {
        fake_csr(request);
    } else if (request->operation == SELF_SIGN || request->operation == GET) {
        fake_chain(request, talk.lens, talk.n_lens);
    } else {
        fake_done(request);
    }
}

static void
start(void)
{
    memset(&talk, 0, sizeof(talk));
    server = fake_server_start(NULL, answer, NULL);
    cr_assert_eq(ks_client_new(fake_server_path(server), &client, NULL), KS_OK);
}

static void
stop(void)
{
    client = ks_client_free(client);
    fake_server_stop(server, true);
}

TestSuite(certificate, .init = start, .fini = stop);

static const struct ks_key KEY = {.name = "web/shop",
                                  .version = 2,
                                  .type = KS_KEY_TYPE_EC_P256,
                                  .purpose = KS_PURPOSE_TLS,
                                  .public_key_sha256 = {0x77}};

static ks_err
put(size_t n, size_t len)
{
    struct ks_blob certificates[KS_CHAIN_MAX + 1] = {{NULL, 0}};
    uint8_t *data = calloc(1, len + 1);
    ks_err err;

    for (size_t i = 0; i < n; i++)
        certificates[i] = (struct ks_blob){.data = data, .len = len};
    err = ks_certificate_put(client, &KEY, certificates, n, &error);
    free(data);
    return err;
}

/* --- what works --- */

Test(certificate, a_self_signed_one_says_all_that_was_wanted)
{
    const struct ks_alternative_name names[] = {{KS_NAME_DNS, "shop.example"}};
    const struct ks_csr_request wanted = {
        .common_name = "shop.example", .alternative_names = names, .n_alternative_names = 1};
    struct ks_chain *chain;

    talk.lens[0] = 500;
    talk.n_lens = 1;
    cr_assert_eq(ks_self_sign(client, &KEY, &wanted, 90, &chain, &error), KS_OK, "%s",
                 error.message);
    cr_assert_eq(chain->n_certificates, 1);
    cr_assert_eq(chain->certificates[0].len, 500);
    cr_assert_null(ks_chain_free(chain));
    cr_assert_eq(talk.seen.operation, SELF_SIGN);
    cr_assert_str_eq(talk.name, "web/shop");
    cr_assert_eq(talk.seen.version, 2);
    cr_assert_eq(talk.seen.sha256_first, 0x77);
    cr_assert_eq(talk.seen.days, 90);
    cr_assert_eq(talk.seen.n_alternatives, 1);
    cr_assert_str_eq(talk.common_name, "shop.example");
}

Test(certificate, a_chain_is_put_got_and_deleted_for_exactly_that_key)
{
    struct ks_chain *chain;

    cr_assert_eq(put(3, 1000), KS_OK, "%s", error.message);
    cr_assert_eq(talk.seen.operation, PUT);
    cr_assert_eq(talk.seen.n_certificates, 3);
    cr_assert_eq(talk.seen.certificates_len, 3000);
    cr_assert_eq(talk.seen.version, 2);
    cr_assert_eq(talk.seen.sha256_first, 0x77);
    talk.lens[0] = 1;
    talk.lens[1] = KS_CERTIFICATE_MAX_LEN;
    talk.n_lens = 2;
    cr_assert_eq(ks_certificate_get(client, &KEY, &chain, &error), KS_OK, "%s", error.message);
    cr_assert_eq(talk.seen.sha256_first, 0x77);
    cr_assert_eq(chain->n_certificates, 2);
    cr_assert_eq(chain->certificates[1].len, KS_CERTIFICATE_MAX_LEN);
    ks_chain_free(chain);
    cr_assert_eq(ks_certificate_delete(client, &KEY, &error), KS_OK);
    cr_assert_eq(talk.seen.operation, DELETE);
    cr_assert_str_eq(talk.name, "web/shop");
    cr_assert_eq(talk.seen.sha256_first, 0x77);
}

Test(certificate, as_many_as_there_can_be_come_and_go)
{
    struct ks_chain *chain;

    for (size_t i = 0; i < KS_CHAIN_MAX; i++)
        talk.lens[i] = i + 1;
    talk.n_lens = KS_CHAIN_MAX;
    cr_assert_eq(ks_certificate_get(client, &KEY, &chain, NULL), KS_OK);
    cr_assert_eq(chain->n_certificates, KS_CHAIN_MAX);
    cr_assert_eq(chain->certificates[KS_CHAIN_MAX - 1].len, KS_CHAIN_MAX);
    ks_chain_free(chain);
    cr_assert_eq(put(KS_CHAIN_MAX, 1000), KS_OK);
    cr_assert_eq(put(1, KS_CERTIFICATE_MAX_LEN), KS_OK);
}

Test(certificate, destroying_names_the_key_and_its_public_half)
{
    cr_assert_eq(ks_destroy(client, &KEY, &error), KS_OK, "%s", error.message);
    cr_assert_eq(talk.seen.operation, DESTROY);
    cr_assert_str_eq(talk.name, "web/shop");
    cr_assert_eq(talk.seen.version, 2);
    cr_assert_eq(talk.seen.sha256_first, 0x77);
}

Test(certificate, destroying_a_version_whose_public_half_is_not_known_leaves_its_hash_out)
{
    struct ks_key key = KEY;

    memset(key.public_key_sha256, 0, sizeof(key.public_key_sha256));
    cr_assert_eq(ks_destroy(client, &key, &error), KS_OK, "%s", error.message);
    cr_assert_eq(talk.seen.operation, DESTROY);
    cr_assert_eq(talk.seen.sha256_first, -1);
}

Test(certificate, a_challenge_password_goes_into_requests_only)
{
    const struct ks_csr_request wanted = {.common_name = "a", .challenge_password = "open sesame"};
    const struct ks_csr_request none = {.common_name = "a", .challenge_password = ""};
    struct ks_chain *chain;
    uint8_t *der;
    size_t len;

    cr_assert_eq(ks_csr(client, &KEY, &wanted, &der, &len, &error), KS_OK);
    free(der);
    cr_assert_str_eq(talk.challenge_password, "open sesame");
    cr_assert_eq(ks_self_sign(client, &KEY, &wanted, 0, &chain, &error), KS_ERR_USAGE);
    cr_assert(strstr(error.message, "web/shop"), "%s", error.message);
    cr_assert_eq(fake_server_requests(server, SELF_SIGN), 0);
    talk.lens[0] = talk.n_lens = 1;
    cr_assert_eq(ks_self_sign(client, &KEY, &none, 0, &chain, &error), KS_OK, "%s", error.message);
    ks_chain_free(chain);
}

Test(certificate, no_chain_is_freed_like_one)
{
    cr_assert_null(ks_chain_free(NULL));
}

/* --- refused before anything is sent --- */

Test(certificate, what_is_out_of_bounds_is_not_sent)
{
    static const struct ks_alternative_name NAME = {KS_NAME_DNS, "a"};
    struct ks_csr_request wanted = {.common_name = "a"};
    struct ks_chain *chain;

    cr_expect_eq(put(0, 0), KS_ERR_USAGE);
    cr_expect_eq(put(2, 0), KS_ERR_USAGE);
    cr_expect(strstr(error.message, "web/shop"), "%s", error.message);
    cr_expect_eq(put(KS_CHAIN_MAX + 1, 10), KS_ERR_TOO_LARGE);
    cr_expect(strstr(error.message, "web/shop"), "%s", error.message);
    cr_expect_eq(put(1, KS_CERTIFICATE_MAX_LEN + 1), KS_ERR_TOO_LARGE);
    cr_expect(strstr(error.message, "web/shop"), "%s", error.message);
    cr_expect_eq(ks_self_sign(client, &KEY, &wanted, KS_SELF_SIGN_MAX_DAYS + 1, &chain, &error),
                 KS_ERR_TOO_LARGE);
    cr_expect(strstr(error.message, "3650"), "%s", error.message);
    wanted.algorithm = KS_ALGORITHM_ED25519;
    cr_expect_eq(ks_self_sign(client, &KEY, &wanted, 1, &chain, &error), KS_ERR_USAGE);
    wanted.algorithm = KS_ALGORITHM_DEFAULT;
    wanted.alternative_names = &NAME;
    wanted.n_alternative_names = KS_MAX_ALTERNATIVE_NAMES + 1;
    cr_expect_eq(ks_self_sign(client, &KEY, &wanted, 1, &chain, &error), KS_ERR_TOO_LARGE);
    cr_expect_eq(fake_server_connections(server), 0);
}

Test(certificate, more_than_a_frame_holds_is_told_with_the_keys_name)
{
    cr_assert_eq(put(KS_CHAIN_MAX, KS_CERTIFICATE_MAX_LEN), KS_ERR_TOO_LARGE);
    cr_assert(strstr(error.message, "web/shop@2"), "%s", error.message);
    cr_assert_eq(fake_server_requests(server, PUT), 0);
}

Test(certificate, what_is_no_version_of_a_key_is_not_sent)
{
    const struct ks_key nameless = {.version = 1}, bare = {.name = "web/shop"};
    const struct ks_key BAD[] = {nameless, bare};
    uint8_t byte = 0x30;
    const struct ks_blob certificate = {&byte, 1};
    struct ks_chain *chain;

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        cr_expect_eq(ks_destroy(client, &BAD[i], &error), KS_ERR_BAD_REQUEST);
        cr_expect_eq(ks_certificate_put(client, &BAD[i], &certificate, 1, &error),
                     KS_ERR_BAD_REQUEST);
        cr_expect_eq(ks_certificate_get(client, &BAD[i], &chain, &error), KS_ERR_BAD_REQUEST);
        cr_expect_eq(ks_certificate_delete(client, &BAD[i], &error), KS_ERR_BAD_REQUEST);
    }
    cr_expect_eq(fake_server_connections(server), 0);
}

/* --- what the service says --- */

Test(certificate, refusals_of_the_service_come_through)
{
    static const ks_err CODES[] = {KS_ERR_DENIED,      KS_ERR_NO_KEY,           KS_ERR_KEY_CHANGED,
                                   KS_ERR_UNSUPPORTED, KS_ERR_NAME_NOT_ALLOWED, KS_ERR_BAD_REQUEST};
    const struct ks_csr_request wanted = {.common_name = "a"};
    struct ks_chain *chain;

    for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++) {
        talk.code = CODES[i];
        cr_expect_eq(ks_self_sign(client, &KEY, &wanted, 0, &chain, &error), CODES[i]);
        cr_expect_eq(put(1, 10), CODES[i]);
        cr_expect_eq(ks_certificate_get(client, &KEY, &chain, &error), CODES[i]);
        cr_expect_eq(ks_certificate_delete(client, &KEY, &error), CODES[i]);
        cr_expect_eq(ks_destroy(client, &KEY, &error), CODES[i]);
        cr_expect_str_eq(error.message, "the test wants it");
    }
}

Test(certificate, the_name_that_is_refused_comes_whole_or_not_at_all)
{
    const struct ks_csr_request wanted = {.common_name = "a"};
    uint8_t *der;
    size_t len;

    talk.code = KS_ERR_NAME_NOT_ALLOWED;
    memset(talk.refused_name, 'a', sizeof(error.refused_name) - 1);
    cr_expect_eq(ks_csr(client, &KEY, &wanted, &der, &len, &error), KS_ERR_NAME_NOT_ALLOWED);
    cr_expect_str_eq(error.refused_name, talk.refused_name);
    memset(talk.refused_name, 'a', sizeof(error.refused_name));
    cr_expect_eq(ks_csr(client, &KEY, &wanted, &der, &len, &error), KS_ERR_NAME_NOT_ALLOWED);
    cr_expect_str_empty(error.refused_name);
    snprintf(talk.refused_name, sizeof(talk.refused_name), "b\n.example");
    cr_expect_eq(ks_csr(client, &KEY, &wanted, &der, &len, &error), KS_ERR_NAME_NOT_ALLOWED);
    cr_expect_str_eq(error.refused_name, "b .example");
    /* Of another outcome, and of none, nothing of before is left. */
    talk.code = KS_ERR_BAD_REQUEST;
    cr_expect_eq(ks_csr(client, &KEY, &wanted, &der, &len, &error), KS_ERR_BAD_REQUEST);
    cr_expect_str_empty(error.refused_name);
}

struct nonsense {
    size_t n_lens;
    size_t lens[KS_CHAIN_MAX + 1];
};

static const struct nonsense NONSENSE[] = {
    {0, {0}},
    {1, {0}},
    {2, {100, 0}},
    {1, {KS_CERTIFICATE_MAX_LEN + 1}},
    {2, {100, KS_CERTIFICATE_MAX_LEN + 1}},
    {KS_CHAIN_MAX + 1, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
};

Test(certificate, a_chain_that_cannot_be_is_refused_and_nothing_of_it_kept)
{
    const struct ks_csr_request wanted = {.common_name = "a"};
    struct ks_chain *chain;

    for (size_t i = 0; i < sizeof(NONSENSE) / sizeof(NONSENSE[0]); i++) {
        talk.n_lens = NONSENSE[i].n_lens;
        memcpy(talk.lens, NONSENSE[i].lens, sizeof(NONSENSE[i].lens));
        cr_expect_eq(ks_certificate_get(client, &KEY, &chain, &error), KS_ERR_INTERNAL, "row %zu",
                     i);
        cr_expect(strstr(error.message, "web/shop@2"), "%s", error.message);
        cr_expect_eq(ks_self_sign(client, &KEY, &wanted, 0, &chain, &error), KS_ERR_INTERNAL,
                     "row %zu", i);
    }
    talk.n_lens = 2;
    talk.lens[0] = talk.lens[1] = 10;
    cr_expect_eq(ks_self_sign(client, &KEY, &wanted, 0, &chain, &error), KS_ERR_INTERNAL,
                 "a self-signed certificate has no issuer beside it");
}

Test(certificate, an_answer_of_another_kind_is_none)
{
    const struct ks_csr_request wanted = {.common_name = "a"};
    struct ks_chain *chain;

    talk.other = true;
    cr_expect_eq(ks_self_sign(client, &KEY, &wanted, 0, &chain, &error), KS_ERR_INTERNAL);
    cr_expect_eq(put(1, 10), KS_ERR_INTERNAL);
    cr_expect_eq(ks_certificate_get(client, &KEY, &chain, &error), KS_ERR_INTERNAL);
    cr_expect_eq(ks_certificate_delete(client, &KEY, &error), KS_ERR_INTERNAL);
    cr_expect_eq(ks_destroy(client, &KEY, &error), KS_ERR_INTERNAL);
    cr_expect_eq(fake_server_connections(server), 1);
}
