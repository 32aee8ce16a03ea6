/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - reading an audit file back and naming the first place where it is not what was written
 *
 * Reads only; works while the daemon is down and on copies. Trusts nothing in the file but what its
 * hashes, and the signatures of a key given from outside, prove.
 */
#pragma once

#include <stdio.h>

#include "base/crypto.h"
#include "base/err.h"
#include "base/fault.h"

struct verify_options {
    const uint8_t *public_key; /* DER SubjectPublicKeyInfo of keysvc/audit; NULL: checkpoints are
                                  not verified, only chained */
    size_t public_key_len;
    const char *last_checkpoint; /* "TEXT SIGNATUREHEX" kept outside of the file; NULL if none: a
                                    cut at the end is not seen */
};

struct verify_result {
    uint64_t n_records;
    uint64_t first_seq, last_seq;
    uint64_t n_checkpoints;   /* with a good signature */
    uint64_t last_signed_seq; /* everything up to here is signed */
    uint64_t n_torn;
    uint64_t n_open_intents; /* state changes without a result: look at the key */
    uint64_t bad_line;       /* 1-based; 0: the file is whole */
    uint64_t bad_offset;     /* bytes */
};

/* KS_OK: whole. BAD_REQUEST: altered; result->bad_line and `why` name the first place. INTERNAL:
 * cannot be read. */
ks_err verify_file(FILE *file, const char *chain_name, const struct verify_options *options,
                   struct verify_result *result, struct fault *why) KS_MUST_CHECK;
