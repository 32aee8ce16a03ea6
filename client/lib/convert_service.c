/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_service - the service itself, between our structs and the wire's: hello, status, explain
 */
#include <stdio.h>

#include "client/lib/convert_wire.h"
#include "client/lib/error.h"

ks_err
convert_pack_hello(const struct request *request, pb_request *message, struct buf *out,
                   struct ks_error *error)
{
    Keysvc__V1__Hello hello = KEYSVC__V1__HELLO__INIT;

    hello.protocol_version = CONVERT_PROTOCOL_VERSION;
    hello.program = convert_text(request->hello.program);
    message->hello = &hello;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_status(const struct request *request, pb_request *message, struct buf *out,
                    struct ks_error *error)
{
    Keysvc__V1__StatusRequest status = KEYSVC__V1__STATUS_REQUEST__INIT;

    message->status = &status;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_reload(const struct request *request, pb_request *message, struct buf *out,
                    struct ks_error *error)
{
    Keysvc__V1__ReloadRequest reload = KEYSVC__V1__RELOAD_REQUEST__INIT;

    message->reload = &reload;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_explain(const struct request *request, pb_request *message, struct buf *out,
                     struct ks_error *error)
{
    const struct ks_explain_request *question = request->explain;
    Keysvc__V1__ExplainRequest explain = KEYSVC__V1__EXPLAIN_REQUEST__INIT;

    explain.key = convert_text(question->key);
    explain.operation = convert_text(question->operation);
    explain.for_other = question->for_other;
    if (question->for_other) {
        explain.uid = question->uid;
        explain.n_gids = question->n_gids;
        explain.gids = (uint32_t *)(uintptr_t)question->gids;
        explain.unit = convert_text(question->unit);
        explain.user = convert_text(question->user);
    }
    message->explain = &explain;
    return convert_frame(request, message, out, error);
}

/* --- answers --- */

uint32_t
response_protocol_version(const struct response *response)
{
    return response->message->hello->protocol_version;
}

static void
copy_token(const Keysvc__V1__Token *wire, struct ks_token *out)
{
    convert_copy_text(out->name, sizeof(out->name), wire->name);
    convert_copy_text(out->state, sizeof(out->state), wire->state);
    convert_copy_text(out->text, sizeof(out->text), wire->text);
    convert_copy_text(out->profile, sizeof(out->profile), wire->profile);
    convert_copy_text(out->label, sizeof(out->label), wire->label);
    convert_copy_text(out->model, sizeof(out->model), wire->model);
    convert_copy_text(out->serial, sizeof(out->serial), wire->serial);
    out->workers = wire->workers;
    out->ready_workers = wire->ready_workers;
    out->keys = wire->keys;
    out->queued = wire->queued;
    convert_copy_text(out->group, sizeof(out->group), wire->group);
    convert_copy_text(out->sandbox, sizeof(out->sandbox), wire->sandbox);
}

/* Frees nothing: what it has made belongs to the status. */
static ks_err
copy_groups(const Keysvc__V1__StatusReply *wire, struct ks_status *out, struct ks_error *error)
{
    out->groups = calloc(wire->n_groups + 1, sizeof(*out->groups));
    if (!out->groups)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a status");
    for (size_t i = 0; i < wire->n_groups; i++) {
        const Keysvc__V1__Group *from = wire->groups[i];
        struct ks_group *group = &out->groups[out->n_groups++];

        convert_copy_text(group->name, sizeof(group->name), from->name);
        group->ready_tokens = from->ready_tokens;
        group->keys = from->keys;
        group->keys_everywhere = from->keys_everywhere;
        group->keys_differing = from->keys_differing;
        group->tokens = calloc(from->n_tokens + 1, sizeof(*group->tokens));
        if (!group->tokens)
            return error_set(error, KS_ERR_INTERNAL, "no memory for a status");
        for (; group->n_tokens < from->n_tokens; group->n_tokens++)
            convert_copy_text(group->tokens[group->n_tokens], sizeof(*group->tokens),
                              from->tokens[group->n_tokens]);
    }
    return KS_OK;
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
    if (copy_groups(wire, status, error) != KS_OK)
        return KS_ERR_INTERNAL;
    convert_copy_text(status->version, sizeof(status->version), wire->version);
    convert_copy_text(status->unit, sizeof(status->unit), wire->unit);
    convert_copy_text(status->front_sandbox, sizeof(status->front_sandbox), wire->front_sandbox);
    convert_copy_text(status->keysvcd_sandbox, sizeof(status->keysvcd_sandbox),
                      wire->keysvcd_sandbox);
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

    if (copy)
        convert_tame(copy, true);
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
    convert_copy_text(answer->rule, sizeof(answer->rule), wire->rule);
    convert_copy_text(answer->class_glob, sizeof(answer->class_glob), wire->class_);
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
