/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_apply - console verify and console apply: a folder of issued certificates, to their agents
 *
 * Each file is checked here, then by its agent. An apply ends with a new connection that must show
 * exactly the new certificate: also when the agent's answer was lost. What is about to be applied is
 * kept beforehand as expected, so that a console that dies in the middle still knows the agent.
 */
#include <stdio.h>

#include "client/agent/console/issued.h"
#include "client/agent/console/steps.h"

enum { STAGE_BEGIN, STAGE_ANSWERED, STAGE_LOOKED };

struct application {
    const struct issued *issued;
    struct issued_file *file; /* NULL: none for this agent */
    bool what_if;
    json_t *checks;       /* the console's own, then the agent's */
    struct trust applied; /* exactly the new certificate */
    bool expects;         /* its key, which was not expected before */
    struct outcome lost;  /* how the apply ended whose answer was lost; OK: it was not */
};

/* --- one agent --- */

static X509 *
leaf_of(const struct application *application)
{
    return sk_X509_value(application->file->chain, 0);
}

static json_t *
body_of(const struct application *application)
{
    ks_auto(freep) char *pem = peercert_pem(application->file->chain);

    return json_pack("{s:s, s:s, s:b}", "certificate", pem ? pem : "", "ca",
                     application->issued->authorities_pem, "what_if", application->what_if);
}

/* What needs no agent; what fails here is not asked for. */
static ks_err
prepare(struct job *job)
{
    struct application *application = job->data;

    /* What is expected would be trusted. */
    if (job->peer->trust.unread) {
        outcome_fail(&job->outcome, KS_ERR_UNTRUSTED, "%s", TRUST_UNREAD);
        outcome_hint(&job->outcome, "%s", err_info(KS_ERR_UNTRUSTED)->hint);
        return KS_ERR_UNTRUSTED;
    }
    if (!application->file) {
        outcome_fail(&job->outcome, KS_ERR_NOT_FOUND, "there is no file for it");
        outcome_hint(&job->outcome, "%s.crt, .pem, .cer or .der is looked for", job->peer->name);
        return KS_ERR_NOT_FOUND;
    }
    outcome_field(&job->outcome, "file", json_string(application->file->path));
    if (issued_check(application->issued, application->file, time(NULL), application->checks,
                     &job->outcome) == KS_OK)
        return KS_OK;
    job->outcome.checks = json_incref(application->checks);
    return job->outcome.code;
}

static bool
begin(struct job *job, struct exchange_request *next)
{
    const struct application *application = job->data;

    if (job->outcome.code)
        return false;
    next->method = "POST";
    next->path = "apply";
    next->trust = &job->peer->trust;
    next->changes = !application->what_if;
    next->body = body_of(application);
    return true;
}

/* Nothing was changed now; nor by an earlier run, if it shows what is pinned. Of one that was not
 * reached nobody knows what an earlier run has changed. */
static void
forget_expected(struct job *job, const struct handshake *handshake)
{
    const struct application *application = job->data;
    struct trust *trust = &job->peer->trust;

    if (handshake->verdict.expected) /* then that is what is trusted by now, and nothing expected */
        return;
    job->peer->changed = true;
    if (handshake->judged && handshake->verdict.trusted)
        trust_expect_nothing(trust);
    else if (application->expects)
        trust_unexpect(trust, leaf_of(application));
}

static bool
take_answer(struct job *job, struct exchange *answered, struct exchange_request *next)
{
    struct application *application = job->data;
    json_t *checks = json_object_get(answered->answer, "checks");

    if (answered->outcome.code == KS_ERR_OUTCOME_UNKNOWN && !application->what_if) {
        outcome_move(&application->lost, &answered->outcome);
    } else if (answered->outcome.code) {
        if (!application->what_if)
            forget_expected(job, &answered->handshake);
        return job_failed(job, answered);
    }
    /* Again: if it showed what an earlier change had left, that took the place of all. */
    if (!application->what_if && trust_expect(&job->peer->trust, leaf_of(application))) {
        outcome_fail(&job->outcome, KS_ERR_OUTCOME_UNKNOWN, "no memory for what is expected");
        return false;
    }
    if (json_is_array(checks))
        (void)json_array_extend(application->checks, checks);
    outcome_field(&job->outcome, "checks", json_incref(application->checks));
    step_take_note(job, answered->answer);
    if (application->what_if) {
        step_done(job, "%s would apply", application->file->path);
        return false;
    }
    step_ask_status(job->peer, &application->applied, next);
    return true;
}

/* The handshake alone says it; what the agent answers then is of no matter. */
static void
take_look(struct job *job, struct exchange *answered)
{
    struct application *application = job->data;
    const struct handshake *handshake = &answered->handshake;
    char sha256[PEERCERT_HEX_LEN];

    if (!handshake->judged || !handshake->verdict.trusted) {
        if (application->lost.code)
            outcome_move(&job->outcome, &application->lost);
        else
            job_not_seen(job, answered);
        if (handshake->judged && job->outcome.code == KS_ERR_UNTRUSTED)
            outcome_hint(&job->outcome, "the agent says that it applied the certificate, but "
                                        "shows another one; look at its host");
        return;
    }
    if (step_trust_new(job->peer, handshake->leaf, handshake->chain,
                       application->issued->authorities)) {
        outcome_fail(&job->outcome, KS_ERR_INTERNAL, "no memory for what is trusted");
        return;
    }
    peercert_hex(handshake->leaf, sha256);
    peer_saw(job->peer, "trusted");
    outcome_field(&job->outcome, "certificate", peercert_json(handshake->leaf));
    step_done(job, "serves %s", sha256);
}

static bool
step(struct job *job, struct exchange *answered, struct exchange_request *next)
{
    switch (job->stage++) {
    case STAGE_BEGIN:
        return begin(job, next);
    case STAGE_ANSWERED:
        return take_answer(job, answered, next);
    default:
        take_look(job, answered);
        return false;
    }
}

/* --- all of them --- */

static ks_err
expect(struct job *job)
{
    struct application *application = job->data;
    struct trust *trust = &job->peer->trust;
    X509 *leaf = leaf_of(application);
    ks_err err = trust_pin(&application->applied, leaf);

    if (err || application->what_if)
        return err;
    application->expects = !trust_expects(trust, leaf);
    job->peer->changed = true;
    return trust_expect(trust, leaf);
}

/* What each agent is about to show stands in the list before anything is sent. */
static ks_err
prepare_all(struct console *console, struct work *work, struct report *report)
{
    struct fault why = FAULT_INIT;
    ks_err err = KS_OK;

    for (size_t i = 0; i < work->n_jobs && !err; i++)
        if (!prepare(&work->jobs[i]))
            err = expect(&work->jobs[i]);
    if (!err)
        err = fleet_save(console->fleet, &why);
    else
        fault_set(&why, "no memory for the certificates");
    return err ? report_fault(report, err, &why) : KS_OK;
}

static json_t *
surplus_json(const struct issued *issued)
{
    json_t *list = json_array();

    for (size_t i = 0; i < issued->surplus.n_items; i++)
        (void)json_array_append_new(list, json_string(issued->surplus.items[i]));
    return json_pack("{s:o?}", "surplus", list);
}

static int
end(struct console *console, struct work *work, const struct issued *issued, bool strict,
    struct report *report)
{
    int code = work_end(console, work, surplus_json(issued), report);

    for (size_t i = 0; i < issued->surplus.n_items && !console->json; i++)
        printf("surplus: %s is of no agent in the list\n", issued->surplus.items[i]);
    /* Of an apply all that was asked for may have been done; a folder that is verified is wrong. */
    return !code && strict && issued->surplus.n_items > 0 ? KS_ERR_NOT_FOUND : code;
}

static int
run(struct console *console, struct work *work, const struct issued *issued, bool what_if,
    bool strict, struct report *report)
{
    struct application *applications = calloc(work->n_jobs, sizeof(*applications));
    int code;

    if (!applications)
        return (int)report_fail(report, KS_ERR_INTERNAL, "no memory for the agents");
    for (size_t i = 0; i < work->n_jobs; i++) {
        work->jobs[i].data = &applications[i];
        applications[i].issued = issued;
        applications[i].file = issued_find(issued, work->jobs[i].peer->name);
        applications[i].what_if = what_if;
        applications[i].checks = json_array();
    }
    code = (int)work_remember(console, work, report);
    if (!code)
        code = (int)prepare_all(console, work, report);
    if (!code) {
        work_run(console, work, step);
        code = end(console, work, issued, strict, report);
    }
    for (size_t i = 0; i < work->n_jobs; i++) {
        json_decref(applications[i].checks);
        trust_deinit(&applications[i].applied);
        outcome_deinit(&applications[i].lost);
    }
    free(applications);
    return code;
}

static int
check_options_and_run(struct console *console, bool what_if, bool strict, struct report *report)
{
    ks_auto(work_deinit) struct work work = {0};
    ks_auto(issued_deinit) struct issued issued = {0};
    struct fault why = FAULT_INIT;
    ks_err err;

    if (!console->options.directory || !console->options.ca_file)
        return (int)report_fail(report, KS_ERR_USAGE, "--directory and --ca-file are needed");
    err = work_select(console, false, &work, report);
    if (err)
        return (int)err;
    err = issued_read(console->options.directory, console->options.ca_file, console->fleet, &issued,
                      &why);
    if (err)
        return (int)report_fault(report, err, &why);
    return run(console, &work, &issued, what_if, strict, report);
}

int
verb_verify(struct console *console, struct report *report)
{
    return check_options_and_run(console, true, true, report);
}

int
verb_apply(struct console *console, struct report *report)
{
    return check_options_and_run(console, console->options.what_if, false, report);
}
