/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api_token - random bits, their hash, and the comparison
 */
#include "client/agent/api_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/hex.h"
#include "client/agent/store/store_api_token.h"

#define PREFIX "ksa_"
#define SECRET_BYTES 32
#define BASE64_LEN 44 /* with its one `=` */

/* clang-format off */
static const struct {
    enum scope scope;
    const char *name;
} SCOPES[] = {
    {SCOPE_READ, "certificate reading"},
    {SCOPE_CERTIFICATES, "certificate management"},
};
/* clang-format on */

unsigned int
scope_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(SCOPES); i++) {
        if (strcmp(SCOPES[i].name, name) == 0)
            return SCOPES[i].scope;
    }
    return 0;
}

const char *
scope_name(unsigned int scope)
{
    for (size_t i = 0; i < ARRAY_LEN(SCOPES); i++) {
        if ((unsigned int)SCOPES[i].scope == scope)
            return SCOPES[i].name;
    }
    return NULL;
}

static bool
random_parts(char id[static API_TOKEN_ID_LEN + 1], char secret[static API_TOKEN_SECRET_LEN + 1])
{
    uint8_t bytes[SECRET_BYTES], name[API_TOKEN_ID_LEN / 2];
    unsigned char text[BASE64_LEN + 1];

    if (RAND_bytes(name, sizeof(name)) != 1 || RAND_priv_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    hex_text(id, name, sizeof(name));
    EVP_EncodeBlock(text, bytes, sizeof(bytes));
    for (size_t i = 0; i < API_TOKEN_SECRET_LEN; i++)
        secret[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : (char)text[i];
    secret[API_TOKEN_SECRET_LEN] = '\0';
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(text, sizeof(text));
    return true;
}

static bool
is_name(const char *name)
{
    size_t len = strnlen(name, API_TOKEN_NAME_MAX + 1);

    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            return false;
    }
    return len > 0 && len <= API_TOKEN_NAME_MAX;
}

ks_err
api_token_create(struct agent *agent, const char *name, unsigned int scopes, int64_t expires_us,
                 char text[static API_TOKEN_TEXT_LEN + 1], struct report *report)
{
    struct api_token token = {
        .scopes = scopes, .made_us = (int64_t)clock_wall_us(), .expires_us = expires_us};
    char secret[API_TOKEN_SECRET_LEN + 1];
    struct fault why = FAULT_INIT;
    ks_err err;

    if (!is_name(name))
        return report_fail(report, KS_ERR_USAGE,
                           "a token's name has 1 to %u bytes without control characters",
                           API_TOKEN_NAME_MAX);
    (void)text_copy(token.name, sizeof(token.name), name);
    if (!random_parts(token.id, secret))
        return report_fail(report, KS_ERR_INTERNAL, "no random numbers");
    SHA256((const unsigned char *)secret, API_TOKEN_SECRET_LEN, token.hash);
    err = store_begin(agent->store, &why);
    if (!err)
        err = store_end(agent->store, store_api_token_add(agent->store, &token, &why), &why);
    if (!err)
        snprintf(text, API_TOKEN_TEXT_LEN + 1, PREFIX "%s_%s", token.id, secret);
    OPENSSL_cleanse(secret, sizeof(secret));
    return err ? report_fault(report, err, &why) : KS_OK;
}

ks_err
api_token_revoke(struct agent *agent, const char *id, struct report *report)
{
    struct fault why = FAULT_INIT;
    ks_err err = store_begin(agent->store, &why);

    if (!err)
        err = store_end(agent->store,
                        store_api_token_revoke(agent->store, id, (int64_t)clock_wall_us(), &why),
                        &why);
    return err ? report_fault(report, err, &why) : KS_OK;
}

ks_err
api_token_list(struct agent *agent, struct api_token **out, size_t *n, struct report *report)
{
    struct fault why = FAULT_INIT;
    ks_err err = store_api_token_list(agent->store, out, n, &why);

    return err ? report_fault(report, err, &why) : KS_OK;
}

bool
api_token_id(const char *text, char id[static API_TOKEN_ID_LEN + 1])
{
    if (strnlen(text, API_TOKEN_TEXT_LEN + 1) != API_TOKEN_TEXT_LEN ||
        strncmp(text, PREFIX, strlen(PREFIX)) != 0)
        return false;
    text += strlen(PREFIX);
    memcpy(id, text, API_TOKEN_ID_LEN);
    id[API_TOKEN_ID_LEN] = '\0';
    return text[API_TOKEN_ID_LEN] == '_';
}

/* Its last use is a help for people: nothing fails for it, and no request writes more than one a minute. */
static void
note_use(struct agent *agent, struct api_token *token, int64_t now_us)
{
    struct fault ignored = FAULT_INIT;

    if (now_us - token->used_us < API_TOKEN_USED_EVERY_US && now_us >= token->used_us)
        return;
    if (store_begin(agent->store, &ignored) != KS_OK)
        return;
    (void)!store_end(agent->store, store_api_token_used(agent->store, token->id, now_us, &ignored),
                     &ignored);
    token->used_us = now_us;
}

ks_err
api_token_check(struct agent *agent, const char *text, struct api_token *out, struct report *report)
{
    static const char refusal[] = "this is no valid token";
    int64_t now_us = (int64_t)clock_wall_us();
    char id[API_TOKEN_ID_LEN + 1];
    struct fault why = FAULT_INIT;
    uint8_t hash[KS_SHA256_LEN];
    const char *secret;
    ks_err err;

    if (!api_token_id(text, id))
        return report_fail(report, KS_ERR_DENIED, refusal);
    secret = text + API_TOKEN_TEXT_LEN - API_TOKEN_SECRET_LEN;
    SHA256((const unsigned char *)secret, API_TOKEN_SECRET_LEN, hash);
    err = store_api_token_get(agent->store, id, out, &why);
    if (err == KS_ERR_NOT_FOUND)
        return report_fail(report, KS_ERR_DENIED, refusal);
    if (err)
        return report_fault(report, err, &why);
    if (CRYPTO_memcmp(hash, out->hash, sizeof(hash)) != 0 || out->revoked_us != 0 ||
        (out->expires_us != 0 && out->expires_us <= now_us))
        return report_fail(report, KS_ERR_DENIED, refusal);
    note_use(agent, out, now_us);
    return KS_OK;
}
