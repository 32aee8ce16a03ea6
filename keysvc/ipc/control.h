/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - what the supervisor and its two kinds of children tell each other
 *
 * Each child is executed with its control socket as descriptor CONTROL_FD and nothing else but 0,
 * 1, 2. Its first message is SETUP.
 *
 *   supervisor -> token process        token process -> supervisor
 *     SETUP  + pulse, audit, before      START_WANTED  before C_Initialize: one at a time on a host
 *     START_GO                           STORE_LOCK    + the lock of the token's store, to be held
 *                                        LOGIN_WANTED  before C_Login: the marker is written first
 *     LOGIN_GO  + PIN                    LOGIN_RESULT  just after it
 *     LOGIN_DENIED                       READY         keys are listed, jobs are welcome
 *     FRONT  + socket to the front       STATE         what status shows
 *     CONFIG                             CONFIG_DONE   jobs of this generation are welcome
 *     AUDIT  + a new audit file          CHECKPOINT    a signed checkpoint, to be kept elsewhere
 *     AUDIT_GONE
 *     STOP
 *
 *   supervisor -> front                front -> supervisor
 *     SETUP  + audit, listening sockets, READY         with the generation
 *       before
 *     WORKER  + socket to a worker       WORKER_BAD    it talked nonsense: it is restarted
 *     STATE  of a token, for status      ADMIN         reload, retry-login
 *     ADMIN_RESULT
 *     CONFIG                             CONFIG_DONE
 *     AUDIT  + a new audit file          CHECKPOINT    of the front's own chain
 *     AUDIT_GONE
 *     STOP
 */
#pragma once

#include "base/chain.h"
#include "base/err.h"
#include "base/fault.h"
#include "ipc/config.h"
#include "ipc/pack.h"

#define CONTROL_FD 3

/* What comes with SETUP for `keysvc-token --administer`; /dev/null: not given. */
enum control_pin {
    CONTROL_PIN_FIRST,  /* init: the new SO PIN; change-pin: the old PIN */
    CONTROL_PIN_SECOND, /* init: the user PIN; change-pin: the new PIN */
    CONTROL_PIN_OLD_SO, /* init: the SO PIN that the token has now, if it is another one */
    CONTROL_PIN_COUNT,
};

enum control_message {
    CONTROL_SETUP = 1,        /* control_setup */
    CONTROL_START_WANTED = 2, /* empty */
    CONTROL_START_GO = 3,     /* bool: the supervisor holds the lock of the token's store already */
    CONTROL_LOGIN_WANTED = 4, /* empty */
    CONTROL_LOGIN_GO = 5,     /* empty; 1 descriptor: the PIN file, for pread */
    CONTROL_LOGIN_DENIED = 6, /* control_result */
    CONTROL_LOGIN_RESULT =
        7, /* control_result: OK; LOGIN_BLOCKED (the PIN was refused, or the token's PIN count is
              low); else tried and failed for a reason that says nothing about the PIN */
    CONTROL_READY = 8,        /* control_state */
    CONTROL_STATE = 9,        /* control_state */
    CONTROL_FRONT = 10,       /* empty; 1 descriptor: replaces the socket to the front */
    CONTROL_WORKER = 11,      /* control_worker; 1 descriptor */
    CONTROL_CONFIG = 12,      /* config_pack: a new generation */
    CONTROL_CONFIG_DONE = 13, /* u64 generation */
    CONTROL_AUDIT = 14, /* empty; 1 descriptor: the file that continues the child's own chain */
    CONTROL_CHECKPOINT = 15,   /* control_checkpoint */
    CONTROL_ADMIN = 16,        /* control_admin */
    CONTROL_ADMIN_RESULT = 17, /* control_result with the cookie */
    CONTROL_STOP = 18,         /* empty: finish what is open, flush, exit 0 */
    CONTROL_WORKER_BAD = 19,   /* control_worker */
    CONTROL_STORE_LOCK =
        20, /* empty; 1 descriptor: the token's store, locked; kept open while keysvcd runs */
    CONTROL_TALLY = 21, /* control_tally */
    CONTROL_AUDIT_GONE =
        22, /* empty: the child's audit file is not found under its name, and no new one
                                can be made: no record counts until AUDIT comes */
};

/* Exit codes of a token process; anything else is a crash and is restarted with back-off. */
enum control_exit {
    CONTROL_EXIT_OK = 0,
    CONTROL_EXIT_SETUP =
        64, /* it cannot work as configured: module missing, nonsense from the supervisor */
    CONTROL_EXIT_NO_TOKEN = 65, /* the token is absent: try again later */
    CONTROL_EXIT_LOGIN_BLOCKED =
        66, /* not to be started again before the PIN file changes or retry-login */
    CONTROL_EXIT_TOKEN_LOST = 67,  /* start a new one at once */
    CONTROL_EXIT_OTHER_TOKEN = 68, /* one with another audit key is in its place: as absent */
};

/* For token processes: descriptors pulse, audit. For the front: audit, then the listening sockets. For
 * both, if `has_before`: then the file that the child's chain goes on from in `audit`. */
struct control_setup {
    uint32_t token_index;  /* into config->tokens; unused by the front */
    uint32_t worker_index; /* 1 is the first; unused by the front */
    bool login_override;   /* an administrator said retry-login: a low (not a locked) PIN count does
                              not forbid this login */
    bool has_before;
    size_t audit_key_len;                     /* 0: none is known yet; unused by the front */
    uint8_t audit_key[KS_PUBLIC_KEY_MAX_LEN]; /* the token's, as first seen */
    struct config *config;                    /* the setup owns it: control_setup_deinit */
};
void control_setup_deinit(struct control_setup *setup);
void control_setup_pack(struct buf *out, const struct control_setup *setup);
ks_err control_setup_unpack(const void *data, size_t len, struct control_setup *out) KS_MUST_CHECK;

enum token_state {
    TOKEN_STATE_STARTING = 0,
    TOKEN_STATE_READY = 1,
    TOKEN_STATE_ABSENT = 2,
    TOKEN_STATE_LOGIN_BLOCKED = 3,
    TOKEN_STATE_FAILED = 4, /* crashed or misconfigured; a restart is scheduled */
    TOKEN_STATE_COUNT,
};
const char *token_state_name(enum token_state state); /* "login-blocked" */

/* Worker -> supervisor about itself; supervisor -> front about a worker (worker_index > 0) or a
 * whole token (0). */
/* What of a process's sandbox (sandbox/sandbox.h) is in force, the weaker first. */
enum control_sandbox {
    CONTROL_SANDBOX_UNKNOWN = 0, /* not started, or not to be shown */
    CONTROL_SANDBOX_OFF,
    CONTROL_SANDBOX_FILES, /* files are closed; every system call may be made */
    CONTROL_SANDBOX_CALLS, /* the filter of system calls; all files of the user may be opened */
    CONTROL_SANDBOX_ON,    /* both */
    CONTROL_SANDBOX_COUNT,
};
enum control_sandbox control_sandbox(bool calls, bool files);
const char *control_sandbox_name(enum control_sandbox sandbox); /* "on"; UNKNOWN: "" */

struct control_state {
    char token[CONFIG_TITLE_MAX + 1];
    uint32_t worker_index;
    enum token_state state;
    /* Of a worker, by the supervisor: processes that ended unasked. A token that was absent, or a
     * login that is blocked, is no such end. */
    uint64_t n_restarts;
    enum control_sandbox sandbox; /* of a worker that is ready; of a token: its weakest worker's */
    char model[17], serial[17], label[33]; /* CK_TOKEN_INFO, trimmed; empty: not known */
    char text[256];                        /* why; empty if ready */
};
void control_state_pack(struct buf *out, const struct control_state *state);
ks_err control_state_unpack(const void *data, size_t len, struct control_state *out) KS_MUST_CHECK;

/* Supervisor -> front: what it has counted since its own start. Times are the wall clock's. */
struct control_tally {
    uint64_t started_us;
    uint64_t n_front_restarts;
    uint64_t n_reloads, n_reloads_failed; /* good ones; those that kept the old configuration */
    bool last_reload_failed;
    uint64_t configured_us;       /* when the running configuration was taken */
    enum control_sandbox sandbox; /* its own */
    uint64_t
        n_audit_failures; /* audit files that it could not open, checkpoints it could not keep */
};
void control_tally_pack(struct buf *out, const struct control_tally *tally);
ks_err control_tally_unpack(const void *data, size_t len, struct control_tally *out) KS_MUST_CHECK;

struct control_worker {
    char token[CONFIG_TITLE_MAX + 1];
    uint32_t worker_index;
};
void control_worker_pack(struct buf *out, const struct control_worker *worker);
ks_err control_worker_unpack(const void *data, size_t len,
                             struct control_worker *out) KS_MUST_CHECK;

struct control_checkpoint {
    char text[CHAIN_CHECKPOINT_MAX];  /* chain.h */
    char token[CONFIG_TITLE_MAX + 1]; /* whose keysvc/audit signed it */
    size_t signature_len;
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    size_t public_key_len;
    uint8_t public_key[KS_PUBLIC_KEY_MAX_LEN];
};
void control_checkpoint_pack(struct buf *out, const struct control_checkpoint *checkpoint);
ks_err control_checkpoint_unpack(const void *data, size_t len,
                                 struct control_checkpoint *out) KS_MUST_CHECK;

enum control_admin_action {
    CONTROL_ADMIN_RELOAD = 1,
    CONTROL_ADMIN_RETRY_LOGIN = 2,
    CONTROL_ADMIN_ACTION_COUNT,
};

struct control_admin {
    uint64_t cookie;
    enum control_admin_action action;
    char token[CONFIG_TITLE_MAX + 1];
};
void control_admin_pack(struct buf *out, const struct control_admin *admin);
ks_err control_admin_unpack(const void *data, size_t len, struct control_admin *out) KS_MUST_CHECK;

struct control_result {
    uint64_t cookie; /* of an ADMIN, else 0 */
    ks_err err;
    struct fault why;
};
void control_result_pack(struct buf *out, const struct control_result *result);
ks_err control_result_unpack(const void *data, size_t len,
                             struct control_result *out) KS_MUST_CHECK;
