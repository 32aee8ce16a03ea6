/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail - reasons and texts for OpenSSL's error stack
 *
 * PostgreSQL, haproxy, stunnel, curl and others print an error's reason and never its text, and a
 * reason is a constant of its class: "no rule allows this", but on which key? So there are some
 * reasons without a class. Each gets its string when it is first raised, once and for ever:
 * libcrypto keeps the pointers that it gets in fail_reasons() and looks behind them only when it
 * prints. When all are taken, the class is the reason and the text has the rest.
 */
#include "client/provider/fail.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

/* libcrypto drops a text that does not fit in 1024 bytes altogether. */
#define TEXT_MAX 1000

/* nginx takes the number for one of libssl's, whatever the library, and hides what it thinks is the
 * peer's fault. Libssl's end below 1200. */
#define REASON_FIRST 10000
#define REASON_SAID_FIRST 11000

#define N_SAID 64
#define SAID_MAX 256 /* bytes; libcrypto's own line has as many */

/* No lock: a process may be forked by one thread while another one fails. */
enum said_state { SAID_FREE, SAID_BEING_WRITTEN, SAID_READY };

static struct said {
    _Atomic(enum said_state) state;
    char text[SAID_MAX];
} said[N_SAID];

/* clang-format off */
#define ROW(code, text) {REASON_FIRST + (code), (void *)(uintptr_t)(text)}
static const OSSL_ITEM CLASSES[] = {
    ROW(KS_ERR_INTERNAL,          "INTERNAL: an internal error"),
    ROW(KS_ERR_USAGE,             "USAGE: this key cannot be used so"),
    ROW(KS_ERR_DENIED,            "DENIED: no rule allows this"),
    ROW(KS_ERR_NO_KEY,            "NO_KEY: no such key"),
    ROW(KS_ERR_EXISTS,            "EXISTS: the key exists already"),
    ROW(KS_ERR_BAD_REQUEST,       "BAD_REQUEST: the request is malformed"),
    ROW(KS_ERR_TOO_LARGE,         "TOO_LARGE: the message is too large"),
    ROW(KS_ERR_PURPOSE,           "PURPOSE: the key's purpose does not include this"),
    ROW(KS_ERR_NAME_NOT_ALLOWED,  "NAME_NOT_ALLOWED: the key's class does not allow this name"),
    ROW(KS_ERR_TOKEN_UNAVAILABLE, "TOKEN_UNAVAILABLE: the token is not available"),
    ROW(KS_ERR_BUSY,              "BUSY: the service is busy"),
    ROW(KS_ERR_DEADLINE,          "DEADLINE: no answer from keysvcd in time"),
    ROW(KS_ERR_OUTCOME_UNKNOWN,   "OUTCOME_UNKNOWN: the change may or may not have been made"),
    ROW(KS_ERR_AUDIT_UNWRITABLE,  "AUDIT_UNWRITABLE: the audit record cannot be written"),
    ROW(KS_ERR_KEY_CHANGED,       "KEY_CHANGED: another key stands under this name"),
    ROW(KS_ERR_AMBIGUOUS_KEY,     "AMBIGUOUS_KEY: two private keys carry this label"),
    ROW(KS_ERR_NO_SERVICE,        "NO_SERVICE: keysvcd does not answer"),
    ROW(KS_ERR_LOGIN_BLOCKED,     "LOGIN_BLOCKED: logging in to the token is blocked"),
    ROW(KS_ERR_UNSUPPORTED,       "UNSUPPORTED: not by this token or version"),
    /* The agent's own; keysvcd tells none of them. */
    ROW(KS_ERR_CERTIFICATE_REFUSED, "CERTIFICATE_REFUSED: it did not pass the checks"),
    ROW(KS_ERR_NOT_FOUND,         "NOT_FOUND: there is nothing of this name"),
    ROW(KS_ERR_IN_USE,            "IN_USE: it is in use"),
    ROW(KS_ERR_UNTRUSTED,         "UNTRUSTED: another certificate than the trusted one"),
    ROW(FAIL_REFERENCE,           "the reference to a key cannot be used"),
    ROW(FAIL_OPTION,              "an option of provider keysvc is wrong"),
    ROW(FAIL_NOT_MADE,            "keysvc makes no such signature"),
    ROW(FAIL_NOT_PRIVATE,         "a public key cannot sign"),
    ROW(FAIL_MEMORY,              "no memory"),
};
/* clang-format on */

static_assert(ARRAY_LEN(CLASSES) == FAIL_REASON_COUNT - 1, "each reason but OK has its text");

static OSSL_ITEM reasons[ARRAY_LEN(CLASSES) + N_SAID + 1];

static void raise_text(const struct provider *provider, uint32_t reason, const char *format, ...)
    KS_PRINTF(3, 4);
static void raise_said(const struct provider *provider, int reason, const char *text,
                       const char *hint);
static void tell_standard_error(const struct provider *provider, const char *text,
                                const char *hint);

/* Once for each library context that loads the provider, and always with the same result. */
const OSSL_ITEM *
fail_reasons(void *context)
{
    size_t n = 0;

    (void)context;
    for (; n < ARRAY_LEN(CLASSES); n++)
        reasons[n] = CLASSES[n];
    for (unsigned int i = 0; i < N_SAID; i++, n++)
        reasons[n] = (OSSL_ITEM){REASON_SAID_FIRST + i, said[i].text};
    return reasons;
}

/* Names and URIs are a stranger's: no escape sequence and no second line in a log. */
static void
clean(char *text)
{
    unsigned char *at = (unsigned char *)text;

    for (; *at != '\0'; at++) {
        if (*at < 0x20 || *at == 0x7f)
            *at = '?';
        else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) /* U+0080 to U+009F in UTF-8 */
            at[0] = at[1] = '?';
    }
}

/* Changes the texts. */
static int
fail_text(const struct provider *provider, int reason, const char *file, int line,
          const char *function, char *text, char *hint)
{
    clean(text);
    clean(hint);
    provider->new_error(provider->core);
    provider->set_error_debug(provider->core, file, line, function);
    raise_said(provider, reason, text, hint);
    if (provider->options.errors_to_stderr)
        tell_standard_error(provider, text, hint);
    return 0;
}

int
fail_at(const struct provider *provider, int reason, const char *file, int line,
        const char *function, const char *format, ...)
{
    char text[TEXT_MAX], hint[] = "";
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return fail_text(provider, reason, file, line, function, text, hint);
}

int
fail_error_at(const struct provider *provider, const char *label, const struct ks_error *error,
              const char *file, int line, const char *function)
{
    char text[TEXT_MAX], hint[sizeof(error->hint)];

    snprintf(text, sizeof(text), "%s: %s: %s", label, ks_err_name(error->code), error->message);
    snprintf(hint, sizeof(hint), "%s", error->hint);
    return fail_text(provider, (int)error->code, file, line, function, text, hint);
}

int
fail_key_at(const struct key *key, const struct ks_error *error, const char *file, int line,
            const char *function)
{
    return fail_error_at(key->provider, key->label, error, file, line, function);
}

/* --- reasons that say everything --- */

/* The reason with that string; 0: all are taken. Two threads may take two for one text. */
static uint32_t
find_said(const char *text)
{
    char cut[SAID_MAX];

    snprintf(cut, sizeof(cut), "%s", text);
    for (unsigned int i = 0; i < N_SAID; i++) {
        enum said_state was = SAID_FREE;

        if (atomic_compare_exchange_strong(&said[i].state, &was, SAID_BEING_WRITTEN)) {
            memcpy(said[i].text, cut, sizeof(cut));
            atomic_store(&said[i].state, SAID_READY);
            return REASON_SAID_FIRST + i;
        }
        if (was == SAID_READY && strcmp(said[i].text, cut) == 0)
            return REASON_SAID_FIRST + i;
    }
    return 0;
}

static void
raise_said(const struct provider *provider, int reason, const char *text, const char *hint)
{
    uint32_t number = find_said(text);

    if (number != 0 && strlen(text) < SAID_MAX)
        raise_text(provider, number, "%.900s", hint);
    else
        raise_text(provider, number ? number : (uint32_t)(REASON_FIRST + reason),
                   "%.600s%s%.350s%s", text, hint[0] != '\0' ? " (" : "", hint,
                   hint[0] != '\0' ? ")" : "");
}

static void
raise_text(const struct provider *provider, uint32_t reason, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    provider->vset_error(provider->core, reason, format, args);
    va_end(args);
}

/* --- standard error --- */

void
fail_begin(struct provider *provider)
{
    struct stat st;

    if (fstat(STDERR_FILENO, &st) != 0)
        return;
    provider->stderr_device = st.st_dev;
    provider->stderr_inode = st.st_ino;
}

/* A program without standard error may have opened its database under the number, or a connection.
 * What it opened later for errors is a log, a pipe or a terminal. */
static bool
is_for_errors(const struct provider *provider)
{
    struct stat st;
    int flags = fcntl(STDERR_FILENO, F_GETFL);

    if (flags < 0 || fstat(STDERR_FILENO, &st) != 0)
        return false;
    if (st.st_dev == provider->stderr_device && st.st_ino == provider->stderr_inode)
        return true;
    return S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode) ||
           (S_ISREG(st.st_mode) && (flags & O_APPEND));
}

/* Waits for no reader, and is not ended by SIGPIPE where there is none: it may have gone away after
 * the question. */
static void
write_without_harm(const char *line, size_t len)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    const struct timespec at_once = {.tv_sec = 0};
    sigset_t broken_pipe, pending, before;

    if (poll(&out, 1, 0) != 1 || out.revents != POLLOUT)
        return;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    if (write(STDERR_FILENO, line, len) < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&broken_pipe, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Whole lines, so that those of several processes do not mix; if it cannot be, it cannot. */
static void
tell_standard_error(const struct provider *provider, const char *text, const char *hint)
{
    char line[TEXT_MAX + 700];
    int len = snprintf(line, sizeof(line), "keysvc: %s%s%s%s\n", text, hint[0] != '\0' ? " (" : "",
                       hint, hint[0] != '\0' ? ")" : "");

    if (len > 0 && (size_t)len < sizeof(line) && is_for_errors(provider))
        write_without_harm(line, (size_t)len);
}
