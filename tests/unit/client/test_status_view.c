/* SPDX-License-Identifier: Apache-2.0 */
/* What `keysvc status --watch` makes of two looks. */
#include "client/cli/status_view.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct ks_token token = {.name = "main", .state = "ready", .workers = 1};
static struct ks_status status = {
    .version = "1", .administrator = true, .uptime_ms = 61000, .tokens = &token, .n_tokens = 1};

static struct ks_request_count counts_before[] = {{"sign", "OK", 100}, {"sign", "DENIED", 1}};
static struct ks_request_count counts_now[] = {
    {"status", "OK", 6}, {"sign", "OK", 150}, {"sign", "DENIED", 2}, {"sign", "BUSY", 4}};
static struct ks_job_times times_before = {
    .operation_class = "sign", .queue_us = 5000, .execution_us = 9000, .execution_counts = {100}};
static struct ks_job_times times_now = {.operation_class = "sign",
                                        .queue_us = 55000,
                                        .execution_us = 14000,
                                        .execution_counts = {140, 10}};
static struct ks_worker_metrics worker = {.token = "main", .worker = 1, .restarts = 3};

static struct ks_metrics metrics_before = {.started_us = 7,
                                           .n_bounds = 1,
                                           .requests = counts_before,
                                           .n_requests = 2,
                                           .times = &times_before,
                                           .n_times = 1};
static struct ks_metrics metrics_now = {.started_us = 7,
                                        .n_bounds = 1,
                                        .front_restarts = 1,
                                        .requests = counts_now,
                                        .n_requests = 4,
                                        .times = &times_now,
                                        .n_times = 1,
                                        .workers = &worker,
                                        .n_workers = 1};

static const struct status_look before = {
    .at_ms = 1000, .status = &status, .metrics = &metrics_before};

static struct status_look now = {.at_ms = 3000, .status = &status, .metrics = &metrics_now};

/* Somewhere a line that begins so and, spaces aside, goes on so. */
static void
expect_line(const char *text, const char *wanted)
{
    ks_auto(freep) char *squeezed = calloc(strlen(text) + 1, 1);
    size_t len = 0;

    for (const char *c = text; *c; c++) {
        if (*c != ' ' || c[1] != ' ')
            squeezed[len++] = *c;
    }
    cr_expect_not_null(strstr(squeezed, wanted), "\"%s\" stands not in\n%s", wanted, text);
}

Test(status_view, rates_are_what_came_between_two_looks)
{
    ks_auto(freep) char *text = status_view_rates(&before, &now);

    expect_line(text, "\nstatus 3.0 0.0 6 0\n");
    expect_line(text, "\nsign 27.5 2.5 156 6\n");
    expect_line(text, "\nsign 25.0 1.000 ms 0.100 ms\n");
    expect_line(text, "restarts: 4,");
    expect_line(text, "up 1m 1s");
    expect_line(text, "\nmain ready ");
}

Test(status_view, a_first_look_and_one_after_a_restart_have_totals_and_no_rates)
{
    const struct status_look none = {0};
    struct ks_metrics other = metrics_before;
    const struct status_look old = {.at_ms = 1000, .status = &status, .metrics = &other};

    for (int i = 0; i < 2; i++) {
        ks_auto(freep) char *text = NULL;

        other.started_us = 6;
        text = status_view_rates(i == 0 ? &none : &old, &now);
        expect_line(text, "\nsign - - 156 6\n");
        expect_line(text, "\nsign - 0.367 ms 0.093 ms\n");
    }
    cr_assert(status_view_restarted(&old, &now));
    other.started_us = 7;
    cr_assert_not(status_view_restarted(&old, &now));
}

Test(status_view, who_does_not_administer_sees_states_and_restarts)
{
    struct ks_status later = status;
    const struct status_look first = {.at_ms = 1000, .status = &status};
    const struct status_look second = {.at_ms = 3000, .status = &later};
    ks_auto(freep) char *text = status_view_rates(&first, &second);

    expect_line(text, "\nmain ready ");
    cr_assert_null(strstr(text, "PER SECOND"));
    cr_assert_not(status_view_restarted(&first, &second));
    later.uptime_ms = 100;
    cr_assert(status_view_restarted(&first, &second));
}

Test(status_view, groups_stand_below_the_tokens_and_nowhere_where_there_are_none)
{
    static char tokens[][64] = {"main", "west"};
    struct ks_group group = {
        .name = "both", .tokens = tokens, .n_tokens = 2, .keys = 3, .keys_everywhere = 2};
    static const char *const states[] = {"lost 0/2", "degraded 1/2", "ready 2/2"};
    struct ks_status with = status;
    ks_auto(freep) char *without = status_view_text(&status);

    cr_assert_null(strstr(without, "GROUP"));
    with.groups = &group;
    with.n_groups = 1;
    for (uint32_t i = 0; i < 3; i++) {
        ks_auto(freep) char *text = NULL;
        char line[64];

        group.ready_tokens = i;
        snprintf(line, sizeof(line), "both %s 3 2 0 main,west\n", states[i]);
        text = status_view_text(&with);
        expect_line(text, line);
    }
}
