/* SPDX-License-Identifier: Apache-2.0 */
/*
 * news - a configuration, an audit file, a front
 */
#include "token/news.h"

#include "base/log.h"
#include "token/audit_guard.h"
#include "token/tell.h"

static bool
fail(struct worker *worker, const char *event, const struct fault *why)
{
    log_error("event=%s token=%s text=\"%s\"", event, worker->token->name, why->text);
    worker->exit_code = CONTROL_EXIT_SETUP;
    return false;
}

/* What is adopted otherwise than before is found anew at its next use; the front is told by the first worker, which
 * lists. A token that does not answer now ends the process, and the next one lists. */
static void
take_adopted(struct worker *worker)
{
    struct fault why = FAULT_INIT;
    bool is_changed = false;
    ks_err err;

    err = worker_adopt(worker, &is_changed, &why);
    if (!err && (!is_changed || worker->index != 1))
        return;
    if (!err && worker_take_gate(worker, &why) != KS_OK) {
        worker->must_tell = true; /* who holds it changes keys, or starts */
        return;
    }
    if (!err) {
        err = worker_list_keys(worker, &why);
        worker_put_gate(worker);
    }
    if (!err) {
        tell_directory(worker);
        return;
    }
    log_error("event=list-failed token=%s text=\"%s\"", worker->token->name, why.text);
    worker_judge(worker, err, &why);
    if (worker->exit_code == WORKER_GO_ON)
        worker->exit_code = CONTROL_EXIT_TOKEN_LOST;
}

static bool
use_config(struct worker *worker, struct config *config)
{
    struct fault why = FAULT_INIT;

    if (worker_use_config(worker, config, &why) != KS_OK)
        return fail(worker, "bad-config", &why);
    take_adopted(worker);
    if (worker->exit_code != WORKER_GO_ON)
        return false;
    audit_config(worker->audit, worker->config);
    tell_purposes(worker);
    (void)!audit_flush(worker->audit, false, &why); /* a failure is logged */
    log_info("event=reload token=%s generation=%llu", worker->token->name,
             (unsigned long long)worker->config->generation);
    if (parent_config_done(worker->parent, worker->config->generation) != KS_OK)
        return fail(worker, "supervisor-gone", &why);
    return true;
}

static bool
take_audit(struct worker *worker, int fd)
{
    struct fault why = FAULT_INIT;

    if (audit_check_next(worker->audit, fd, &why) != KS_OK) {
        log_error("event=audit-rotation-failed token=%s text=\"%s\" hint=\"%s\"",
                  worker->token->name, LOG_TEXT(why.text), LOG_TEXT(why.hint));
        close(fd);
        return true;
    }
    audit_close(worker->audit);
    if (audit_guard_place(&fd, &why) != KS_OK || audit_reopen(worker->audit, fd, &why) != KS_OK) {
        closep(&fd);
        worker->audit = audit_free(worker->audit);
        return fail(worker, "bad-audit-file", &why);
    }
    return true;
}

static void
take_front(struct worker *worker, int fd)
{
    worker->front = channel_free(worker->front);
    if (channel_new(fd, CHANNEL_MAX_BODY, &worker->front) != KS_OK) {
        log_error("event=no-front token=%s text=\"no memory\"", worker->token->name);
        worker->exit_code = CONTROL_EXIT_TOKEN_LOST;
        return;
    }
    if (!worker->must_tell) /* a new front knows of no doubt, and would believe what is old */
        tell_directory(worker);
    tell_stats(worker);
}

void
news_read(struct worker *worker)
{
    struct fault why = FAULT_INIT;

    if (parent_read(worker->parent, &why) != KS_OK)
        (void)fail(worker, "supervisor-gone", &why);
}

bool
news_take_config(struct worker *worker)
{
    struct config *config = parent_take_config(worker->parent);

    return !config || use_config(worker, config);
}

bool
news_take(struct worker *worker)
{
    int audit_fd = parent_take_audit(worker->parent);
    int front_fd = parent_take_front(worker->parent);
    bool fine = true;

    if (parent_take_audit_gone(worker->parent))
        audit_gone(worker->audit);
    if (audit_fd >= 0)
        fine = take_audit(worker, audit_fd);
    fine = fine && news_take_config(worker);
    if (front_fd >= 0)
        take_front(worker, front_fd);
    return fine && worker->exit_code == WORKER_GO_ON;
}
