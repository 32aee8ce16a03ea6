/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change - how everything that changes a token is carried out, and what the audit keeps of it
 *
 *   decide -> `intent`, on the disk -> carry out -> `result`
 *          \-> `refused`
 *
 * An operation gives the two steps. A crash between the two records shows as an intent without a
 * result.
 */
#pragma once

#include "token/worker.h"

struct change;
typedef ks_err (*change_step)(struct worker *worker, struct change *change, struct fault *why);

/* A change starts with its job, its steps and, where the job says it already, its label. */
struct change {
    const struct job *job;
    change_step decide;                /* changes nothing on the token */
    change_step carry_out;             /* what it returns is the result's outcome */
    void *context;                     /* the steps' own */
    const struct config_class *class;  /* of the job's key, for the steps */
    char label[KEYNAME_LABEL_MAX + 1]; /* of the key; while empty the job's name is recorded */
    enum ks_key_type type;             /* ANY: not recorded */
    const uint8_t *public_key_sha256;  /* recorded from when a step sets it; NULL: none */
    const uint8_t *certificate_sha256; /* likewise */
};

/*
 * For a client's job. BUSY is no refusal and leaves no record. BAD_REQUEST: another worker than the
 * first; what worker_admit() and the steps return; AUDIT_UNWRITABLE: nothing was done.
 */
ks_err change_run(struct worker *worker, struct change *change, struct fault *why) KS_MUST_CHECK;

/*
 * While another process begins to use the same token, SoftHSM may fail to make an object, or show a
 * part of it for ever: one in twelve of the keys that were asked for as soon as the first worker was
 * ready. So what failed, or is not to be read, and of which nothing is left is made once more, a moment
 * later; a token that does not do it at all says so as often. With a store it does not happen: the gate
 * keeps starts and changes apart (serve.c), and so the tries are few and short.
 */
#define CHANGE_TRIES 4
#define CHANGE_TRIES_MS 2000

struct change_tries {
    unsigned int n_failed;
    uint64_t begun_ms;
};

struct change_tries change_tries_begin(void);

/* False: they are over. */
bool change_once_more(struct worker *worker, const char *label, struct change_tries *tries,
                      struct fault *why);

/* The part behind the decision, for what the service does of its own accord. */
ks_err change_carry_out(struct worker *worker, struct change *change,
                        struct fault *why) KS_MUST_CHECK;
