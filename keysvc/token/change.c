/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change - decision, intent, deed, result
 */
#include "token/change.h"

#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define PAUSE_NS (100 * 1000000)

static ks_err decide(struct worker *worker, struct change *change, struct fault *why);
static void record(struct worker *worker, const struct change *change, const char *event,
                   ks_err outcome, const struct fault *why);

ks_err
change_run(struct worker *worker, struct change *change, struct fault *why)
{
    ks_err err = decide(worker, change, why);

    if (!err)
        return change_carry_out(worker, change, why);
    if (err != KS_ERR_BUSY)
        record(worker, change, "refused", err, why);
    return err;
}

struct change_tries
change_tries_begin(void)
{
    return (struct change_tries){.begun_ms = clock_mono_ms()};
}

bool
change_once_more(struct worker *worker, const char *label, struct change_tries *tries,
                 struct fault *why)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};

    if (++tries->n_failed == CHANGE_TRIES || clock_mono_ms() - tries->begun_ms >= CHANGE_TRIES_MS)
        return false;
    log_warning("event=made-again token=%s key=%s reason=\"%s\"", worker->token->name, label,
                LOG_TEXT(why->text));
    *why = (struct fault)FAULT_INIT;
    nanosleep(&pause, NULL);
    return true;
}

static ks_err
decide(struct worker *worker, struct change *change, struct fault *why)
{
    ks_err err;

    if (worker->index != 1) {
        fault_set(why, "only worker 1 changes what is on the token");
        return KS_ERR_BAD_REQUEST;
    }
    err = worker_admit(worker, change->job, &change->class, why);
    return err ? err : change->decide(worker, change, why);
}

ks_err
change_carry_out(struct worker *worker, struct change *change, struct fault *why)
{
    ks_err err = worker_may_begin(worker, why);

    if (err)
        return err;
    record(worker, change, "intent", KS_OK, NULL);
    err = audit_flush(worker->audit, true, why);
    if (err)
        return err;
    err = change->carry_out(worker, change, why);
    record(worker, change, "result", err, why);
    return err;
}

static void
record(struct worker *worker, const struct change *change, const char *event, ks_err outcome,
       const struct fault *why)
{
    const struct audit_deed deed = {
        .event = event,
        .label = change->label[0] ? change->label : change->job->name,
        .type = change->type,
        .public_key_sha256 = change->public_key_sha256,
        .certificate_sha256 = change->certificate_sha256,
        .outcome = outcome,
        .why = why,
    };

    audit_deed(worker->audit, change->job, &deed);
}
