/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keysvc - signatures, certificates and the keys themselves, from this host's tokens
 *
 * The library speaks to keysvcd over its Unix socket. Who may do what is decided there, by the
 * credentials the kernel gives of this process; the library keeps no secret (ks_import passes one
 * on).
 *
 *     struct ks_client *client;
 *     struct ks_error error;
 *     struct ks_key key;
 *     uint8_t signature[KS_SIGNATURE_MAX_LEN];
 *     size_t len;
 *
 *     if (ks_client_new(NULL, &client, &error))                      -> error.message
 *     if (ks_get(client, "web/shop", &key, &error))                  -> the newest version
 *     if (ks_sign(client, &key, KS_ALGORITHM_DEFAULT, KS_HASH_NONE, data, data_len,
 *                 signature, &len, NULL, &error))
 *     client = ks_client_free(client);
 *
 * Calls block until the answer is there, at most for the client's timeout (ks_client_set_timeout).
 * They return KS_OK or what to do next (base/err.h, the exit codes of keysvc(1)); `error` gets the
 * texts, and may be NULL. On failure the out-parameters are not to be used.
 *
 * Threads: one client may be used by any number of threads. They share one connection with many
 * requests open on it; a slow call does not hold up the others. ks_client_free, and ks_list_*() on
 * one list, are for one thread.
 *
 * Connection: made by the first call, and again by itself when it was lost, when the process was
 * forked, when its effective user changed (a connection speaks for whoever made it), or when the
 * program closed a descriptor it did not know. Clients may be used on both sides of a fork().
 *
 * Retries happen inside the timeout, with growing pauses, and only where the same request may be
 * sent twice: reads, signatures, CSRs and self-signed certificates, after BUSY, TOKEN_UNAVAILABLE
 * or a lost connection; what is gone is waited for up to 5 s, and by one call: once one has waited in
 * vain, the next fail at once until it is back. Generating, rotating, importing, destroying, changing the certificates
 * beside a key and reloading are sent again only after BUSY, when nothing was begun, and retrying a
 * login never: if the connection or the time is lost after the request may have left, the outcome
 * is KS_ERR_OUTCOME_UNKNOWN.
 *
 * Link with -lkeysvc (pkg-config keysvc). Of base/err.h the library exports the values only; their
 * texts are ks_err_name() and ks_err_message() below.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KS_API __attribute__((visibility("default")))
#define KS_API_CALL KS_API __attribute__((warn_unused_result))

#define KS_NAME_MAX 100 /* bytes of a key's name, without its version */
#define KS_KEY_MAX_VERSIONS 256
#define KS_KEY_MAX_TOKENS 16
#define KS_TIMEOUT_DEFAULT_MS 30000u
#define KS_TIMEOUT_MAX_MS 600000u
#define KS_SIGN_MAX_LEN (1024u * 1024u - 1024u) /* bytes of a message that travels whole */
#define KS_MAX_ALTERNATIVE_NAMES 1000u

/* What to tell a person or a log. Texts are one line without line breaks at the end. */
struct ks_error {
    ks_err code;
    char message[512]; /* what failed, on which key or token, and why */
    char hint[640];    /* what to do next; may be a section for keysvcd.conf */
    bool retryable;    /* the same call may succeed later */
    /* NAME_NOT_ALLOWED: the name of the request that the key's class refuses, as it was asked for;
     * empty: the class allows none at all, or the service is too old to say. */
    char refused_name[256];
};

/* "NO_KEY"; a sentence for people. Never NULL; an unknown value is INTERNAL. */
KS_API const char *ks_err_name(ks_err err);
KS_API const char *ks_err_message(ks_err err);

/* "0.1.0" */
KS_API const char *ks_version(void);

/* --- client --- */

struct ks_client;

/*
 * `socket`: a path, or NULL for $KEYSVC_SOCKET (not in set-user-ID programs), or else
 * /run/keysvc/keysvc.sock. Connects to nothing yet. USAGE: the path is too long for a socket;
 * INTERNAL: no memory.
 */
KS_API_CALL ks_err ks_client_new(const char *socket, struct ks_client **out,
                                 struct ks_error *error);

/* Takes NULL; no call may be under way; returns NULL. */
KS_API struct ks_client *ks_client_free(struct ks_client *client);

/* For each call from now on; 0: the default, 30 s; more than 10 minutes is 10 minutes. */
KS_API void ks_client_set_timeout(struct ks_client *client, uint32_t timeout_ms);

/* For the service's logs, "nginx"; cut to whole characters of at most 63 bytes, and what is no UTF-8
 * or a control character becomes '?'. The default is the program's own name. */
KS_API void ks_client_set_program(struct ks_client *client, const char *program);

/* The path in use; lives as long as the client. */
KS_API const char *ks_client_socket(const struct ks_client *client);

/* --- the service and its tokens --- */

struct ks_token {
    char name[64];
    char state[32]; /* starting, ready, absent, login-blocked, failed */
    char text[512]; /* why, if not ready; this and the rest for administrators, else empty */
    char profile[64];
    char label[65]; /* as are model and serial, from the token */
    char model[65];
    char serial[65];
    uint32_t workers; /* processes configured; ready */
    uint32_t ready_workers;
    uint32_t keys;   /* versions known */
    uint32_t queued; /* jobs waiting and running */
    char group[64];  /* which it is in; empty: none */
    /* In force for the weakest of its ready processes: on, calls, files, off; empty: not known. */
    char sandbox[16];
};

/* Tokens that show the same keys. */
struct ks_group {
    char name[64];
    char (*tokens)[64];
    size_t n_tokens;
    uint32_t ready_tokens;    /* of them */
    uint32_t keys;            /* versions that any of them shows */
    uint32_t keys_everywhere; /* of these: on all of them */
    uint32_t keys_differing;  /* of these: not the same key on all that show it; not usable */
};

struct ks_status {
    char version[32];    /* of keysvcd */
    uint64_t generation; /* of the configuration: 1, and one more with each reload */
    uint64_t uptime_ms;
    uint32_t connections;
    uint32_t uid;       /* who the service says is calling */
    char unit[256];     /* the caller's systemd unit; empty: none or not known */
    bool administrator; /* some rule gives the caller `administer` */
    uint8_t configuration_sha256[KS_SHA256_LEN];
    struct ks_token *tokens;
    size_t n_tokens;
    struct ks_group *groups; /* for administrators, else none */
    size_t n_groups;
    char front_sandbox[16], keysvcd_sandbox[16]; /* as a token's, for administrators */
};

/* Anybody may ask. *out: ks_status_free. */
KS_API_CALL ks_err ks_status(struct ks_client *client, struct ks_status **out,
                             struct ks_error *error);
KS_API struct ks_status *ks_status_free(struct ks_status *status);

/* For administrators. A failed reload keeps the running configuration; the message is file and
 * line. */
KS_API_CALL ks_err ks_reload(struct ks_client *client, struct ks_error *error);

/* Allows one more login after a failed one; costs a try of the PIN. */
KS_API_CALL ks_err ks_retry_login(struct ks_client *client, const char *token,
                                  struct ks_error *error);

/* Finds keys that other tools made or removed. */
KS_API_CALL ks_err ks_rescan(struct ks_client *client, const char *token, struct ks_error *error);

/* --- keys --- */

/* One version of a key. Plain data: copy it with `=`, keep it as long as you like. */
struct ks_key {
    char name[KS_NAME_MAX + 1];
    uint32_t version;
    enum ks_key_type type; /* ANY: a type this library does not know */
    enum ks_purpose purpose;
    char token[64];
    char class_glob[129];                      /* the `keys` section it belongs to; empty: none */
    uint8_t public_key[KS_PUBLIC_KEY_MAX_LEN]; /* DER SubjectPublicKeyInfo; empty in lists */
    size_t public_key_len;                     /* bytes */
    uint8_t public_key_sha256[KS_SHA256_LEN];  /* over those bytes; also in lists */
    bool ambiguous; /* two private keys carry this label, also as two tokens show it: not usable */
    uint32_t versions[KS_KEY_MAX_VERSIONS]; /* of this name, ascending; empty in lists */
    size_t n_versions;                      /* the newest 256, if there are more */
    char tokens[KS_KEY_MAX_TOKENS][64]; /* of a group: those that show it; `token` is the first */
    size_t n_tokens; /* 16, if there are more; 0: its class stands on one token */
};

/* `name`: "web/shop" (the newest version) or "web/shop@2". NO_KEY, DENIED, BAD_REQUEST (not a
 * name). A service that answers with another name or version, here and below: INTERNAL. */
KS_API_CALL ks_err ks_get(struct ks_client *client, const char *name, struct ks_key *out,
                          struct ks_error *error);

/*
 * The keys that the caller may `get`, in order of name and version:
 *   struct ks_list *list; const struct ks_key *key;
 *   ks_list_new(client, "web/" "**", &list, &error);
 *   while (!(err = ks_list_next(list, &key, &error)) && key) ...
 *   ks_list_free(list);
 * `glob` NULL or empty: all of them. `*` stays in one component of the name, `**` crosses. The keys
 * come in pages of 1000; what changes meanwhile may be seen or not. *key is valid until the next
 * call and NULL behind the last one. The client must outlive the list.
 */
struct ks_list;
KS_API_CALL ks_err ks_list_new(struct ks_client *client, const char *glob, struct ks_list **out,
                               struct ks_error *error);
KS_API_CALL ks_err ks_list_next(struct ks_list *list, const struct ks_key **key,
                                struct ks_error *error);
KS_API struct ks_list *ks_list_free(struct ks_list *list);

/* Makes version 1 of a new name. `type` ANY: as its class says. EXISTS; OUTCOME_UNKNOWN: look with
 * ks_get. `out` may be NULL, here and below. */
KS_API_CALL ks_err ks_generate(struct ks_client *client, const char *name, enum ks_key_type type,
                               struct ks_key *out, struct ks_error *error);

/* Makes version from_version + 1, only if from_version is the newest; else EXISTS. */
KS_API_CALL ks_err ks_rotate(struct ks_client *client, const char *name, uint32_t from_version,
                             struct ks_key *out, struct ks_error *error);

/* --- signatures --- */

/*
 * Signs with exactly the key that `key` describes; KEY_CHANGED if another one stands under its
 * label now. Only name, version, type, purpose and public_key_sha256 of `key` are read.
 *
 * prehashed NONE: `data` is the message. Else it is the message's digest by that hash, which must
 * be the algorithm's; keys of purpose `sign` only. For these, messages above 32 KiB are hashed here
 * and travel as a digest (Ed25519 has none); all others travel whole, up to KS_SIGN_MAX_LEN, else
 * TOO_LARGE. USAGE: the algorithm does not fit the key's type, or the digest's length its hash.
 * PURPOSE: the key's class does not sign such data.
 *
 * ECDSA signatures are DER. `used`, if not NULL, gets the algorithm that DEFAULT stood for.
 */
KS_API_CALL ks_err ks_sign(struct ks_client *client, const struct ks_key *key,
                           enum ks_algorithm algorithm, enum ks_hash prehashed, const void *data,
                           size_t data_len, uint8_t signature[KS_SIGNATURE_MAX_LEN],
                           size_t *signature_len, enum ks_algorithm *used, struct ks_error *error);

enum ks_name_kind {
    KS_NAME_DNS = 1,
    KS_NAME_IP = 2, /* in text form */
    KS_NAME_EMAIL = 3,
    KS_NAME_URI = 4,
};

struct ks_alternative_name {
    enum ks_name_kind kind;
    const char *value;
};

/* What is wanted in the certificate; texts are UTF-8, NULL or empty: not given. */
struct ks_csr_request {
    enum ks_algorithm algorithm; /* DEFAULT: by the key */
    const char *common_name;
    const char *organization;
    const char *organization_unit;
    const char *country; /* two letters */
    const char *state;
    const char *locality;
    const char *email;
    const char *challenge_password; /* in clear in the request; CSRs only */
    const struct ks_alternative_name *alternative_names;
    size_t n_alternative_names; /* at most KS_MAX_ALTERNATIVE_NAMES */
};

/*
 * Programs that hash by themselves and sign PKCS#1 v1.5 give a whole DigestInfo (RFC 8017, 9.2). If
 * `data` is exactly the DER of one by SHA-256, SHA-384 or SHA-512: that hash, and *digest is inside of
 * `data`, for ks_sign; else KS_HASH_NONE, and *digest is left alone.
 */
KS_API enum ks_hash ks_digest_info_read(const void *data, size_t len, const uint8_t **digest);

/* A PKCS#10 request for `key`, as for ks_sign. *der: free(). NAME_NOT_ALLOWED: the class does not
 * allow a name. */
KS_API_CALL ks_err ks_csr(struct ks_client *client, const struct ks_key *key,
                          const struct ks_csr_request *request, uint8_t **der, size_t *der_len,
                          struct ks_error *error);

/* --- references --- */

/*
 * A reference names one version of a key and holds its public half, and no secret. Programs load it
 * where they expect a private key; it is PEM of this name around DER:
 *
 *   SEQUENCE { UTF8String "keysvc-reference-1", UTF8String "web/shop@2",
 *              OCTET STRING (SubjectPublicKeyInfo) }
 */
#define KS_REFERENCE_PEM_NAME "KEYSVC KEY REFERENCE"
#define KS_REFERENCE_MAX_LEN 1024u /* bytes of DER */

/* PEM text for name, version and public_key of `key`. *pem: free(). USAGE: a key without its public
 * half, which ks_get gives and lists leave out. */
KS_API_CALL ks_err ks_reference_encode(const struct ks_key *key, char **pem,
                                       struct ks_error *error);

/* From the DER inside the PEM; asks nobody. `out` gets name, version, type and the public key with
 * its digest, as ks_sign wants them; the rest is zero. BAD_REQUEST: not a reference; UNSUPPORTED: of
 * a later version, or a type of key that this library does not know. */
KS_API_CALL ks_err ks_reference_decode(const void *der, size_t len, struct ks_key *out,
                                       struct ks_error *error);

/* --- certificates --- */

struct ks_blob {
    uint8_t *data;
    size_t len;
};

/* DER certificates: the key's own first, then its issuer, and so on. ks_chain_free. */
struct ks_chain {
    struct ks_blob *certificates;
    size_t n_certificates;
};

KS_API struct ks_chain *ks_chain_free(struct ks_chain *chain);

#define KS_SELF_SIGN_DAYS 365u /* what 0 stands for */
#define KS_SELF_SIGN_MAX_DAYS 3650u

/* A certificate for `key`, signed with it and not stored: a chain of one. `request` as for ks_csr,
 * but without a challenge password (USAGE); TOO_LARGE: more days. */
KS_API_CALL ks_err ks_self_sign(struct ks_client *client, const struct ks_key *key,
                                const struct ks_csr_request *request, uint32_t days,
                                struct ks_chain **out, struct ks_error *error);

#define KS_CHAIN_MAX 16u                     /* certificates beside one key */
#define KS_CERTIFICATE_MAX_LEN (64u * 1024u) /* bytes of DER */

/* Keeps certificates beside the key on its token, in place of what was there. USAGE: none, or an
 * empty one; TOO_LARGE: too many or too long, or more than 1 MiB in all; BAD_REQUEST: the first one's
 * public key is not the key's; UNSUPPORTED: the token keeps none. */
KS_API_CALL ks_err ks_certificate_put(struct ks_client *client, const struct ks_key *key,
                                      const struct ks_blob *certificates, size_t n_certificates,
                                      struct ks_error *error);
/* NO_KEY: there is none. */
KS_API_CALL ks_err ks_certificate_get(struct ks_client *client, const struct ks_key *key,
                                      struct ks_chain **out, struct ks_error *error);
KS_API_CALL ks_err ks_certificate_delete(struct ks_client *client, const struct ks_key *key,
                                         struct ks_error *error);

/* --- bringing and removing keys --- */

enum ks_import_format {
    KS_IMPORT_PKCS12 = 1,
    KS_IMPORT_PKCS8 = 2, /* plain or encrypted, DER or PEM */
};

#define KS_IMPORT_MAX_LEN (256u * 1024u) /* bytes of the file */

/* The file's bytes and the password go in sealed memory straight to the token's process: the
 * service's front does not read them. What the caller holds is the caller's to wipe. */
struct ks_import_request {
    enum ks_import_format format;
    const void *data;
    size_t len;
    const char *password; /* at most 1023 bytes; NULL: none */
    const char *select; /* friendlyName (if none is exactly so: without regard to the case of ASCII
                              letters) or localKeyID in hex, at most 255 bytes; NULL: the file
                              holds one key */
    uint32_t from_version; /* 0: a new name; else makes the next version, as ks_rotate */
    bool certificates;     /* keep those that come with the key beside it */
};

/* USAGE, TOO_LARGE: out of these bounds; BAD_REQUEST: not such a file, a wrong password, no
 * type of key that the class takes; EXISTS; UNSUPPORTED: the token takes none. `out` may be NULL. */
KS_API_CALL ks_err ks_import(struct ks_client *client, const char *name,
                             const struct ks_import_request *request, struct ks_key *out,
                             struct ks_error *error);

/* What the file gave, whether the token keeps certificates or not. */
struct ks_imported {
    struct ks_key key;
    char alias
        [256]; /* which key was taken: its friendlyName, else its localKeyID in hex; empty: the file
                        does not name it. Control characters, quotes and backslashes are '?' */
    struct ks_blob *certificates; /* DER: the key's own first, then its issuer's, and so on */
    size_t n_certificates;        /* 0: the key came alone */
};

/* As ks_import. *out: ks_imported_free. */
KS_API_CALL ks_err ks_import_all(struct ks_client *client, const char *name,
                                 const struct ks_import_request *request, struct ks_imported **out,
                                 struct ks_error *error);
KS_API struct ks_imported *ks_imported_free(struct ks_imported *imported);

/* Removes exactly the version that `key` describes, its public half and its certificates. A
 * public_key_sha256 of zeros, as of a key without a known public half, means whatever stands there. */
KS_API_CALL ks_err ks_destroy(struct ks_client *client, const struct ks_key *key,
                              struct ks_error *error);

/* --- one token --- */

struct ks_mechanism {
    char name[48]; /* "CKM_RSA_PKCS", or "0x80000001" */
    uint64_t type, min_size, max_size, flags;
};

#define KS_NUMBER_UNKNOWN UINT64_MAX /* the token does not say */

/* CK_TOKEN_INFO of PKCS#11, for administrators. */
struct ks_token_info {
    char label[33], manufacturer[33], model[17], serial[17];
    char hardware_version[8], firmware_version[8];
    uint64_t flags;
    uint64_t sessions, max_sessions, rw_sessions, max_rw_sessions; /* max 0: no limit */
    uint64_t min_pin_len, max_pin_len;
    uint64_t free_public_memory, total_public_memory; /* bytes */
    uint64_t free_private_memory, total_private_memory;
    struct ks_mechanism *mechanisms;
    size_t n_mechanisms;
    char **unsupported; /* what its profile says it cannot do: "ed25519", "import" */
    size_t n_unsupported;
};

KS_API_CALL ks_err ks_token_info(struct ks_client *client, const char *token,
                                 struct ks_token_info **out, struct ks_error *error);
KS_API struct ks_token_info *ks_token_info_free(struct ks_token_info *info);

/* --- metrics --- */

struct ks_request_count {
    char operation[32]; /* "sign"; "unknown": none that the service knows */
    char outcome[32];   /* "OK", the name of an error, or "GONE": the client did not wait */
    uint64_t count;
};

struct ks_refusal_count {
    char reason[32]; /* "rule", "rate", "quota", "queue", ... */
    uint64_t count;
};

#define KS_BUCKETS_MAX 64u

/* Of jobs that a token process answered: how long they waited, and how long it worked. */
struct ks_job_times {
    char operation_class[32]; /* sign, certify, read, make, change, rescan */
    uint64_t queue_us;        /* sums */
    uint64_t execution_us;
    uint64_t queue_counts[KS_BUCKETS_MAX]; /* each bucket by itself; the last has no bound */
    uint64_t execution_counts[KS_BUCKETS_MAX];
};

struct ks_token_metrics {
    char token[64];
    char state[32]; /* as in struct ks_token */
    uint32_t workers;
    uint32_t ready_workers;
    uint32_t queued;
    uint32_t keys;
};

/* One process of a token. */
struct ks_worker_metrics {
    char token[64];
    uint32_t worker; /* 1 is the first */
    bool ready;
    uint64_t restarts; /* ends that nobody asked for */
};

/* One audit chain. */
struct ks_chain_metrics {
    char chain[96];       /* "front", "main-1" */
    uint64_t records;     /* the last one's sequence number */
    uint64_t unsynced;    /* of these: not known to be on the disk */
    uint64_t unsynced_ms; /* how long the oldest of them has waited */
    uint64_t syncs;
    uint64_t failures; /* attempts to write or to sync */
};

/* Counts begin with the process that counts. Times of day are microseconds since 1970. */
struct ks_metrics {
    uint64_t started_us; /* of the front, which counts what keysvcd does not */
    uint64_t keysvcd_started_us;
    uint64_t front_restarts; /* by keysvcd, as are the next five and the workers' restarts */
    uint64_t reloads;
    uint64_t failed_reloads;
    bool last_reload_failed;
    uint64_t configured_us; /* when the running configuration was taken */
    uint64_t keysvcd_audit_failures;
    uint64_t generation;
    uint32_t connections;
    uint32_t open_requests;
    uint64_t accepted_connections;
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t sent_again; /* requests: a token of a group did not do it, another was asked */
    uint64_t bounds_us[KS_BUCKETS_MAX]; /* of the buckets, ascending */
    size_t n_bounds;                    /* there is one bucket more */
    struct ks_request_count *requests;  /* those that are not 0 */
    size_t n_requests;
    struct ks_refusal_count *refusals;
    size_t n_refusals;
    struct ks_job_times *times;
    size_t n_times;
    struct ks_token_metrics *tokens;
    size_t n_tokens;
    struct ks_worker_metrics *workers;
    size_t n_workers;
    struct ks_chain_metrics *chains; /* of processes that have spoken of theirs */
    size_t n_chains;
};

/* For administrators. *out: ks_metrics_free. */
KS_API_CALL ks_err ks_metrics(struct ks_client *client, struct ks_metrics **out,
                              struct ks_error *error);
KS_API struct ks_metrics *ks_metrics_free(struct ks_metrics *metrics);

/* --- rules --- */

struct ks_explain_request {
    const char *key;       /* a name */
    const char *operation; /* as in a rule: "sign" */
    bool for_other;        /* false: for this process, and the rest is not read */
    uint32_t uid;
    const uint32_t *gids;
    size_t n_gids;
    const char *unit; /* NULL or empty: none */
    const char *user; /* the name of uid, for {user} in rules; NULL or empty: none */
};

struct ks_explanation {
    bool allowed;
    char rule[64];        /* which allows it */
    char class_glob[129]; /* of the key; empty: none */
    char *missing;        /* denied: a section for keysvcd.conf that would allow it; empty: none, or
                             only the unit is wrong, see reasons */
    char **reasons;       /* a line for each rule */
    size_t n_reasons;
};

/* For oneself everybody may ask; for others administrators. *out: ks_explanation_free. */
KS_API_CALL ks_err ks_explain(struct ks_client *client, const struct ks_explain_request *request,
                              struct ks_explanation **out, struct ks_error *error);
KS_API struct ks_explanation *ks_explanation_free(struct ks_explanation *explanation);

#ifdef __cplusplus
}
#endif
