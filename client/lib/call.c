/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call - attempts within one deadline
 *
 * Two questions decide about another attempt. Can the request have been carried out? What may be
 * done twice is repeated anyway; the rest only while keysvcd cannot have seen it whole, or when it
 * was too BUSY to begin: each reload of its configuration has such moments. Will waiting help? A
 * quota or a queue empties at any time; a token process or a service is back soon after a restart,
 * or it is not restarting: then one call has waited for it, and those behind fail at once until it
 * is back. A server that answers many with one thread would stand still else.
 */
#include "client/lib/call.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "client/lib/client.h"
#include "client/lib/error.h"

#define PAUSE_FIRST_MS 10
#define PAUSE_MAX_MS 500
#define PATIENCE_MS 5000 /* a token process is back in half a second, keysvcd in two */
#define MAX_LOST 4 /* connections: a request that brings the service down is not sent for ever */

/* May be done twice. Importing is not: a second one would make another version. */
/* clang-format off */
static const bool REPEATABLE[OPERATION_END] = {
    [OPERATION_STATUS] = true,
    [OPERATION_LIST] = true,
    [OPERATION_GET] = true,
    [OPERATION_GENERATE] = false,
    [OPERATION_ROTATE] = false,
    [OPERATION_SIGN] = true,
    [OPERATION_CSR] = true,
    [OPERATION_EXPLAIN] = true,
    [OPERATION_RELOAD] = false,
    [OPERATION_RETRY_LOGIN] = false,
    [OPERATION_RESCAN] = true,
    [OPERATION_SELF_SIGN] = true,
    [OPERATION_IMPORT] = false,
    [OPERATION_DESTROY] = false,
    [OPERATION_CERTIFICATE_PUT] = false,
    [OPERATION_CERTIFICATE_GET] = true,
    [OPERATION_CERTIFICATE_DELETE] = false,
    [OPERATION_TOKEN_INFO] = true,
    [OPERATION_METRICS] = true,
};
/* clang-format on */

struct attempt {
    uint64_t began_ms;
    uint64_t deadline_ms;
    uint64_t tried_ms; /* the last one began */
    uint32_t pause_ms;
    unsigned int n_lost;
    enum connection_sent sent;
};

static ks_err try_once(struct ks_client *client, const struct request *request,
                       struct attempt *attempt, struct response **out, struct ks_error *error);
static bool may_retry(struct ks_client *client, const struct request *request,
                      struct attempt *attempt, const struct ks_error *error);
static bool was_begun(const struct request *request, const struct attempt *attempt,
                      const struct ks_error *error);
static bool pause_before_next(struct attempt *attempt);
static bool was_cut_off(const struct request *request, const struct attempt *attempt);
static void note_outcome(struct ks_client *client, const struct request *request, ks_err err);
static ks_err outcome_unknown(const struct request *request, struct ks_error *error);

ks_err
call_run(struct ks_client *client, const struct request *request, struct response **out,
         struct ks_error *error)
{
    struct attempt attempt = {.pause_ms = PAUSE_FIRST_MS};
    struct ks_error why, before;
    int cancel_state;
    ks_err err;

    /* A thread that were cancelled in here would take locks with it, and the reader's place. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    attempt.began_ms = clock_mono_ms();
    attempt.deadline_ms = attempt.began_ms + client_timeout_ms(client);
    error_clear(&before);
    for (;;) {
        error_clear(&why);
        attempt.tried_ms = clock_mono_ms();
        err = try_once(client, request, &attempt, out, &why);
        if (!err || !may_retry(client, request, &attempt, &why))
            break;
        before = why;
        if (!pause_before_next(&attempt))
            break;
    }
    if (err == KS_ERR_DEADLINE && before.code && was_cut_off(request, &attempt)) {
        why = before;
        err = why.code;
    }
    note_outcome(client, request, err);
    pthread_setcancelstate(cancel_state, NULL);
    if (err && attempt.sent == CONNECTION_SENT && !REPEATABLE[request->operation])
        err = outcome_unknown(request, &why);
    if (error)
        *error = why;
    return err;
}

ks_err
call_for_done(struct ks_client *client, const struct request *request, struct ks_error *error)
{
    ks_auto(response_freep) struct response *response = NULL;

    return call_run(client, request, &response, error);
}

static ks_err
try_once(struct ks_client *client, const struct request *request, struct attempt *attempt,
         struct response **out, struct ks_error *error)
{
    ks_auto(response_freep) struct response *response = NULL;
    struct lent *lent;
    ks_err err;

    attempt->sent = CONNECTION_NOT_SENT;
    err = client_take(client, attempt->deadline_ms, &lent, error);
    if (err)
        return err;
    err = connection_call(lent->connection, request, attempt->deadline_ms, &attempt->sent,
                          &response, error);
    client_put(client, lent);
    if (err)
        return err;
    err = response_check(response, request->operation, error);
    if (err)
        return err;
    *out = ks_steal(&response);
    return KS_OK;
}

static bool
may_retry(struct ks_client *client, const struct request *request, struct attempt *attempt,
          const struct ks_error *error)
{
    if (was_begun(request, attempt, error) && !REPEATABLE[request->operation])
        return false;
    if (!error->retryable)
        return false;
    switch (error->code) {
    case KS_ERR_BUSY:
        return true;
    case KS_ERR_TOKEN_UNAVAILABLE:
        return client_expects(client, AWAITED_TOKEN) &&
               clock_mono_ms() - attempt->began_ms < PATIENCE_MS;
    case KS_ERR_NO_SERVICE:
        if (attempt->sent == CONNECTION_SENT && ++attempt->n_lost >= MAX_LOST)
            return false;
        return client_expects(client, AWAITED_SERVICE) &&
               clock_mono_ms() - attempt->began_ms < PATIENCE_MS;
    default:
        return false;
    }
}

/* Or may have been. A login that was BUSY may have cost a try meanwhile: nobody asked for two. */
static bool
was_begun(const struct request *request, const struct attempt *attempt,
          const struct ks_error *error)
{
    if (attempt->sent == CONNECTION_ANSWERED && error->code == KS_ERR_BUSY)
        return request->operation == OPERATION_RETRY_LOGIN;
    return attempt->sent != CONNECTION_NOT_SENT;
}

/* False: the time would be over. Half of the pause is by chance, so that many do not come at once.
 */
static bool
pause_before_next(struct attempt *attempt)
{
    uint32_t half_ms = attempt->pause_ms / 2;
    uint64_t pause_ms = half_ms + clock_mono_us() % (half_ms + 1);
    struct timespec pause = {.tv_sec = (time_t)(pause_ms / 1000),
                             .tv_nsec = (long)(pause_ms % 1000) * 1000000};

    if (clock_mono_ms() + pause_ms >= attempt->deadline_ms)
        return false;
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, &pause) == EINTR)
        ;
    attempt->pause_ms = attempt->pause_ms * 2 < PAUSE_MAX_MS ? attempt->pause_ms * 2 : PAUSE_MAX_MS;
    return true;
}

/* The last attempt had no time left that an answer could be missed in: what was waited for all the
 * while is what the one before it was told. */
static bool
was_cut_off(const struct request *request, const struct attempt *attempt)
{
    return clock_mono_ms() - attempt->tried_ms < PAUSE_MAX_MS &&
           (REPEATABLE[request->operation] || attempt->sent == CONNECTION_NOT_SENT);
}

/* Only what a token process has done shows that it is there: the front answers reads by itself. */
static void
note_outcome(struct ks_client *client, const struct request *request, ks_err err)
{
    if (err == KS_ERR_NO_SERVICE)
        client_expect(client, AWAITED_SERVICE, false);
    else if (err == KS_ERR_TOKEN_UNAVAILABLE)
        client_expect(client, AWAITED_TOKEN, false);
    else if (!err && request->operation == OPERATION_SIGN)
        client_expect(client, AWAITED_TOKEN, true);
}

/* Where to look; the other operations keep the hint of the error. */
static void
hint_where(const struct request *request, struct ks_error *error)
{
    const struct ks_key *key = request_key(request);

    switch (request->operation) {
    case OPERATION_CERTIFICATE_PUT:
    case OPERATION_CERTIFICATE_DELETE:
        error_hint(error, "look with keysvc key certificate %s@%u get before trying again",
                   key->name, key->version);
        break;
    case OPERATION_RELOAD:
        error_hint(error, "look at the generation of the configuration with keysvc status");
        break;
    case OPERATION_RETRY_LOGIN:
        error_hint(error, "look with keysvc token list before trying again: a login costs a try");
        break;
    default:
        break;
    }
}

static ks_err
outcome_unknown(const struct request *request, struct ks_error *error)
{
    char cause[sizeof(error->message) / 2], what[REQUEST_TEXT_LEN];

    snprintf(cause, sizeof(cause), "%.*s", (int)sizeof(cause) - 1, error->message);
    request_describe(request, what);
    error_set(error, KS_ERR_OUTCOME_UNKNOWN, "%s was sent and may have been done: %s", what, cause);
    hint_where(request, error);
    return KS_ERR_OUTCOME_UNKNOWN;
}
