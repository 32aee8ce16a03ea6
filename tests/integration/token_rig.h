/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_rig - a real keysvc-token process on a fresh SoftHSM token, with the test as its supervisor
 * and front
 *
 *   rig_new() makes folder, token and configuration; rig_start() runs the process up to READY;
 *   rig_front() gives it a front; rig_job() asks; rig_stop(), rig_free().
 *
 * A call that fails ends the test.
 */
#pragma once

#include <sys/types.h>

#include "ipc/channel.h"
#include "ipc/control.h"
#include "ipc/job.h"

#define RIG_PIN "1234"
#define RIG_SO_PIN "12345678"
#define RIG_TIMEOUT_MS 120000 /* only a bound: valgrind on a busy machine makes an RSA key slowly */
#define RIG_MAX_KEYS 16

struct rig {
    char folder[64];
    struct config config;
    struct config_token token;
    struct config_class classes[3];
    uint32_t worker_index;
    bool login_override;
    bool not_judged; /* the next process does not run under valgrind */
    pid_t pid;
    struct channel *control;
    struct channel *front;
    struct pulse *pulse;
    int store_lock; /* as handed over by a process; kept over its end, as keysvcd does; -1: none */
    size_t n_logins_wanted;
    ks_err login_result; /* the last */
    struct control_state state;
    struct control_checkpoint checkpoint; /* the last */
    size_t n_checkpoints;
    struct job_key keys[RIG_MAX_KEYS]; /* the directory as the front would know it */
    size_t n_keys;
    uint64_t next_id;
    struct message message; /* holds what the last reply borrows */
};

struct rig *rig_new(void);
struct rig *rig_free(struct rig *rig);

/* Writes the PIN file; "" makes it empty. */
void rig_pin(struct rig *rig, const char *pin);

/* Runs `keysvc-token --administer ...` with these PINs (NULL: not given); its exit code. */
int rig_administer(struct rig *rig, const char *const *arguments, const char *first,
                   const char *second);

/* From the next start on the token has a store, with copies of what SoftHSM can lose. */
void rig_store(struct rig *rig);

/* Starts the process without waiting for anything. */
void rig_launch(struct rig *rig);
/* Starts the process and plays the supervisor until READY or its end. True: it is ready. */
bool rig_start(struct rig *rig);
/* Waits for the end of the process; its exit code, or -1 for a signal. */
int rig_wait(struct rig *rig);
/* Kills it where it stands, if it still runs; as rig_wait(). */
int rig_kill(struct rig *rig);
int rig_stop(struct rig *rig);

/* A new front: a new socketpair, and the directory read. */
void rig_front(struct rig *rig);
/* Directory messages until the end of a directory. */
void rig_read_directory(struct rig *rig);

/* One job and its reply, whose data live until the next call. Fills in id and generation. */
struct job_reply rig_job(struct rig *rig, struct job *job);
/* The two halves of it, to have many jobs open. */
void rig_send(struct rig *rig, struct job *job);
struct job_reply rig_receive(struct rig *rig);

struct job_reply rig_generate(struct rig *rig, const char *name);
/* A job for version `version` of a key of the directory, its public key's hash filled in. */
struct job rig_job_for(struct rig *rig, enum job_operation operation, const char *name,
                       uint32_t version);

const struct job_key *rig_key(const struct rig *rig, const char *name, uint32_t version);

/* The whole audit file, freed by the caller. */
char *rig_audit(struct rig *rig);
/* The exclusive files of this rig. */
void rig_path(const struct rig *rig, const char *name, char *out, size_t cap);

/* One message from the process on the control socket; BUSY... as channel_receive says. */
ks_err rig_control(struct rig *rig, uint16_t *type);

/* Before rig_start(): the module that breaks on purpose (its path), in front of the real one. */
void rig_break_module(struct rig *rig, const char *breaking);
/* Its rules from now on; "": nothing is broken. */
void rig_break(struct rig *rig, const char *rules);

/* As rig_job(), for a job in whose course the session is lost: the PIN is asked for once more. */
ks_err rig_job_with_login(struct rig *rig, struct job job);
