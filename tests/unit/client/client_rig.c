/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_rig - small calls, and a server in a good mood
 */
#include "client_rig.h"

#include <criterion/criterion.h>

#include <stdio.h>

struct ks_client *
client_rig_new(const struct fake_server *server)
{
    struct ks_client *client;
    struct ks_error error;

    cr_assert_eq(ks_client_new(fake_server_path(server), &client, &error), KS_OK);
    return client;
}

struct ks_key
client_rig_key(void)
{
    struct ks_key key = {
        .name = "web/shop", .version = 2, .type = KS_KEY_TYPE_EC_P256, .purpose = KS_PURPOSE_SIGN};

    return key;
}

ks_err
client_rig_sign(struct ks_client *client, const char *text, struct ks_error *error)
{
    const struct ks_key key = client_rig_key();
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    size_t len;

    return ks_sign(client, &key, KS_ALGORITHM_DEFAULT, KS_HASH_NONE, text, strlen(text), signature,
                   &len, NULL, error);
}

void
client_rig_answer(struct fake_server *server, const struct fake_request *request)
{
    static const char *const NAMES[] = {"a", "b", "c"};

    (void)server;
    switch (request->operation) {
    case 11:
        fake_status(request);
        break;
    case LIST:
        if (request->name[0] == '\0')
            fake_keys(request, NAMES, 2, true);
        else
            fake_keys(request, NAMES + 2, 1, false);
        break;
    case GET:
    case GENERATE:
    case ROTATE:
        fake_asked_key(request);
        break;
    case SIGN:
        fake_signature(request, request->data, request->data_len < 64 ? request->data_len : 64);
        break;
    case 17:
        fake_csr(request);
        break;
    case 18:
        fake_explanation(request);
        break;
    default:
        fake_done(request);
    }
}

void *
client_rig_sign_often(void *context)
{
    struct signer *signer = context;
    const struct ks_key key = client_rig_key();
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    char text[16];
    size_t len;

    signer->right = true;
    for (int i = 0; i < N_ROUNDS; i++) {
        int text_len = snprintf(text, sizeof(text), "%d/%d", signer->number, i);

        if (ks_sign(signer->client, &key, KS_ALGORITHM_DEFAULT, KS_HASH_NONE, text,
                    (size_t)text_len, signature, &len, NULL, NULL) ||
            len != (size_t)text_len || memcmp(signature, text, len) != 0)
            signer->right = false;
    }
    return NULL;
}
