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
#define JOB_MAX_ALTERNATIVES 1000       /* names in a CSR */
#define JOB_MAX_MESSAGE (1024 * 1024)   /* bytes to sign */
#define JOB_UNIT_MAX 255                /* bytes of a systemd unit name */
#define JOB_MAX_CSR (512 * 1024)        /* bytes of DER */
#define JOB_MAX_CHAIN 16                /* certificates beside one key, its own among them */
#define JOB_MAX_CERTIFICATE (64 * 1024) /* bytes of DER: one with 1,000 names has about 32 KiB */
#define JOB_MAX_DAYS 3650               /* of a self-signed certificate */
#define JOB_MAX_IMPORT (256 * 1024)     /* bytes of a file with a private key */
#define JOB_MAX_SELECT 255              /* bytes of a friendlyName */
#define JOB_MAX_MECHANISMS 1024         /* that are shown of one token */

enum job_message {
    JOB_MESSAGE_JOB = 1,             /* struct job */
    JOB_MESSAGE_REPLY = 2,           /* struct job_reply */
    JOB_MESSAGE_DIRECTORY_BEGIN = 3, /* empty: forget what you knew of this token */
    JOB_MESSAGE_DIRECTORY_KEY = 4,   /* struct job_key: one more, or another state of a known one */
    JOB_MESSAGE_DIRECTORY_END = 5,   /* empty */
    JOB_MESSAGE_STATS = 6, /* struct job_stats: to a new front, and when its audit was synced or
                              could not be written */
};

enum job_operation {
    JOB_SIGN = 1,
    JOB_CSR = 2,
    JOB_GENERATE = 3,   /* version 1 of a new name; worker 1 only, as are the next three */
    JOB_ROTATE = 4,     /* version job.version + 1, if that is the newest */
    JOB_RESCAN = 5,     /* sends the directory again, then answers */
    JOB_CHECKPOINT = 6, /* signs the text of the front's own checkpoint with keysvc/audit */
    JOB_SELF_SIGN = 7,  /* job.csr and job.days; reply.data is a chain of one */
    JOB_IMPORT = 8,     /* worker 1 only; beside it 1 or 2 descriptors: sealed memfds with the file
                           and, if import.has_password, its password */
    JOB_DESTROY = 9,    /* worker 1 only, as are PUT and DELETE */
    JOB_CERTIFICATE_PUT = 10,
    JOB_CERTIFICATE_GET = 11, /* reply.data is a chain */
    JOB_CERTIFICATE_DELETE = 12,
    JOB_TOKEN_INFO = 13, /* reply.data is a job_token_info */
    JOB_LOOK = 14,       /* worker 1 only: what the token has under that label now; tells the
                            directory if it is news */
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

struct job_csr { /* SELF_SIGN too */
    enum ks_algorithm algorithm;
    const char *common_name; /* each borrowed; empty: not given */
    const char *organization;
    const char *organization_unit;
    const char *country;
    const char *state;
    const char *locality;
    const char *email;
    const char *challenge_password;       /* CSR only */
    struct job_alternative *alternatives; /* job_deinit frees the array */
    size_t n_alternatives;
};

enum job_import_format {
    JOB_IMPORT_PKCS12 = 1,
    JOB_IMPORT_PKCS8 = 2, /* plain or encrypted, DER or PEM */
    JOB_IMPORT_FORMAT_COUNT,
};

struct job_import {
    enum job_import_format format;
    bool has_password;
    bool certificates; /* keep those that come with the key beside it */
    const char
        *select; /* borrowed: the friendlyName, or the localKeyID in hex; empty: there is one */
};

/* Certificates in DER, each borrowed: the key's own, its issuer's, ... */
struct job_chain {
    size_t n_items;
    struct job_blob {
        const uint8_t *data;
        size_t len;
    } items[JOB_MAX_CHAIN];
};

void job_chain_pack(struct buf *out, const struct job_chain *chain);
/* The whole of `data`. BAD_REQUEST: no certificate, too many, an empty or too long one. */
ks_err job_chain_unpack(const void *data, size_t len, struct job_chain *out) KS_MUST_CHECK;

/* What the file of an import gave: reply.data of JOB_IMPORT. */
struct job_imported {
    char alias[JOB_MAX_SELECT +
               1]; /* the key's friendlyName, else its localKeyID in hex; empty: it has none */
    struct job_chain chain; /* may be empty */
};

void job_imported_pack(struct buf *out, const struct job_imported *imported);
/* The whole of `data`. BAD_REQUEST. */
ks_err job_imported_unpack(const void *data, size_t len, struct job_imported *out) KS_MUST_CHECK;

struct job {
    uint64_t id; /* the request id: unique over restarts, joins the front's and the token's audit */
    uint64_t generation; /* of the configuration the front decided by */
    enum job_operation operation;
    struct job_caller caller;
    char name[KEYNAME_MAX + 1];
    uint32_t
        version; /* of the key that is used; ROTATE, IMPORT: the newest the caller knows, IMPORT
                         0: a new name; else 0 */
    uint8_t public_key_sha256[KS_SHA256_LEN]; /* of the DER SubjectPublicKeyInfo the caller means;
                                                 DESTROY: zeros mean whatever stands there */
    struct job_sign sign;                     /* JOB_SIGN */
    struct job_csr csr;                       /* JOB_CSR, JOB_SELF_SIGN */
    uint32_t days;                            /* JOB_SELF_SIGN: 1 to JOB_MAX_DAYS */
    struct job_import import;                 /* JOB_IMPORT */
    struct job_chain chain;                   /* JOB_CERTIFICATE_PUT */
    enum ks_key_type type;                    /* JOB_GENERATE, JOB_ROTATE; ANY: the class's */
    int fds
        [2]; /* IMPORT: file, password; beside the message, not in it, and the message's to close */
    size_t n_fds;
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
    struct fault why; /* texts for the client; rv is not sent */
    const uint8_t
        *data; /* borrowed: a signature, a CSR's DER, a chain, a job_token_info, a job_imported */
    size_t data_len;
    enum ks_algorithm algorithm; /* which was used */
    struct job_key key;          /* GENERATE, ROTATE, IMPORT */
    uint32_t execution_us;       /* what it took, without waiting and without its audit record */
    uint32_t n_unsynced;         /* records of the process that are not on the disk, its own too */
};

void job_reply_pack(struct buf *out, const struct job_reply *reply);
ks_err job_reply_unpack(const void *data, size_t len, struct job_reply *out) KS_MUST_CHECK;

/* How the audit chain of a token process stands. The process counts from its start. */
struct job_stats {
    uint64_t n_records;  /* written: the last one's sequence number, which outlives the process */
    uint64_t n_unsynced; /* of these: not known to be on the disk; never more */
    uint64_t n_syncs;
    uint64_t n_failures; /* records that could not be written or synced, once a try */
};

void job_stats_pack(struct buf *out, const struct job_stats *stats);
ks_err job_stats_unpack(const void *data, size_t len, struct job_stats *out) KS_MUST_CHECK;

#define JOB_NUMBER_UNKNOWN UINT64_MAX /* the token does not say */

struct job_mechanism {
    char name[48]; /* "CKM_RSA_PKCS", or "0x80000001" */
    uint64_t type, min_size, max_size, flags;
};

/* CK_TOKEN_INFO and the mechanisms. What the token cannot do is in its profile. */
struct job_token_info {
    char label[33], manufacturer[33], model[17], serial[17]; /* trimmed */
    char hardware_version[8], firmware_version[8];           /* "1.0" */
    uint64_t flags;
    uint64_t sessions, max_sessions, rw_sessions, max_rw_sessions; /* max 0: no limit */
    uint64_t min_pin_len, max_pin_len;
    uint64_t free_public_memory, total_public_memory;
    uint64_t free_private_memory, total_private_memory;
    struct job_mechanism *mechanisms; /* job_token_info_deinit frees them */
    size_t n_mechanisms;
};

/* For ks_auto; a zeroed one is fine. */
void job_token_info_deinit(struct job_token_info *info);
void job_token_info_pack(struct buf *out, const struct job_token_info *info);
ks_err job_token_info_unpack(const void *data, size_t len,
                             struct job_token_info *out) KS_MUST_CHECK;
