/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert - packing requests and reading answers
 *
 * Here is what all operations share: the frame around a request, and an answer unpacked within a
 * budget of memory. The operations are in convert_*.c, by theme: each request is borrowed from our
 * structs, each answer copied into them. What does not fit them is no answer of this service:
 * INTERNAL, never cut silently where it would mean another thing (names, digests, certificates),
 * cut where it is only read by people.
 */
#include "client/lib/convert.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "client/lib/convert_wire.h"
#include "client/lib/error.h"
#include "proto/wire/frame.h"

static_assert((int)OPERATION_HELLO == (int)KEYSVC__V1__REQUEST__OPERATION_HELLO, "Hello");
static_assert((int)OPERATION_METRICS == (int)KEYSVC__V1__REQUEST__OPERATION_METRICS, "Metrics");
static_assert((int)OPERATION_HELLO == (int)KEYSVC__V1__RESPONSE__RESULT_HELLO, "Hello");
static_assert((int)OPERATION_METRICS == (int)KEYSVC__V1__RESPONSE__RESULT_METRICS, "Metrics");

/* clang-format off */
static const struct {
    const char *name;
    convert_packer pack;
} OPERATION[OPERATION_END] = {
    [OPERATION_HELLO] = {"hello", convert_pack_hello},
    [OPERATION_STATUS] = {"status", convert_pack_status},
    [OPERATION_LIST] = {"list", convert_pack_list},
    [OPERATION_GET] = {"get", convert_pack_get},
    [OPERATION_GENERATE] = {"generate", convert_pack_generate},
    [OPERATION_ROTATE] = {"rotate", convert_pack_rotate},
    [OPERATION_SIGN] = {"sign", convert_pack_sign},
    [OPERATION_CSR] = {"csr", convert_pack_csr},
    [OPERATION_EXPLAIN] = {"explain", convert_pack_explain},
    [OPERATION_RELOAD] = {"reload", convert_pack_reload},
    [OPERATION_RETRY_LOGIN] = {"retry-login", convert_pack_retry_login},
    [OPERATION_RESCAN] = {"rescan", convert_pack_rescan},
    [OPERATION_SELF_SIGN] = {"self-sign", convert_pack_self_sign},
    [OPERATION_IMPORT] = {"import", convert_pack_import},
    [OPERATION_DESTROY] = {"destroy", convert_pack_destroy},
    [OPERATION_CERTIFICATE_PUT] = {"certificate put", convert_pack_certificate_put},
    [OPERATION_CERTIFICATE_GET] = {"certificate get", convert_pack_certificate_get},
    [OPERATION_CERTIFICATE_DELETE] = {"certificate delete", convert_pack_certificate_delete},
    [OPERATION_TOKEN_INFO] = {"token info", convert_pack_token_info},
    [OPERATION_METRICS] = {"metrics", convert_pack_metrics},
};
/* clang-format on */

const char *
operation_name(enum operation operation)
{
    return OPERATION[operation].name;
}

/* --- requests --- */

const struct ks_key *
request_key(const struct request *request)
{
    switch (request->operation) {
    case OPERATION_SIGN:
        return request->sign.key;
    case OPERATION_CSR:
    case OPERATION_SELF_SIGN:
        return request->csr.key;
    case OPERATION_CERTIFICATE_PUT:
        return request->put.key;
    case OPERATION_CERTIFICATE_GET:
    case OPERATION_CERTIFICATE_DELETE:
    case OPERATION_DESTROY:
        return request->key;
    default:
        return NULL;
    }
}

/* Of a key or a token; NULL: of neither. */
static const char *
request_name(const struct request *request)
{
    switch (request->operation) {
    case OPERATION_GET:
        return request->get.name;
    case OPERATION_GENERATE:
        return request->generate.name;
    case OPERATION_ROTATE:
        return request->rotate.name;
    case OPERATION_IMPORT:
        return request->import.name;
    case OPERATION_RETRY_LOGIN:
    case OPERATION_RESCAN:
    case OPERATION_TOKEN_INFO:
        return request->token;
    default:
        return NULL;
    }
}

void
request_describe(const struct request *request, char out[static REQUEST_TEXT_LEN])
{
    const char *operation = operation_name(request->operation);
    const struct ks_key *key = request_key(request);
    const char *name = request_name(request);

    if (key)
        snprintf(out, REQUEST_TEXT_LEN, "%s of %s@%u", operation, key->name, key->version);
    else if (name)
        snprintf(out, REQUEST_TEXT_LEN, "%s of %.128s", operation, name);
    else
        snprintf(out, REQUEST_TEXT_LEN, "%s", operation);
}

char *
convert_text(const char *text)
{
    return text ? (char *)(uintptr_t)text : (char *)(uintptr_t) "";
}

ProtobufCBinaryData
convert_bytes(const void *data, size_t len)
{
    return (ProtobufCBinaryData){.len = len, .data = (uint8_t *)(uintptr_t)data};
}

ks_err
convert_frame(const struct request *request, const pb_request *message, struct buf *out,
              struct ks_error *error)
{
    size_t len = keysvc__v1__request__get_packed_size(message);
    char what[REQUEST_TEXT_LEN];
    uint8_t *room;

    if (len > FRAME_MAX_LEN) {
        request_describe(request, what);
        return error_set(error, KS_ERR_TOO_LARGE, "%s: a request of %zu bytes; at most %u fit",
                         what, len, (unsigned int)FRAME_MAX_LEN);
    }
    room = buf_reserve(out, FRAME_HEADER_LEN + len);
    if (!room)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a request of %zu bytes", len);
    frame_header(room, len);
    keysvc__v1__request__pack(message, room + FRAME_HEADER_LEN);
    out->len += FRAME_HEADER_LEN + len;
    return KS_OK;
}

ks_err
convert_pack(const struct request *request, uint64_t id, uint32_t deadline_ms, struct buf *out,
             struct ks_error *error)
{
    pb_request message = KEYSVC__V1__REQUEST__INIT;

    if ((unsigned int)request->operation >= OPERATION_END || !OPERATION[request->operation].pack)
        return error_set(error, KS_ERR_USAGE, "no such operation");
    message.id = id;
    message.deadline_ms = deadline_ms;
    message.operation_case = (Keysvc__V1__Request__OperationCase)request->operation;
    return OPERATION[request->operation].pack(request, &message, out, error);
}

/* --- answers --- */

ks_err
convert_unpack(const uint8_t *data, size_t len, struct response **out)
{
    ks_auto(response_freep) struct response *response = calloc(1, sizeof(*response));
    ks_err err;

    if (!response)
        return KS_ERR_INTERNAL;
    err = arena_new(&response->arena);
    if (err)
        return err;
    arena_start(response->arena, arena_budget(len));
    response->message = keysvc__v1__response__unpack(arena_allocator(response->arena), len, data);
    if (!response->message)
        return arena_exhausted(response->arena) ? KS_ERR_TOO_LARGE : KS_ERR_BAD_REQUEST;
    *out = ks_steal(&response);
    return KS_OK;
}

struct response *
response_free(struct response *response)
{
    if (!response)
        return NULL;
    response->arena = arena_free(response->arena);
    free(response);
    return NULL;
}

void
response_freep(struct response **response)
{
    *response = response_free(*response);
}

uint64_t
response_id(const struct response *response)
{
    return response->message->id;
}

/* Terminals obey the control characters that UTF-8 writes with two bytes (C1), too. */
void
convert_tame(char *text, bool keeps_lines)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
            c[0] = c[1] = ' ';
        else if ((*c < ' ' && !(keeps_lines && *c == '\n')) || *c == 0x7f)
            *c = ' ';
    }
}

void
convert_copy_text(char *out, size_t cap, const char *text)
{
    snprintf(out, cap, "%s", text);
    convert_tame(out, false);
}

ks_err
convert_unexpected(struct ks_error *error, const char *format, ...)
{
    char what[256];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return error_set(error, KS_ERR_INTERNAL, "keysvcd answered with %s", what);
}

static ks_err
take_error(const Keysvc__V1__Error *wire, struct ks_error *error)
{
    ks_err code =
        wire->code > KS_OK && wire->code < KS_ERR_COUNT ? (ks_err)wire->code : KS_ERR_INTERNAL;

    error_set(error, code, "%s", err_info(code)->message);
    if (!error)
        return code;
    error->retryable = wire->retryable;
    if (wire->message[0] != '\0')
        convert_copy_text(error->message, sizeof(error->message), wire->message);
    if (wire->hint[0] != '\0')
        convert_copy_text(error->hint, sizeof(error->hint), wire->hint);
    /* A name that is cut would be another one. */
    if (code == KS_ERR_NAME_NOT_ALLOWED && strlen(wire->refused_name) < sizeof(error->refused_name))
        convert_copy_text(error->refused_name, sizeof(error->refused_name), wire->refused_name);
    return code;
}

ks_err
response_check(const struct response *response, enum operation operation, struct ks_error *error)
{
    const pb_response *message = response->message;

    if (message->result_case == KEYSVC__V1__RESPONSE__RESULT_ERROR)
        return take_error(message->error, error);
    if ((int)message->result_case != (int)operation)
        return convert_unexpected(error, "another kind of answer than was asked for");
    return KS_OK;
}
