/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert - packing requests and reading answers
 *
 * First half: each operation's request, borrowed from our structs, packed behind its length. Second
 * half: an answer, unpacked within a budget of memory, then copied into our structs. What does not
 * fit them is no answer of this service: INTERNAL, never cut silently where it would mean another
 * thing (names, digests), cut where it is only read by people.
 */
#include "client/lib/convert.h"

#include <assert.h>
#include <stdio.h>

#include "client/lib/error.h"
#include "proto/keysvc.pb-c.h"
#include "proto/wire/arena.h"
#include "proto/wire/frame.h"

typedef Keysvc__V1__Request pb_request;
typedef Keysvc__V1__Response pb_response;

static_assert((int)OPERATION_HELLO == (int)KEYSVC__V1__REQUEST__OPERATION_HELLO, "Hello");
static_assert((int)OPERATION_RESCAN == (int)KEYSVC__V1__REQUEST__OPERATION_RESCAN, "Rescan");
static_assert((int)OPERATION_HELLO == (int)KEYSVC__V1__RESPONSE__RESULT_HELLO, "Hello");
static_assert((int)OPERATION_RESCAN == (int)KEYSVC__V1__RESPONSE__RESULT_RESCAN, "Rescan");
static_assert((int)KS_KEY_TYPE_RSA_4096 == (int)KEYSVC__V1__KEY_TYPE__RSA_4096, "key types");
static_assert((int)KS_PURPOSE_AUDIT == (int)KEYSVC__V1__PURPOSE__AUDIT, "purposes");
static_assert((int)KS_HASH_SHA512 == (int)KEYSVC__V1__HASH__SHA512, "hashes");
static_assert((int)KS_ALGORITHM_ED25519 == (int)KEYSVC__V1__ALGORITHM__ALGORITHM_ED25519,
              "algorithms");
static_assert((int)KS_NAME_URI == (int)KEYSVC__V1__ALTERNATIVE_NAME__KIND__URI, "names");

static const char *const OPERATION_NAME[OPERATION_END] = {
    [OPERATION_HELLO] = "hello",
    [OPERATION_STATUS] = "status",
    [OPERATION_LIST] = "list",
    [OPERATION_GET] = "get",
    [OPERATION_GENERATE] = "generate",
    [OPERATION_ROTATE] = "rotate",
    [OPERATION_SIGN] = "sign",
    [OPERATION_CSR] = "csr",
    [OPERATION_EXPLAIN] = "explain",
    [OPERATION_RELOAD] = "reload",
    [OPERATION_RETRY_LOGIN] = "retry-login",
    [OPERATION_RESCAN] = "rescan",
};

const char *
operation_name(enum operation operation)
{
    return OPERATION_NAME[operation];
}

/* --- requests --- */

/* protobuf-c wants `char *` where it only reads. */
static char *
text_of(const char *text)
{
    return text ? (char *)(uintptr_t)text : (char *)(uintptr_t) "";
}

static ProtobufCBinaryData
bytes_of(const void *data, size_t len)
{
    return (ProtobufCBinaryData){.len = len, .data = (uint8_t *)(uintptr_t)data};
}

static ks_err
pack_frame(const pb_request *message, struct buf *out, struct ks_error *error)
{
    size_t len = keysvc__v1__request__get_packed_size(message);
    uint8_t *room;

    if (len > FRAME_MAX_LEN)
        return error_set(error, KS_ERR_TOO_LARGE, "a request of %zu bytes; at most %u fit", len,
                         (unsigned int)FRAME_MAX_LEN);
    room = buf_reserve(out, FRAME_HEADER_LEN + len);
    if (!room)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a request of %zu bytes", len);
    frame_header(room, len);
    keysvc__v1__request__pack(message, room + FRAME_HEADER_LEN);
    out->len += FRAME_HEADER_LEN + len;
    return KS_OK;
}

static ks_err
pack_sign(const struct request *request, pb_request *message, struct buf *out,
          struct ks_error *error)
{
    const struct ks_key *key = request->sign.key;
    Keysvc__V1__SignRequest sign = KEYSVC__V1__SIGN_REQUEST__INIT;

    sign.name = text_of(key->name);
    sign.version = key->version;
    sign.public_key_sha256 = bytes_of(key->public_key_sha256, sizeof(key->public_key_sha256));
    sign.algorithm = (Keysvc__V1__Algorithm)request->sign.algorithm;
    sign.prehashed = (Keysvc__V1__Hash)request->sign.prehashed;
    sign.data = bytes_of(request->sign.data, request->sign.data_len);
    message->sign = &sign;
    return pack_frame(message, out, error);
}

static ks_err
pack_csr_names(const struct ks_csr_request *wanted, Keysvc__V1__CsrRequest *csr,
               pb_request *message, struct buf *out, struct ks_error *error)
{
    size_t n = wanted->n_alternative_names;
    ks_auto(freep) Keysvc__V1__AlternativeName *names = calloc(n + 1, sizeof(*names));
    ks_auto(freep) Keysvc__V1__AlternativeName **list =
        calloc(n + 1, sizeof(Keysvc__V1__AlternativeName *));

    if (!names || !list)
        return error_set(error, KS_ERR_INTERNAL, "no memory for %zu names", n);
    for (size_t i = 0; i < n; i++) {
        keysvc__v1__alternative_name__init(&names[i]);
        names[i].kind = (Keysvc__V1__AlternativeName__Kind)wanted->alternative_names[i].kind;
        names[i].value = text_of(wanted->alternative_names[i].value);
        list[i] = &names[i];
    }
    csr->n_alternative_names = n;
    csr->alternative_names = list;
    message->csr = csr;
    return pack_frame(message, out, error);
}

static ks_err
pack_csr(const struct request *request, pb_request *message, struct buf *out,
         struct ks_error *error)
{
    const struct ks_key *key = request->csr.key;
    const struct ks_csr_request *wanted = request->csr.request;
    Keysvc__V1__CsrRequest csr = KEYSVC__V1__CSR_REQUEST__INIT;

    csr.name = text_of(key->name);
    csr.version = key->version;
    csr.public_key_sha256 = bytes_of(key->public_key_sha256, sizeof(key->public_key_sha256));
    csr.algorithm = (Keysvc__V1__Algorithm)wanted->algorithm;
    csr.common_name = text_of(wanted->common_name);
    csr.organization = text_of(wanted->organization);
    csr.organization_unit = text_of(wanted->organization_unit);
    csr.country = text_of(wanted->country);
    csr.state = text_of(wanted->state);
    csr.locality = text_of(wanted->locality);
    csr.email = text_of(wanted->email);
    return pack_csr_names(wanted, &csr, message, out, error);
}

static ks_err
pack_explain(const struct request *request, pb_request *message, struct buf *out,
             struct ks_error *error)
{
    const struct ks_explain_request *question = request->explain;
    Keysvc__V1__ExplainRequest explain = KEYSVC__V1__EXPLAIN_REQUEST__INIT;

    explain.key = text_of(question->key);
    explain.operation = text_of(question->operation);
    explain.for_other = question->for_other;
    if (question->for_other) {
        explain.uid = question->uid;
        explain.n_gids = question->n_gids;
        explain.gids = (uint32_t *)(uintptr_t)question->gids;
        explain.unit = text_of(question->unit);
        explain.user = text_of(question->user);
    }
    message->explain = &explain;
    return pack_frame(message, out, error);
}

static ks_err
pack_list(const struct request *request, pb_request *message, struct buf *out,
          struct ks_error *error)
{
    Keysvc__V1__ListRequest list = KEYSVC__V1__LIST_REQUEST__INIT;

    list.glob = text_of(request->list.glob);
    list.after_name = text_of(request->list.after_name);
    list.after_version = request->list.after_version;
    message->list = &list;
    return pack_frame(message, out, error);
}

ks_err
convert_pack(const struct request *request, uint64_t id, uint32_t deadline_ms, struct buf *out,
             struct ks_error *error)
{
    pb_request message = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__Hello hello = KEYSVC__V1__HELLO__INIT;
    Keysvc__V1__StatusRequest status = KEYSVC__V1__STATUS_REQUEST__INIT;
    Keysvc__V1__GetRequest get = KEYSVC__V1__GET_REQUEST__INIT;
    Keysvc__V1__GenerateRequest generate = KEYSVC__V1__GENERATE_REQUEST__INIT;
    Keysvc__V1__RotateRequest rotate = KEYSVC__V1__ROTATE_REQUEST__INIT;
    Keysvc__V1__ReloadRequest reload = KEYSVC__V1__RELOAD_REQUEST__INIT;
    Keysvc__V1__RetryLoginRequest retry_login = KEYSVC__V1__RETRY_LOGIN_REQUEST__INIT;
    Keysvc__V1__RescanRequest rescan = KEYSVC__V1__RESCAN_REQUEST__INIT;

    message.id = id;
    message.deadline_ms = deadline_ms;
    message.operation_case = (Keysvc__V1__Request__OperationCase)request->operation;
    switch (request->operation) {
    case OPERATION_HELLO:
        hello.protocol_version = CONVERT_PROTOCOL_VERSION;
        hello.program = text_of(request->hello.program);
        message.hello = &hello;
        break;
    case OPERATION_STATUS:
        message.status = &status;
        break;
    case OPERATION_LIST:
        return pack_list(request, &message, out, error);
    case OPERATION_GET:
        get.name = text_of(request->get.name);
        get.version = request->get.version;
        message.get = &get;
        break;
    case OPERATION_GENERATE:
        generate.name = text_of(request->generate.name);
        generate.type = (Keysvc__V1__KeyType)request->generate.type;
        message.generate = &generate;
        break;
    case OPERATION_ROTATE:
        rotate.name = text_of(request->rotate.name);
        rotate.from_version = request->rotate.from_version;
        message.rotate = &rotate;
        break;
    case OPERATION_SIGN:
        return pack_sign(request, &message, out, error);
    case OPERATION_CSR:
        return pack_csr(request, &message, out, error);
    case OPERATION_EXPLAIN:
        return pack_explain(request, &message, out, error);
    case OPERATION_RELOAD:
        message.reload = &reload;
        break;
    case OPERATION_RETRY_LOGIN:
        retry_login.token = text_of(request->token);
        message.retry_login = &retry_login;
        break;
    case OPERATION_RESCAN:
        rescan.token = text_of(request->token);
        message.rescan = &rescan;
        break;
    case OPERATION_END:
    default:
        return error_set(error, KS_ERR_USAGE, "no such operation");
    }
    return pack_frame(&message, out, error);
}

/* --- answers --- */

struct response {
    struct arena *arena; /* owns the message */
    const pb_response *message;
};

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

/* For people: cut to what fits, and nothing in it that moves a terminal's cursor. */
static void
copy_text(char *out, size_t cap, const char *text)
{
    size_t len = strnlen(text, cap - 1);

    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
    out[len] = '\0';
}

static ks_err
unexpected(struct ks_error *error, const char *what)
{
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
        copy_text(error->message, sizeof(error->message), wire->message);
    if (wire->hint[0] != '\0')
        copy_text(error->hint, sizeof(error->hint), wire->hint);
    return code;
}

ks_err
response_check(const struct response *response, enum operation operation, struct ks_error *error)
{
    const pb_response *message = response->message;

    if (message->result_case == KEYSVC__V1__RESPONSE__RESULT_ERROR)
        return take_error(message->error, error);
    if ((int)message->result_case != (int)operation)
        return unexpected(error, "another kind of answer than was asked for");
    return KS_OK;
}

uint32_t
response_protocol_version(const struct response *response)
{
    return response->message->hello->protocol_version;
}

static void
copy_token(const Keysvc__V1__Token *wire, struct ks_token *out)
{
    copy_text(out->name, sizeof(out->name), wire->name);
    copy_text(out->state, sizeof(out->state), wire->state);
    copy_text(out->text, sizeof(out->text), wire->text);
    copy_text(out->profile, sizeof(out->profile), wire->profile);
    copy_text(out->label, sizeof(out->label), wire->label);
    copy_text(out->model, sizeof(out->model), wire->model);
    copy_text(out->serial, sizeof(out->serial), wire->serial);
    out->workers = wire->workers;
    out->ready_workers = wire->ready_workers;
    out->keys = wire->keys;
    out->queued = wire->queued;
}

static void
status_freep(struct ks_status **status)
{
    *status = ks_status_free(*status);
}

ks_err
response_status(const struct response *response, struct ks_status **out, struct ks_error *error)
{
    const Keysvc__V1__StatusReply *wire = response->message->status;
    ks_auto(status_freep) struct ks_status *status = calloc(1, sizeof(*status));

    if (!status)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a status");
    status->tokens = calloc(wire->n_tokens + 1, sizeof(*status->tokens));
    if (!status->tokens)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a status");
    status->n_tokens = wire->n_tokens;
    for (size_t i = 0; i < wire->n_tokens; i++)
        copy_token(wire->tokens[i], &status->tokens[i]);
    copy_text(status->version, sizeof(status->version), wire->version);
    copy_text(status->unit, sizeof(status->unit), wire->unit);
    status->generation = wire->generation;
    status->uptime_ms = wire->uptime_ms;
    status->connections = wire->connections;
    status->uid = wire->uid;
    status->administrator = wire->administrator;
    if (wire->configuration_sha256.len == KS_SHA256_LEN)
        memcpy(status->configuration_sha256, wire->configuration_sha256.data, KS_SHA256_LEN);
    *out = ks_steal(&status);
    return KS_OK;
}

/* The newest ones, if there are more than fit. */
static void
copy_versions(const Keysvc__V1__Key *wire, struct ks_key *out)
{
    size_t skip =
        wire->n_versions > KS_KEY_MAX_VERSIONS ? wire->n_versions - KS_KEY_MAX_VERSIONS : 0;

    out->n_versions = wire->n_versions - skip;
    if (out->n_versions > 0)
        memcpy(out->versions, wire->versions + skip, out->n_versions * sizeof(out->versions[0]));
}

/* A key without a known public half has no digest; it is then shown, and never used. */
static ks_err
copy_key(const Keysvc__V1__Key *wire, struct ks_key *out, struct ks_error *error)
{
    size_t sha256_len = wire->public_key_sha256.len;

    memset(out, 0, sizeof(*out));
    if (!text_copy(out->name, sizeof(out->name), wire->name) ||
        !text_copy(out->token, sizeof(out->token), wire->token) ||
        !text_copy(out->class_glob, sizeof(out->class_glob), wire->class_) ||
        wire->public_key.len > sizeof(out->public_key) ||
        (sha256_len != KS_SHA256_LEN && sha256_len != 0))
        return unexpected(error, "a key whose parts are longer than a key's can be");
    out->version = wire->version;
    out->type = (unsigned int)wire->type < KS_KEY_TYPE_COUNT ? (enum ks_key_type)wire->type
                                                             : KS_KEY_TYPE_ANY;
    out->purpose = (unsigned int)wire->purpose < KS_PURPOSE_COUNT ? (enum ks_purpose)wire->purpose
                                                                  : KS_PURPOSE_NONE;
    out->ambiguous = wire->ambiguous;
    out->public_key_len = wire->public_key.len;
    if (wire->public_key.len > 0)
        memcpy(out->public_key, wire->public_key.data, wire->public_key.len);
    if (sha256_len > 0)
        memcpy(out->public_key_sha256, wire->public_key_sha256.data, KS_SHA256_LEN);
    copy_versions(wire, out);
    return KS_OK;
}

/* Get, Generate and Rotate share one place in the union and one type. */
ks_err
response_key(const struct response *response, struct ks_key *out, struct ks_error *error)
{
    return copy_key(response->message->get, out, error);
}

ks_err
response_list(const struct response *response, struct ks_key **keys, size_t *n_keys, bool *more,
              struct ks_error *error)
{
    const Keysvc__V1__ListReply *wire = response->message->list;
    ks_auto(freep) struct ks_key *page = calloc(wire->n_keys + 1, sizeof(*page));
    ks_err err;

    if (!page)
        return error_set(error, KS_ERR_INTERNAL, "no memory for %zu keys", wire->n_keys);
    for (size_t i = 0; i < wire->n_keys; i++) {
        err = copy_key(wire->keys[i], &page[i], error);
        if (err)
            return err;
    }
    if (wire->more && wire->n_keys == 0)
        return unexpected(error, "an empty page of a list that goes on");
    *n_keys = wire->n_keys;
    *more = wire->more;
    *keys = ks_steal(&page);
    return KS_OK;
}

ks_err
response_signature(const struct response *response, uint8_t out[KS_SIGNATURE_MAX_LEN],
                   size_t *out_len, enum ks_algorithm *used, struct ks_error *error)
{
    const Keysvc__V1__SignReply *wire = response->message->sign;

    if (wire->signature.len == 0 || wire->signature.len > KS_SIGNATURE_MAX_LEN)
        return unexpected(error, "a signature of impossible length");
    memcpy(out, wire->signature.data, wire->signature.len);
    *out_len = wire->signature.len;
    if (used)
        *used = (unsigned int)wire->algorithm < KS_ALGORITHM_COUNT
                    ? (enum ks_algorithm)wire->algorithm
                    : KS_ALGORITHM_DEFAULT;
    return KS_OK;
}

ks_err
response_csr(const struct response *response, uint8_t **der, size_t *der_len,
             struct ks_error *error)
{
    const ProtobufCBinaryData *wire = &response->message->csr->csr;
    uint8_t *copy;

    if (wire->len == 0)
        return unexpected(error, "an empty signing request");
    copy = malloc(wire->len);
    if (!copy)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a signing request");
    memcpy(copy, wire->data, wire->len);
    *der = copy;
    *der_len = wire->len;
    return KS_OK;
}

static void
explanation_freep(struct ks_explanation **explanation)
{
    *explanation = ks_explanation_free(*explanation);
}

/* Keeps line breaks: it is a section to be pasted into a file. */
static char *
duplicate_lines(const char *text)
{
    char *copy = strdup(text);

    for (char *c = copy; c && *c; c++) {
        if (((unsigned char)*c < ' ' && *c != '\n') || *c == 0x7f)
            *c = ' ';
    }
    return copy;
}

ks_err
response_explanation(const struct response *response, struct ks_explanation **out,
                     struct ks_error *error)
{
    const Keysvc__V1__ExplainReply *wire = response->message->explain;
    ks_auto(explanation_freep) struct ks_explanation *answer = calloc(1, sizeof(*answer));

    if (!answer)
        return error_set(error, KS_ERR_INTERNAL, "no memory for an explanation");
    answer->allowed = wire->allowed;
    copy_text(answer->rule, sizeof(answer->rule), wire->rule);
    copy_text(answer->class_glob, sizeof(answer->class_glob), wire->class_);
    answer->missing = duplicate_lines(wire->missing);
    answer->reasons = calloc(wire->n_reasons + 1, sizeof(char *));
    if (!answer->missing || !answer->reasons)
        return error_set(error, KS_ERR_INTERNAL, "no memory for an explanation");
    for (size_t i = 0; i < wire->n_reasons; i++) {
        answer->reasons[i] = duplicate_lines(wire->reasons[i]);
        if (!answer->reasons[i])
            return error_set(error, KS_ERR_INTERNAL, "no memory for an explanation");
        answer->n_reasons++;
    }
    *out = ks_steal(&answer);
    return KS_OK;
}
