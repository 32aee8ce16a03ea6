/* SPDX-License-Identifier: Apache-2.0 */
/*
 * password - reading and asking
 */
#include "client/cli/password.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <termios.h>

#include "client/cli/secretfile.h"

static void
warn_of_readers(const struct cli *cli, const char *path, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !(st.st_mode & (S_IRWXG | S_IRWXO)))
        return;
    fprintf(stderr,
            "keysvc: %s: warning: %s has mode %03o, others than its owner can use it "
            "(chmod 0600)\n",
            cli->command, path, st.st_mode & 0777);
}

static ks_err
read_file(const struct cli *cli, const char *path, struct secret **out, struct fault *why)
{
    ks_auto(secret_freep) struct secret *secret = NULL;
    ks_auto(closep) int fd = -1;
    ks_err err = secretfile_open(path, &fd, why);

    if (err)
        return err;
    warn_of_readers(cli, path, fd);
    err = secret_new(&secret);
    if (err) {
        fault_set(why, "no memory can be locked for the password");
        fault_hint(why, "raise the limit of locked memory (ulimit -l)");
        return err;
    }
    err = secretfile_fill(fd, path, secret->text, SECRET_MAX_LEN, &secret->len, why);
    if (err)
        return err;
    if (memchr(secret->text, '\0', secret->len)) {
        fault_set(why, "%s: a password holds no NUL byte", path);
        return KS_ERR_USAGE;
    }
    *out = ks_steal(&secret);
    return KS_OK;
}

/* Both line breaks: password files come from Windows, too. */
static void
cut(struct secret *secret, size_t len)
{
    if (len > 0 && len < secret->len && secret->text[len] == '\n' && secret->text[len - 1] == '\r')
        len--;
    explicit_bzero(secret->text + len, sizeof(secret->text) - len);
    secret->len = len;
}

ks_err
password_first_line(const struct cli *cli, const char *path, struct secret **out, struct fault *why)
{
    ks_auto(secret_freep) struct secret *secret = NULL;
    const char *end;
    ks_err err = read_file(cli, path, &secret, why);

    if (err)
        return err;
    end = memchr(secret->text, '\n', secret->len);
    if (end)
        cut(secret, (size_t)(end - secret->text));
    if (secret->len == 0) {
        fault_set(why, "%s: its first line is empty", path);
        return KS_ERR_USAGE;
    }
    *out = ks_steal(&secret);
    return KS_OK;
}

ks_err
password_whole(const struct cli *cli, const char *path, struct secret **out, struct fault *why)
{
    ks_err err = read_file(cli, path, out, why);

    if (!err && (*out)->len > 0 && (*out)->text[(*out)->len - 1] == '\n')
        cut(*out, (*out)->len - 1);
    return err;
}

/* --- the terminal --- */

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
    cut(secret, (size_t)(end - secret->text));
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
password_ask(const char *prompt, struct secret **out, struct fault *why)
{
    ks_auto(secret_freep) struct secret *secret = NULL;
    ks_auto(closep) int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    bool read;

    *out = NULL;
    if (terminal < 0)
        return KS_OK;
    if (secret_new(&secret)) {
        fault_set(why, "no memory can be locked for the password");
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
        fault_set(why, "no password was typed");
        return KS_ERR_USAGE;
    }
    if (secret->len > 0)
        *out = ks_steal(&secret);
    return KS_OK;
}
