/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - lines on standard error
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

#define LOG_LINE_MAX 2048

static char log_process[64] = "keysvc";
static enum log_level log_max = LOG_LEVEL_INFO;

void
log_init(const char *process, enum log_level max_level)
{
    if (!text_copy(log_process, sizeof(log_process), process))
        text_copy(log_process, sizeof(log_process), "keysvc");
    log_max = max_level;
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

/* One write() a line, so that lines of several processes on one pipe do not mix; control characters
 * become '?', and so does what is not ASCII: among it are more of them, and what looks like another
 * character. */
static void
log_line(enum log_level level, const char *format, va_list args)
{
    char line[LOG_LINE_MAX];
    int prefix, rest;
    size_t len;

    if (level > log_max)
        return;
    prefix = snprintf(line, sizeof(line), "<%d>%s: ", (int)level, log_process);
    rest = vsnprintf(line + prefix, sizeof(line) - (size_t)prefix - 1, format, args);
    if (rest < 0)
        return;
    len = strlen(line);
    for (size_t i = 0; i < len; i++) {
        if (!printable(line[i]))
            line[i] = '?';
    }
    line[len] = '\n';
    if (write(STDERR_FILENO, line, len + 1) < 0)
        return; /* nowhere left to say so */
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
