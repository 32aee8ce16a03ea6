/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal - questions to the administrator: yes or no, and a token that is not shown
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/ask.h"
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

static ks_err
keep_token(char *text, const char *from, char **out, struct report *report)
{
    if (!is_token(text))
        return report_fail(report, KS_ERR_USAGE, "%s: its first line is no token of the API", from);
    *out = strdup(text);
    return *out ? KS_OK : report_fail(report, KS_ERR_INTERNAL, "no memory for the token");
}

static ks_err
ask_token(char **out, struct report *report)
{
    ks_auto(secret_freep) struct secret *secret = NULL;
    struct fault why = FAULT_INIT;
    ks_err err;

    if (!isatty(STDIN_FILENO))
        return KS_OK;
    err = ask_secret("Token of the agent's API (empty: none)", &secret, &why);
    if (err)
        return report_fault(report, err, &why);
    return secret ? keep_token(secret->text, "the terminal", out, report) : KS_OK;
}

ks_err
console_read_token(const char *path, char **out, struct report *report)
{
    char text[PEER_TOKEN_MAX + 1] = "";
    ks_auto(closep) int fd = -1;
    ks_err err;

    *out = NULL;
    if (!path)
        return ask_token(out, report);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return report_fail(report, KS_ERR_USAGE, "--token-file %s: %s", path, strerror(errno));
    if (!read_line(fd, text, sizeof(text)))
        text[0] = '\0';
    err = keep_token(text, path, out, report);
    explicit_bzero(text, sizeof(text));
    return err;
}
