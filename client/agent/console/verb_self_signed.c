/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_self_signed - console apply-self-signed: back to self-signed certificates, with --rekey on new keys
 *
 * The agent tells, over the connection that is trusted still, which certificate it serves from now
 * on; a new connection must show exactly that one, which is pinned then.
 */
#include <stdio.h>

#include "base/hex.h"
#include "client/agent/console/steps.h"

enum { STAGE_BEGIN, STAGE_DONE, STAGE_LOOKED };

struct change {
    const struct console *console;
    char sha256[PEERCERT_HEX_LEN];
};

static bool
take_told(struct job *job, const json_t *answer)
{
    struct change *change = job->data;
    const char *sha256 = json_string_value(json_object_get(answer, "sha256"));
    uint8_t bytes[PEERCERT_SHA256_LEN];

    if (sha256 && peercert_parse_fingerprint(sha256, bytes)) {
        hex_text(change->sha256, bytes, sizeof(bytes));
        return true;
    }
    outcome_fail(&job->outcome, KS_ERR_OUTCOME_UNKNOWN,
                 "its answer does not say which certificate it serves now");
    return false;
}

static void
pin_shown(struct job *job, X509 *leaf)
{
    const struct change *change = job->data;
    char shown[PEERCERT_HEX_LEN];

    peercert_hex(leaf, shown);
    if (strcmp(shown, change->sha256) != 0) {
        outcome_fail(&job->outcome, KS_ERR_UNTRUSTED,
                     "it made the certificate with sha256 %s, but shows %s", change->sha256, shown);
        return;
    }
    if (step_trust_new(job->peer, leaf, NULL, NULL)) {
        outcome_fail(&job->outcome, KS_ERR_INTERNAL, "no memory for what is trusted");
        return;
    }
    peer_saw(job->peer, "trusted");
    outcome_field(&job->outcome, "certificate", peercert_json(leaf));
    outcome_done(&job->outcome, "serves %s", shown);
}

static bool
step(struct job *job, struct exchange *answered, struct exchange_request *next)
{
    const struct change *change = job->data;

    if (answered && answered->outcome.code)
        return job_failed(job, answered);
    switch (job->stage++) {
    case STAGE_BEGIN:
        next->method = "POST";
        next->path = "self-signed";
        next->trust = &job->peer->trust;
        next->changes = true;
        next->body = json_pack("{s:b}", "rekey", change->console->options.rekey);
        return true;
    case STAGE_DONE:
        if (!take_told(job, answered->answer))
            return false;
        step_look(next);
        return true;
    default:
        pin_shown(job, answered->handshake.leaf);
        return false;
    }
}

int
verb_self_signed(struct console *console, struct report *report)
{
    ks_auto(work_deinit) struct work work = {0};
    ks_auto(freep) struct change *changes = NULL;
    ks_err err = work_select(console, true, &work, report);

    if (!err)
        err = work_remember(console, &work, report);
    if (err)
        return (int)err;
    changes = calloc(work.n_jobs, sizeof(*changes));
    if (!changes)
        return (int)report_fail(report, KS_ERR_INTERNAL, "no memory for the agents");
    for (size_t i = 0; i < work.n_jobs; i++) {
        changes[i].console = console;
        work.jobs[i].data = &changes[i];
    }
    work_run(console, &work, step);
    return work_end(console, &work, NULL, report);
}
