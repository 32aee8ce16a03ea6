/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply - one answer as a flat value, before encode.c makes it bytes
 *
 * Everything in it is borrowed for the length of one encode_reply(). `operation` says which member
 * of the union is meant; with `err` set none is, and `why` may add to the outcome's own texts.
 */
#pragma once

#include "front/directory.h"
#include "front/metrics.h"
#include "front/request.h"
#include "ipc/control.h"

struct reply_key {
    const char *name;
    uint32_t version;
    enum ks_key_type type;
    enum ks_purpose purpose;
    const char *token;           /* of a group's key: the first that shows it */
    const struct config *config; /* of a group's key, */
    const char *group;           /* its name; NULL: not on a group */
    uint64_t members;            /* and which of its tokens show it (config_member) */
    const char *class;           /* empty: none */
    const uint8_t *public_key;   /* NULL: left out */
    size_t public_key_len;
    const uint8_t *public_key_sha256; /* NULL: no public half is known */
    bool ambiguous;
    const uint32_t *versions;
    size_t n_versions;
    const struct job_imported *imported; /* IMPORT; else NULL */
};

struct reply_token {
    const char *name, *state, *text, *profile, *label, *model, *serial, *group; /* never NULL */
    const char *sandbox;                                                        /* neither */
    uint32_t workers, ready_workers, keys, queued;
};

struct reply_group {
    const struct config_group *group;
    uint32_t ready_tokens;
    struct directory_spread spread;
};

struct reply_status {
    uint64_t generation, uptime_ms;
    const struct reply_token *tokens;
    size_t n_tokens;
    const struct reply_group *groups;
    size_t n_groups;
    uint32_t connections;
    uint32_t uid;
    const char *unit;
    bool administrator;
    const uint8_t *configuration_sha256;         /* NULL: not shown */
    const char *front_sandbox, *keysvcd_sandbox; /* never NULL */
};

struct reply_list {
    const struct reply_key *keys;
    size_t n_keys;
    bool more;
};

struct reply_bytes { /* a signature or a CSR */
    const uint8_t *data;
    size_t len;
    enum ks_algorithm algorithm;
};

struct reply_token_info {
    const struct job_token_info *info;
    const char *const *unsupported;
    size_t n_unsupported;
};

struct reply_chain {
    char name[CONFIG_TITLE_MAX + 16]; /* "front", "main-1" */
    struct job_stats stats;
    uint64_t unsynced_ms;
};

struct reply_worker {
    const char *token;
    uint32_t worker;
    bool ready;
    uint64_t n_restarts;
};

struct reply_metrics {
    const struct metrics *counted;
    const struct control_tally *tally;
    uint64_t started_us, generation;
    uint32_t connections, open_requests;
    const struct reply_token *tokens;
    size_t n_tokens;
    const struct reply_worker *workers;
    size_t n_workers;
    const struct reply_chain *chains;
    size_t n_chains;
};

struct reply_explain {
    bool allowed;
    const char *rule, *class, *missing; /* never NULL */
    const struct strv *reasons;
};

struct reply {
    uint64_t id; /* the client's; 0: about the connection */
    enum request_operation operation;
    ks_err err;
    const struct fault *why; /* NULL: nothing more precise is known */
    union {
        struct reply_status status;         /* STATUS */
        struct reply_list list;             /* LIST */
        struct reply_key key;               /* GET, GENERATE, ROTATE, IMPORT */
        struct reply_bytes bytes;           /* SIGN, CSR */
        struct reply_explain explain;       /* EXPLAIN */
        const struct job_chain *chain;      /* SELF_SIGN, CERTIFICATE_GET */
        struct reply_token_info token_info; /* TOKEN_INFO */
        struct reply_metrics metrics;       /* METRICS */
    };                                      /* the others have nothing to say */
};
