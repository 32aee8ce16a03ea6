/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - what became of one operation: the outcome, and each check with what it expected and found
 *
 * Starts as REPORT_INIT. The place that meets the failure fills it, once; command line (where it is not
 * a terminal) and REST print the same JSON:
 *
 *     {"error": {"code": "CERTIFICATE_REFUSED", "message": ..., "hint": ..., "retryable": false,
 *                "checks": [{"check": "validity", "passed": false, "expected": ..., "found": ...}]}}
 *
 * No check: no "checks". The texts reach users and logs: never a password, a token or a key.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "base/fault.h"
#include "client/lib/keysvc.h"

#define REPORT_MAX_CHECKS 16u

struct report_check {
    const char *name; /* a constant: "issuer", "key", "validity", "usage", "names", ... */
    bool passed;
    char expected[256];
    char found[512];
};

struct report {
    ks_err code;
    char message[512];
    char hint[640];
    bool retryable;
    struct report_check checks[REPORT_MAX_CHECKS];
    size_t n_checks;
};

#define REPORT_INIT                                                                                \
    {                                                                                              \
        .code = KS_OK                                                                              \
    }

/* Sets the outcome and its message; the hint and `retryable` are those of base/err.h. Returns `code`. */
ks_err report_fail(struct report *report, ks_err code, const char *format, ...) KS_PRINTF(3, 4);

/* While all is well: adds a sentence that whoever asked should read ("left out of the certificate:
 * 10.0.0.1"), in `message`. Commands print it, the running agent logs it. */
void report_note(struct report *report, const char *format, ...) KS_PRINTF(2, 3);

/* The notes as `object`'s "note", if there are any. */
void report_tell_note(const struct report *report, json_t *object);

/* Replaces the hint. */
void report_hint(struct report *report, const char *format, ...) KS_PRINTF(2, 3);

/* As keysvcd told it. Returns error->code. */
ks_err report_error(struct report *report, const struct ks_error *error);
ks_err report_fault(struct report *report, ks_err code, const struct fault *why);

/*
 * Where a command ends well: did standard output take all that was printed? If not, INTERNAL; of what
 * changed something OUTCOME_UNKNOWN, and the message says that it was carried out.
 */
ks_err report_stdout(struct report *report, bool changed);

/* Adds a check; its texts are set by the caller, and cut if too long. */
struct report_check *report_add(struct report *report, const char *name, bool passed);

/* json_decref. {"error": ...} as above; NULL: no memory. */
json_t *report_json(const struct report *report);
/* The checks alone, an array, for what passed. */
json_t *report_checks_json(const struct report *report);
/* {"error": ...} and a line end; on a terminal the same as lines of text. */
void report_print(const struct report *report, FILE *out);
