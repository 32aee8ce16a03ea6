/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample - an audit file as a token process writes it, with a key of its own for the checkpoints
 */
#pragma once

#include <openssl/evp.h>

#include "base/chain.h"
#include "base/verify.h"

#define MAX_LINES 64

struct sample {
    char *text;
    size_t len;
    char *lines[MAX_LINES]; /* each with its newline */
    size_t line_len[MAX_LINES];
    size_t n_lines;
    size_t torn_line;      /* index of the record "torn"; the garbage is the line before */
    char *last_checkpoint; /* kept outside, of the last record */
    EVP_PKEY *pkey;
    struct verify_key key;
};

/* Memory that is only appended to. */
int sample_fd(void);

/* To be freed. */
char *sample_signed_hex(EVP_PKEY *pkey, const char *text);

void sample_key(EVP_PKEY **pkey, struct verify_key *key);

void sample_key_sha256(const struct verify_key *key, uint8_t out[static KS_SHA256_LEN]);

void sample_flush(struct chain *chain);

void sample_event(struct chain *chain, const char *event);

void sample_sign(struct chain *chain, uint64_t request);

void sample_generate(struct chain *chain, uint64_t request, const char *phase);

/* Goes on where the file ends; keeps a descriptor of its own. */
struct chain *sample_chain(int fd, const char *name);

/* What is in the file, into an empty sample. */
void sample_take(struct sample *sample, int fd);

/* About 20 records: each event once at least, a checkpoint inside and one outside, a torn line. */
struct sample sample_new(void);

void sample_deinit(struct sample *sample);

/* Verifies `text` with the sample's key and outside checkpoint. */
ks_err sample_check(const struct sample *sample, const char *text, size_t len,
                    struct verify_result *result, struct fault *why);
