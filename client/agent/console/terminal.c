/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal - questions to the administrator: yes or no, and a token that is not shown
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <termios.h>

#include "client/agent/console/console.h"

#define ANSWER_LEN 16

/* One line without its end; false: there was none, or it is too long. */
static bool
read_line(int fd, char *out, size_t cap)
{
    size_t len = 0;
    ssize_t n;

    while (len < cap) {
        n = read(fd, out + len, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || (n == 0 && len == 0))
            return false;
        if (n == 0 || out[len] == '\n') {
            out[len] = '\0';
            return true;
        }
        len++;
    }
    return false;
}

static int
open_terminal(void)
{
    return open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

bool
console_ask(const char *question)
{
    ks_auto(closep) int terminal = open_terminal();
    char answer[ANSWER_LEN];

    if (terminal < 0 || !isatty(STDIN_FILENO))
        return false;
    dprintf(terminal, "%s [y/N] ", question);
    return read_line(terminal, answer, sizeof(answer)) &&
           (strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0);
}

static bool
ask_hidden(int terminal, char *out, size_t cap)
{
    struct termios shown, hidden;
    bool read;

    if (tcgetattr(terminal, &shown) != 0)
        return false;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    tcsetattr(terminal, TCSAFLUSH, &hidden);
    dprintf(terminal, "Token of the agent's API (empty: none): ");
    read = read_line(terminal, out, cap);
    dprintf(terminal, "\n");
    tcsetattr(terminal, TCSAFLUSH, &shown);
    return read;
}

/* It becomes a header: anything but visible characters would end that. */
static bool
is_token(char *text)
{
    size_t len = strlen(text);

    if (len > 0 && text[len - 1] == '\r')
        text[--len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
    }
    return len > 0;
}

ks_err
console_read_token(const char *path, char **out, struct report *report)
{
    char text[PEER_TOKEN_MAX + 1];
    ks_auto(closep) int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
    ks_err err = KS_OK;

    *out = NULL;
    memset(text, 0, sizeof(text));
    if (path && fd < 0)
        return report_fail(report, KS_ERR_USAGE, "--token-file %s: %s", path, strerror(errno));
    if (!path) {
        fd = isatty(STDIN_FILENO) ? open_terminal() : -1;
        if (fd < 0 || !ask_hidden(fd, text, sizeof(text)) || !text[0])
            return KS_OK;
    } else if (!read_line(fd, text, sizeof(text))) {
        text[0] = '\0';
    }
    if (!is_token(text))
        err = report_fail(report, KS_ERR_USAGE, "%s: its first line is no token of the API",
                          path ? path : "the terminal");
    else if (!(*out = strdup(text)))
        err = report_fail(report, KS_ERR_INTERNAL, "no memory for the token");
    explicit_bzero(text, sizeof(text));
    return err;
}
