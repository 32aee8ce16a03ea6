/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - one client's request as a flat value: everything in it has been checked
 *
 * Made by decode.c. Borrowed pointers point into the arena or the frame it was decoded from and
 * live until the next request is decoded. Only the members of its operation are filled.
 */
#pragma once

#include "front/peer.h"
#include "ipc/job.h"

#define REQUEST_DEADLINE_MS 30000      /* when the client says 0 */
#define REQUEST_MAX_DEADLINE_MS 600000 /* an RSA-4096 key on a slow card takes minutes */
#define REQUEST_PROGRAM_MAX 63         /* bytes of a client's own name; for logs only */
#define REQUEST_MAX_FEATURES 64        /* in a Hello */
#define REQUEST_MAX_KEYS 1000          /* in one ListReply, and then the rest of a version */
#define REQUEST_DAYS 365               /* of a self-signed certificate, when the client says 0 */
#define REQUEST_PROTOCOL_VERSION 1

enum request_operation {
    REQUEST_NONE = 0,
    REQUEST_HELLO,
    REQUEST_STATUS,
    REQUEST_LIST,
    REQUEST_GET,
    REQUEST_GENERATE,
    REQUEST_ROTATE,
    REQUEST_SIGN,
    REQUEST_CSR,
    REQUEST_EXPLAIN,
    REQUEST_RELOAD,
    REQUEST_RETRY_LOGIN,
    REQUEST_RESCAN,
    REQUEST_SELF_SIGN,
    REQUEST_IMPORT,
    REQUEST_DESTROY,
    REQUEST_CERTIFICATE_PUT,
    REQUEST_CERTIFICATE_GET,
    REQUEST_CERTIFICATE_DELETE,
    REQUEST_TOKEN_INFO,
    REQUEST_METRICS,
    REQUEST_OPERATION_COUNT,
};

struct request_hello {
    uint32_t protocol_version;
    char program[REQUEST_PROGRAM_MAX + 1];
};

struct request_list {
    const char *glob;                 /* empty: all */
    char after_name[KEYNAME_MAX + 1]; /* empty: from the start */
    uint32_t after_version;
    uint32_t limit; /* 1 to REQUEST_MAX_KEYS */
};

struct request_explain {
    bool for_other;
    uint32_t uid;
    const uint32_t *gids;
    size_t n_gids;
    char unit[JOB_UNIT_MAX + 1];
    char user[PEER_USER_MAX + 1];
    enum config_operation operation;
};

struct request {
    uint64_t id; /* the client's; never 0 */
    uint32_t deadline_ms;
    enum request_operation operation;
    char name[KEYNAME_MAX + 1]; /* of the key; EXPLAIN: may be empty with `administer` */
    uint32_t version;           /* GET: 0 is the newest; ROTATE, IMPORT: from_version, of IMPORT
                                   0: a new name; else never 0 */
    uint8_t public_key_sha256[KS_SHA256_LEN]; /* DESTROY: zeros: whatever stands there */
    enum ks_key_type type;                    /* GENERATE */
    char token[CONFIG_TITLE_MAX + 1];         /* RETRY_LOGIN, RESCAN, TOKEN_INFO */
    struct job_sign sign;
    struct job_csr csr; /* SELF_SIGN too; its alternatives lie in the arena: never job_deinit() */
    uint32_t days;      /* SELF_SIGN: 1 to JOB_MAX_DAYS */
    struct job_import import; /* its descriptors come by another way: passed.h */
    struct job_chain chain;   /* CERTIFICATE_PUT */
    struct request_hello hello;
    struct request_list list;
    struct request_explain explain;
};
