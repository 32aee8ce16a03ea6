/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_orphan - a process in a call, and its parent, which goes or stays
 */
#include "token/orphan.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/channel.h"

#define HANG_MS 200
#define LONG_MS 1500 /* beyond every bound */

static const struct config_profile profile = {.hang_timeout_ms = HANG_MS,
                                              .generate_timeout_ms = 3 * HANG_MS};

static void
pass_ms(uint64_t ms)
{
    uint64_t end_ms = clock_mono_ms() + ms;

    while (clock_mono_ms() < end_ms)
        usleep(10 * 1000); /* signals cut it short */
}

/* To the end. It alone keeps the end of `life`, and writes there how far it has come. */
static void
be_in_calls(enum pulse_phase first, enum pulse_phase second, int control_fd, int life)
{
    struct pulse *pulse = NULL;
    struct fault why = FAULT_INIT;
    int fd = -1;
    bool ok = pulse_new(&fd, &pulse) == KS_OK && pulse_map(fd, &pulse) == KS_OK &&
              orphan_watch(pulse, &profile, "test", control_fd, &why) == KS_OK;

    if (!ok)
        _exit(1);
    pulse_enter(pulse, first);
    (void)!write(life, "1", 1);
    pass_ms(LONG_MS);
    (void)!write(life, "2", 1);
    pulse_enter(pulse, second);
    pass_ms(LONG_MS);
    (void)!write(life, "3", 1);
    _exit(0);
}

/* How far a process came whose parent ends as soon as it is in its first call. */
static void
left_behind(enum pulse_phase first, enum pulse_phase second, char out[static 8])
{
    int life[2], control[2];
    pid_t parent;
    ssize_t n;

    memset(out, 0, 8);
    cr_assert_eq(pipe2(life, O_CLOEXEC), 0);
    cr_assert_eq(channel_pair(control), KS_OK);
    parent = fork();
    if (parent == 0) {
        struct pollfd begun = {.fd = life[0], .events = POLLIN};

        if (fork() == 0) {
            close(life[0]);
            close(control[0]);
            be_in_calls(first, second, control[1], life[1]);
        }
        _exit(poll(&begun, 1, 10 * 1000) == 1 ? 0 : 1);
    }
    close(life[1]);
    close(control[0]);
    close(control[1]);
    cr_assert_eq(waitpid(parent, NULL, 0), parent);
    for (size_t i = 0; i < 7 && (n = read(life[0], out + i, 1)) == 1; i++)
        ;
    close(life[0]);
}

Test(orphan, ends_in_a_call_that_takes_longer_than_keysvcd_would_have_waited, .timeout = 30)
{
    char came[8];

    left_behind(PULSE_CALL, PULSE_IDLE, came);
    cr_assert_str_eq(came, "1");
    left_behind(PULSE_GENERATE, PULSE_IDLE, came);
    cr_assert_str_eq(came, "1");
}

Test(orphan, stays_in_a_login_and_ends_in_what_comes_after_it, .timeout = 30)
{
    char came[8];

    left_behind(PULSE_LOGIN, PULSE_CALL, came);
    cr_assert_str_eq(came, "12");
}

Test(orphan, is_not_ended_in_our_own_code, .timeout = 30)
{
    char came[8];

    left_behind(PULSE_IDLE, PULSE_GATE, came);
    cr_assert_str_eq(came, "123");
}

Test(orphan, is_none_while_keysvcd_lives_whoever_says_so, .timeout = 30)
{
    int life[2], control[2], status;
    pid_t child;
    char byte;

    cr_assert_eq(pipe2(life, O_CLOEXEC), 0);
    cr_assert_eq(channel_pair(control), KS_OK);
    child = fork();
    if (child == 0)
        be_in_calls(PULSE_CALL, PULSE_CALL, control[1], life[1]);
    cr_assert_eq(read(life[0], &byte, 1), 1);
    cr_assert_eq(kill(child, SIGUSR2), 0);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (int i = 0; i < 2; i++)
        close(life[i]), close(control[i]);
}

Test(orphan, is_seen_if_keysvcd_went_before)
{
    struct fault why = FAULT_INIT;
    struct pulse *pulse = NULL;
    int control[2], fd = -1;

    cr_assert_eq(pulse_new(&fd, &pulse), KS_OK);
    cr_assert_eq(channel_pair(control), KS_OK);
    close(control[0]);
    cr_assert_eq(orphan_watch(pulse, &profile, "test", control[1], &why), KS_ERR_NO_SERVICE);
    cr_assert_str_eq(why.text, "the supervisor is gone");
    close(control[1]);
    close(fd);
    pulse_unmap(pulse);
}
