/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - reading times and paths
 */
#include "client/provider/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "client/lib/keysvc.h"

/* clang-format off */
static const struct { const char *name; uint32_t ms; } UNIT[] = {
    {"", 1000},
    {"ms", 1},
    {"s", 1000},
    {"m", 60000},
    {"min", 60000},
};
/* clang-format on */

void
options_parse(const char *socket, const char *timeout, const char *errors, struct options *out)
{
    *out = (struct options){.socket = socket, .timeout_ms = OPTIONS_TIMEOUT_DEFAULT_MS};
    if (socket && socket[0] != '/')
        snprintf(out->trouble, sizeof(out->trouble),
                 "socket = \"%.150s\" in openssl.cnf is no absolute path", socket);
    else if (timeout && !options_parse_time(timeout, &out->timeout_ms))
        snprintf(out->trouble, sizeof(out->trouble),
                 "timeout = \"%.100s\" in openssl.cnf is no time from 1ms to 10m, like 10s",
                 timeout);
    else if (errors && strcmp(errors, "stderr") != 0)
        snprintf(out->trouble, sizeof(out->trouble),
                 "errors = \"%.100s\" in openssl.cnf; it can only be stderr", errors);
    out->errors_to_stderr = errors && strcmp(errors, "stderr") == 0;
}

bool
options_parse_time(const char *text, uint32_t *ms)
{
    unsigned long number;
    char *end;

    if (text[0] < '0' || text[0] > '9') /* strtoul takes signs and spaces */
        return false;
    errno = 0;
    number = strtoul(text, &end, 10);
    if (errno != 0 || number == 0 || number > KS_TIMEOUT_MAX_MS)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(UNIT); i++) {
        if (strcmp(end, UNIT[i].name) == 0 && number <= KS_TIMEOUT_MAX_MS / UNIT[i].ms) {
            *ms = (uint32_t)number * UNIT[i].ms;
            return true;
        }
    }
    return false;
}
