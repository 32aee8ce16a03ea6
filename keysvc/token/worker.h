/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - what one token process consists of, and the few decisions all its operations share
 *
 * One thread; handlers get the worker and one job at a time. What changes under it (configuration,
 * front, audit file) changes between two batches of jobs only (serve.c).
 */
#pragma once

#include "ipc/channel.h"
#include "ipc/config.h"
#include "ipc/job.h"
#include "sandbox/sandbox.h"
#include "token/audit.h"
#include "token/keys.h"
#include "token/module.h"
#include "token/p11.h"
#include "token/parent.h"
#include "token/slot.h"

#define WORKER_GO_ON (-1)
#define WORKER_AUDIT_LABEL KEYNAME_AUDIT "@1"

struct worker {
    struct config *config;
    const struct config_token *token; /* into config */
    uint32_t index;                   /* 1 generates and announces */
    struct sandbox_state sandbox;     /* what is in force */
    struct module *module;            /* as long as the process lives */
    struct p11 p11;
    struct parent *parent; /* NULL in unit tests */
    struct slot *slot;
    struct keys *keys;
    struct audit *audit;
    struct job_stats told; /* of it, to the front */
    struct channel *front; /* NULL: none at the moment */
    struct buf storage;    /* of the job that is worked on */
    bool audit_key_failed; /* said once in the log */
    struct spki audit_key; /* as first seen, ever; len 0: nobody knows one (identity.h) */
    bool is_recognised;    /* the token of this session has it */
    uint32_t n_vague;      /* looks in a row that said nothing definite (idle.h) */
    uint64_t decided_by;   /* generation of the job under way; 0: it is our own business */
    bool must_tell;        /* the front is owed all keys anew: what a change did is not known */
    int exit_code;         /* WORKER_GO_ON: serve on */
    int gate_fd;           /* the store's gate (store.h); -1: not held */
    unsigned int n_gate;   /* how often it is taken */
};

#define WORKER_INIT                                                                                \
    {                                                                                              \
        .exit_code = WORKER_GO_ON, .gate_fd = -1                                                   \
    }

/* What a handler answers; starts as ANSWER_INIT. */
struct answer {
    struct buf data; /* a signature, a CSR's DER, a packed chain or token info (ipc/job.h) */
    enum ks_algorithm algorithm;
    const struct key *made; /* a key that was generated or imported */
};

#define ANSWER_INIT                                                                                \
    {                                                                                              \
        BUF_INIT, KS_ALGORITHM_DEFAULT, NULL                                                       \
    }

/* Frees all that the worker holds, in the order in which it depends. */
void worker_deinit(struct worker *worker);

/* Takes the configuration. BAD_REQUEST: this worker's token is not in it. */
ks_err worker_use_config(struct worker *worker, struct config *config,
                         struct fault *why) KS_MUST_CHECK;

/*
 * Tells the keys which foreign ones the configuration names. *changed: others than before, or the
 * same found in other classes: worker_list_keys() is due.
 */
ks_err worker_adopt(struct worker *worker, bool *changed, struct fault *why) KS_MUST_CHECK;

/* Lists the keys anew, adopted ones too, with one recovery. */
ks_err worker_list_keys(struct worker *worker, struct fault *why) KS_MUST_CHECK;

/*
 * The store's gate, over everything that writes objects or reads all of them: SoftHSM loses or
 * garbles an object that one process writes while another one starts and reads it. May be taken
 * again while it is held. TOKEN_UNAVAILABLE: another process has it for too long.
 */
ks_err worker_take_gate(struct worker *worker, struct fault *why) KS_MUST_CHECK;
void worker_put_gate(struct worker *worker);

/* Lets others through until the next worker_take_gate(); whoever had taken it still puts it. */
void worker_open_gate(struct worker *worker);

/*
 * C_Finalize, C_Initialize, and everything up to the login again, for modules that read their objects
 * only then. After a failure this process is of no more use: exit_code is set.
 */
ks_err worker_reinitialize(struct worker *worker, struct fault *why) KS_MUST_CHECK;

/* Was it decided by the configuration that counts, and that we have? BUSY: it was not. */
ks_err worker_judges(const struct worker *worker, const struct job *job,
                     struct fault *why) KS_MUST_CHECK;

/* Of the job under way: asked again right before what cannot be taken back, since a search, a login or a
 * file that is hard to read may have come between. BUSY: the configuration that it was decided by is over. */
ks_err worker_may_begin(const struct worker *worker, struct fault *why) KS_MUST_CHECK;

/*
 * May this job touch this key at all? BUSY: see worker_judges(); DENIED: the name is in no class, or
 * in one of other tokens; PURPOSE: the class signs nothing for clients.
 */
ks_err worker_admit(const struct worker *worker, const struct job *job,
                    const struct config_class **class, struct fault *why) KS_MUST_CHECK;

/*
 * After a failure `err` of a token call (why->rv): brings session and login back if that can help,
 * and says whether to try once more. Otherwise returns what is to be answered.
 */
ks_err worker_recover(struct worker *worker, ks_err err, bool *again,
                      struct fault *why) KS_MUST_CHECK;

/*
 * Runs `step`, and once more after a failure that worker_recover() could mend. Handles that `step`
 * found before are dead then: it finds them itself.
 */
typedef ks_err (*worker_step)(struct worker *worker, void *context, struct fault *why);
ks_err worker_try(struct worker *worker, worker_step step, void *context,
                  struct fault *why) KS_MUST_CHECK;

/*
 * After a state change that failed without a trace on the token: a vague CK_RV is taken out of `why`
 * if the token still works (it is full, or does not do this), so that worker_judge() does not end
 * the process for it. True: that was so.
 */
bool worker_excuse(struct worker *worker, struct fault *why);

/* UNSUPPORTED: the profile says that this kind of token cannot do it (CONFIG_LACKS_...). */
ks_err worker_can(const struct worker *worker, uint64_t lacks, struct fault *why) KS_MUST_CHECK;

/* keys_get with one recovery. `sha256` (may be NULL) is whom the caller means: KEY_CHANGED, said only
 * after another look at the token. */
ks_err worker_find_key(struct worker *worker, const char *label, const uint8_t *sha256,
                       struct key **out, struct fault *why) KS_MUST_CHECK;

/* What had this label was destroyed, or may have been: the list learns from the token what has it now,
 * and with it the front. `is_gone`: it was; a token that fails just then must not make of it a key that
 * is there, and is listed anew. */
void worker_lost_key(struct worker *worker, const char *label, bool is_gone);

/* After a job: some failures mean that only a new process helps, or none. Sets exit_code. */
void worker_judge(struct worker *worker, ks_err err, const struct fault *why);

/* PKCS#11's texts are padded with blanks and not terminated; what is not printable ASCII becomes '?'.
 * `out` has room for len + 1 bytes. */
void worker_text(char *out, const unsigned char *text, size_t len);

/* READY's and STATE's body; a token that does not answer shows up as empty texts. */
void worker_state(struct worker *worker, enum token_state state, const char *text,
                  struct control_state *out);
