/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - reading an audit chain back and naming the first place where it is not what was written
 *
 * Reads only; works while the daemon is down and on copies. Trusts nothing in the file but what its
 * hashes, and the signatures of keys given from outside, prove. A chain of several files (rotated)
 * is read in order, the oldest first:
 *   verify_new() -> verify_add() for each file -> verify_end() -> verify_free()
 * What is seen: any flipped byte, a record cut out, moved or put in, at the front too (a file
 * begins with record 1 or with "continued"), a file whose writer saw the one before it being removed
 * or cut, unless that one is read too, and whole, and, where a checkpoint was kept outside, a cut at the
 * end back to it and a file that claims to continue more than it names. What is not: a whole chain
 * written anew after the last checkpoint that is signed or kept outside; older files that are gone
 * (first_seq > 1 says so).
 */
#pragma once

#include <stdio.h>

#include "base/chain.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/fault.h"

#define VERIFY_MAX_KEYS 64
#define VERIFY_NAMED_INTENTS 16
/* Records a checkpoint may lie behind the record it signs: the front waits for a token's signature.
 * One that lies further back proves nothing and is not counted. */
#define VERIFY_CHECKPOINT_WINDOW (256u * 1024u)

struct verify_key {
    uint8_t der[KS_PUBLIC_KEY_MAX_LEN]; /* SubjectPublicKeyInfo of a token's keysvc/audit */
    size_t der_len;
};

/* From a PEM file "PUBLIC KEY". BAD_REQUEST: none in it, or neither an elliptic curve's nor RSA's. */
ks_err verify_key_read(FILE *pem, struct verify_key *out, struct fault *why) KS_MUST_CHECK;

struct verify_options {
    const struct verify_key *keys; /* borrowed until verify_free; none: checkpoints are not
                                      verified, only chained */
    size_t n_keys;
    const char *last_checkpoint; /* "TEXT SIGNATUREHEX" kept outside of the file; NULL if none: a
                                    cut at the end is not seen. The record it names, or the one
                                    right after, must be in the files */
};

struct verify_result {
    uint64_t n_records;
    uint64_t first_seq, last_seq; /* 0: no record; a first above 1: those before were not read */
    uint64_t n_checkpoints;       /* with a good signature of a given key */
    uint64_t n_unproven;          /* checkpoints by another key, or too far behind */
    uint64_t last_signed_seq;     /* everything up to here is signed */
    uint64_t n_torn;              /* closed, and known to be a crash's or a full disk's */
    bool torn_end;                /* the file ends in one that is not closed yet */
    uint64_t n_open_intents;      /* state changes without a result: look at the key */
    uint64_t open_intents[VERIFY_NAMED_INTENTS]; /* the first ones' sequence numbers */
    uint64_t bad_line;   /* 1-based, in the file read last; 0: no line is wrong */
    uint64_t bad_offset; /* bytes, where that line begins */
};

struct verify;

/* `chain_name` as in the checkpoints; NULL: that of the first one. BAD_REQUEST: a key or the
 * checkpoint kept outside is none, or is not signed by any of the keys. */
ks_err verify_new(const char *chain_name, const struct verify_options *options, struct verify **out,
                  struct fault *why) KS_MUST_CHECK;

/* One more file. BAD_REQUEST: altered, `why` says how; nothing may be added after that. INTERNAL:
 * cannot be read. */
ks_err verify_add(struct verify *verify, FILE *file, struct fault *why) KS_MUST_CHECK;

/* After the last file: BAD_REQUEST: its end is missing. */
ks_err verify_end(struct verify *verify, struct fault *why) KS_MUST_CHECK;

/* What is known so far, also after a failure. */
void verify_result(const struct verify *verify, struct verify_result *out);

/* Takes NULL; returns NULL. */
struct verify *verify_free(struct verify *verify);
void verify_freep(struct verify **verify);

/* All of it for one file. KS_OK: whole. BAD_REQUEST: altered; result->bad_line and `why` name the
 * first place. INTERNAL: cannot be read. */
ks_err verify_file(FILE *file, const char *chain_name, const struct verify_options *options,
                   struct verify_result *result, struct fault *why) KS_MUST_CHECK;
