/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call - the life of an open request, and the one log line and audit record at its end
 */
#include "front/call.h"

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "front/audit.h"
#include "front/connection.h"
#include "front/dispatch.h"
#include "front/front.h"
#include "front/quota.h"
#include "front/refusals.h"

static void on_deadline(evutil_socket_t fd, short what, void *data);
static void record(struct call *call, const char *outcome);
static void tell(struct call *call, ks_err err, const struct fault *why);
static void end(struct call *call, bool answered);

struct call *
call_new(struct front *front, struct connection *connection, const struct operation *operation,
         uint64_t client_id, size_t charged)
{
    struct call *call = calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    call->front = front;
    call->connection = connection;
    call->operation = operation;
    call->client_id = client_id;
    call->request_id = front->next_request_id++;
    call->charged = charged;
    call->started_us = clock_mono_us();
    evtimer_assign(&call->deadline, front->base, on_deadline, call);
    if (connection)
        TAILQ_INSERT_TAIL(connection_calls(connection), call, open);
    front->n_calls++;
    return call;
}

void
call_close_files(struct call *call)
{
    for (size_t i = 0; i < call->n_files; i++) {
        if (call->files[i] >= 0)
            close(call->files[i]);
        call->files[i] = -1;
    }
}

void
call_start_deadline(struct call *call, uint32_t deadline_ms)
{
    const struct timeval wait = {.tv_sec = deadline_ms / 1000,
                                 .tv_usec = (suseconds_t)(deadline_ms % 1000) * 1000};

    evtimer_add(&call->deadline, &wait);
}

/* What still waits in a queue is taken out of it when the call ends. */
static bool
call_has_left(const struct call *call)
{
    return call->place == CALL_SENT || call->place == CALL_ASKED;
}

static void
on_deadline(evutil_socket_t fd, short what, void *data)
{
    struct call *call = data;
    bool may_be_made = call->operation->changes && call_has_left(call);
    struct fault why = FAULT_INIT;

    (void)fd;
    (void)what;
    fault_set(&why, "%s of %s: no answer within the caller's deadline%s", call->operation->name,
              call->subject, may_be_made ? "; the change may still be made" : "");
    if (may_be_made)
        fault_hint(&why, "look with keysvc key show or keysvc token list before trying again");
    call_fail(call, may_be_made ? KS_ERR_OUTCOME_UNKNOWN : KS_ERR_DEADLINE, &why);
}

void
call_stage(struct call *call, void (*go)(struct call *), void (*forget)(struct call *))
{
    if (call->connection)
        record(call, "forwarded");
    call->place = CALL_STAGED;
    call->go = go;
    call->forget = forget;
    TAILQ_INSERT_TAIL(&call->front->staged, call, queue);
}

/* Jobs and changes were recorded before they were done. What anybody may ask has no record: who has
 * no rule at all could write as many as he likes. Of other reads only so many a second. */
void
call_answer(struct call *call, struct reply *reply)
{
    struct connection *connection = call->connection;

    reply->id = call->client_id;
    reply->operation = call->operation->request;
    reply->err = KS_OK;
    if (!call->recorded && connection && call->operation->scope != SCOPE_ANYBODY &&
        refusals_allowed(call->front->reads, connection_peer(connection)))
        record(call, err_info(KS_OK)->name);
    tell(call, KS_OK, NULL);
    end(call, true);
    if (connection)
        connection_reply(connection, reply);
}

void
call_fail(struct call *call, ks_err err, const struct fault *why)
{
    struct connection *connection = call->connection;
    struct reply reply = {.id = call->client_id, .err = err, .why = why};

    tell(call, err, why);
    if (!connection && call->operation->failed)
        call->operation->failed(call, err, why);
    end(call, false);
    if (connection)
        connection_reply(connection, &reply);
}

void
call_drop(struct call *call)
{
    if (call->connection)
        metrics_request(&call->front->metrics, call->operation->request, METRICS_GONE);
    end(call, false);
}

static struct audit_request
audit_request_of(const struct call *call, const char *outcome, const char *reason)
{
    return (struct audit_request){
        .request_id = call->request_id,
        .peer = connection_peer(call->connection),
        .operation = call->operation->name,
        .subject = call->subject,
        .rule = call->rule,
        .outcome = outcome,
        .reason = reason,
    };
}

static void
record(struct call *call, const char *outcome)
{
    struct audit_request request = audit_request_of(call, outcome, "");

    audit_request(call->front->audit, &request);
    call->recorded = true;
}

/* The log's line; a request that was refused here, and not by a token process, is recorded too.
 * What one caller can cause is limited. */
static void
tell(struct call *call, ks_err err, const struct fault *why)
{
    unsigned long long took_us = clock_mono_us() - call->started_us;
    const char *reason = why ? why->text : "";
    const struct peer *peer;

    if (!call->connection)
        return;
    metrics_request(&call->front->metrics, call->operation->request, err);
    if (call->executed)
        metrics_job(&call->front->metrics, call->operation->class, took_us, call->execution_us);
    peer = connection_peer(call->connection);
    if (!err && call->operation->changes) {
        log_info("request=%llu uid=%u operation=%s key=%s rule=%s outcome=OK us=%llu",
                 (unsigned long long)call->request_id, peer->uid, call->operation->name,
                 call->subject, call->rule, took_us);
        return;
    }
    if (!err) {
        log_debug("request=%llu uid=%u operation=%s key=%s outcome=OK us=%llu",
                  (unsigned long long)call->request_id, peer->uid, call->operation->name,
                  call->subject, took_us);
        return;
    }
    if (!connection_refused(call->connection))
        return;
    log_info("request=%llu uid=%u pid=%d unit=%s operation=%s key=%s outcome=%s us=%llu "
             "reason=\"%s\"",
             (unsigned long long)call->request_id, peer->uid, peer->pid, peer->unit,
             call->operation->name, call->subject, err_info(err)->name, took_us, LOG_TEXT(reason));
    if (!call->recorded) {
        struct audit_request refused = audit_request_of(call, err_info(err)->name, reason);

        audit_refused(call->front->audit, &refused);
        call->recorded = true;
    }
}

/* Before the answer goes into the connection, which may end there and take its calls with it. */
static void
end(struct call *call, bool answered)
{
    if (call->place != CALL_NOWHERE)
        call->forget(call);
    event_del(&call->deadline);
    call_close_files(call);
    if (call->connection) {
        quota_files_put(call->front->quota, connection_account(call->connection), call->n_files);
        if (call->sent && !answered)
            quota_job_failed(connection_account(call->connection), clock_mono_us() / 1000);
        quota_put(connection_account(call->connection), call->charged);
        TAILQ_REMOVE(connection_calls(call->connection), call, open);
    }
    call->front->n_calls--;
    buf_deinit(&call->job);
    free(call);
}
