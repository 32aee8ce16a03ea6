/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - the table of outcomes, and lines that do not repeat themselves
 *
 * No outcome becomes a CKR_ about logins, PINs or a token that was removed: programs would ask for
 * a PIN, or drop their sessions and never come back, where trying again is right.
 */
#include "client/pkcs11/report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>

#include "base/clock.h"
#include "base/util.h"

#define LINE_MAX_LEN 1400 /* bytes: a message, a hint and a label */
#define N_REMEMBERED 8

/* clang-format off */
static const CK_RV CODE[KS_ERR_COUNT] = {
    [KS_OK]                    = CKR_OK,
    [KS_ERR_INTERNAL]          = CKR_GENERAL_ERROR,
    [KS_ERR_USAGE]             = CKR_FUNCTION_FAILED,
    [KS_ERR_DENIED]            = CKR_FUNCTION_REJECTED,
    [KS_ERR_NO_KEY]            = CKR_KEY_HANDLE_INVALID,
    [KS_ERR_EXISTS]            = CKR_FUNCTION_FAILED,
    [KS_ERR_BAD_REQUEST]       = CKR_DATA_INVALID,
    [KS_ERR_TOO_LARGE]         = CKR_DATA_LEN_RANGE,
    [KS_ERR_PURPOSE]           = CKR_KEY_FUNCTION_NOT_PERMITTED,
    [KS_ERR_NAME_NOT_ALLOWED]  = CKR_FUNCTION_REJECTED,
    [KS_ERR_TOKEN_UNAVAILABLE] = CKR_DEVICE_ERROR,
    [KS_ERR_BUSY]              = CKR_DEVICE_MEMORY,
    [KS_ERR_DEADLINE]          = CKR_FUNCTION_CANCELED,
    [KS_ERR_OUTCOME_UNKNOWN]   = CKR_GENERAL_ERROR,
    [KS_ERR_AUDIT_UNWRITABLE]  = CKR_DEVICE_ERROR,
    [KS_ERR_KEY_CHANGED]       = CKR_KEY_CHANGED,
    [KS_ERR_AMBIGUOUS_KEY]     = CKR_KEY_HANDLE_INVALID,
    [KS_ERR_NO_SERVICE]        = CKR_DEVICE_ERROR,
    [KS_ERR_LOGIN_BLOCKED]     = CKR_DEVICE_ERROR,
    [KS_ERR_UNSUPPORTED]       = CKR_MECHANISM_INVALID,
    /* The agent's own; keysvcd tells none of them. */
    [KS_ERR_CERTIFICATE_REFUSED] = CKR_FUNCTION_FAILED,
    [KS_ERR_NOT_FOUND]         = CKR_FUNCTION_FAILED,
    [KS_ERR_IN_USE]            = CKR_FUNCTION_FAILED,
    [KS_ERR_UNTRUSTED]         = CKR_FUNCTION_FAILED,
};
/* clang-format on */

/* Lines of late. */
struct remembered {
    char line[LINE_MAX_LEN];
    uint64_t until_ms;
};

/* What descriptor 2 was at C_Initialize. */
struct file {
    bool known;
    dev_t device;
    ino_t inode;
};

static struct file stderr_file;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct remembered remembered[N_REMEMBERED];

static void clean(char *line);
static void write_line(const char *line);
static void write_stderr(const char *line);

CK_RV
report_code(ks_err err)
{
    return (unsigned int)err < KS_ERR_COUNT ? CODE[err] : CKR_GENERAL_ERROR;
}

CK_RV
report(const char *label, ks_err err, const struct ks_error *error)
{
    /* Only tools have an option for it. */
    bool hinted = error->hint[0] != '\0' && err != KS_ERR_DEADLINE;
    /* Most messages begin with the key they are about. */
    bool named = !label || strstr(error->message, label);

    report_text("%s%s%s%s%s", named ? "" : label, named ? "" : ": ", error->message,
                hinted ? "; " : "", hinted ? error->hint : "");
    return report_code(err);
}

/* Bytes of the character at `at`; 0: it is none. */
static size_t
utf8_len(const unsigned char *at)
{
    size_t len = 1;

    if (*at < 0x80)
        return 1;
    if (*at < 0xc2 || *at > 0xf4 || (*at == 0xe0 && at[1] < 0xa0) || (*at == 0xf0 && at[1] < 0x90))
        return 0;
    len += 1 + (*at >= 0xe0) + (*at >= 0xf0);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

void
report_text(const char *format, ...)
{
    char line[LINE_MAX_LEN];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    clean(line);
    write_line(line);
}

/* Names and reasons come from elsewhere, and terminals obey C0, DEL and C1 (as a byte, and in UTF-8
 * behind 0xC2). Text that is UTF-8 stays. */
static void
clean(char *line)
{
    unsigned char *at = (unsigned char *)line;
    size_t len;

    for (; *at != '\0'; at += len) {
        len = utf8_len(at);
        if (len == 0 || *at < 0x20 || *at == 0x7f) {
            *at = *at == '\n' || *at == '\t' ? ' ' : '?';
            len = 1;
        } else if (at[0] == 0xc2 && at[1] < 0xa0) {
            at[0] = at[1] = '?';
        }
    }
}

void
report_began(void)
{
    struct stat now;
    bool known = fstat(STDERR_FILENO, &now) == 0;

    pthread_mutex_lock(&lock);
    stderr_file.known = known;
    stderr_file.device = known ? now.st_dev : 0;
    stderr_file.inode = known ? now.st_ino : 0;
    pthread_mutex_unlock(&lock);
}

void
report_forked(void)
{
    pthread_mutex_init(&lock, NULL);
}

/* Was it written a moment ago? Remembers it, in the place of the oldest. */
static bool
repeated(const char *line)
{
    uint64_t now_ms = clock_mono_ms();
    struct remembered *oldest = &remembered[0];
    bool found = false;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < N_REMEMBERED; i++) {
        if (remembered[i].until_ms > now_ms && strcmp(remembered[i].line, line) == 0)
            found = true;
        if (remembered[i].until_ms < oldest->until_ms)
            oldest = &remembered[i];
    }
    if (!found) {
        snprintf(oldest->line, sizeof(oldest->line), "%s", line);
        oldest->until_ms = now_ms + REPORT_QUIET_MS;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static void
write_line(const char *line)
{
    const char *where = secure_getenv("KEYSVC_PKCS11_LOG");

    if (where && strcmp(where, "none") == 0)
        return;
    if (repeated(line))
        return;
    if (where && strcmp(where, "syslog") == 0)
        syslog(LOG_AUTHPRIV | LOG_ERR, "keysvc-pkcs11: %s", line);
    else
        write_stderr(line);
}

/* --- standard error --- */

static bool
may_write(void)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    struct stat now;
    int flags;
    bool same;

    if (fstat(STDERR_FILENO, &now) != 0)
        return false;
    pthread_mutex_lock(&lock);
    same = stderr_file.known && stderr_file.device == now.st_dev && stderr_file.inode == now.st_ino;
    pthread_mutex_unlock(&lock);
    flags = fcntl(STDERR_FILENO, F_GETFL);
    if (S_ISREG(now.st_mode) && !same && (flags < 0 || !(flags & O_APPEND)))
        return false;
    /* With POLLERR or POLLHUP beside it nobody reads. */
    return poll(&room, 1, 0) == 1 && room.revents == POLLOUT;
}

/* The SIGPIPE of our own write is taken before the program sees it, and no other. */
static void
write_stderr(const char *line)
{
    static const struct timespec NO_TIME = {0, 0};
    sigset_t pipe_set, before, pending;
    char text[LINE_MAX_LEN + 32];
    int len;

    if (!may_write())
        return;
    len = snprintf(text, sizeof(text), "keysvc-pkcs11: %s\n", line);
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    if (pthread_sigmask(SIG_BLOCK, &pipe_set, &before) != 0)
        return;
    if (write(STDERR_FILENO, text, (size_t)len) < 0 && errno == EPIPE &&
        !sigismember(&pending, SIGPIPE))
        (void)sigtimedwait(&pipe_set, NULL, &NO_TIME);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
