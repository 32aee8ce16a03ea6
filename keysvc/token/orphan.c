/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orphan - the death of keysvcd as a signal, and a timer from then on
 *
 * Both signals may interrupt a call of the module. Neither comes while keysvcd lives.
 */
#include "token/orphan.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/channel.h"
#include "ipc/control.h"

#define DEATH SIGUSR2 /* of keysvcd; whoever else sends it finds that it lives */
#define TEXT_LEN 256

/* For a signal handler: it cannot be given anything. */
static struct {
    const struct pulse *pulse;
    uint64_t hang_timeout_ms, generate_timeout_ms;
    pid_t keysvcd;
    char text[TEXT_LEN];
    size_t text_len;
} watched;

static void look(int number);

ks_err
orphan_watch(const struct pulse *pulse, const struct config_profile *profile, const char *process,
             int control_fd, struct fault *why)
{
    struct sigaction action = {.sa_handler = look, .sa_flags = SA_RESTART};

    watched.pulse = pulse;
    watched.hang_timeout_ms = profile->hang_timeout_ms;
    watched.generate_timeout_ms = profile->generate_timeout_ms;
    watched.keysvcd = getppid();
    watched.text_len = (size_t)snprintf(
        watched.text, sizeof(watched.text),
        "<3>%.128s: event=orphan error=\"keysvcd is gone, and the module does not return\"\n",
        process);
    sigaddset(&action.sa_mask, SIGALRM);
    sigaddset(&action.sa_mask, DEATH);
    sigaction(SIGALRM, &action, NULL);
    sigaction(DEATH, &action, NULL);
    /* Else spawn.c has chosen SIGKILL. */
    if (!profile->kill_in_login && prctl(PR_SET_PDEATHSIG, DEATH, 0, 0, 0) < 0) {
        fault_set(why, "cannot ask for keysvcd's death: %m");
        return KS_ERR_INTERNAL;
    }
    if (channel_is_closed(control_fd)) {
        fault_set(why, "the supervisor is gone");
        return KS_ERR_NO_SERVICE;
    }
    return KS_OK;
}

void
orphan_forget(void)
{
    signal(DEATH, SIG_IGN);
    signal(SIGALRM, SIG_IGN);
}

/* 0: a call that may take as long as it likes, or none. */
static uint64_t
bound_ms(uint32_t phase)
{
    switch (phase) {
    case PULSE_CALL:
        return watched.hang_timeout_ms;
    case PULSE_GENERATE:
        return watched.generate_timeout_ms;
    default:
        return 0;
    }
}

/* A handler: nothing here may take a lock. */
static void
look(int number)
{
    uint32_t phase = atomic_load(&watched.pulse->phase);
    uint64_t since_ms = atomic_load(&watched.pulse->since_ms), now_ms = clock_mono_ms();
    uint64_t left_ms = watched.hang_timeout_ms, bound = bound_ms(phase);
    struct itimerval timer = {{0, 0}, {0, 0}};
    int saved = errno;

    (void)number;
    if (getppid() == watched.keysvcd) /* somebody else's */
        return;
    if (bound > 0 && since_ms < now_ms && now_ms - since_ms > bound) {
        (void)!write(STDERR_FILENO, watched.text, watched.text_len);
        _exit(CONTROL_EXIT_TOKEN_LOST);
    }
    if (bound > 0 && since_ms <= now_ms)
        left_ms = since_ms + bound - now_ms + 1;
    timer.it_value.tv_sec = (time_t)(left_ms / 1000);
    timer.it_value.tv_usec = (suseconds_t)(left_ms % 1000) * 1000;
    setitimer(ITIMER_REAL, &timer, NULL);
    errno = saved;
}
