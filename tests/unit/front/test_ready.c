/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a token takes jobs: once the front has the list of what is on it.
 */
#include "harness.h"

#include "base/clock.h"

static const char *const KEYS[] = {"web/shop@1", NULL};

static struct harness h;
static struct channel *first;
static int fd;

static void
begin(void)
{
    harness_prepare(&h);
    harness_start(&h);
    first = harness_worker(&h, 1);
    fd = client_hello(&h);
}

static void
end(void)
{
    close(fd);
    channel_free(first);
    harness_stop(&h);
}

TestSuite(ready, .init = begin, .fini = end, .timeout = 60);

/* Says `text` of the whole token, and asks until the front has heard that, and all before it. */
static void
expect_state(const char *text, const char *state, uint32_t n_ready)
{
    uint64_t end_ms = clock_mono_ms() + HARNESS_WAIT_MS;
    bool heard = false;

    harness_state(&h, 0, TOKEN_STATE_READY, text);
    while (!heard && clock_mono_ms() < end_ms) {
        Keysvc__V1__Response *response;

        usleep(10000); /* status has a rate */
        client_send_status(fd, 1);
        response = client_receive(fd);
        heard = strcmp(response->status->tokens[0]->text, text) == 0;
        if (heard) {
            cr_assert_str_eq(response->status->tokens[0]->state, state);
            cr_assert_eq(response->status->tokens[0]->ready_workers, n_ready);
        }
        response_free(response);
    }
    cr_assert(heard);
}

static void
expect_refusal(const char *text)
{
    Keysvc__V1__Response *response = client_receive(fd);

    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_ERROR);
    cr_assert_eq(response->error->code, KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_not_null(strstr(response->error->message, text), "%s", response->error->message);
    response_free(response);
}

static void
list(void)
{
    worker_list(first, KEYS);
    harness_settled(&h, 1);
}

static void
expect_signature(struct channel *worker)
{
    client_send_sign(fd, 2, "web/shop@1", 0);
    worker_answer(worker, worker_take_id(worker, JOB_SIGN), KS_OK, "x");
    client_expect(fd, 2, KS_OK);
}

Test(ready, a_token_is_starting_until_its_keys_are_listed)
{
    expect_state("joined", "starting", 0);
    client_send_generate(fd, 2, "web/new");
    expect_refusal("it has not told its keys yet");
    list();
    expect_state("listed", "ready", 1);
    expect_signature(first);
}

/* It may be another token's: what a name means is what the list before said. */
Test(ready, a_first_worker_that_is_started_anew_gets_no_job_before_it_has_listed_its_token_again)
{
    list();
    channel_free(first);
    first = harness_worker(&h, 1);
    expect_state("joined again", "starting", 0);
    client_send_get(fd, 2, "web/shop", 0);
    client_expect(fd, 2, KS_OK);
    client_send_sign(fd, 2, "web/shop@1", 0);
    expect_refusal("it has not told its keys yet");
    list();
    expect_state("listed again", "ready", 1);
    expect_signature(first);
}

Test(ready, the_other_workers_go_on_while_the_first_one_lists)
{
    struct channel *second;

    list();
    second = harness_worker(&h, 2);
    expect_state("both", "ready", 2);
    channel_free(first);
    first = harness_worker(&h, 1);
    expect_state("the first is back", "ready", 1);
    expect_signature(second);
    client_send_generate(fd, 2, "web/new");
    expect_refusal("it has not told its keys yet");
    list();
    expect_state("the first has listed", "ready", 2);
    channel_free(second);
}

Test(ready, another_worker_waits_for_the_first_ones_list)
{
    struct channel *second = harness_worker(&h, 2);

    expect_state("both", "starting", 0);
    list();
    expect_state("listed", "ready", 2);
    channel_free(first);
    first = NULL;
    expect_state("one", "ready", 1);
    expect_signature(second);
    channel_free(second);
}
