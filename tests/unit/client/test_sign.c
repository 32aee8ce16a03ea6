/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "client/lib/keysvc.h"
#include "fake_server.h"

/* What the service saw last. */
struct seen {
    size_t len;
    int prehashed;
    unsigned int n;
};

static void
remember(struct fake_server *server, const struct fake_request *request)
{
    struct seen *seen = fake_server_context(server);

    seen->len = request->data_len;
    seen->prehashed = request->prehashed;
    seen->n++;
    fake_signature(request, "signature", 9);
}

static struct seen seen;
static struct fake_server *server;
static struct ks_client *client;

static void
start(void)
{
    server = fake_server_start(NULL, remember, &seen);
    cr_assert_eq(ks_client_new(fake_server_path(server), &client, NULL), KS_OK);
}

static void
stop(void)
{
    client = ks_client_free(client);
    fake_server_stop(server, true);
}

TestSuite(sign, .init = start, .fini = stop);

static ks_err
sign_bytes(enum ks_key_type type, enum ks_purpose purpose, enum ks_algorithm algorithm,
           enum ks_hash prehashed, size_t len)
{
    struct ks_key key = {.name = "a", .version = 1, .type = type, .purpose = purpose};
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    size_t signature_len;
    uint8_t *data = calloc(1, len + 1);
    ks_err err;

    err = ks_sign(client, &key, algorithm, prehashed, data, len, signature, &signature_len, NULL,
                  NULL);
    free(data);
    return err;
}

Test(sign, a_long_message_travels_as_a_digest_for_purpose_sign)
{
    cr_assert_eq(sign_bytes(KS_KEY_TYPE_EC_P384, KS_PURPOSE_SIGN, KS_ALGORITHM_DEFAULT,
                            KS_HASH_NONE, 3 * 1024 * 1024),
                 KS_OK);
    cr_assert_eq(seen.len, 48);
    cr_assert_eq(seen.prehashed, KS_HASH_SHA384);
    cr_assert_eq(sign_bytes(KS_KEY_TYPE_EC_P384, KS_PURPOSE_SIGN, KS_ALGORITHM_DEFAULT,
                            KS_HASH_NONE, 32 * 1024),
                 KS_OK);
    cr_assert_eq(seen.len, 32 * 1024);
    cr_assert_eq(seen.prehashed, KS_HASH_NONE);
}

Test(sign, tls_keys_and_ed25519_get_the_message_whole)
{
    cr_assert_eq(sign_bytes(KS_KEY_TYPE_EC_P256, KS_PURPOSE_TLS_SERVER, KS_ALGORITHM_DEFAULT,
                            KS_HASH_NONE, 40000),
                 KS_OK);
    cr_assert_eq(seen.len, 40000);
    cr_assert_eq(sign_bytes(KS_KEY_TYPE_ED25519, KS_PURPOSE_SIGN, KS_ALGORITHM_DEFAULT,
                            KS_HASH_NONE, KS_SIGN_MAX_LEN),
                 KS_OK, "the largest that fits");
    cr_assert_eq(seen.len, KS_SIGN_MAX_LEN);
    cr_assert_eq(seen.prehashed, KS_HASH_NONE);
}

Test(sign, what_must_go_whole_and_does_not_fit_is_too_large)
{
    cr_assert_eq(sign_bytes(KS_KEY_TYPE_RSA_2048, KS_PURPOSE_TLS_SERVER, KS_ALGORITHM_DEFAULT,
                            KS_HASH_NONE, KS_SIGN_MAX_LEN + 1),
                 KS_ERR_TOO_LARGE);
    cr_assert_eq(sign_bytes(KS_KEY_TYPE_ED25519, KS_PURPOSE_SIGN, KS_ALGORITHM_DEFAULT,
                            KS_HASH_NONE, KS_SIGN_MAX_LEN + 1),
                 KS_ERR_TOO_LARGE);
    cr_assert_eq(seen.n, 0);
}

Test(sign, a_digest_has_its_hashs_length_and_the_algorithms_hash)
{
    cr_assert_eq(
        sign_bytes(KS_KEY_TYPE_EC_P256, KS_PURPOSE_SIGN, KS_ALGORITHM_DEFAULT, KS_HASH_SHA256, 32),
        KS_OK);
    cr_assert_eq(seen.prehashed, KS_HASH_SHA256);
    cr_assert_eq(
        sign_bytes(KS_KEY_TYPE_EC_P256, KS_PURPOSE_SIGN, KS_ALGORITHM_DEFAULT, KS_HASH_SHA256, 31),
        KS_ERR_USAGE);
    cr_assert_eq(
        sign_bytes(KS_KEY_TYPE_EC_P256, KS_PURPOSE_SIGN, KS_ALGORITHM_DEFAULT, KS_HASH_SHA384, 48),
        KS_ERR_USAGE);
    cr_assert_eq(
        sign_bytes(KS_KEY_TYPE_ED25519, KS_PURPOSE_SIGN, KS_ALGORITHM_DEFAULT, KS_HASH_SHA256, 32),
        KS_ERR_USAGE);
    cr_assert_eq(seen.n, 1);
}

Test(sign, an_algorithm_fits_the_keys_type)
{
    cr_assert_eq(sign_bytes(KS_KEY_TYPE_EC_P256, KS_PURPOSE_SIGN, KS_ALGORITHM_RSA_PSS_SHA256,
                            KS_HASH_NONE, 1),
                 KS_ERR_USAGE);
    cr_assert_eq(
        sign_bytes(KS_KEY_TYPE_ANY, KS_PURPOSE_SIGN, KS_ALGORITHM_DEFAULT, KS_HASH_NONE, 1),
        KS_ERR_USAGE);
    cr_assert_eq(sign_bytes(KS_KEY_TYPE_RSA_2048, KS_PURPOSE_SIGN, KS_ALGORITHM_RSA_PSS_SHA256,
                            KS_HASH_NONE, 1),
                 KS_OK);
}
