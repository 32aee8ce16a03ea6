/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit - the front's own chain: who asked for what, and what was refused
 *
 * What was signed stands in the token processes' chains; the two join on the request id. Records
 * are gathered during a turn of the event loop and written by audit_flush(), or before when they
 * are many, before anything that depends on them is done.
 */
#pragma once

#include "base/chain.h"
#include "base/err.h"
#include "base/fault.h"
#include "front/peer.h"
#include "ipc/config.h"
#include "ipc/job.h"

struct audit;

/* One request as the chain tells it; texts are never NULL, empty ones are left out. */
struct audit_request {
    uint64_t request_id; /* 0: a connection was refused */
    const struct peer *peer;
    const char *operation;
    const char *subject; /* the key, its label or a token */
    const char *rule;
    const char *outcome; /* "forwarded", or the outcome's name */
    const char *reason;  /* of a refusal */
};

/* Takes `fd`, and `before` if the chain goes on from there, else -1. AUDIT_UNWRITABLE, BAD_REQUEST: as
 * chain_open_after(). */
ks_err audit_new(int fd, int before, bool sync_always, struct audit **out,
                 struct fault *why) KS_MUST_CHECK;
struct audit *audit_free(struct audit *audit);

/* Takes `fd`: a new file that continues the chain. On failure nothing is written any more until a
 * file comes that does. */
ks_err audit_rotate(struct audit *audit, int fd, struct fault *why) KS_MUST_CHECK;

/* The file is not where it belongs: nothing is written until audit_rotate(). */
void audit_gone(struct audit *audit);

void audit_configure(struct audit *audit, bool sync_always);

/* Events "start" and "config": which rules are in force from here on. */
void audit_config(struct audit *audit, const char *event, const struct config *config);
void audit_request(struct audit *audit, const struct audit_request *request);
void audit_refused(struct audit *audit, const struct audit_request *request);
/* So many more requests (`event` "request" or "refused") of this caller have no record. */
void audit_swallowed(struct audit *audit, const char *event, const struct peer *caller,
                     uint32_t n_swallowed);
void audit_checkpoint(struct audit *audit, const char *text, const uint8_t *signature,
                      size_t signature_len, const uint8_t public_key_sha256[static KS_SHA256_LEN]);

/* Writes what was gathered; true if it stands in the file. Logs when this begins to fail and when
 * it works again. */
bool audit_flush(struct audit *audit);

/* Each second: makes sure that what was written is on the disk. */
void audit_sync(struct audit *audit);

/* How the chain stands, and since when a record waits for the disk (monotonic clock; 0: none). */
struct job_stats audit_stats(const struct audit *audit, uint64_t *unsynced_since_ms);

/* The text to be signed if there are records since the last audit_checkpoint(); else false. */
bool audit_checkpoint_due(struct audit *audit, char text[static CHAIN_CHECKPOINT_MAX]);
