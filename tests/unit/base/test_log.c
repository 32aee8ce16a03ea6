/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log - a log that goes nowhere, to nobody, or to somebody who does not read
 *
 * Each test is a process of its own, whose standard error it gives away.
 */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/log.h"

#define TEXT_LEN (256 * 1024)

/* What is there to be read, as a text; to be freed. */
static char *
drain(int fd)
{
    char *text = calloc(1, TEXT_LEN);
    size_t len = 0;
    ssize_t n;

    cr_assert_not_null(text);
    cr_assert(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    while (len + 1 < TEXT_LEN && (n = read(fd, text + len, TEXT_LEN - 1 - len)) > 0)
        len += (size_t)n;
    return text;
}

/* More than the other end takes; then there is room, and one more line. */
static void
overflow(int read_end, int write_end)
{
    unsigned long long n_lost = 0, n_lines = 0;
    char *text, *lost;

    cr_assert(dup2(write_end, STDERR_FILENO) == STDERR_FILENO);
    log_prepare();
    log_init("test", LOG_LEVEL_INFO);
    for (int i = 0; i < 3000; i++)
        log_info("line=%d padding=%0400d", i, 0);
    text = drain(read_end);
    for (const char *at = text; (at = strstr(at, "line=")); at++)
        n_lines++;
    cr_expect_null(strstr(text, "log-lost"));
    cr_expect(n_lines > 0 && n_lines < 3000);
    free(text);
    log_info("after=1");
    text = drain(read_end);
    lost = strstr(text, "<4>test: event=log-lost lines=");
    cr_assert_not_null(lost, "%s", text);
    cr_assert_eq(sscanf(lost, "<4>test: event=log-lost lines=%llu", &n_lost), 1);
    /* A line that was written in part may have been counted on both sides. */
    cr_assert(n_lost + n_lines == 3000 || n_lost + n_lines == 3001, "%llu and %llu", n_lost,
              n_lines);
    cr_assert_not_null(strstr(lost, "\n<6>test: after=1\n"), "%s", text);
    free(text);
    log_info("after=2");
    text = drain(read_end);
    cr_assert_str_eq(text, "<6>test: after=2\n");
    free(text);
}

Test(log, does_not_wait_for_the_reader_of_a_pipe, .timeout = 60)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    overflow(ends[0], ends[1]);
    /* The other holders of the pipe find it as it was. */
    cr_assert_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
}

Test(log, does_not_wait_for_the_reader_of_a_socket, .timeout = 60)
{
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    overflow(ends[0], ends[1]);
    cr_assert_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
}

Test(log, keeps_the_place_of_a_file_that_it_goes_to)
{
    char text[64] = "";
    int fd = memfd_create("log", 0);

    cr_assert_eq(write(fd, "before\n", 7), 7);
    cr_assert(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    log_prepare();
    log_init("test", LOG_LEVEL_INFO);
    log_info("after=1");
    cr_assert(pread(fd, text, sizeof(text) - 1, 0) > 0);
    cr_assert_str_eq(text, "before\n<6>test: after=1\n");
}

Test(log, takes_the_place_of_standard_descriptors_that_are_missing)
{
    char target[32] = "";

    close(STDERR_FILENO);
    close(STDIN_FILENO);
    log_prepare();
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        cr_assert(fcntl(fd, F_GETFD) >= 0);
    cr_assert(readlink("/proc/self/fd/2", target, sizeof(target) - 1) > 0);
    cr_assert_str_eq(target, "/dev/null");
}
