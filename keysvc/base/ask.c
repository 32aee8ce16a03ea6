/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask - one line of the terminal, whose echo comes back whatever ends the question
 */
#include "base/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

static const int STOPPING[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
static volatile sig_atomic_t stopped_by;

static void
note_signal(int number)
{
    stopped_by = number;
}

/* How signals were before the question. */
struct signals {
    struct sigaction actions[ARRAY_LEN(STOPPING)];
    sigset_t mask;
};

/* Noted, but let through only while ppoll() waits: one that comes just before a read would else be
 * seen after the next line only. */
static void
catch_signals(struct signals *old)
{
    struct sigaction note = {.sa_handler = note_signal};
    sigset_t stopping;

    sigemptyset(&note.sa_mask);
    sigemptyset(&stopping);
    stopped_by = 0;
    for (size_t i = 0; i < ARRAY_LEN(STOPPING); i++)
        sigaddset(&stopping, STOPPING[i]);
    sigprocmask(SIG_BLOCK, &stopping, &old->mask);
    for (size_t i = 0; i < ARRAY_LEN(STOPPING); i++)
        sigaction(STOPPING[i], &note, &old->actions[i]);
}

static void
release_signals(const struct signals *old)
{
    /* With the mask first, what is pending is still noted and not lost on the way. */
    sigprocmask(SIG_SETMASK, &old->mask, NULL);
    for (size_t i = 0; i < ARRAY_LEN(STOPPING); i++)
        sigaction(STOPPING[i], &old->actions[i], NULL);
}

/* One line, or what there was until a signal came. A canonical terminal gives a line at a time. */
static bool
read_line(int terminal, const sigset_t *waiting, struct secret *secret)
{
    struct pollfd wait = {.fd = terminal, .events = POLLIN};
    char *end;
    ssize_t n;

    while (ppoll(&wait, 1, NULL, waiting) < 0 && errno == EINTR && !stopped_by)
        ;
    n = stopped_by ? 0 : read(terminal, secret->text, SECRET_MAX_LEN);
    if (n <= 0)
        return false;
    secret->text[n] = '\0';
    end = memchr(secret->text, '\n', (size_t)n);
    if (!end)
        return false;
    secret->len = (size_t)(end - secret->text);
    explicit_bzero(end, sizeof(secret->text) - secret->len);
    return true;
}

static bool
ask_once(int terminal, const char *prompt, struct secret *secret)
{
    struct signals old;
    struct termios shown, hidden;
    bool read;

    if (tcgetattr(terminal, &shown) != 0)
        return false;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    catch_signals(&old);
    tcsetattr(terminal, TCSAFLUSH, &hidden);
    dprintf(terminal, "%s: ", prompt);
    read = read_line(terminal, &old.mask, secret);
    dprintf(terminal, "\n");
    tcsetattr(terminal, TCSAFLUSH, &shown);
    release_signals(&old);
    return read;
}

ks_err
ask_secret(const char *prompt, struct secret **out, struct fault *why)
{
    ks_auto(secret_freep) struct secret *secret = NULL;
    ks_auto(closep) int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    bool read;

    *out = NULL;
    if (terminal < 0)
        return KS_OK;
    if (secret_new(&secret)) {
        fault_set(why, "no memory can be locked for what is typed");
        return KS_ERR_INTERNAL;
    }
    do {
        read = ask_once(terminal, prompt, secret);
        /* Stopped with ^Z it goes on with `fg`, and asks again. */
        if (stopped_by) {
            explicit_bzero(secret->text, sizeof(secret->text));
            raise(stopped_by);
        }
    } while (stopped_by == SIGTSTP);
    if (stopped_by || (!read && secret->len == 0)) {
        fault_set(why, "nothing was typed on the terminal");
        return KS_ERR_USAGE;
    }
    if (secret->len > 0)
        *out = ks_steal(&secret);
    return KS_OK;
}
