/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - the configuration as our processes pass it on: parsed, checked, names already ids
 *
 * The supervisor fills it (supervisor/config.c), front and token processes get it packed. A token
 * process receives the whole of it and uses its own token's part; nothing in it is secret.
 */
#pragma once

#include "base/certname.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/glob.h"
#include "base/keyname.h"
#include "base/strv.h"
#include "ipc/pack.h"

#define CONFIG_TITLE_MAX 63  /* bytes: the names of tokens and rules */
#define CONFIG_PATH_MAX 1023 /* bytes */
#define CONFIG_MAX_TOKENS 64
#define CONFIG_MAX_WORKERS 16 /* processes a token */
#define CONFIG_MAX_GROUPS CONFIG_MAX_TOKENS
#define CONFIG_MAX_CLASSES 1024
#define CONFIG_MAX_RULES 1024
#define CONFIG_MAX_KEYS 1024    /* adopted by URI */
#define CONFIG_MAX_ITEMS 1024   /* members of one list option */
#define CONFIG_NO_ID UINT32_MAX /* "as whoever started us" for users and groups */

/* Bits of a rule's operations; the order is the order in which they are documented. */
enum config_operation {
    OPERATION_GET = 1 << 0, /* list, show, public key */
    OPERATION_SIGN = 1 << 1,
    OPERATION_CSR = 1 << 2,
    OPERATION_SELF_SIGN = 1 << 3,
    OPERATION_CERTIFICATE = 1 << 4,
    OPERATION_GENERATE = 1 << 5,
    OPERATION_ROTATE = 1 << 6,
    OPERATION_IMPORT = 1 << 7,
    OPERATION_DESTROY = 1 << 8,
    OPERATION_ADMINISTER =
        1 << 9, /* reload, retry-login, rescan, explain for others, keys in no class */
};
#define OPERATION_ALL                                                                              \
    0x1ff /* the word `all`: everything that is done with a key; administer is always named */

/* "self-sign" or NULL for what is not exactly one bit. */
const char *config_operation_name(uint32_t operation);
/* 0: no such operation; "all" gives OPERATION_ALL. */
uint32_t config_operation_from_name(const char *name);

/*
 * What a kind of token cannot do: a set of key types, algorithms and acts. A request for one of them
 * is answered UNSUPPORTED without asking the token.
 */
#define CONFIG_LACKS_TYPE(type) (1ull << (type))
#define CONFIG_LACKS_ALGORITHM(algorithm) (1ull << (16 + (algorithm)))
#define CONFIG_LACKS_IMPORT (1ull << 32)
#define CONFIG_LACKS_CERTIFICATES (1ull << 33) /* objects beside keys */
#define CONFIG_LACKS_BITS 34

/* "ed25519", "rsa-pss-sha512", "import"; NULL for what is not exactly one known bit. */
const char *config_lack_name(uint64_t bit);
/* 0: no such word; "ed25519" is a type and an algorithm, and gives both. */
uint64_t config_lack_from_name(const char *name);

struct config_limits {
    uint32_t max_connections;            /* of all clients */
    uint32_t max_connections_per_caller; /* a caller is a (uid, unit) */
    uint32_t max_requests_per_caller;    /* open at the same time */
    uint32_t max_bytes_per_caller;       /* of open requests and unread answers */
    uint32_t max_queue;                  /* jobs waiting for one token */
    uint32_t reserved;             /* places of connections and queue kept for administrators */
    uint32_t handshake_timeout_ms; /* until Hello has arrived */
    uint32_t frame_timeout_ms; /* from a frame's first byte to its last, and for an unread answer */
    uint32_t idle_timeout_ms;  /* 0: none */
};

enum config_sandbox {
    CONFIG_SANDBOX_ON,
    CONFIG_SANDBOX_SERVE, /* not for --administer */
    CONFIG_SANDBOX_OFF,
    CONFIG_SANDBOX_COUNT,
};

#define CONFIG_SOCKETS_UNIX (1u << 0)
#define CONFIG_SOCKETS_INET (1u << 1)

struct config_profile {
    char name[CONFIG_TITLE_MAX + 1];
    char module[CONFIG_PATH_MAX + 1]; /* absolute path of the PKCS#11 module */
    uint32_t workers;
    uint32_t hang_timeout_ms;       /* one PKCS#11 call */
    uint32_t generate_timeout_ms;   /* C_GenerateKeyPair */
    uint32_t idle_check_ms;         /* a token nobody asks is looked at that often; 0: never */
    bool kill_in_login;             /* false: never kill it in C_Login (SoftHSM loses the token) */
    bool verify_all;                /* verify every signature, not only RSA and each key's first */
    uint64_t lacks;                 /* CONFIG_LACKS_...: option `unsupported` */
    bool rescan_reinitializes;      /* rescan = reinitialize: the module lists objects only then */
    bool set_id;                    /* C_SetAttributeValue(CKA_ID) after generation works */
    struct strv public_attributes;  /* usage attributes to send in templates: "VERIFY",
                                       "ENCRYPT=FALSE", ... */
    struct strv private_attributes; /* "SIGN", "DECRYPT=FALSE", ... */
    struct strv environment;        /* "NAME=value" */
    struct strv copies; /* globs below the token's store of files that a crash of the module can
                           destroy: a copy of each is kept beside it and put back */
    struct strv groups; /* names; resolved to gids by the supervisor when it starts the process */
    enum config_sandbox sandbox;
    uint32_t sockets;         /* CONFIG_SOCKETS_... that the module may make */
    struct strv system_calls; /* names; beside those that every module may make */
    struct strv read;         /* absolute paths that it may read, to the bottom */
    struct strv write;        /* and change; beside the store */
};

struct config_token {
    char name[CONFIG_TITLE_MAX + 1];
    char label[33]; /* how to find it: one of label, serial, uri */
    char serial[17];
    char uri[CONFIG_PATH_MAX + 1];
    char pin_file[CONFIG_PATH_MAX + 1]; /* absolute; empty: pin_credential */
    char pin_credential[CONFIG_TITLE_MAX + 1];
    char store[CONFIG_PATH_MAX + 1]; /* absolute folder of a token that is made of files; locked,
                                        so that one keysvcd uses it; empty: none */
    uint32_t uid, gid;               /* of its processes; CONFIG_NO_ID when not started as root */
    struct config_profile
        profile; /* environment of the token's own section is merged in, and wins */
};

#define CONFIG_TYPE_BIT(type) (1u << (type)) /* of a set of key types */

/* Tokens that show the same keys. */
struct config_group {
    char name[CONFIG_TITLE_MAX + 1]; /* which no token has */
    struct strv
        tokens; /* names in the order of the section, at least one; each is in no other group */
};

struct config_class {
    char glob[GLOB_MAX_LEN + 1];
    char token[CONFIG_TITLE_MAX + 1]; /* or group */
    enum ks_key_type type;
    uint32_t import_types; /* CONFIG_TYPE_BIT()s of the keys it takes from files; 0: `type` only */
    enum ks_purpose purpose;
    bool tls13_only;   /* option tls = 1.3 */
    struct strv usage; /* purpose sign: EKUs of CSRs: "serverAuth", "emailProtection", or an OID */
    struct strv names; /* certname patterns; none: no CSR */
};

struct config_rule {
    char name[CONFIG_TITLE_MAX + 1];
    uint32_t *uids; /* alternatives; n == 0: option not given, matches everybody */
    size_t n_uids;
    uint32_t *gids;
    size_t n_gids;
    struct strv units;
    struct strv
        keys; /* globs; may hold {user}, {uid}, {unit} as a whole component or part of one */
    uint32_t operations;
    uint32_t rate_per_s; /* 0: not limited */
};

/* A key that another tool made: version 1 of `name` is the private key that the URI means. */
struct config_key {
    char name[KEYNAME_MAX + 1];    /* on the token of its class */
    char uri[CONFIG_PATH_MAX + 1]; /* RFC 7512, with `object` or `id` */
};

struct config {
    uint64_t generation;
    uint8_t
        hash[KS_SHA256_LEN]; /* SHA-256 of keysvcd.conf and of each profile it names, in order */
    char path[CONFIG_PATH_MAX + 1];
    char socket[108];    /* sun_path */
    uint32_t socket_gid; /* CONFIG_NO_ID: mode 0666, else 0660 with this group */
    char audit_dir[CONFIG_PATH_MAX + 1];
    char state_dir[CONFIG_PATH_MAX + 1];
    uint32_t front_uid, front_gid; /* CONFIG_NO_ID: stay who we are */
    bool audit_sync_always;        /* audit-sync = always; else each second */
    uint32_t audit_checkpoint_s;   /* seconds between checkpoints while records are written */
    struct config_limits limits;
    struct config_token *tokens;
    size_t n_tokens;
    struct config_group *groups;
    size_t n_groups;
    struct config_class *classes;
    size_t n_classes;
    struct config_rule *rules;
    size_t n_rules;
    struct config_key *keys;
    size_t n_keys;
};

/* Frees what it holds and NULL alike; returns NULL. */
struct config *config_free(struct config *config);
void config_freep(struct config **config);

void config_pack(struct buf *out, const struct config *config);
/* BAD_REQUEST: not a configuration. */
ks_err config_unpack(const void *data, size_t len, struct config **out) KS_MUST_CHECK;

/* NULL if there is none of that name. */
const struct config_token *config_token_find(const struct config *config, const char *name);

/* NULL: no group is called so, and: the token is in none. */
const struct config_group *config_group_find(const struct config *config, const char *name);
const struct config_group *config_group_of(const struct config *config, const char *token);

/* The tokens that a class's `token` means, a group's in the order of its section; NULL: no more. */
const char *config_member(const struct config *config, const char *place, size_t index);
bool config_is_member(const struct config *config, const char *place, const char *token);

/* NULL: not an adopted one. */
const struct config_key *config_key_find(const struct config *config, const char *name);

/* May a key of this type be imported into the class? */
bool config_class_takes(const struct config_class *class, enum ks_key_type type);

/* The class a key belongs to: the longest literal prefix among the globs that match; NULL: none,
 * and none for the service's own names. */
const struct config_class *config_class_of(const struct config *config, const char *key_name);
