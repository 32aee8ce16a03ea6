/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert - our structs to the wire's messages and back
 *
 * convert.c and convert_*.c are the only files of the library that know the generated types.
 * Everything a service can say is checked there, once: numbers outside of our enums, wrong lengths,
 * too many of something, texts with control characters.
 */
#pragma once

#include "base/buf.h"
#include "client/lib/keysvc.h"

#define CONVERT_PROTOCOL_VERSION 1

/* The wire's field numbers in Request and Response. */
enum operation {
    OPERATION_HELLO = 10,
    OPERATION_STATUS = 11,
    OPERATION_LIST = 12,
    OPERATION_GET = 13,
    OPERATION_GENERATE = 14,
    OPERATION_ROTATE = 15,
    OPERATION_SIGN = 16,
    OPERATION_CSR = 17,
    OPERATION_EXPLAIN = 18,
    OPERATION_RELOAD = 19,
    OPERATION_RETRY_LOGIN = 20,
    OPERATION_RESCAN = 21,
    OPERATION_SELF_SIGN = 22,
    OPERATION_IMPORT = 23,
    OPERATION_DESTROY = 24,
    OPERATION_CERTIFICATE_PUT = 25,
    OPERATION_CERTIFICATE_GET = 26,
    OPERATION_CERTIFICATE_DELETE = 27,
    OPERATION_TOKEN_INFO = 28,
    OPERATION_METRICS = 29,
    OPERATION_END,
};

#define REQUEST_MAX_FDS 2

/* A request; everything in it is borrowed, the descriptors too. */
struct request {
    enum operation operation;
    int fds[REQUEST_MAX_FDS]; /* travel beside the first byte of the frame */
    size_t n_fds;
    union {
        struct {
            const char *program;
        } hello;
        struct {
            const char *glob;
            const char *after_name;
            uint32_t after_version;
        } list;
        struct {
            const char *name;
            uint32_t version;
        } get;
        struct {
            const char *name;
            enum ks_key_type type;
        } generate;
        struct {
            const char *name;
            uint32_t from_version;
        } rotate;
        struct {
            const struct ks_key *key;
            enum ks_algorithm algorithm;
            enum ks_hash prehashed;
            const void *data;
            size_t data_len;
        } sign;
        struct {
            const struct ks_key *key;
            const struct ks_csr_request *request;
            uint32_t days; /* SELF_SIGN */
        } csr;             /* CSR, SELF_SIGN */
        struct {
            const struct ks_key *key;
            const struct ks_blob *certificates;
            size_t n_certificates; /* at most KS_CHAIN_MAX */
        } put;                     /* CERTIFICATE_PUT */
        struct {
            const char *name;
            const struct ks_import_request *request; /* file and password are in fds */
        } import;
        const struct ks_key *key; /* DESTROY, CERTIFICATE_GET, CERTIFICATE_DELETE */
        const struct ks_explain_request *explain;
        const char *token; /* RETRY_LOGIN, RESCAN, TOKEN_INFO */
    };
};

/* "sign", for messages. */
const char *operation_name(enum operation operation);

#define REQUEST_TEXT_LEN 192 /* an operation and the longest name fit */

/* The key that is used; NULL: the operation uses none, or has only a name. */
const struct ks_key *request_key(const struct request *request);

/* "sign of web/shop@2", "import of web/shop", "reload", for messages. */
void request_describe(const struct request *request, char out[static REQUEST_TEXT_LEN]);

/* Appends the whole frame. TOO_LARGE: more than a frame holds; INTERNAL: no memory. */
ks_err convert_pack(const struct request *request, uint64_t id, uint32_t deadline_ms,
                    struct buf *out, struct ks_error *error) KS_MUST_CHECK;

/* An answer as it came. */
struct response;

/* From a frame's body. BAD_REQUEST: not a Response; TOO_LARGE: one that unpacks to too much. */
ks_err convert_unpack(const uint8_t *data, size_t len, struct response **out) KS_MUST_CHECK;
struct response *response_free(struct response *response);
void response_freep(struct response **response);

/* 0: about the connection. */
uint64_t response_id(const struct response *response);

/* KS_OK: an answer to that operation. The service's own error, or INTERNAL: another kind of
 * answer. */
ks_err response_check(const struct response *response, enum operation operation,
                      struct ks_error *error) KS_MUST_CHECK;

/* These read what response_check() let pass. INTERNAL: no memory, or what no service may say. */
uint32_t response_protocol_version(const struct response *response);
ks_err response_status(const struct response *response, struct ks_status **out,
                       struct ks_error *error) KS_MUST_CHECK;
/* Of GET, GENERATE, ROTATE or IMPORT: this key and no other; version 0: any of the name. */
ks_err response_key(const struct response *response, const char *name, uint32_t version,
                    struct ks_key *out, struct ks_error *error) KS_MUST_CHECK;
/* Of IMPORT, from a service that may not tell what the file gave. *out: ks_imported_free. */
ks_err response_imported(const struct response *response, const char *name, uint32_t version,
                         struct ks_imported **out, struct ks_error *error) KS_MUST_CHECK;
/* *keys: free(). */
ks_err response_list(const struct response *response, struct ks_key **keys, size_t *n_keys,
                     bool *more, struct ks_error *error) KS_MUST_CHECK;
ks_err response_signature(const struct response *response, uint8_t out[KS_SIGNATURE_MAX_LEN],
                          size_t *out_len, enum ks_algorithm *used,
                          struct ks_error *error) KS_MUST_CHECK;
/* *der: free(). */
ks_err response_csr(const struct response *response, uint8_t **der, size_t *der_len,
                    struct ks_error *error) KS_MUST_CHECK;
ks_err response_explanation(const struct response *response, struct ks_explanation **out,
                            struct ks_error *error) KS_MUST_CHECK;
/* Of SELF_SIGN or CERTIFICATE_GET for `key`: 1 to `max` certificates. *out: ks_chain_free. */
ks_err response_chain(const struct response *response, const struct ks_key *key, size_t max,
                      struct ks_chain **out, struct ks_error *error) KS_MUST_CHECK;
/* *out: ks_token_info_free. */
ks_err response_token_info(const struct response *response, struct ks_token_info **out,
                           struct ks_error *error) KS_MUST_CHECK;
/* *out: ks_metrics_free. */
ks_err response_metrics(const struct response *response, struct ks_metrics **out,
                        struct ks_error *error) KS_MUST_CHECK;
