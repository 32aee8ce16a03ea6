/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold - a signal handler that waits for a byte
 */
#include "hold.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static int hold_front[2], held[2];

/* Runs in the front's thread. */
static void
on_hold(int signal)
{
    char c;

    (void)signal;
    if (write(held[1], "x", 1) < 0 || read(hold_front[0], &c, 1) < 0)
        return;
}

void
hold_begin(const struct harness *h)
{
    char c;

    cr_assert_eq(pipe(hold_front), 0);
    cr_assert_eq(pipe(held), 0);
    signal(SIGUSR1, on_hold);
    cr_assert_eq(pthread_kill(h->thread, SIGUSR1), 0);
    cr_assert_eq(read(held[0], &c, 1), 1);
}

void
hold_let_go(void)
{
    cr_assert_eq(write(hold_front[1], "x", 1), 1);
}

void
hold_end(void)
{
    close(hold_front[0]);
    close(hold_front[1]);
    close(held[0]);
    close(held[1]);
}
