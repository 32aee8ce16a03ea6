/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert - our structs to the wire's messages and back
 *
 * The only file of the library that knows the generated types. Everything a service can say is
 * checked here, once: numbers outside of our enums, wrong lengths, texts with control characters.
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
    OPERATION_END,
};

/* A request; everything in it is borrowed. */
struct request {
    enum operation operation;
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
        } csr;
        const struct ks_explain_request *explain;
        const char *token; /* RETRY_LOGIN, RESCAN */
    };
};

/* "sign", for messages. */
const char *operation_name(enum operation operation);

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
/* Of GET, GENERATE or ROTATE. */
ks_err response_key(const struct response *response, struct ks_key *out,
                    struct ks_error *error) KS_MUST_CHECK;
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
