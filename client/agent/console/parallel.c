/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parallel - the loop over libcurl's multi handle
 */
#include "client/agent/console/parallel.h"

#include <signal.h>

#include "base/clock.h"

#define LOOK_MS 200 /* how soon a signal is noticed */

struct loop {
    const struct parallel *parallel;
    job_step_fn step;
    CURLM *multi;
    size_t n_running;
};

static volatile sig_atomic_t stopped;

static void
note_stop(int number)
{
    (void)number;
    stopped = 1;
}

static void
finish(struct loop *loop, struct job *job)
{
    job->finished = true;
    progress_done(loop->parallel->progress, job->peer->name, &job->outcome);
}

/* Asks what the step wants next. The job's time covers all of its requests. */
static void
ask(struct loop *loop, struct job *job, struct exchange_request *request)
{
    uint64_t now = clock_mono_ms();

    if (now >= job->deadline_ms) {
        json_decref(request->body);
        outcome_fail(&job->outcome, job->maybe_changed ? KS_ERR_OUTCOME_UNKNOWN : KS_ERR_DEADLINE,
                     "not %s within %u ms", job->maybe_changed ? "seen to be done" : "done",
                     loop->parallel->timeout_ms);
        finish(loop, job);
        return;
    }
    if (exchange_new(job->peer, request, (uint32_t)(job->deadline_ms - now), &job->exchange) ||
        curl_easy_setopt(job->exchange->curl, CURLOPT_PRIVATE, job) != CURLE_OK ||
        curl_multi_add_handle(loop->multi, job->exchange->curl) != CURLM_OK) {
        job->exchange = exchange_free(job->exchange);
        outcome_fail(&job->outcome, KS_ERR_INTERNAL, "no memory for a connection");
        finish(loop, job);
        return;
    }
    loop->n_running++;
}

static void
advance(struct loop *loop, struct job *job, struct exchange *answered)
{
    struct exchange_request request = {0};

    if (loop->step(job, answered, &request)) {
        ask(loop, job, &request);
        return;
    }
    json_decref(request.body);
    finish(loop, job);
}

static void
begin(struct loop *loop, struct job *job)
{
    job->deadline_ms = clock_mono_ms() + loop->parallel->timeout_ms;
    advance(loop, job, NULL);
}

static struct exchange *
detach(struct loop *loop, struct job *job)
{
    struct exchange *exchange = ks_steal(&job->exchange);

    curl_multi_remove_handle(loop->multi, exchange->curl);
    loop->n_running--;
    return exchange;
}

/* It shows what an earlier change was to put there: from now on that is what is trusted. */
static void
settle_expected(struct job *job, const struct exchange *exchange)
{
    const struct handshake *handshake = &exchange->handshake;
    struct trust *trust = &job->peer->trust;

    if (handshake->trust != trust || !handshake->verdict.expected)
        return;
    job->peer->changed = true;
    /* Without memory for it the list stays as it was, and expects it still. */
    if (trust_pin(trust, handshake->leaf) != KS_OK)
        job->peer->changed = false;
}

static void
take_ended(struct loop *loop)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(loop->multi, &left))) {
        CURLcode code = message->data.result;
        struct exchange *exchange;
        struct job *job = NULL;

        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&job) != CURLE_OK)
            continue;
        exchange = detach(loop, job);
        exchange_end(exchange, code);
        job->maybe_changed |=
            exchange->changes &&
            (!exchange->outcome.code || exchange->outcome.code == KS_ERR_OUTCOME_UNKNOWN);
        settle_expected(job, exchange);
        advance(loop, job, exchange);
        exchange_free(exchange);
    }
}

/* What a signal or a failing loop left: whether a change that was asked for was made, nobody knows. */
static void
give_up(struct loop *loop, struct job *job, const char *why)
{
    bool unknown = job->maybe_changed || (job->exchange && job->exchange->changes);

    if (job->exchange)
        exchange_free(detach(loop, job));
    outcome_fail(&job->outcome, unknown ? KS_ERR_OUTCOME_UNKNOWN : KS_ERR_DEADLINE, "%s", why);
    outcome_hint(&job->outcome, "keysvc-agent console retry goes on with what was not done");
    finish(loop, job);
}

static void
run(struct loop *loop, struct job *jobs, size_t n_jobs)
{
    size_t next = 0;
    CURLMcode code = CURLM_OK;

    while (code == CURLM_OK && !stopped && (next < n_jobs || loop->n_running > 0)) {
        int n_running;

        while (next < n_jobs && loop->n_running < loop->parallel->n_at_once)
            begin(loop, &jobs[next++]);
        code = curl_multi_perform(loop->multi, &n_running);
        take_ended(loop);
        if (code == CURLM_OK && loop->n_running > 0)
            code = curl_multi_poll(loop->multi, NULL, 0, LOOK_MS, NULL);
    }
    for (size_t i = 0; i < n_jobs; i++) {
        if (!jobs[i].finished)
            give_up(loop, &jobs[i], stopped ? "interrupted" : "the loop of connections failed");
    }
}

void
parallel_run(const struct parallel *parallel, struct job *jobs, size_t n_jobs, job_step_fn step)
{
    struct loop loop = {.parallel = parallel, .step = step, .multi = curl_multi_init()};
    const struct sigaction action = {.sa_handler = note_stop};
    struct sigaction interrupt, terminate;

    stopped = 0;
    sigaction(SIGINT, &action, &interrupt);
    sigaction(SIGTERM, &action, &terminate);
    progress_begin(parallel->progress, n_jobs);
    if (loop.multi)
        run(&loop, jobs, n_jobs);
    for (size_t i = 0; i < n_jobs && !loop.multi; i++)
        outcome_fail(&jobs[i].outcome, KS_ERR_INTERNAL, "no memory for connections");
    progress_end(parallel->progress);
    curl_multi_cleanup(loop.multi);
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &terminate, NULL);
}

bool
job_failed(struct job *job, struct exchange *answered)
{
    outcome_move(&job->outcome, &answered->outcome);
    return false;
}

bool
job_not_seen(struct job *job, struct exchange *answered)
{
    if (answered->outcome.code == KS_ERR_UNTRUSTED)
        return job_failed(job, answered);
    outcome_fail(&job->outcome, KS_ERR_OUTCOME_UNKNOWN,
                 "it says that it is done, but what it shows could not be seen: %s",
                 answered->outcome.message);
    outcome_hint(&job->outcome, "see keysvc-agent console status");
    return false;
}
