/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault - filling struct fault
 */
#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>

void
fault_set(struct fault *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
}

void
fault_prefix(struct fault *why, const char *format, ...)
{
    char prefix[sizeof(why->text) / 2];
    char text[sizeof(why->text)];
    va_list args;

    va_start(args, format);
    vsnprintf(prefix, sizeof(prefix), format, args);
    va_end(args);
    memcpy(text, why->text, sizeof(text));
    snprintf(why->text, sizeof(why->text), "%s: %.*s", prefix,
             (int)(sizeof(text) - sizeof(prefix) - 3), text);
}

void
fault_hint(struct fault *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why->hint, sizeof(why->hint), format, args);
    va_end(args);
}
