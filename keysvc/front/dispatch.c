/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch - the table of operations, and the order of the checks
 */
#include "front/dispatch.h"

#include "base/log.h"
#include "front/audit.h"
#include "front/call.h"
#include "front/connection.h"
#include "front/front.h"
#include "front/operations.h"
#include "front/policy.h"
#include "front/quota.h"

/* clang-format off */
static const struct operation OPERATIONS[REQUEST_OPERATION_COUNT] = {
    [REQUEST_STATUS]      = {.request = REQUEST_STATUS, .name = "status", .scope = SCOPE_ANYBODY, .start = op_status},
    [REQUEST_LIST]        = {.request = REQUEST_LIST, .name = "list", .scope = SCOPE_ANYBODY, .start = op_list},
    [REQUEST_EXPLAIN]     = {.request = REQUEST_EXPLAIN, .name = "explain", .scope = SCOPE_ANYBODY, .start = op_explain},
    [REQUEST_GET]         = {.request = REQUEST_GET, .name = "get", .scope = SCOPE_KEY, .rule = OPERATION_GET, .start = op_get},
    [REQUEST_SIGN]        = {.request = REQUEST_SIGN, .name = "sign", .scope = SCOPE_KEY, .rule = OPERATION_SIGN, .class = METRICS_SIGN, .start = op_sign, .finish = op_signed},
    [REQUEST_CSR]         = {.request = REQUEST_CSR, .name = "csr", .scope = SCOPE_KEY, .rule = OPERATION_CSR, .class = METRICS_CERTIFY, .start = op_csr, .finish = op_csr_made},
    [REQUEST_GENERATE]    = {.request = REQUEST_GENERATE, .name = "generate", .scope = SCOPE_KEY, .rule = OPERATION_GENERATE, .changes = true, .first_worker = true, .slow = true, .class = METRICS_MAKE, .start = op_generate, .finish = op_key_made},
    [REQUEST_ROTATE]      = {.request = REQUEST_ROTATE, .name = "rotate", .scope = SCOPE_KEY, .rule = OPERATION_ROTATE, .changes = true, .first_worker = true, .slow = true, .class = METRICS_MAKE, .start = op_rotate, .finish = op_key_made},
    [REQUEST_SELF_SIGN]   = {.request = REQUEST_SELF_SIGN, .name = "self-sign", .scope = SCOPE_KEY, .rule = OPERATION_SELF_SIGN, .class = METRICS_CERTIFY, .start = op_self_sign, .sane = op_is_chain, .finish = op_chain_told},
    [REQUEST_IMPORT]      = {.request = REQUEST_IMPORT, .name = "import", .scope = SCOPE_KEY, .rule = OPERATION_IMPORT, .changes = true, .first_worker = true, .slow = true, .class = METRICS_MAKE, .start = op_import, .sane = op_is_imported, .finish = op_imported},
    [REQUEST_DESTROY]     = {.request = REQUEST_DESTROY, .name = "destroy", .scope = SCOPE_KEY, .rule = OPERATION_DESTROY, .changes = true, .first_worker = true, .class = METRICS_CHANGE, .start = op_destroy, .finish = op_done},
    [REQUEST_CERTIFICATE_PUT] = {.request = REQUEST_CERTIFICATE_PUT, .name = "certificate-put", .scope = SCOPE_KEY, .rule = OPERATION_CERTIFICATE, .changes = true, .first_worker = true, .class = METRICS_CHANGE, .start = op_certificate_put, .finish = op_done},
    [REQUEST_CERTIFICATE_GET] = {.request = REQUEST_CERTIFICATE_GET, .name = "certificate-get", .scope = SCOPE_KEY, .rule = OPERATION_GET, .class = METRICS_READ, .start = op_certificate_get, .sane = op_is_chain, .finish = op_chain_told},
    [REQUEST_CERTIFICATE_DELETE] = {.request = REQUEST_CERTIFICATE_DELETE, .name = "certificate-delete", .scope = SCOPE_KEY, .rule = OPERATION_CERTIFICATE, .changes = true, .first_worker = true, .class = METRICS_CHANGE, .start = op_certificate_delete, .finish = op_done},
    [REQUEST_TOKEN_INFO]  = {.request = REQUEST_TOKEN_INFO, .name = "token-info", .scope = SCOPE_SERVICE, .rule = OPERATION_ADMINISTER, .class = METRICS_READ, .start = op_token_info, .sane = op_is_token_info, .finish = op_token_told},
    [REQUEST_RESCAN]      = {.request = REQUEST_RESCAN, .name = "rescan", .scope = SCOPE_SERVICE, .rule = OPERATION_ADMINISTER, .first_worker = true, .slow = true, .class = METRICS_RESCAN, .start = op_rescan, .finish = op_done},
    [REQUEST_RELOAD]      = {.request = REQUEST_RELOAD, .name = "reload", .scope = SCOPE_SERVICE, .rule = OPERATION_ADMINISTER, .changes = true, .start = op_reload},
    [REQUEST_RETRY_LOGIN] = {.request = REQUEST_RETRY_LOGIN, .name = "retry-login", .scope = SCOPE_SERVICE, .rule = OPERATION_ADMINISTER, .changes = true, .start = op_retry_login},
    [REQUEST_METRICS]     = {.request = REQUEST_METRICS, .name = "metrics", .scope = SCOPE_SERVICE, .rule = OPERATION_ADMINISTER, .start = op_metrics},
};
/* clang-format on */

static ks_err admit(struct call *call, const struct request *request, struct fault *why);
static ks_err refused(const struct call *call, enum metrics_refusal reason, ks_err err);
static void refuse(struct connection *connection, const struct request *request, ks_err err,
                   const struct fault *why);

void
dispatch_request(struct connection *connection, const struct request *request, size_t frame_len)
{
    const struct operation *operation = &OPERATIONS[request->operation];
    struct front *front = connection_front(connection);
    struct fault why = FAULT_INIT;
    struct call *call;
    ks_err err;

    err = quota_take(connection_account(connection), &front->config->limits, frame_len, &why);
    if (err) {
        metrics_refuse(&front->metrics, METRICS_REFUSAL_QUOTA);
        refuse(connection, request, err, &why);
        return;
    }
    call = call_new(front, connection, operation, request->id, frame_len);
    if (!call) {
        quota_put(connection_account(connection), frame_len);
        refuse(connection, request, KS_ERR_INTERNAL, &why);
        return;
    }
    if (request->token[0])
        text_copy(call->subject, sizeof(call->subject), request->token);
    else if (request->version)
        keyname_label(request->name, request->version, call->subject);
    else
        text_copy(call->subject, sizeof(call->subject), request->name);
    err = admit(call, request, &why);
    if (!err)
        err = operation->start(call, request, &why);
    if (err)
        call_fail(call, err, &why);
}

static ks_err
admit(struct call *call, const struct request *request, struct fault *why)
{
    const struct operation *operation = call->operation;
    const struct config *config = call->front->config;
    const struct peer *peer = connection_peer(call->connection);
    const char *key = operation->scope == SCOPE_KEY ? request->name : NULL;
    struct quota_account *account = connection_account(call->connection);
    uint64_t now_ms = call->started_us / 1000;
    const struct config_rule *rule;

    if (operation->scope == SCOPE_ANYBODY)
        return refused(call, METRICS_REFUSAL_RATE, quota_open_rate(account, now_ms, why));
    rule = policy_find(config, peer, key, operation->rule);
    if (!rule) {
        policy_refusal(config, peer, key, operation->rule, why);
        return refused(call, METRICS_REFUSAL_RULE, KS_ERR_DENIED);
    }
    memcpy(call->rule, rule->name, sizeof(call->rule));
    if (operation->finish && quota_may_fail(account, now_ms, why) != KS_OK)
        return refused(call, METRICS_REFUSAL_FAILURES, KS_ERR_BUSY);
    return refused(call, METRICS_REFUSAL_RATE,
                   quota_rate(call->front->quota, account, rule, now_ms, why));
}

/* Counts it, if it is one. */
static ks_err
refused(const struct call *call, enum metrics_refusal reason, ks_err err)
{
    if (err)
        metrics_refuse(&call->front->metrics, reason);
    return err;
}

void
dispatch_malformed(struct connection *connection, const struct request *request, ks_err err,
                   const struct fault *why)
{
    metrics_refuse(&connection_front(connection)->metrics, METRICS_REFUSAL_MALFORMED);
    refuse(connection, request, err, why);
}

/* Refused before it was a call; it has no request id. */
static void
refuse(struct connection *connection, const struct request *request, ks_err err,
       const struct fault *why)
{
    const struct peer *peer = connection_peer(connection);
    struct front *front = connection_front(connection);
    const char *name = OPERATIONS[request->operation].name;
    struct reply reply = {.id = request->id, .err = err, .why = why};
    struct audit_request refused = {
        .peer = peer,
        .operation = name ? name : "",
        .subject = request->name,
        .rule = "",
        .outcome = err_info(err)->name,
        .reason = why->text,
    };

    metrics_request(&front->metrics, request->operation, err);
    if (connection_refused(connection)) {
        log_info("uid=%u pid=%d unit=%s operation=%s outcome=%s reason=\"%s\"", peer->uid,
                 peer->pid, peer->unit, refused.operation, refused.outcome, LOG_TEXT(why->text));
        audit_refused(front->audit, &refused);
    }
    connection_reply(connection, &reply);
}

const char *
dispatch_name(enum request_operation operation)
{
    const char *name = OPERATIONS[operation].name;

    return name ? name : "unknown";
}
