/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - one line an event on standard error, key=value, with the journal's priority prefix
 *
 * error: someone must act; warning: we recovered; info: one line per request or state change;
 * debug: for us. Lower layers return; the file that ends a request logs it. Never a PIN, a
 * signature, a digest or a subject's data. Values with spaces go in double quotes, key="%s"; what
 * may hold a peer's text goes through LOG_TEXT, or the peer ends the quotes and writes values of its
 * own. Anything but printable ASCII becomes '?'.
 *
 * Nobody waits for whoever reads the log: what a full pipe, socket or disk does not take at once is
 * lost, and the next line that gets through is preceded by `event=log-lost lines=N`.
 */
#pragma once

#include "base/util.h"

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
};

/*
 * In keysvcd, before anything else is opened: what stands for 0, 1 and 2 if it was started without
 * them is /dev/null, so that no line of the log lands in a file or socket of ours; and a pipe or
 * terminal that the log goes to is opened anew, not to block us, which its other holders do not
 * notice. The children inherit both.
 */
void log_prepare(void);

/* Once, at the start of main(); `process` appears in each line, for example "keysvc-token[main/1]".
 */
void log_init(const char *process, enum log_level max_level);

void log_error(const char *format, ...) KS_PRINTF(1, 2);
void log_warning(const char *format, ...) KS_PRINTF(1, 2);
void log_info(const char *format, ...) KS_PRINTF(1, 2);
void log_debug(const char *format, ...) KS_PRINTF(1, 2);

/* Copies what may stand between double quotes: quotes, backslashes and what is not printable ASCII
 * become '?'; what does not fit is cut. Returns `out`. */
const char *log_text(char *out, size_t cap, const char *text);

/* The same on the stack of the caller's block. */
#define LOG_TEXT_MAX 512
#define LOG_TEXT(text) log_text((char[LOG_TEXT_MAX]){0}, LOG_TEXT_MAX, (text))

/*
 * At most `burst` lines a second for what one peer can cause; false: this line is one too many. The
 * limiter starts as {0}. Counts what it swallowed in `swallowed` until the caller resets it.
 */
struct log_limit {
    uint64_t second;
    uint32_t n_lines;
    uint32_t swallowed;
};
bool log_allowed(struct log_limit *limit, uint32_t burst);
