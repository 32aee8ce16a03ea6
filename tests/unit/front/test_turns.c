/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "front/connection_state.h"
#include "front/quota.h"
#include "front/turns.h"
#include "front/worker.h"
#include "harness.h"

#define OTHER_UID 64811

/* Two callers with some calls each. */
struct rig {
    struct quota *quota;
    struct connection connections[2];
    struct call calls[2][3];
    struct turns turns;
};

static void
rig_make(struct rig *rig)
{
    static const struct config_limits limits = {.max_connections = 10,
                                                .max_connections_per_caller = 10};
    struct fault why = FAULT_INIT;

    memset(rig, 0, sizeof(*rig));
    cr_assert_eq(quota_new(&rig->quota), KS_OK);
    for (uint32_t who = 0; who < 2; who++) {
        const struct peer peer = {.uid = who};

        cr_assert_eq(
            quota_connect(rig->quota, &limits, &peer, false, &rig->connections[who].account, &why),
            KS_OK);
        for (size_t i = 0; i < ARRAY_LEN(rig->calls[who]); i++)
            rig->calls[who][i].connection = &rig->connections[who];
    }
    turns_init(&rig->turns);
}

/* The next is this one, and it has had its turn. */
static void
expect_turn(struct rig *rig, struct call *call)
{
    cr_assert_eq(turns_first(&rig->turns), call);
    turns_remove(&rig->turns, call);
}

Test(turns, one_with_many_calls_lets_another_s_go_behind_one_of_them)
{
    struct rig rig;

    rig_make(&rig);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(turns_put(&rig.turns, &rig.calls[0][i]), KS_OK);
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(turns_put(&rig.turns, &rig.calls[1][i]), KS_OK);
    expect_turn(&rig, &rig.calls[0][0]);
    expect_turn(&rig, &rig.calls[1][0]);
    expect_turn(&rig, &rig.calls[0][1]);
    /* Who comes back waits for the round that is going on. */
    cr_assert_eq(turns_put(&rig.turns, &rig.calls[1][2]), KS_OK);
    expect_turn(&rig, &rig.calls[1][1]);
    expect_turn(&rig, &rig.calls[0][2]);
    expect_turn(&rig, &rig.calls[1][2]);
    cr_assert_null(turns_first(&rig.turns));
    quota_free(rig.quota);
}

Test(turns, who_cannot_go_is_passed_over)
{
    struct rig rig;

    rig_make(&rig);
    cr_assert_eq(turns_put(&rig.turns, &rig.calls[0][0]), KS_OK);
    cr_assert_eq(turns_put(&rig.turns, &rig.calls[0][1]), KS_OK);
    cr_assert_null(turns_next(&rig.calls[0][0]));
    cr_assert_eq(turns_put(&rig.turns, &rig.calls[1][0]), KS_OK);
    cr_assert_eq(turns_next(&rig.calls[0][0]), &rig.calls[1][0]);
    /* One that ends while it waits is gone, wherever it stood. */
    turns_remove(&rig.turns, &rig.calls[1][0]);
    turns_remove(&rig.turns, &rig.calls[0][1]);
    expect_turn(&rig, &rig.calls[0][0]);
    quota_free(rig.quota);
}

Test(turns, the_front_s_own_calls_are_a_caller_s)
{
    struct call own = {.connection = NULL};
    struct rig rig;

    rig_make(&rig);
    cr_assert_eq(turns_put(&rig.turns, &rig.calls[0][0]), KS_OK);
    cr_assert_eq(turns_put(&rig.turns, &rig.calls[0][1]), KS_OK);
    cr_assert_eq(turns_put(&rig.turns, &own), KS_OK);
    expect_turn(&rig, &rig.calls[0][0]);
    expect_turn(&rig, &own);
    expect_turn(&rig, &rig.calls[0][1]);
    quota_free(rig.quota);
}

/* With a front, two users and a worker whose jobs take long. */

static const char *const KEYS[] = {"web/shop@1", "web/shop@2", NULL};

/* Only this thread's user changes, which the C library's function would not do. */
static int
hello_as(struct harness *h, uint32_t uid)
{
    int fd;

    cr_assert_eq(chmod(h->dir, 0711), 0);
    cr_assert_eq(chmod(h->socket_path, 0666), 0);
    cr_assert_eq(syscall(SYS_setresuid, -1, uid, -1), 0);
    fd = client_hello(h);
    cr_assert_eq(syscall(SYS_setresuid, -1, 0, -1), 0);
    return fd;
}

static void
answer_after(struct channel *worker, uint64_t id, uint64_t execution_us)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct job_reply reply = {.id = id,
                              .algorithm = KS_ALGORITHM_ECDSA_SHA256,
                              .execution_us = execution_us,
                              .data = (const uint8_t *)"x",
                              .data_len = 1};

    job_reply_pack(&body, &reply);
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_REPLY, &body, NULL, 0, HARNESS_WAIT_MS), KS_OK);
}

/* The version of the key of the next job; its id. */
static uint32_t
take_sign(struct channel *worker, uint64_t *id)
{
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;

    worker_take(worker, &storage, &job);
    *id = job.id;
    return job.version;
}

/* The front has seen what this client has sent. */
static void
seen(int fd)
{
    client_send_status(fd, 99);
    client_expect(fd, 99, KS_OK);
}

/* Many jobs of one and then one of the other: how many the worker is given before the other's. */
static size_t
jobs_before_the_other(bool other_was_there)
{
    enum { MANY = 20 };
    struct harness h = {.thread = 0};
    struct channel *worker;
    size_t n_before = 0;
    int fd, other;
    uint64_t id;

    harness_prepare(&h);
    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, KEYS);
    harness_settled(&h, 2);
    fd = client_hello(&h);
    other = hello_as(&h, OTHER_UID);
    client_send_sign(other_was_there ? other : fd, 50, "web/shop@1", 0);
    (void)take_sign(worker, &id);
    answer_after(worker, id, 16 * 1000);
    client_expect(other_was_there ? other : fd, 50, KS_OK);
    if (other_was_there)
        clock_shift(-10 * 1000000ll, 0); /* that was just now, however long the rest takes */
    for (uint64_t i = 1; i <= MANY; i++)
        client_send_sign(fd, i, "web/shop@1", 0);
    seen(fd);
    client_send_sign(other, 51, "web/shop@2", 0);
    seen(other);
    for (; take_sign(worker, &id) == 1; n_before++)
        answer_after(worker, id, 1000);
    answer_after(worker, id, 1000);
    client_expect(other, 51, KS_OK);
    close(fd);
    close(other);
    channel_free(worker);
    harness_stop(&h);
    return n_before;
}

Test(turns, a_worker_gets_little_ahead_of_one_of_several_callers)
{
    if (getuid() != 0)
        cr_skip_test("two callers are two users: needs root");
    cr_assert_leq(jobs_before_the_other(true), WORKER_SHARE_JOBS);
}

Test(turns, a_worker_gets_no_more_ahead_of_a_lone_caller_than_takes_a_moment)
{
    if (getuid() != 0)
        cr_skip_test("two callers are two users: needs root");
    /* Those that it had, and one for which there was room before the other came. */
    cr_assert_leq(jobs_before_the_other(false), WORKER_ALONE_JOBS + 1);
}

/* With a front, two workers and two callers, of whom the other has just asked. */
struct pair {
    struct harness h;
    struct channel *first, *second;
    int fd, other;
};

static void
pair_begin(struct pair *p)
{
    uint64_t id;

    *p = (struct pair){.h = {.thread = 0}};
    harness_prepare(&p->h);
    harness_start(&p->h);
    p->first = harness_worker(&p->h, 1);
    p->second = harness_worker(&p->h, 2);
    worker_list(p->first, KEYS);
    harness_settled(&p->h, 2);
    p->fd = client_hello(&p->h);
    p->other = hello_as(&p->h, OTHER_UID);
    client_send_sign(p->other, 50, "web/shop@2", 0);
    (void)take_sign(p->first, &id);
    answer_after(p->first, id, 100);
    client_expect(p->other, 50, KS_OK);
}

static void
pair_end(struct pair *p)
{
    close(p->fd);
    close(p->other);
    channel_free(p->first);
    channel_free(p->second);
    harness_stop(&p->h);
}

/* Many jobs of one caller, then one of another's: the version of the key of the first job that the second of two
 * workers gets. */
static uint32_t
first_job_of_the_second_worker(bool other_has_just_asked)
{
    struct pair p;
    uint32_t version;
    uint64_t id;

    pair_begin(&p);
    /* Just now, however long this thread has to wait for a processor; or a while ago. */
    clock_shift(other_has_just_asked ? -10 * 1000000ll : 500 * 1000, 0);
    for (uint64_t i = 1; i <= 10; i++)
        client_send_sign(p.fd, i, "web/shop@1", 0);
    seen(p.fd);
    client_send_sign(p.other, 51, "web/shop@2", 0);
    version = take_sign(p.second, &id);
    pair_end(&p);
    return version;
}

Test(turns, one_of_several_callers_leaves_a_worker_to_the_others)
{
    if (getuid() != 0)
        cr_skip_test("two callers are two users: needs root");
    cr_assert_eq(first_job_of_the_second_worker(true), 2);
}

Test(turns, a_caller_has_all_workers_while_nobody_else_asks)
{
    if (getuid() != 0)
        cr_skip_test("two callers are two users: needs root");
    cr_assert_eq(first_job_of_the_second_worker(false), 1);
}

Test(turns, who_has_a_key_made_has_the_other_workers_meanwhile)
{
    struct pair p;
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;
    uint64_t id;

    if (getuid() != 0)
        cr_skip_test("two callers are two users: needs root");
    pair_begin(&p);
    clock_shift(-10 * 1000000ll, 0); /* just now */
    client_send_generate(p.fd, 1, "web/new");
    worker_take(p.first, &storage, &job);
    cr_assert_eq(job.operation, JOB_GENERATE);
    client_send_sign(p.fd, 2, "web/shop@1", 0);
    cr_assert_eq(take_sign(p.second, &id), 1);
    answer_after(p.second, id, 1);
    client_expect(p.fd, 2, KS_OK);
    pair_end(&p);
}

Test(turns, a_worker_that_hangs_does_not_keep_its_caller_from_the_others)
{
    struct pair p;
    uint64_t id;

    if (getuid() != 0)
        cr_skip_test("two callers are two users: needs root");
    pair_begin(&p);
    client_send_sign(p.fd, 1, "web/shop@1", 0);
    (void)take_sign(p.first, &id); /* and no answer to it */
    clock_shift(20 * WORKER_SILENT_MS * 1000ll, 0);
    client_send_sign(p.other, 51, "web/shop@2", 0);
    cr_assert_eq(take_sign(p.second, &id), 2);
    answer_after(p.second, id, 100);
    client_expect(p.other, 51, KS_OK);
    clock_shift(10 * WORKER_SILENT_MS * 1000ll, 0); /* that was just now, however long this takes */
    client_send_sign(p.fd, 2, "web/shop@1", 0);
    cr_assert_eq(take_sign(p.second, &id), 1);
    pair_end(&p);
}
