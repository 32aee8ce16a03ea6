/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit - what this process writes into its own audit chain (base/chain.h)
 *
 * Records are gathered while a batch of jobs is worked on; audit_flush() writes them before any
 * answer of the batch leaves. The events: start, config, purpose, login, sign, csr, self_sign,
 * intent, result, refused, checkpoint, front_checkpoint, stop. The caller stands in them as the front stated it.
 *
 * Timers belong to the serving loop: it sleeps at most audit_timeout_ms() and then calls
 * audit_tick().
 */
#pragma once

#include "base/chain.h"
#include "base/err.h"
#include "base/fault.h"
#include "ipc/config.h"
#include "ipc/control.h"
#include "ipc/job.h"

struct audit;

/* Takes `fd`, and `before` if the chain goes on from there, else -1. `name` is TOKEN-N, the file's name
 * without ".log". AUDIT_UNWRITABLE, BAD_REQUEST. */
ks_err audit_open(int fd, int before, const char *name, struct audit **out,
                  struct fault *why) KS_MUST_CHECK;
/* Flushes nothing; takes NULL. */
struct audit *audit_free(struct audit *audit);
void audit_freep(struct audit **audit);

/*
 * Rotation in two steps, because both files use one descriptor number: audit_close() writes and
 * syncs what is gathered and closes the old file; audit_reopen() takes the new one and continues
 * the chain. Before, audit_check_next(), which leaves `fd` alone: if that one cannot continue it,
 * nothing is written any more until a file comes that can.
 */
ks_err audit_check_next(struct audit *audit, int fd, struct fault *why) KS_MUST_CHECK;
void audit_close(struct audit *audit);
ks_err audit_reopen(struct audit *audit, int fd, struct fault *why) KS_MUST_CHECK;

/* Nothing is written any more once the other end of that socket, keysvcd's, is closed: whatever process
 * the next keysvcd has started goes on with the chain, from what it found at its end. */
void audit_belongs(struct audit *audit, int control_fd);

/* The file is not where it belongs: nothing is written until the next one comes. */
void audit_gone(struct audit *audit);

void audit_start(struct audit *audit, const struct config *config, uint32_t worker_index);
void audit_config(struct audit *audit, const struct config *config);
void audit_purpose(struct audit *audit, const char *label, enum ks_purpose purpose);
void audit_login(struct audit *audit, ks_err outcome, const struct fault *why);
void audit_stop(struct audit *audit);

/* What a job did, or was refused. */
struct audit_deed {
    const char *event;           /* "sign", "csr", "intent", "result", "refused", ... */
    const char *label;           /* of the key; NULL: none */
    enum ks_key_type type;       /* ANY: not recorded */
    enum ks_algorithm algorithm; /* DEFAULT: not recorded */
    const uint8_t *digest;       /* of what was signed; NULL: none */
    size_t digest_len;
    const uint8_t *public_key_sha256;  /* of the key that was made or changed; NULL: none */
    const uint8_t *certificate_sha256; /* of the one that is put beside it; NULL: none */
    ks_err outcome;
    const struct fault *why; /* its text is recorded if the outcome is not OK */
};
void audit_deed(struct audit *audit, const struct job *job, const struct audit_deed *deed);

/* The checkpoint's own record. */
void audit_checkpoint(struct audit *audit, const struct control_checkpoint *checkpoint);
/* Of the last flushed record. */
void audit_checkpoint_text(const struct audit *audit, char out[static CHAIN_CHECKPOINT_MAX]);

/* AUDIT_UNWRITABLE: nothing gathered since the last flush counts. Logs when this begins to fail and
 * when it works again. */
ks_err audit_flush(struct audit *audit, bool sync, struct fault *why) KS_MUST_CHECK;

/* Where the chain stands, for the front. */
struct job_stats audit_stats(const struct audit *audit);

/* Until the next sync or checkpoint is due; -1: nothing waits. */
int audit_timeout_ms(const struct audit *audit, const struct config *config);
/* Syncs if that is due. True: a checkpoint is due. */
bool audit_tick(struct audit *audit, const struct config *config);
/* A checkpoint was made, or tried: not again before audit_checkpoint_s has passed. */
void audit_checkpoint_done(struct audit *audit);

/*
 * The purposes this file recorded last, for worker 1 at its start: calls `see` for each record of
 * that event in the last AUDIT_SCAN_MAX bytes of the file, oldest first. A key that is not seen is
 * recorded again, which costs a line and hides nothing.
 */
#define AUDIT_SCAN_MAX (16 * 1024 * 1024) /* bytes */
typedef void (*audit_see_fn)(void *context, const char *label, enum ks_purpose purpose);
void audit_scan_purposes(int fd, audit_see_fn see, void *context);
