/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - lines on standard error
 */
#include "base/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"

#define LOG_LINE_MAX 2048
#define LOST_MAX 160 /* bytes; with a line less than PIPE_BUF */

static char log_process[64] = "keysvc";
static enum log_level log_max = LOG_LEVEL_INFO;
static bool log_is_socket;
static bool log_is_torn;            /* a line was written in part */
static _Atomic uint64_t log_n_lost; /* lines, since the last one that got through */

void
log_prepare(void)
{
    struct stat status;
    int fd = open("/dev/null", O_RDWR);

    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = dup(fd);
    if (fd >= 0)
        close(fd);
    if (fstat(STDERR_FILENO, &status) < 0 || (!S_ISFIFO(status.st_mode) && !isatty(STDERR_FILENO)))
        return;
    fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && dup2(fd, STDERR_FILENO) < 0)
        log_warning("error=\"a log that nobody reads will block the service\"");
    if (fd >= 0)
        close(fd);
}

void
log_init(const char *process, enum log_level max_level)
{
    struct stat status;

    if (!text_copy(log_process, sizeof(log_process), process))
        text_copy(log_process, sizeof(log_process), "keysvc");
    log_max = max_level;
    log_is_socket = fstat(STDERR_FILENO, &status) == 0 && S_ISSOCK(status.st_mode);
}

static bool
printable(char c)
{
    return c >= 0x20 && c < 0x7f;
}

const char *
log_text(char *out, size_t cap, const char *text)
{
    size_t len = 0;

    for (; text[len] != '\0' && len + 1 < cap; len++)
        out[len] = printable(text[len]) && text[len] != '"' && text[len] != '\\' ? text[len] : '?';
    out[len] = '\0';
    return out;
}

/* False: not taken, or not all of it. */
static bool
write_out(const char *line, size_t len)
{
    struct iovec vector = {.iov_base = (char *)line, .iov_len = len};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    ssize_t n;

    if (log_is_socket) /* others may hold it too: it stays as it is */
        n = sendmsg(STDERR_FILENO, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        n = write(STDERR_FILENO, line, len);
    if (n > 0)
        log_is_torn = (size_t)n < len;
    return n == (ssize_t)len;
}

/* What stands before a line if others were lost before it; the bytes of it. */
static size_t
put_lost(char out[static LOST_MAX], uint64_t n_lost)
{
    const char *newline = log_is_torn ? "\n" : "";

    if (n_lost == 0)
        return 0;
    return (size_t)snprintf(out, LOST_MAX, "%s<%d>%s: event=log-lost lines=%llu\n", newline,
                            (int)LOG_LEVEL_WARNING, log_process, (unsigned long long)n_lost);
}

/* One write() a line, with what it says of lost ones, so that lines of several processes on one pipe do
 * not mix, and a pipe takes all of it or nothing; control characters become '?', and so does what is
 * not ASCII: among it are more of them, and what looks like another character. */
static void
log_line(enum log_level level, const char *format, va_list args)
{
    uint64_t n_lost;
    char out[LOST_MAX + LOG_LINE_MAX];
    size_t start, len;
    char *line;
    int prefix;

    if (level > log_max)
        return;
    n_lost = atomic_exchange(&log_n_lost, 0);
    start = put_lost(out, n_lost);
    line = out + start;
    prefix = snprintf(line, LOG_LINE_MAX, "<%d>%s: ", (int)level, log_process);
    if (vsnprintf(line + prefix, (size_t)(LOG_LINE_MAX - prefix - 1), format, args) < 0)
        line[prefix] = '\0';
    len = strlen(line);
    for (size_t i = 0; i < len; i++) {
        if (!printable(line[i]))
            line[i] = '?';
    }
    line[len] = '\n';
    if (!write_out(out, start + len + 1))
        atomic_fetch_add(&log_n_lost, n_lost + 1);
}

#define LOG_FUNCTION(name, level)                                                                  \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        va_list args;                                                                              \
                                                                                                   \
        va_start(args, format);                                                                    \
        log_line(level, format, args);                                                             \
        va_end(args);                                                                              \
    }

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

bool
log_allowed(struct log_limit *limit, uint32_t burst)
{
    uint64_t second = clock_mono_ms() / 1000;

    if (second != limit->second) {
        limit->second = second;
        limit->n_lines = 0;
    }
    if (limit->n_lines < burst) {
        limit->n_lines++;
        return true;
    }
    limit->swallowed++;
    return false;
}
