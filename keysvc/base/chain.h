/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain - one append-only audit file whose records are chained by their hashes
 *
 * A record is one line, a JSON object with its members in this order:
 *   {"seq":12,"time":"2026-11-22T00:18:16.123456Z","prev":"64 hex","event":"sign",...,
 *    "hash":"64 hex"}
 * hash is SHA-256 over the line's bytes before `,"hash":`; prev is the hash of the record before
 * (64 zeros for seq 1). Texts are escaped byte by byte: what is not printable ASCII is \u00XX.
 *
 * Events of the chain itself, written by this module:
 *   torn        closes a line that a crash or a full disk cut off: `length` and `sha256` of the
 *               bytes after the last whole record; its own prev is that record's hash
 *   unwritable  a flush failed and nothing of it, or only whole lines, reached the file
 *   continued   the first record of a file that continues another after a rotation; with `lost`: 1
 *               if that one was removed or cut while it was written, so that records are gone
 * torn and unwritable say in `withdrawn` how many gathered records were refused by that flush. What
 * stands in the file as a whole record counts, even if its flush failed after it. Anything else
 * that breaks the chain is an alteration (verify.h).
 *
 * Records are first gathered in memory, then chain_flush() writes them all with one write(), before
 * any answer that depends on them leaves. After a failed or short write the callers must refuse
 * what they gathered; the next flush closes what was left and goes on, without a restart. The
 * descriptor is append-only; this module uses write, pread, fstat and fdatasync on it and nothing
 * else. The process ignores SIGXFSZ if its file size is limited.
 */
#pragma once

#include "base/crypto.h"
#include "base/err.h"
#include "base/fault.h"

#define CHAIN_RECORD_MAX 4096 /* bytes of a line; what does not fit is cut, marked `"cut":1` */
#define CHAIN_TEXT_MAX 1024   /* bytes of one text, escaped; a cut one ends in "[cut]" */
#define CHAIN_TORN_MAX (1024 * 1024) /* bytes of a torn end that can still be closed */
#define CHAIN_NAME_MAX 100           /* bytes; letters, digits and . _ - */
#define CHAIN_HASH_TEXT_LEN 64

struct chain;

/* What the next file of a chain has to say and know of the one before. */
struct chain_past {
    uint64_t seq; /* of the last flushed record, and its hash */
    uint8_t hash[KS_SHA256_LEN];
    bool lost;   /* the file was removed or cut while it was written */
    bool failed; /* chain_failed(), with so many records refused and not yet said so */
    uint64_t n_withdrawn;
};

/*
 * Takes `fd` (O_RDWR | O_APPEND), also when it fails. Reads the end of the file only: the next
 * sequence number and hash come from the last whole record; a torn last line is closed and recorded
 * (written with the first flush). An empty file begins a new chain. BAD_REQUEST: the last whole line
 * is no record, or the bytes behind it no torn one; AUDIT_UNWRITABLE: the file cannot be read.
 */
ks_err chain_open(int fd, const char *name, struct chain **out, struct fault *why) KS_MUST_CHECK;

/*
 * A chain goes on in another file: chain_past() of the old, chain_check_next() that the new one is
 * fit for it, which leaves `fd` alone, chain_open_next(), which takes it. BAD_REQUEST also: the file
 * holds records, and the last one is not the chain's; an older copy must not make it fork.
 */
void chain_past(const struct chain *chain, struct chain_past *out);
ks_err chain_check_next(int fd, const char *name, const struct chain_past *past,
                        struct fault *why) KS_MUST_CHECK;
ks_err chain_open_next(int fd, const char *name, const struct chain_past *past, struct chain **out,
                       struct fault *why) KS_MUST_CHECK;

/*
 * After a restart, when the file that the chain was written to last was renamed (or removed) meanwhile:
 * it goes on from the end of `before` in `fd`, which holds nothing or the chain's last record. Takes
 * both, also when it fails. A `before` that does not end in a record is as none (logged): the chain
 * is opened, or begun, in `fd` alone. Errors as chain_open_next().
 */
ks_err chain_open_after(int fd, int before, const char *name, struct chain **out,
                        struct fault *why) KS_MUST_CHECK;

/* The file is not, or no longer, the one that stands under the chain's name: every flush is refused
 * with that reason, until the chain goes on in another file. */
void chain_block(struct chain *chain, const char *reason);

/* Takes NULL; flushes nothing; closes the descriptor; returns NULL. */
struct chain *chain_free(struct chain *chain);
void chain_freep(struct chain **chain);

/*
 * One record: begin, members in any number, end. Events and keys are literals of [a-z_], at most 32
 * bytes; texts are escaped. `hash` and `cut` are not for callers.
 */
void chain_begin(struct chain *chain, const char *event);
void chain_text(struct chain *chain, const char *key, const char *text);
void chain_number(struct chain *chain, const char *key, uint64_t number);
void chain_hex(struct chain *chain, const char *key, const uint8_t *data, size_t len);
void chain_end(struct chain *chain);

/* Bytes gathered and not yet written. */
size_t chain_pending(const struct chain *chain);

/* Writes what was gathered; `sync`: and fdatasync. AUDIT_UNWRITABLE: nothing gathered since the
 * last flush counts. So it is too once the file has lost its last name, or is shorter than what was
 * written: what is written to nowhere is no record. */
ks_err chain_flush(struct chain *chain, bool sync, struct fault *why) KS_MUST_CHECK;

/* The last flush failed: refuse before the work is done, and chain_flush() now and then to try
 * again; it writes a record of its own, so that its success means something. */
bool chain_failed(const struct chain *chain);

/* Something was written since the last fdatasync. */
bool chain_dirty(const struct chain *chain);

/* Sequence number and hash of the last flushed record; 0 and zeros before the first. */
void chain_head(const struct chain *chain, uint64_t *seq, uint8_t hash[static KS_SHA256_LEN]);

/*
 * The text that a checkpoint signs (the token's key keysvc/audit, ECDSA with SHA-256), of the last
 * flushed record:
 *   keysvc-audit-checkpoint:1 chain=NAME seq=N hash=HEX time=TIME
 * In the chain it stands as event "checkpoint" with members "text" and "signature" (hex), "key"
 * (SHA-256 of the public key's DER SubjectPublicKeyInfo).
 */
#define CHAIN_CHECKPOINT_PREFIX "keysvc-audit-checkpoint:1 "
#define CHAIN_CHECKPOINT_MAX 384 /* bytes */
void chain_checkpoint_text(const struct chain *chain, char out[static CHAIN_CHECKPOINT_MAX]);
