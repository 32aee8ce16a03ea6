/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - the socket to one token process and the jobs that are open on it
 *
 * A job whose caller no longer waits keeps its place until the worker answers: the answer is then
 * thrown away. A worker that talks nonsense is hung up on; it is not more trusted than we are.
 */
#pragma once

#include "base/err.h"
#include "front/call.h"
#include "ipc/job.h"

#define WORKER_WINDOW                                                                              \
    32 /* jobs open on one worker; more wait in our queue, where they can be taken back */

/* What a worker has got it does in that order, so it gets no more work of one caller than this, by
 * what its jobs have taken lately, and no less than so many jobs: a caller alone, for whom batches
 * save system calls, and one of several, where each other one waits for it. */
#define WORKER_ALONE_US 2000
#define WORKER_ALONE_JOBS 2
#define WORKER_SHARE_US 200
#define WORKER_SHARE_JOBS 1

#define WORKER_SILENT_MS 1000 /* longer than a signature takes, and shorter than a hang is borne */

struct worker;

struct worker_owner {
    void *context;
    void (*room)(void *context);   /* an answer came: there is room for another job */
    void (*listed)(void *context); /* a listing of the first worker's has come to its end */
    /* A call that it does not do after all: true: somebody else does. */
    bool (*elsewhere)(struct call *call);
    void (*gone)(void *context, struct worker *worker); /* its calls have failed: free it */
};

/* Takes `fd`. INTERNAL: no memory. */
ks_err worker_new(struct front *front, const char *token, uint32_t index, int fd,
                  const struct worker_owner *owner, struct worker **out) KS_MUST_CHECK;

/* Calls that are open fail. */
struct worker *worker_free(struct worker *worker);

/* For one more job of this caller (turns_caller)? `alone`: nobody else has asked its token lately. */
bool worker_has_room(const struct worker *worker, uint64_t caller, bool alone);

/* One of its open jobs is this caller's; one takes seconds. */
bool worker_has_of(const struct worker *worker, uint64_t caller);
bool worker_has_slow(const struct worker *worker);
/* It has answered none of its open jobs for WORKER_SILENT_MS: its module may hang. */
bool worker_is_silent(const struct worker *worker, uint64_t now_ms);

/* How long a new job would wait, in jobs. */
unsigned int worker_load(const struct worker *worker);
unsigned int worker_n_open(const struct worker *worker);

/* Gives it the call's packed job; it is written by worker_flush(). */
ks_err worker_send(struct worker *worker, struct call *call) KS_MUST_CHECK;

/* Has it a job whose caller waits no more, and that may make or destroy this version? 0: any. */
bool worker_may_change(const struct worker *worker, const char *name, uint32_t version);

/* The call has ended; its job has not. */
void worker_forget(struct worker *worker, struct call *call);

void worker_flush(struct worker *worker);

/* How its audit chain stands, by its answers and its own words. */
struct worker_audit {
    bool known; /* it has said something */
    struct job_stats stats;
    uint64_t unsynced_since_ms; /* on the monotonic clock; 0: all is on the disk */
};
const struct worker_audit *worker_audit(const struct worker *worker);
