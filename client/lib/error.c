/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error - what the caller is told, and the words for it
 */
#include "client/lib/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "build-config.h"

const char *
ks_err_name(ks_err err)
{
    return err_info(err)->name;
}

const char *
ks_err_message(ks_err err)
{
    return err_info(err)->message;
}

const char *
ks_version(void)
{
    return KEYSVC_VERSION;
}

ks_err
error_set(struct ks_error *error, ks_err code, const char *format, ...)
{
    const struct err_info *info = err_info(code);
    va_list args;

    if (!error)
        return code;
    error->code = code;
    error->retryable = info->retryable;
    error->refused_name[0] = '\0';
    snprintf(error->hint, sizeof(error->hint), "%s", info->hint);
    va_start(args, format);
    vsnprintf(error->message, sizeof(error->message), format, args);
    va_end(args);
    return code;
}

void
error_hint(struct ks_error *error, const char *format, ...)
{
    va_list args;

    if (!error)
        return;
    va_start(args, format);
    vsnprintf(error->hint, sizeof(error->hint), format, args);
    va_end(args);
}

void
error_clear(struct ks_error *error)
{
    if (!error)
        return;
    error->code = KS_OK;
    error->message[0] = '\0';
    error->hint[0] = '\0';
    error->retryable = false;
    error->refused_name[0] = '\0';
}
