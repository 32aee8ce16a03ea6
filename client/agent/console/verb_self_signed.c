/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_self_signed - console apply-self-signed: back to self-signed certificates, with --rekey on new keys
 *
 * The agent tells, over the connection that is trusted still, which certificate it serves from now
 * on; that is expected, and a new connection must show exactly that one, which is pinned then. If its answer is lost, a
 * self-signed certificate of the key that was trusted a moment ago is it. Of a new key nobody but the
 * agent knows: that one is for people to compare.
 */
#include <stdio.h>

#include "client/agent/console/steps.h"

enum { STAGE_BEGIN, STAGE_DONE, STAGE_LOOKED };

struct change {
    const struct console *console;
    struct outcome lost; /* how it ended if its answer was lost; OK: it was not */
};

static bool
begin(struct job *job, struct exchange_request *next)
{
    const struct change *change = job->data;

    next->method = "POST";
    next->path = "self-signed";
    next->trust = &job->peer->trust;
    next->changes = true;
    next->body = json_pack("{s:b}", "rekey", change->console->options.rekey);
    return true;
}

/* Nothing is sent over the connection that looks, and only the key of before is believed. */
static bool
take_lost(struct job *job, struct exchange *answered, struct exchange_request *next)
{
    struct change *change = job->data;

    outcome_move(&change->lost, &answered->outcome);
    job->peer->changed = true;
    if (!change->console->options.rekey &&
        trust_expect(&job->peer->trust, answered->handshake.leaf)) {
        outcome_fail(&job->outcome, KS_ERR_INTERNAL, "no memory for what is expected");
        return false;
    }
    step_look(next);
    next->trust = &job->peer->trust;
    return true;
}

static bool
take_told(struct job *job, const json_t *answer)
{
    const char *sha256 = json_string_value(json_object_get(answer, "sha256"));
    uint8_t bytes[PEERCERT_SHA256_LEN];

    if (sha256 && peercert_parse_fingerprint(sha256, bytes)) {
        trust_expect_told(&job->peer->trust, bytes);
        job->peer->changed = true;
        step_take_note(job, answer);
        return true;
    }
    outcome_fail(&job->outcome, KS_ERR_OUTCOME_UNKNOWN,
                 "its answer does not say which certificate it serves now");
    return false;
}

static void
pin(struct job *job, X509 *leaf)
{
    char shown[PEERCERT_HEX_LEN];

    if (step_trust_new(job->peer, leaf, NULL, NULL)) {
        outcome_fail(&job->outcome, KS_ERR_INTERNAL, "no memory for what is trusted");
        return;
    }
    peercert_hex(leaf, shown);
    peer_saw(job->peer, "trusted");
    outcome_field(&job->outcome, "certificate", peercert_json(leaf));
    step_done(job, "serves %s", shown);
}

static void
pin_told(struct job *job, X509 *leaf)
{
    const char *told = job->peer->trust.told;
    char shown[PEERCERT_HEX_LEN];

    peercert_hex(leaf, shown);
    if (strcmp(shown, told) == 0)
        pin(job, leaf);
    else
        outcome_fail(&job->outcome, KS_ERR_UNTRUSTED,
                     "it made the certificate with sha256 %s, but shows %s", told, shown);
}

static void
take_look(struct job *job, const struct handshake *handshake)
{
    struct change *change = job->data;
    char shown[PEERCERT_HEX_LEN];

    outcome_move(&job->outcome, &change->lost);
    if (!handshake->judged || !handshake->leaf)
        return;
    if (!handshake->verdict.trusted) {
        peercert_hex(handshake->leaf, shown);
        outcome_fail(&job->outcome, KS_ERR_OUTCOME_UNKNOWN,
                     "the answer was lost, and it shows a certificate of another key, sha256 %s",
                     shown);
        outcome_hint(&job->outcome,
                     "if keysvc-agent certificate-status on its host says the same: keysvc-agent "
                     "console trust %s --fingerprint %s",
                     job->peer->name, shown);
    } else if (!change->console->options.rekey && peercert_self_signed(handshake->leaf)) {
        outcome_deinit(&job->outcome);
        pin(job, handshake->leaf);
    } else {
        outcome_fail(&job->outcome, KS_ERR_OUTCOME_UNKNOWN,
                     "the answer was lost, and it shows the certificate of before");
    }
}

/* What expect_all() has put there. */
static void
forget_own_key(struct trust *trust)
{
    if (trust->kind == TRUST_PINNED)
        trust_unexpect(trust, sk_X509_value(trust->certificates, 0));
}

static bool
step(struct job *job, struct exchange *answered, struct exchange_request *next)
{
    struct change *change = job->data;

    switch (job->stage++) {
    case STAGE_BEGIN:
        return begin(job, next);
    case STAGE_DONE:
        if (answered->outcome.code == KS_ERR_OUTCOME_UNKNOWN)
            return take_lost(job, answered, next);
        if (answered->outcome.code) {
            forget_own_key(&job->peer->trust);
            return job_failed(job, answered);
        }
        if (!take_told(job, answered->answer))
            return false;
        step_look(next);
        return true;
    default:
        if (change->lost.code)
            take_look(job, &answered->handshake);
        else if (answered->outcome.code)
            return job_not_seen(job, answered);
        else
            pin_told(job, answered->handshake.leaf);
        return false;
    }
}

/* For a console that dies in the middle: the key stays, and whoever is pinned shows it already. What an
 * earlier change left is expected still. */
static ks_err
expect_all(struct console *console, struct work *work, struct report *report)
{
    struct fault why = FAULT_INIT;
    ks_err err;

    for (size_t i = 0; i < work->n_jobs && !console->options.rekey; i++) {
        struct peer *peer = work->jobs[i].peer;

        if (peer->trust.kind != TRUST_PINNED)
            continue;
        peer->changed = true;
        if (trust_expect(&peer->trust, sk_X509_value(peer->trust.certificates, 0)))
            return report_fail(report, KS_ERR_INTERNAL, "no memory for what is expected");
    }
    err = fleet_save(console->fleet, &why);
    return err ? report_fault(report, err, &why) : KS_OK;
}

int
verb_self_signed(struct console *console, struct report *report)
{
    ks_auto(work_deinit) struct work work = {0};
    ks_auto(freep) struct change *changes = NULL;
    ks_err err = work_select(console, true, &work, report);

    if (!err)
        err = expect_all(console, &work, report);
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
