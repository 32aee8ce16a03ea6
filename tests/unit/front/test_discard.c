/* SPDX-License-Identifier: Apache-2.0 */
#include "front/discard.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WAIT_MS 20000 /* a bound for what should come at once */
#define LINGER_S 60   /* longer than any test */
#define N_SLOW 3

/* Sends something as soon as somebody has looked whether there is something. */
static int late = -1;
static bool late_was_taken;

int
ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    long result;

    va_start(args, request);
    result = syscall(SYS_ioctl, fd, request, va_arg(args, void *));
    va_end(args);
    if (late >= 0 && request == FIONREAD)
        late_was_taken = send(late, "x", 1, MSG_NOSIGNAL) == 1;
    return (int)result;
}

/* A socket whose close() waits for whoever reads nothing from the other end. */
static int
slow_socket(int *other)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = LINGER_S};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listening = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    char bytes[65536] = {0};

    cr_assert_eq(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(listening, 1), 0);
    cr_assert_eq(getsockname(listening, (struct sockaddr *)&address, &len), 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    *other = accept(listening, NULL, NULL);
    close(listening);
    while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    return fd;
}

/* Its last writer has closed it. */
static bool
has_ended(int reading, int timeout_ms)
{
    struct pollfd end = {.fd = reading};

    return poll(&end, 1, timeout_ms) == 1 && (end.revents & POLLHUP);
}

Test(discard, what_comes_behind_a_file_that_is_slow_to_close_is_closed)
{
    int others[N_SLOW], ends[2], waited_ms = 0;

    for (size_t i = 0; i < N_SLOW; i++) {
        int fd = slow_socket(&others[i]);

        discard(&fd, 1);
    }
    cr_assert_eq(pipe(ends), 0);
    discard(&ends[1], 1);
    /* Nothing else is discarded: the loop's second looks after it. */
    while (!has_ended(ends[0], 10)) {
        cr_assert_lt(waited_ms += 10, WAIT_MS);
        discard_stuck();
    }
    for (size_t i = 0; i < N_SLOW; i++)
        close(others[i]);
    close(ends[0]);
}

Test(discard, many_files_are_closed_by_one_thread_after_the_other)
{
    enum { MANY = 500 };
    int readers[MANY];

    for (size_t i = 0; i < MANY; i++) {
        int ends[2];

        cr_assert_eq(pipe(ends), 0);
        readers[i] = ends[0];
        discard(&ends[1], 1);
    }
    for (size_t i = 0; i < MANY; i++) {
        cr_assert(has_ended(readers[i], WAIT_MS));
        close(readers[i]);
    }
}

Test(discard, a_client_sends_nothing_more_once_it_was_looked_what_he_has_sent)
{
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    late = ends[1];
    late_was_taken = true;
    discard_socket(ends[0]);
    cr_assert_not(late_was_taken, "closed with something in it that nobody has looked at");
    close(ends[1]);
}
