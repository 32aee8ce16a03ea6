/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample - events into a chain in memory, and its lines
 */
#include "sample.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <openssl/ec.h>
#include <openssl/x509.h>

#include "base/digest.h"
#include "base/hex.h"

int
sample_fd(void)
{
    char path[64];
    int fd = memfd_create("audit", MFD_CLOEXEC), appending;

    cr_assert(fd >= 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    appending = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    cr_assert(appending >= 0);
    close(fd);
    return appending;
}

char *
sample_signed_hex(EVP_PKEY *pkey, const char *text)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t signature[200];
    size_t len = sizeof(signature);
    char *hex;

    cr_assert_eq(EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, pkey, NULL), 1);
    cr_assert_eq(EVP_DigestSign(ctx, signature, &len, (const unsigned char *)text, strlen(text)),
                 1);
    EVP_MD_CTX_free(ctx);
    hex = calloc(1, 2 * len + 1);
    hex_text(hex, signature, len);
    return hex;
}

void
sample_key(EVP_PKEY **pkey, struct verify_key *key)
{
    unsigned char *at = key->der;

    *pkey = EVP_EC_gen("P-256");
    cr_assert_not_null(*pkey);
    key->der_len = (size_t)i2d_PUBKEY(*pkey, &at);
}

void
sample_key_sha256(const struct verify_key *key, uint8_t out[static KS_SHA256_LEN])
{
    struct digest *digest;

    cr_assert_eq(digest_new(&digest), KS_OK);
    cr_assert(digest_sum(digest, key->der, key->der_len, out));
    digest_free(digest);
}

void
sample_flush(struct chain *chain)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(chain_flush(chain, false, &why), KS_OK, "%s", why.text);
}

void
sample_event(struct chain *chain, const char *event)
{
    chain_begin(chain, event);
    chain_text(chain, "token", "main");
    chain_end(chain);
}

void
sample_sign(struct chain *chain, uint64_t request)
{
    static const uint8_t digest[KS_SHA256_LEN] = {0xde, 0xad};

    chain_begin(chain, "sign");
    chain_number(chain, "request", request);
    chain_text(chain, "key", "web/shop@1");
    chain_text(chain, "algorithm", "ecdsa-sha256");
    chain_hex(chain, "digest", digest, sizeof(digest));
    chain_text(chain, "outcome", "ok");
    chain_number(chain, "uid", 33);
    chain_text(chain, "unit", "nginx.service");
    chain_end(chain);
}

void
sample_generate(struct chain *chain, uint64_t request, const char *phase)
{
    chain_begin(chain, "generate");
    chain_text(chain, "phase", phase);
    chain_number(chain, "request", request);
    chain_text(chain, "key", "web/new@1");
    chain_end(chain);
}

/* Of the chain's last flushed record. */
static void
put_checkpoint(struct chain *chain, EVP_PKEY *pkey, const struct verify_key *key)
{
    char text[CHAIN_CHECKPOINT_MAX], *signature;
    uint8_t sha256[KS_SHA256_LEN];

    chain_checkpoint_text(chain, text);
    signature = sample_signed_hex(pkey, text);
    sample_key_sha256(key, sha256);
    chain_begin(chain, "checkpoint");
    chain_text(chain, "text", text);
    chain_text(chain, "signature", signature);
    chain_hex(chain, "key", sha256, sizeof(sha256));
    chain_end(chain);
    free(signature);
}

static char *
outside_checkpoint(const struct chain *chain, EVP_PKEY *pkey)
{
    char text[CHAIN_CHECKPOINT_MAX], *signature, *line;

    chain_checkpoint_text(chain, text);
    signature = sample_signed_hex(pkey, text);
    cr_assert(asprintf(&line, "%s %s", text, signature) > 0);
    free(signature);
    return line;
}

struct chain *
sample_chain(int fd, const char *name)
{
    struct fault why = FAULT_INIT;
    struct chain *chain;

    cr_assert_eq(chain_open(dup(fd), name, &chain, &why), KS_OK, "%s", why.text);
    return chain;
}

void
sample_take(struct sample *sample, int fd)
{
    struct stat status;
    char *at, *newline;

    cr_assert_eq(fstat(fd, &status), 0);
    sample->len = (size_t)status.st_size;
    sample->text = calloc(1, sample->len + 1);
    cr_assert_eq(pread(fd, sample->text, sample->len, 0), status.st_size);
    for (at = sample->text; (newline = strchr(at, '\n')); at = newline + 1) {
        sample->lines[sample->n_lines] = at;
        sample->line_len[sample->n_lines++] = (size_t)(newline + 1 - at);
    }
}

struct sample
sample_new(void)
{
    static const char *const first[] = {"start", "config", "purpose", "login"};
    struct sample sample = {0};
    int fd = sample_fd();
    struct chain *chain = sample_chain(fd, "main-1");

    sample_key(&sample.pkey, &sample.key);
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        sample_event(chain, first[i]);
    for (uint64_t i = 1; i <= 4; i++)
        sample_sign(chain, i);
    sample_generate(chain, 5, "intent");
    sample_generate(chain, 5, "result");
    sample_flush(chain);
    put_checkpoint(chain, sample.pkey, &sample.key);
    sample_sign(chain, 6);
    sample_generate(chain, 7, "intent");
    sample_flush(chain);
    chain_free(chain);
    cr_assert_eq(write(fd, "{\"seq\":14,\"time\":\"2026-11-", 26), 26);
    chain = sample_chain(fd, "main-1");
    sample_event(chain, "start");
    sample_sign(chain, 8);
    sample_sign(chain, 9);
    sample_event(chain, "stop");
    sample_flush(chain);
    sample.last_checkpoint = outside_checkpoint(chain, sample.pkey);
    chain_free(chain);
    sample_take(&sample, fd);
    sample.torn_line = 14;
    cr_assert_eq(sample.n_lines, 19);
    cr_assert_not_null(strstr(sample.lines[sample.torn_line], "\"event\":\"torn\""));
    close(fd);
    return sample;
}

void
sample_deinit(struct sample *sample)
{
    free(sample->text);
    free(sample->last_checkpoint);
    EVP_PKEY_free(sample->pkey);
}

ks_err
sample_check(const struct sample *sample, const char *text, size_t len,
             struct verify_result *result, struct fault *why)
{
    const struct verify_options options = {
        .keys = &sample->key, .n_keys = 1, .last_checkpoint = sample->last_checkpoint};
    FILE *file = len ? fmemopen((void *)text, len, "r") : fopen("/dev/null", "re");
    ks_err err;

    cr_assert_not_null(file);
    why->text[0] = '\0';
    err = verify_file(file, "main-1", &options, result, why);
    fclose(file);
    return err;
}
