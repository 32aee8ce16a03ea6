/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - who may say what about which chain, and where it is written
 */
#include "supervisor/checkpoint.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/log.h"
#include "supervisor/durable.h"

#define PEM_BEGIN "-----BEGIN PUBLIC KEY-----\n"
#define PEM_END "-----END PUBLIC KEY-----\n"
#define PEM_LINE_BYTES 48 /* become 64 characters */
#define PEM_MAX 2048      /* bytes: 640 of DER and its lines */
#define FILE_NAME_MAX 128
#define LINE_MAX_LEN (CHAIN_CHECKPOINT_MAX + 1 + 2 * KS_SIGNATURE_MAX_LEN + 2)

static bool well_formed(const char *chain, const char *token,
                        const struct control_checkpoint *checkpoint);
static ks_err keep_key(const char *state_dir, bool may_introduce,
                       const struct control_checkpoint *checkpoint, struct fault *why);
static void to_pem(const uint8_t *der, size_t len, char out[static PEM_MAX]);
static size_t to_line(const struct control_checkpoint *checkpoint, char out[static LINE_MAX_LEN]);

ks_err
checkpoint_keep(const char *state_dir, const char *chain, const char *token,
                const struct control_checkpoint *checkpoint, struct fault *why)
{
    char name[FILE_NAME_MAX];
    char line[LINE_MAX_LEN];
    size_t len;
    ks_err err;

    if (!durable_name_valid(chain) || !well_formed(chain, token, checkpoint)) {
        fault_set(why, "the checkpoint is none of chain %s", chain);
        return KS_ERR_BAD_REQUEST;
    }
    err = keep_key(state_dir, token != NULL, checkpoint, why);
    if (err)
        return err;
    len = to_line(checkpoint, line);
    snprintf(name, sizeof(name), "%s.checkpoint", chain);
    err = durable_write(state_dir, name, line, len, why);
    line[len - 1] = '\0';
    log_info("event=checkpoint token=%s checkpoint=\"%s\"", checkpoint->token, line);
    return err;
}

static bool
well_formed(const char *chain, const char *token, const struct control_checkpoint *checkpoint)
{
    char start[sizeof(CHAIN_CHECKPOINT_PREFIX) + FILE_NAME_MAX + 16];

    snprintf(start, sizeof(start), CHAIN_CHECKPOINT_PREFIX "chain=%s ", chain);
    if (strncmp(checkpoint->text, start, strlen(start)) != 0)
        return false;
    for (const char *c = checkpoint->text; *c; c++) {
        if (*c < 0x20 || *c > 0x7e || *c == '"')
            return false;
    }
    if (!durable_name_valid(checkpoint->token) || (token && strcmp(token, checkpoint->token) != 0))
        return false;
    return checkpoint->signature_len > 0 &&
           checkpoint->signature_len <= sizeof(checkpoint->signature) &&
           checkpoint->public_key_len > 0 &&
           checkpoint->public_key_len <= sizeof(checkpoint->public_key);
}

/* The first key stays: a worker that was taken over must not be able to replace the one its old
 * records verify with. */
static ks_err
keep_key(const char *state_dir, bool may_introduce, const struct control_checkpoint *checkpoint,
         struct fault *why)
{
    char name[FILE_NAME_MAX];
    char pem[PEM_MAX], kept[PEM_MAX];
    bool exists;
    ks_err err;

    snprintf(name, sizeof(name), "%s.audit-key.pem", checkpoint->token);
    to_pem(checkpoint->public_key, checkpoint->public_key_len, pem);
    err = durable_read(state_dir, name, kept, sizeof(kept), &exists, why);
    if (err)
        return err;
    if (exists && strcmp(pem, kept) != 0) {
        fault_set(why, "a checkpoint of token %s was signed with another key than %s/%s holds",
                  checkpoint->token, state_dir, name);
        fault_hint(why, "if keysvc/audit was replaced on purpose, move that file away");
        return KS_ERR_EXISTS;
    }
    if (exists || !may_introduce)
        return KS_OK;
    return durable_write(state_dir, name, pem, strlen(pem), why);
}

static void
to_pem(const uint8_t *der, size_t len, char out[static PEM_MAX])
{
    char *at = stpcpy(out, PEM_BEGIN);

    for (size_t i = 0; i < len; i += PEM_LINE_BYTES) {
        size_t part = len - i < PEM_LINE_BYTES ? len - i : PEM_LINE_BYTES;

        at += EVP_EncodeBlock((unsigned char *)at, der + i, (int)part);
        *at++ = '\n';
    }
    strcpy(at, PEM_END);
}

static size_t
to_line(const struct control_checkpoint *checkpoint, char out[static LINE_MAX_LEN])
{
    int len = snprintf(out, LINE_MAX_LEN, "%s ", checkpoint->text);

    for (size_t i = 0; i < checkpoint->signature_len; i++)
        len += snprintf(out + len, LINE_MAX_LEN - (size_t)len, "%02x", checkpoint->signature[i]);
    out[len++] = '\n';
    return (size_t)len;
}
