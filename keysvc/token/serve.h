/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve - the loop of a token process: jobs in, one batch of records, answers out
 *
 * All jobs that are there are worked on, then their records are written with one write(), then the
 * answers leave: none before its record. If the records cannot be written, every answer of the
 * batch that depends on one becomes AUDIT_UNWRITABLE. A batch ends early when its first job has
 * waited SERVE_BATCH_US.
 *
 * A new configuration is taken between two rounds, or before the first job that the front decided by it. Jobs that
 * it decided by an older one are BUSY from the moment at which the supervisor has read the new one (worker_admit()).
 */
#pragma once

#include "token/worker.h"

#define SERVE_BATCH_MAX 64 /* jobs */
/* A few signatures of a fast key, one of a slow one: the answers of a longer batch would come back
 * in one heap, and both workers and clients would wait for the other's whole heap. */
#define SERVE_BATCH_US 100

/* Until told to stop or something ends this process; returns its exit code (ipc/control.h). */
int serve_run(struct worker *worker);

/* The answer to one job: what operation it is, who handles it. Sets `why` and returns the outcome.
 */
ks_err serve_job(struct worker *worker, const struct job *job, struct answer *answer,
                 struct fault *why) KS_MUST_CHECK;

/* Reads what the front has sent, and answers it, or so much of it as is done in SERVE_NEWS_US. False: the front is of no more use. */
bool serve_front(struct worker *worker);
