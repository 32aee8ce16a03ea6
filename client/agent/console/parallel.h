/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parallel - work for many agents at once: one loop, so many connections at a time
 *
 * A job is one agent's work. Its step is called to begin, and again with each answer; it says what to
 * ask next, or that it is finished. Each job has its own time: an agent that hangs holds up no other.
 */
#pragma once

#include "client/agent/console/exchange.h"
#include "client/agent/console/progress.h"

struct job {
    struct peer *peer;
    struct outcome outcome; /* of the whole job */
    int stage;              /* the step's own, 0 at first */
    void *data;             /* the verb's own */
    bool finished;
    bool maybe_changed; /* a change that was asked for was answered so, or its answer was lost */
    /* parallel.c's own: */
    struct exchange *exchange;
    uint64_t deadline_ms;
};

/*
 * `answered` is NULL at first, later the exchange that ended, well or not; it lives until the step
 * returns. True: `next` is to be asked. False: finished, job->outcome says how.
 */
typedef bool (*job_step_fn)(struct job *job, struct exchange *answered,
                            struct exchange_request *next);

struct parallel {
    size_t n_at_once;
    uint32_t timeout_ms; /* of each job, from its beginning */
    struct progress *progress;
};

/* Every job is finished when it returns. SIGINT and SIGTERM end it early: what was not done says so. */
void parallel_run(const struct parallel *parallel, struct job *jobs, size_t n_jobs,
                  job_step_fn step);

/* The outcome of a step whose exchange failed: takes the exchange's. Always false. */
bool job_failed(struct job *job, struct exchange *answered);
/* Likewise of one that should have seen what a change has made: nobody may take it for not done. */
bool job_not_seen(struct job *job, struct exchange *answered);
