/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - the table of outcomes, and lines that do not repeat themselves
 *
 * No outcome becomes a CKR_ about logins, PINs or a token that was removed: programs would ask for
 * a PIN, or drop their sessions and never come back, where trying again is right.
 */
#include "client/pkcs11/report.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

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
};
/* clang-format on */

/* Lines of late; a full hash would be more than this is worth. */
struct remembered {
    uint32_t hash;
    uint64_t until_ms;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct remembered remembered[N_REMEMBERED];

static void write_line(const char *line);

CK_RV
report_code(ks_err err)
{
    return (unsigned int)err < KS_ERR_COUNT ? CODE[err] : CKR_GENERAL_ERROR;
}

CK_RV
report(const char *label, ks_err err, const struct ks_error *error)
{
    /* Most messages begin with the key they are about. */
    bool named = !label || strstr(error->message, label);

    report_text("%s%s%s%s%s", named ? "" : label, named ? "" : ": ", error->message,
                error->hint[0] != '\0' ? "; " : "", error->hint);
    return report_code(err);
}

void
report_text(const char *format, ...)
{
    char line[LINE_MAX_LEN];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    write_line(line);
}

void
report_forked(void)
{
    pthread_mutex_init(&lock, NULL);
}

/* FNV-1a */
static uint32_t
hash_of(const char *line)
{
    uint32_t hash = 2166136261u;

    for (const char *at = line; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    return hash;
}

/* Was it written a moment ago? Remembers it, in the place of the oldest. */
static bool
repeated(const char *line)
{
    uint32_t hash = hash_of(line);
    uint64_t now_ms = clock_mono_ms();
    struct remembered *oldest = &remembered[0];
    bool found = false;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < N_REMEMBERED; i++) {
        if (remembered[i].hash == hash && remembered[i].until_ms > now_ms)
            found = true;
        if (remembered[i].until_ms < oldest->until_ms)
            oldest = &remembered[i];
    }
    if (!found)
        *oldest = (struct remembered){.hash = hash, .until_ms = now_ms + REPORT_QUIET_MS};
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
        dprintf(STDERR_FILENO, "keysvc-pkcs11: %s\n", line);
}
