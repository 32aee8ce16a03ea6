/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode - the edge where protobuf begins
 *
 * The generated structs point at the reply's own data: const is cast away, packing only reads.
 */
#include "front/encode.h"

#include "build-config.h"
#include "front/encode_wire.h"
#include "proto/wire/frame.h"

static ks_err encode_error(struct buf *out, const struct reply *reply);
static ks_err encode_hello(struct buf *out, Keysvc__V1__Response *response);
static ks_err encode_status(struct buf *out, Keysvc__V1__Response *response,
                            const struct reply_status *status);
static ks_err encode_list(struct buf *out, Keysvc__V1__Response *response,
                          const struct reply_list *list);
static ks_err encode_key(struct buf *out, Keysvc__V1__Response *response,
                         const struct reply *reply);
static ks_err encode_sign(struct buf *out, Keysvc__V1__Response *response,
                          const struct reply_bytes *bytes);
static ks_err encode_csr(struct buf *out, Keysvc__V1__Response *response,
                         const struct reply_bytes *bytes);
static ks_err encode_explain(struct buf *out, Keysvc__V1__Response *response,
                             const struct reply_explain *explain);
static ks_err encode_chain(struct buf *out, Keysvc__V1__Response *response,
                           const struct reply *reply);
static ks_err encode_token_info(struct buf *out, Keysvc__V1__Response *response,
                                const struct reply_token_info *token_info);
static ks_err encode_done(struct buf *out, Keysvc__V1__Response *response,
                          enum request_operation operation);

ks_err
encode_reply(struct buf *out, const struct reply *reply)
{
    Keysvc__V1__Response response = KEYSVC__V1__RESPONSE__INIT;

    if (reply->err)
        return encode_error(out, reply);
    response.id = reply->id;
    switch (reply->operation) {
    case REQUEST_HELLO:
        return encode_hello(out, &response);
    case REQUEST_STATUS:
        return encode_status(out, &response, &reply->status);
    case REQUEST_LIST:
        return encode_list(out, &response, &reply->list);
    case REQUEST_GET:
    case REQUEST_GENERATE:
    case REQUEST_ROTATE:
    case REQUEST_IMPORT:
        return encode_key(out, &response, reply);
    case REQUEST_SIGN:
        return encode_sign(out, &response, &reply->bytes);
    case REQUEST_CSR:
        return encode_csr(out, &response, &reply->bytes);
    case REQUEST_EXPLAIN:
        return encode_explain(out, &response, &reply->explain);
    case REQUEST_SELF_SIGN:
    case REQUEST_CERTIFICATE_GET:
        return encode_chain(out, &response, reply);
    case REQUEST_TOKEN_INFO:
        return encode_token_info(out, &response, &reply->token_info);
    case REQUEST_METRICS:
        return encode_metrics(out, &response, &reply->metrics);
    default:
        return encode_done(out, &response, reply->operation);
    }
}

static ks_err
encode_error(struct buf *out, const struct reply *reply)
{
    const struct err_info *info = err_info(reply->err);
    const struct fault *why = reply->why;
    Keysvc__V1__Response response = KEYSVC__V1__RESPONSE__INIT;
    Keysvc__V1__Error error = KEYSVC__V1__ERROR__INIT;

    error.code = reply->err;
    error.message = (char *)(why && why->text[0] ? why->text : info->message);
    error.hint = (char *)(why && why->hint[0] ? why->hint : info->hint);
    error.retryable = info->retryable;
    if (reply->err == KS_ERR_NAME_NOT_ALLOWED && why)
        error.refused_name = (char *)why->refused_name;
    response.id = reply->id;
    response.result_case = KEYSVC__V1__RESPONSE__RESULT_ERROR;
    response.error = &error;
    return encode_frame(out, &response);
}

static ks_err
encode_hello(struct buf *out, Keysvc__V1__Response *response)
{
    Keysvc__V1__Hello hello = KEYSVC__V1__HELLO__INIT;

    hello.protocol_version = REQUEST_PROTOCOL_VERSION;
    hello.program = (char *)"keysvcd " KEYSVC_VERSION;
    response->result_case = KEYSVC__V1__RESPONSE__RESULT_HELLO;
    response->hello = &hello;
    return encode_frame(out, response);
}

static void
fill_token(Keysvc__V1__Token *out, const struct reply_token *token)
{
    keysvc__v1__token__init(out);
    out->name = (char *)token->name;
    out->state = (char *)token->state;
    out->text = (char *)token->text;
    out->workers = token->workers;
    out->ready_workers = token->ready_workers;
    out->keys = token->keys;
    out->profile = (char *)token->profile;
    out->label = (char *)token->label;
    out->model = (char *)token->model;
    out->serial = (char *)token->serial;
    out->sandbox = (char *)token->sandbox;
    out->queued = token->queued;
    out->group = (char *)token->group;
}

static void
fill_group(Keysvc__V1__Group *out, const struct reply_group *group)
{
    keysvc__v1__group__init(out);
    out->name = (char *)group->group->name;
    out->tokens = group->group->tokens.items;
    out->n_tokens = group->group->tokens.n_items;
    out->ready_tokens = group->ready_tokens;
    out->keys = group->spread.n_keys;
    out->keys_everywhere = group->spread.n_everywhere;
    out->keys_differing = group->spread.n_differing;
}

static ks_err
encode_status(struct buf *out, Keysvc__V1__Response *response, const struct reply_status *status)
{
    Keysvc__V1__StatusReply reply = KEYSVC__V1__STATUS_REPLY__INIT;
    Keysvc__V1__Token tokens[CONFIG_MAX_TOKENS];
    Keysvc__V1__Token *pointers[CONFIG_MAX_TOKENS];
    Keysvc__V1__Group groups[CONFIG_MAX_GROUPS];
    Keysvc__V1__Group *group_pointers[CONFIG_MAX_GROUPS];

    if (status->n_tokens > CONFIG_MAX_TOKENS || status->n_groups > CONFIG_MAX_GROUPS)
        return KS_ERR_INTERNAL;
    for (size_t i = 0; i < status->n_groups; i++) {
        fill_group(&groups[i], &status->groups[i]);
        group_pointers[i] = &groups[i];
    }
    for (size_t i = 0; i < status->n_tokens; i++) {
        fill_token(&tokens[i], &status->tokens[i]);
        pointers[i] = &tokens[i];
    }
    reply.version = (char *)KEYSVC_VERSION;
    reply.generation = status->generation;
    reply.uptime_ms = status->uptime_ms;
    reply.n_tokens = status->n_tokens;
    reply.tokens = pointers;
    reply.n_groups = status->n_groups;
    reply.groups = group_pointers;
    reply.connections = status->connections;
    reply.uid = status->uid;
    reply.unit = (char *)status->unit;
    reply.administrator = status->administrator;
    reply.front_sandbox = (char *)status->front_sandbox;
    reply.keysvcd_sandbox = (char *)status->keysvcd_sandbox;
    if (status->configuration_sha256) {
        reply.configuration_sha256.data = (uint8_t *)status->configuration_sha256;
        reply.configuration_sha256.len = KS_SHA256_LEN;
    }
    response->result_case = KEYSVC__V1__RESPONSE__RESULT_STATUS;
    response->status = &reply;
    return encode_frame(out, response);
}

static size_t
count_tokens(const struct reply_key *key)
{
    return key->group ? (size_t)__builtin_popcountll(key->members) : 0;
}

/* `tokens` has room for count_tokens(). */
static void
fill_key(Keysvc__V1__Key *out, const struct reply_key *key, char **tokens)
{
    keysvc__v1__key__init(out);
    out->name = (char *)key->name;
    out->version = key->version;
    out->type = (Keysvc__V1__KeyType)key->type;
    out->purpose = (Keysvc__V1__Purpose)key->purpose;
    out->token = (char *)key->token;
    out->class_ = (char *)key->class;
    out->ambiguous = key->ambiguous;
    if (key->public_key) {
        out->public_key.data = (uint8_t *)key->public_key;
        out->public_key.len = key->public_key_len;
    }
    if (key->public_key_sha256) {
        out->public_key_sha256.data = (uint8_t *)key->public_key_sha256;
        out->public_key_sha256.len = KS_SHA256_LEN;
    }
    out->versions = (uint32_t *)key->versions;
    out->n_versions = key->n_versions;
    out->tokens = tokens;
    for (size_t i = 0; out->n_tokens < count_tokens(key); i++) {
        if (key->members & 1ull << i)
            tokens[out->n_tokens++] = (char *)config_member(key->config, key->group, i);
    }
}

static ks_err
encode_list(struct buf *out, Keysvc__V1__Response *response, const struct reply_list *list)
{
    ks_auto(freep) Keysvc__V1__Key *keys = calloc(list->n_keys + 1, sizeof(*keys));
    ks_auto(freep) Keysvc__V1__Key **pointers = calloc(list->n_keys + 1, sizeof(*pointers));
    ks_auto(freep) char **tokens = NULL;
    Keysvc__V1__ListReply reply = KEYSVC__V1__LIST_REPLY__INIT;
    size_t n_tokens = 0;

    for (size_t i = 0; i < list->n_keys; i++)
        n_tokens += count_tokens(&list->keys[i]);
    tokens = calloc(n_tokens + 1, sizeof(*tokens));
    if (!keys || !pointers || !tokens)
        return KS_ERR_INTERNAL;
    n_tokens = 0;
    for (size_t i = 0; i < list->n_keys; i++) {
        fill_key(&keys[i], &list->keys[i], tokens + n_tokens);
        n_tokens += keys[i].n_tokens;
        pointers[i] = &keys[i];
    }
    reply.n_keys = list->n_keys;
    reply.keys = pointers;
    reply.more = list->more;
    response->result_case = KEYSVC__V1__RESPONSE__RESULT_LIST;
    response->list = &reply;
    return encode_frame(out, response);
}

/* `items` has room for JOB_MAX_CHAIN; the number of certificates. */
static size_t
fill_chain(ProtobufCBinaryData *items, const struct job_chain *chain)
{
    for (size_t i = 0; i < chain->n_items; i++) {
        items[i].data = (uint8_t *)chain->items[i].data;
        items[i].len = chain->items[i].len;
    }
    return chain->n_items;
}

static ks_err
encode_key(struct buf *out, Keysvc__V1__Response *response, const struct reply *reply)
{
    Keysvc__V1__Imported imported = KEYSVC__V1__IMPORTED__INIT;
    ProtobufCBinaryData certificates[JOB_MAX_CHAIN];
    char *tokens[CONFIG_MAX_TOKENS];
    Keysvc__V1__Key key;

    fill_key(&key, &reply->key, tokens);
    if (reply->key.imported) {
        imported.alias = (char *)reply->key.imported->alias;
        imported.n_certificates = fill_chain(certificates, &reply->key.imported->chain);
        imported.certificates = certificates;
        key.imported = &imported;
    }
    if (reply->operation == REQUEST_GET) {
        response->result_case = KEYSVC__V1__RESPONSE__RESULT_GET;
        response->get = &key;
    } else if (reply->operation == REQUEST_GENERATE) {
        response->result_case = KEYSVC__V1__RESPONSE__RESULT_GENERATE;
        response->generate = &key;
    } else if (reply->operation == REQUEST_ROTATE) {
        response->result_case = KEYSVC__V1__RESPONSE__RESULT_ROTATE;
        response->rotate = &key;
    } else {
        response->result_case = KEYSVC__V1__RESPONSE__RESULT_IMPORT;
        response->import = &key;
    }
    return encode_frame(out, response);
}

static ks_err
encode_sign(struct buf *out, Keysvc__V1__Response *response, const struct reply_bytes *bytes)
{
    Keysvc__V1__SignReply reply = KEYSVC__V1__SIGN_REPLY__INIT;

    reply.signature.data = (uint8_t *)bytes->data;
    reply.signature.len = bytes->len;
    reply.algorithm = (Keysvc__V1__Algorithm)bytes->algorithm;
    response->result_case = KEYSVC__V1__RESPONSE__RESULT_SIGN;
    response->sign = &reply;
    return encode_frame(out, response);
}

static ks_err
encode_csr(struct buf *out, Keysvc__V1__Response *response, const struct reply_bytes *bytes)
{
    Keysvc__V1__CsrReply reply = KEYSVC__V1__CSR_REPLY__INIT;

    reply.csr.data = (uint8_t *)bytes->data;
    reply.csr.len = bytes->len;
    response->result_case = KEYSVC__V1__RESPONSE__RESULT_CSR;
    response->csr = &reply;
    return encode_frame(out, response);
}

static ks_err
encode_explain(struct buf *out, Keysvc__V1__Response *response, const struct reply_explain *explain)
{
    Keysvc__V1__ExplainReply reply = KEYSVC__V1__EXPLAIN_REPLY__INIT;

    reply.allowed = explain->allowed;
    reply.rule = (char *)explain->rule;
    reply.class_ = (char *)explain->class;
    reply.missing = (char *)explain->missing;
    reply.n_reasons = explain->reasons->n_items;
    reply.reasons = explain->reasons->items;
    response->result_case = KEYSVC__V1__RESPONSE__RESULT_EXPLAIN;
    response->explain = &reply;
    return encode_frame(out, response);
}

static ks_err
encode_chain(struct buf *out, Keysvc__V1__Response *response, const struct reply *reply)
{
    Keysvc__V1__Certificates certificates = KEYSVC__V1__CERTIFICATES__INIT;
    ProtobufCBinaryData items[JOB_MAX_CHAIN];

    certificates.n_certificates = fill_chain(items, reply->chain);
    certificates.certificates = items;
    if (reply->operation == REQUEST_SELF_SIGN) {
        response->result_case = KEYSVC__V1__RESPONSE__RESULT_SELF_SIGN;
        response->self_sign = &certificates;
    } else {
        response->result_case = KEYSVC__V1__RESPONSE__RESULT_CERTIFICATE_GET;
        response->certificate_get = &certificates;
    }
    return encode_frame(out, response);
}

static void
fill_token_info(Keysvc__V1__TokenInfo *out, const struct job_token_info *info)
{
    keysvc__v1__token_info__init(out);
    out->label = (char *)info->label;
    out->manufacturer = (char *)info->manufacturer;
    out->model = (char *)info->model;
    out->serial = (char *)info->serial;
    out->hardware_version = (char *)info->hardware_version;
    out->firmware_version = (char *)info->firmware_version;
    out->flags = info->flags;
    out->sessions = info->sessions;
    out->max_sessions = info->max_sessions;
    out->rw_sessions = info->rw_sessions;
    out->max_rw_sessions = info->max_rw_sessions;
    out->min_pin_len = info->min_pin_len;
    out->max_pin_len = info->max_pin_len;
    out->free_public_memory = info->free_public_memory;
    out->total_public_memory = info->total_public_memory;
    out->free_private_memory = info->free_private_memory;
    out->total_private_memory = info->total_private_memory;
}

static ks_err
encode_token_info(struct buf *out, Keysvc__V1__Response *response,
                  const struct reply_token_info *token_info)
{
    const struct job_token_info *info = token_info->info;
    size_t n = info->n_mechanisms;
    ks_auto(freep) Keysvc__V1__Mechanism *mechanisms = calloc(n + 1, sizeof(*mechanisms));
    ks_auto(freep) Keysvc__V1__Mechanism **pointers = calloc(n + 1, sizeof(*pointers));
    Keysvc__V1__TokenInfo reply;

    if (!mechanisms || !pointers)
        return KS_ERR_INTERNAL;
    fill_token_info(&reply, info);
    for (size_t i = 0; i < n; i++) {
        keysvc__v1__mechanism__init(&mechanisms[i]);
        mechanisms[i].name = info->mechanisms[i].name;
        mechanisms[i].type = info->mechanisms[i].type;
        mechanisms[i].min_size = info->mechanisms[i].min_size;
        mechanisms[i].max_size = info->mechanisms[i].max_size;
        mechanisms[i].flags = info->mechanisms[i].flags;
        pointers[i] = &mechanisms[i];
    }
    reply.n_mechanisms = n;
    reply.mechanisms = pointers;
    reply.n_unsupported = token_info->n_unsupported;
    reply.unsupported = (char **)token_info->unsupported;
    response->result_case = KEYSVC__V1__RESPONSE__RESULT_TOKEN_INFO;
    response->token_info = &reply;
    return encode_frame(out, response);
}

static ks_err
encode_done(struct buf *out, Keysvc__V1__Response *response, enum request_operation operation)
{
    Keysvc__V1__Done done = KEYSVC__V1__DONE__INIT;

    switch (operation) {
    case REQUEST_RELOAD:
        response->result_case = KEYSVC__V1__RESPONSE__RESULT_RELOAD;
        response->reload = &done;
        break;
    case REQUEST_RETRY_LOGIN:
        response->result_case = KEYSVC__V1__RESPONSE__RESULT_RETRY_LOGIN;
        response->retry_login = &done;
        break;
    case REQUEST_RESCAN:
        response->result_case = KEYSVC__V1__RESPONSE__RESULT_RESCAN;
        response->rescan = &done;
        break;
    case REQUEST_DESTROY:
        response->result_case = KEYSVC__V1__RESPONSE__RESULT_DESTROY;
        response->destroy = &done;
        break;
    case REQUEST_CERTIFICATE_PUT:
        response->result_case = KEYSVC__V1__RESPONSE__RESULT_CERTIFICATE_PUT;
        response->certificate_put = &done;
        break;
    case REQUEST_CERTIFICATE_DELETE:
        response->result_case = KEYSVC__V1__RESPONSE__RESULT_CERTIFICATE_DELETE;
        response->certificate_delete = &done;
        break;
    default:
        return KS_ERR_INTERNAL;
    }
    return encode_frame(out, response);
}

ks_err
encode_frame(struct buf *out, const Keysvc__V1__Response *response)
{
    size_t len = keysvc__v1__response__get_packed_size(response);
    uint8_t *room;

    if (len > FRAME_MAX_LEN)
        return KS_ERR_TOO_LARGE;
    room = buf_reserve(out, FRAME_HEADER_LEN + len);
    if (!room) {
        out->failed = false;
        return KS_ERR_INTERNAL;
    }
    frame_header(room, len);
    keysvc__v1__response__pack(response, room + FRAME_HEADER_LEN);
    out->len += FRAME_HEADER_LEN + len;
    return KS_OK;
}
