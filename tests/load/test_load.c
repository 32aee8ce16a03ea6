/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_load - the load generator against a service that errs: everything it is to find is found
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/util.h"
#include "tests/unit/client/fake_server.h"

#define OPERATION_GET 13

static struct fake_server *server;
static json_t *report;
static fake_handler on_sign;
static _Atomic unsigned int n_seen;

static void
handler(struct fake_server *from, const struct fake_request *request)
{
    if (request->operation == OPERATION_GET) {
        fake_key(request, "web/shop", 1);
        return;
    }
    n_seen++;
    on_sign(from, request);
}

static void
teardown(void)
{
    json_decref(report);
    if (server)
        fake_server_stop(server, true);
}

TestSuite(load, .fini = teardown, .timeout = 30);

/* The program's exit code; its report, if there is one, in `report`. */
static int
load(fake_handler sign, const char *options)
{
    char command[512], text[8192] = "";
    FILE *out;

    on_sign = sign;
    server = fake_server_start(NULL, handler, NULL);
    snprintf(command, sizeof(command), "%s --socket %s --key web/shop --json %s", LOAD_PROGRAM,
             fake_server_path(server), options);
    out = popen(command, "r");
    (void)!fread(text, 1, sizeof(text) - 1, out);
    report = json_loads(text, 0, NULL);
    return WEXITSTATUS(pclose(out));
}

static long
reported(const char *name)
{
    json_t *outcomes = json_object_get(report, "outcomes");
    json_t *value = json_object_get(report, name);

    return json_integer_value(value ? value : json_object_get(outcomes, name));
}

static void
right(struct fake_server *from, const struct fake_request *request)
{
    (void)from;
    fake_signature(request, "signature", 9);
}

Test(load, counts_what_was_answered_once_as_nothing_else)
{
    cr_assert_eq(load(right, "--via protocol --threads 3 --open 4 --count 100"), 0);
    cr_assert_eq(reported("asked"), 100);
    cr_assert_eq(reported("OK"), 100);
    cr_assert_eq(n_seen, 100);
    cr_assert_eq(reported("connections"), 3);
    for (const char *const *name = (const char *const[]){"refused", "wrong", "doubled", "strange",
                                                         "unanswered", "lost", NULL};
         *name; name++)
        cr_assert_eq(reported(*name), 0, "%s", *name);
}

Test(load, counts_by_the_library_too)
{
    cr_assert_eq(load(right, "--via library --processes 2 --threads 2 --count 100"), 0);
    cr_assert_eq(reported("OK"), 100);
    cr_assert_eq(n_seen, 100);
}

static void
answer_twice(struct fake_server *from, const struct fake_request *request)
{
    right(from, request);
    right(from, request);
}

Test(load, finds_an_answer_that_comes_twice)
{
    /* Those of the last requests may be read by nobody. */
    cr_assert_eq(load(answer_twice, "--via protocol --open 2 --count 50"), 0);
    cr_assert_eq(reported("OK"), 50);
    cr_assert_geq(reported("doubled"), 48);
    cr_assert_eq(reported("strange"), 0);
}

static void
answer_another(struct fake_server *from, const struct fake_request *request)
{
    struct fake_request other = *request;

    other.id += 1000000;
    right(from, &other);
}

Test(load, finds_an_answer_to_nothing_and_the_request_that_has_none)
{
    cr_assert_eq(load(answer_another, "--via protocol --open 2 --count 2 --deadline-ms 1000"), 0);
    cr_assert_eq(reported("OK"), 0);
    cr_assert_eq(reported("strange"), 2);
    cr_assert_eq(reported("doubled"), 0);
    cr_assert_eq(reported("unanswered"), 2);
}

static void
answer_done(struct fake_server *from, const struct fake_request *request)
{
    struct fake_request other = *request;

    (void)from;
    other.operation = 19; /* reload */
    fake_done(&other);
}

Test(load, finds_an_answer_of_another_kind)
{
    cr_assert_eq(load(answer_done, "--via protocol --count 5"), 0);
    cr_assert_eq(reported("OK"), 0);
    cr_assert_eq(reported("strange"), 5);
}

static void
hang_up_at_the_tenth(struct fake_server *from, const struct fake_request *request)
{
    if (n_seen == 10)
        shutdown(request->fd, SHUT_RDWR);
    else
        right(from, request);
}

Test(load, connects_again_and_tells_what_was_lost)
{
    cr_assert_eq(load(hang_up_at_the_tenth, "--via protocol --open 1 --count 20"), 0);
    cr_assert_eq(reported("lost"), 1);
    cr_assert_eq(reported("OK"), 19);
    cr_assert_eq(reported("connections"), 2);
}

static void
fail_by_turns(struct fake_server *from, const struct fake_request *request)
{
    (void)from;
    if (n_seen % 2 == 0)
        fake_error(request, 11, true); /* BUSY */
    else
        fake_error(request, 3, false); /* DENIED */
}

Test(load, tells_failures_by_name_and_which_are_for_good)
{
    cr_assert_eq(load(fail_by_turns, "--via protocol --count 10"), 0);
    cr_assert_eq(reported("BUSY"), 5);
    cr_assert_eq(reported("DENIED"), 5);
    cr_assert_eq(reported("refused"), 5);
    cr_assert_eq(reported("ok"), 0);
}

Test(load, a_key_that_cannot_be_had_is_trouble_of_its_own)
{
    cr_assert_eq(load(right, "--via protocol --verify"), 1, "the fake's public key is none");
    cr_assert_null(report);
    cr_assert_eq(n_seen, 0);
}

Test(load, nobody_listens_is_trouble_of_its_own)
{
    cr_assert_eq(load(right, "--via protocol --socket /nowhere/socket"), 1);
}

Test(load, a_wrong_command_line_is_told_apart)
{
    cr_assert_eq(load(right, "--via letters 2>/dev/null"), 2);
}
