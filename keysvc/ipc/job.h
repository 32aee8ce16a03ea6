/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job - what the front asks a token process, and its answers
 *
 * Front and token processes share one stream (channel.h), many jobs are open on it, answers come in
 * any order. The front has decided who may ask; the token process decides again what may be signed.
 * Borrowed pointers point into the received message and live as long as it.
 *
 *   token process -> front   JOB_MESSAGE_DIRECTORY ... (worker 1 only), then answers
 *   front -> token process   JOB_MESSAGE_JOB
 */
#pragma once

#include "base/certname.h"
#include "base/chain.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/keyname.h"
#include "ipc/config.h"
#include "ipc/pack.h"

#define JOB_SUBJECT_MAX                                                                            \
    255 /* bytes of one subject attribute; RFC 5280's own bounds are smaller and checked in csr.c  \
         */
#define JOB_MAX_ALTERNATIVES 1000     /* names in a CSR */
#define JOB_MAX_MESSAGE (1024 * 1024) /* bytes to sign */
#define JOB_UNIT_MAX 255              /* bytes of a systemd unit name */
#define JOB_MAX_CSR (512 * 1024)      /* bytes of DER */

enum job_message {
    JOB_MESSAGE_JOB = 1,             /* struct job */
    JOB_MESSAGE_REPLY = 2,           /* struct job_reply */
    JOB_MESSAGE_DIRECTORY_BEGIN = 3, /* empty: forget what you knew of this token */
    JOB_MESSAGE_DIRECTORY_KEY = 4,   /* struct job_key: one more, or another state of a known one */
    JOB_MESSAGE_DIRECTORY_END = 5,   /* empty */
};

enum job_operation {
    JOB_SIGN = 1,
    JOB_CSR = 2,
    JOB_GENERATE = 3,   /* version 1 of a new name; worker 1 only, as are the next three */
    JOB_ROTATE = 4,     /* version job.version + 1, if that is the newest */
    JOB_RESCAN = 5,     /* sends the directory again, then answers */
    JOB_CHECKPOINT = 6, /* signs the text of the front's own checkpoint with keysvc/audit */
    JOB_OPERATION_COUNT,
};

/* Who asked, as the front saw it; recorded, never decided upon, by the token process. */
struct job_caller {
    uint32_t uid;
    uint32_t gid;
    int32_t pid;
    char unit[JOB_UNIT_MAX + 1];     /* empty: not known */
    char rule[CONFIG_TITLE_MAX + 1]; /* which allowed it */
};

struct job_sign {
    enum ks_algorithm algorithm; /* DEFAULT: the key's own */
    enum ks_hash prehashed;      /* NONE: data is the message, else its digest by this hash */
    const uint8_t *data;         /* borrowed */
    size_t data_len;
};

struct job_alternative {
    enum certname_kind kind;
    const char *value; /* borrowed, NUL-terminated */
};

struct job_csr {
    enum ks_algorithm algorithm;
    const char *common_name; /* each borrowed; empty: not given */
    const char *organization;
    const char *organization_unit;
    const char *country;
    const char *state;
    const char *locality;
    const char *email;
    struct job_alternative *alternatives; /* job_deinit frees the array */
    size_t n_alternatives;
};

struct job {
    uint64_t id; /* the request id: unique over restarts, joins the front's and the token's audit */
    uint64_t generation; /* of the configuration the front decided by */
    enum job_operation operation;
    struct job_caller caller;
    char name[KEYNAME_MAX + 1];
    uint32_t version; /* SIGN, CSR: of the key; ROTATE: the newest the caller knows; else 0 */
    uint8_t public_key_sha256[KS_SHA256_LEN]; /* SIGN, CSR: of the DER SubjectPublicKeyInfo the
                                                 caller means */
    struct job_sign sign;                     /* JOB_SIGN */
    struct job_csr csr;                       /* JOB_CSR */
    enum ks_key_type type;                    /* JOB_GENERATE, JOB_ROTATE; ANY: the class's */
    const char *checkpoint; /* JOB_CHECKPOINT: begins with CHAIN_CHECKPOINT_PREFIX "chain=front " */
};

#define JOB_INIT                                                                                   \
    {                                                                                              \
        .id = 0                                                                                    \
    }

/* Frees the array of alternatives only. For ks_auto. */
void job_deinit(struct job *job);
void job_pack(struct buf *out, const struct job *job);
/* BAD_REQUEST. `storage` holds the texts and must outlive the job; it is reset first. */
ks_err job_unpack(const void *data, size_t len, struct buf *storage, struct job *out) KS_MUST_CHECK;

enum job_key_state {
    JOB_KEY_USABLE = 0,
    JOB_KEY_AMBIGUOUS = 1, /* two private keys carry this label */
    JOB_KEY_GONE = 2,      /* take it out of the directory */
    JOB_KEY_STATE_COUNT,
};

/* A directory entry; class and purpose follow from the configuration. */
struct job_key {
    char name[KEYNAME_MAX + 1];
    uint32_t version;
    enum job_key_state state;
    enum ks_key_type type;                     /* ANY: a type we know nothing of */
    size_t public_key_len;                     /* 0: no public half found */
    uint8_t public_key[KS_PUBLIC_KEY_MAX_LEN]; /* DER SubjectPublicKeyInfo */
};

void job_key_pack(struct buf *out, const struct job_key *key);
ks_err job_key_unpack(const void *data, size_t len, struct job_key *out) KS_MUST_CHECK;

struct job_reply {
    uint64_t id;
    ks_err err;
    struct fault why;    /* texts for the client; rv is not sent */
    const uint8_t *data; /* borrowed: a signature, or a CSR's DER */
    size_t data_len;
    enum ks_algorithm algorithm; /* which was used */
    struct job_key key;          /* GENERATE, ROTATE */
};

void job_reply_pack(struct buf *out, const struct job_reply *reply);
ks_err job_reply_unpack(const void *data, size_t len, struct job_reply *out) KS_MUST_CHECK;
