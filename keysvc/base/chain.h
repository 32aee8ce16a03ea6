/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain - one append-only audit file whose records are chained by their hashes
 *
 * A record is one line, a JSON object with its members in this order:
 *   {"seq":12,"time":"2026-11-22T00:18:16.123456Z","prev":"64 hex","event":"sign",...,"hash":"64
 * hex"} hash is SHA-256 over the line's bytes before `,"hash":`; prev is the hash of the record
 * before (64 zeros for seq 1). A line torn by a crash is closed with a newline and followed by a
 * record with event "torn" that holds its length and SHA-256 and whose prev is the last good
 * record's hash; anything else that breaks the chain is an alteration.
 *
 * Records are first gathered in memory, then chain_flush() writes them all with one write(), before
 * any answer that depends on them leaves. After a failed or short write nothing more is recorded
 * until chain_flush() succeeds: it takes back what was not written, so the callers must refuse what
 * they gathered. The descriptor is append-only; this module uses write, pread, fstat and fdatasync
 * on it and nothing else.
 */
#pragma once

#include "base/crypto.h"
#include "base/err.h"
#include "base/fault.h"

#define CHAIN_RECORD_MAX                                                                           \
    4096 /* bytes of a line; longer members are cut with a mark when written                       \
          */
#define CHAIN_HASH_TEXT_LEN 64

struct chain;

/*
 * Takes `fd` (O_RDWR | O_APPEND). Reads the end of the file: the next sequence number and hash come
 * from the last whole record; a torn last line is closed and recorded (written with the first
 * flush). For an empty file, `first_seq` and `first_prev` continue another file after a rotation; 1
 * and NULL begin a new chain. BAD_REQUEST: the last whole line is no record; AUDIT_UNWRITABLE: the
 * file cannot be read.
 */
ks_err chain_open(int fd, const char *name, uint64_t first_seq, const uint8_t *first_prev,
                  struct chain **out, struct fault *why) KS_MUST_CHECK;

/* Takes NULL; flushes nothing; closes the descriptor; returns NULL. */
struct chain *chain_free(struct chain *chain);
void chain_freep(struct chain **chain);

/* One record: begin, members in any number, end. Keys are literals of [a-z_]; texts are escaped. */
void chain_begin(struct chain *chain, const char *event);
void chain_text(struct chain *chain, const char *key, const char *text);
void chain_number(struct chain *chain, const char *key, uint64_t number);
void chain_hex(struct chain *chain, const char *key, const uint8_t *data, size_t len);
void chain_end(struct chain *chain);

/* Bytes gathered and not yet written. */
size_t chain_pending(const struct chain *chain);

/* Writes what was gathered; `sync`: and fdatasync. AUDIT_UNWRITABLE: nothing gathered since the
 * last flush counts. */
ks_err chain_flush(struct chain *chain, bool sync, struct fault *why) KS_MUST_CHECK;

/* Something was written since the last fdatasync. */
bool chain_dirty(const struct chain *chain);

/* Sequence number and hash of the last flushed record; 0 and zeros before the first. */
void chain_head(const struct chain *chain, uint64_t *seq, uint8_t hash[static KS_SHA256_LEN]);

/*
 * The text that a checkpoint signs (the token's key keysvc/audit, ECDSA with SHA-256):
 *   keysvc-audit-checkpoint:1 chain=NAME seq=N hash=HEX time=TIME
 * In the chain it stands as event "checkpoint" with members "text" and "signature" (hex), "key"
 * (SHA-256 of the public key).
 */
#define CHAIN_CHECKPOINT_PREFIX "keysvc-audit-checkpoint:1 "
#define CHAIN_CHECKPOINT_MAX 384 /* bytes */
void chain_checkpoint_text(const struct chain *chain, char out[static CHAIN_CHECKPOINT_MAX]);
