/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - who may say what about which chain, and where it is written
 */
#include "supervisor/checkpoint.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/audit_key.h"
#include "base/checkpoint.h"
#include "base/hex.h"
#include "base/log.h"
#include "supervisor/durable.h"

#define PEM_BEGIN "-----BEGIN PUBLIC KEY-----\n"
#define PEM_END "-----END PUBLIC KEY-----\n"
#define PEM_LINE_BYTES 48 /* become 64 characters */
#define PEM_MAX 2048      /* bytes: 640 of DER and its lines */
#define KEPT ".checkpoint"
#define REFUSED ".checkpoint.refused"
#define FILE_NAME_MAX 128
#define LINE_MAX_LEN (CHAIN_CHECKPOINT_MAX + 1 + 2 * KS_SIGNATURE_MAX_LEN + 2)

static bool well_formed(const char *chain, const char *token,
                        const struct control_checkpoint *message, struct checkpoint *out);
static ks_err check_kind(const char *token, const struct control_checkpoint *message,
                         struct fault *why);
static ks_err keep_key(const char *state_dir, bool may_introduce,
                       const struct control_checkpoint *message, struct fault *why);
static ks_err check_signature(const struct control_checkpoint *message, struct fault *why);
static ks_err check_kept(const char *state_dir, const struct checkpoint *now, const char *line,
                         bool *wanted, struct fault *why);
static void to_pem(const uint8_t *der, size_t len, char out[static PEM_MAX]);
static bool from_pem(const char *pem, uint8_t *der, size_t cap, size_t *len);
static size_t to_line(const struct control_checkpoint *message, char out[static LINE_MAX_LEN]);

ks_err
checkpoint_keep(const char *state_dir, const char *chain, const char *token,
                const struct control_checkpoint *message, struct fault *why)
{
    char name[FILE_NAME_MAX];
    char line[LINE_MAX_LEN];
    struct checkpoint now;
    bool wanted = false;
    size_t len;
    ks_err err;

    if (!durable_name_valid(chain) || !well_formed(chain, token, message, &now)) {
        fault_set(why, "the checkpoint is none of chain %s", chain);
        return KS_ERR_BAD_REQUEST;
    }
    err = check_kind(token, message, why);
    if (!err)
        err = keep_key(state_dir, token != NULL, message, why);
    if (err)
        return err;
    len = to_line(message, line);
    err = check_kept(state_dir, &now, line, &wanted, why);
    if (!err && wanted) {
        snprintf(name, sizeof(name), "%s" KEPT, chain);
        err = durable_write(state_dir, name, line, len, why);
    }
    /* The journal has also what is refused here: evidence of what stands in that chain. */
    line[len - 1] = '\0';
    if (err || wanted)
        log_info("event=checkpoint token=%s checkpoint=\"%s\"", message->token, line);
    return err;
}

static bool
well_formed(const char *chain, const char *token, const struct control_checkpoint *message,
            struct checkpoint *out)
{
    if (!checkpoint_parse(message->text, out) || strcmp(out->chain, chain) != 0)
        return false;
    if (!durable_name_valid(message->token) || (token && strcmp(token, message->token) != 0))
        return false;
    return message->signature_len > 0 && message->signature_len <= sizeof(message->signature);
}

/* Before any decoder, which runs with our rights here, looks at what a child sent. A token process
 * refuses such a key itself; the front has it from a token, for whose keys it must not die. */
static ks_err
check_kind(const char *token, const struct control_checkpoint *message, struct fault *why)
{
    if (audit_key_known(message->public_key, message->public_key_len))
        return KS_OK;
    fault_set(why, "a checkpoint names an audit key of token %s that is none of " AUDIT_KEY_KINDS,
              message->token);
    return token ? KS_ERR_BAD_REQUEST : KS_ERR_UNSUPPORTED;
}

/* A file of ours that cannot be read is nothing that the sender of the checkpoint did. */
static ks_err
read_kept(const char *state_dir, const char *name, char *out, size_t cap, bool *exists,
          struct fault *why)
{
    return durable_read(state_dir, name, out, cap, exists, why) ? KS_ERR_INTERNAL : KS_OK;
}

/* The first key stays: a worker that was taken over must not be able to replace the one its old
 * records verify with. */
static ks_err
keep_key(const char *state_dir, bool may_introduce, const struct control_checkpoint *message,
         struct fault *why)
{
    char name[FILE_NAME_MAX];
    char pem[PEM_MAX], kept[PEM_MAX];
    bool exists;
    ks_err err;

    snprintf(name, sizeof(name), "%s.audit-key.pem", message->token);
    to_pem(message->public_key, message->public_key_len, pem);
    err = read_kept(state_dir, name, kept, sizeof(kept), &exists, why);
    if (err)
        return err;
    if (exists && strcmp(pem, kept) != 0) {
        fault_set(why, "a checkpoint of token %s was signed with another key than %s/%s holds",
                  message->token, state_dir, name);
        fault_hint(why, "if keysvc/audit was replaced on purpose, move that file away");
        return KS_ERR_EXISTS;
    }
    if (!exists && !may_introduce) {
        fault_set(why, "no audit key of token %s is kept yet", message->token);
        return KS_ERR_NO_KEY;
    }
    err = check_signature(message, why);
    if (err || exists)
        return err;
    return durable_write(state_dir, name, pem, strlen(pem), why);
}

ks_err
checkpoint_key(const char *state_dir, const char *token, struct control_setup *setup,
               struct fault *why)
{
    char name[FILE_NAME_MAX], pem[PEM_MAX];
    bool exists;
    ks_err err;

    setup->audit_key_len = 0;
    if (!durable_name_valid(token)) /* none could have been kept */
        return KS_OK;
    snprintf(name, sizeof(name), "%s.audit-key.pem", token);
    err = read_kept(state_dir, name, pem, sizeof(pem), &exists, why);
    if (err || !exists)
        return err;
    if (from_pem(pem, setup->audit_key, sizeof(setup->audit_key), &setup->audit_key_len))
        return KS_OK;
    fault_set(why, "%s/%s holds no public key as keysvcd writes it", state_dir, name);
    fault_hint(why, "put the right file back; only if the token's audit key is to be trusted as it "
                    "is now, move that file away");
    return KS_ERR_INTERNAL;
}

/* By the key that came with it, which is the one kept, or becomes it. */
static ks_err
check_signature(const struct control_checkpoint *message, struct fault *why)
{
    ks_auto(checkpoint_keys_freep) struct checkpoint_keys *keys = NULL;
    char signature[2 * KS_SIGNATURE_MAX_LEN + 1];
    struct verify_key key;
    ks_err err;

    static_assert(sizeof(key.der) == sizeof(message->public_key), "a key that fits one fits both");
    memcpy(key.der, message->public_key, message->public_key_len);
    key.der_len = message->public_key_len;
    err = checkpoint_keys_new(&key, 1, &keys, why);
    if (err)
        return err;
    hex_text(signature, message->signature, message->signature_len);
    if (checkpoint_signed(keys, NULL, message->text, signature))
        return KS_OK;
    fault_set(why, "a checkpoint is not signed by the audit key of token %s, which it names",
              message->token);
    return KS_ERR_KEY_CHANGED;
}

/* The text of a kept line. */
static bool
parse_line(char *line, struct checkpoint *out)
{
    char *space = strrchr(line, ' ');

    if (!space)
        return false;
    *space = '\0';
    return checkpoint_parse(line, out);
}

/* Which record was named when the chain was first found cut or replaced. The file that says so
 * makes us stay with it when that chain has become longer than the one that is gone. */
static ks_err
first_refused(const char *state_dir, const struct checkpoint *now, const char *line, bool cut,
              struct checkpoint *first, bool *refused, struct fault *why)
{
    char name[FILE_NAME_MAX], earlier[LINE_MAX_LEN];
    ks_err err;

    *first = *now;
    snprintf(name, sizeof(name), "%s" REFUSED, now->chain);
    err = read_kept(state_dir, name, earlier, sizeof(earlier), refused, why);
    if (err || (!*refused && !cut))
        return err;
    if (!*refused) {
        *refused = true;
        return durable_write(state_dir, name, line, strlen(line), why);
    }
    if (!parse_line(earlier, first))
        *first = *now;
    return KS_OK;
}

/* Only a later record's replaces what is kept; else a chain that was removed and began anew would
 * erase the evidence. */
static ks_err
check_kept(const char *state_dir, const struct checkpoint *now, const char *line, bool *wanted,
           struct fault *why)
{
    char name[FILE_NAME_MAX], refused_name[FILE_NAME_MAX], text[LINE_MAX_LEN];
    struct checkpoint kept, first;
    bool exists, refused;
    ks_err err;

    snprintf(name, sizeof(name), "%s" KEPT, now->chain);
    snprintf(refused_name, sizeof(refused_name), "%s" REFUSED, now->chain);
    err = read_kept(state_dir, name, text, sizeof(text), &exists, why);
    if (err)
        return err;
    if (!exists) {
        *wanted = true;
        return durable_remove(state_dir, refused_name, why);
    }
    if (!parse_line(text, &kept)) {
        fault_set(why, "%s/%s holds no checkpoint", state_dir, name);
        fault_hint(why, "keep it for the investigation: move that file away");
        return KS_ERR_EXISTS;
    }
    if (kept.seq == now->seq && memcmp(kept.hash, now->hash, sizeof(kept.hash)) == 0)
        return KS_OK;
    err = first_refused(state_dir, now, line, now->seq <= kept.seq, &first, &refused, why);
    *wanted = !err && !refused;
    if (err || !refused)
        return err;
    fault_set(why,
              "chain %s ends at record %llu, %s record %llu of the checkpoint kept in %s/%s: the "
              "audit file was cut or replaced",
              now->chain, (unsigned long long)first.seq,
              first.seq == kept.seq ? "which is not" : "before", (unsigned long long)kept.seq,
              state_dir, name);
    fault_hint(why, "keep both for the investigation; if it was done on purpose, move that file "
                    "away");
    return KS_ERR_EXISTS;
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

/* What to_pem() wrote, and nothing else. */
static bool
from_pem(const char *pem, uint8_t *der, size_t cap, size_t *len)
{
    uint8_t decoded[PEM_MAX];
    char again[PEM_MAX];
    const char *at = pem + strlen(PEM_BEGIN);
    size_t n_decoded = 0;

    if (strncmp(pem, PEM_BEGIN, strlen(PEM_BEGIN)) != 0)
        return false;
    while (*at != '-' && *at != '\0') {
        size_t line_len = strcspn(at, "\n");
        int n = EVP_DecodeBlock(decoded + n_decoded, (const unsigned char *)at, (int)line_len);

        if (n <= 0 || at[line_len] == '\0')
            return false;
        n_decoded += (size_t)n;
        at += line_len;
        /* The decoder counts what fills up the last four characters. */
        n_decoded -= (size_t)(at[-1] == '=') + (size_t)(at[-2] == '=');
        at++;
    }
    if (!audit_key_known(decoded, n_decoded) || n_decoded > cap)
        return false;
    to_pem(decoded, n_decoded, again);
    memcpy(der, decoded, n_decoded);
    *len = n_decoded;
    return strcmp(pem, again) == 0;
}

static size_t
to_line(const struct control_checkpoint *message, char out[static LINE_MAX_LEN])
{
    char signature[2 * KS_SIGNATURE_MAX_LEN + 1];

    hex_text(signature, message->signature, message->signature_len);
    return (size_t)snprintf(out, LINE_MAX_LEN, "%s %s\n", message->text, signature);
}
