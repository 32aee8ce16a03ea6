/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err - the one list of outcomes, shared by every process, the wire, exit codes, JSON and man pages
 *
 * A value says what the caller does next, not where it broke. The numbers are the wire's and the
 * command line's exit codes: they never change, new ones go at the end. This header is installed.
 */
#pragma once

#include <stdbool.h>

typedef enum ks_err {
    KS_OK = 0,
    KS_ERR_INTERNAL = 1,           /* our fault; the log of the process says more */
    KS_ERR_USAGE = 2,              /* wrong command line or wrong use of the library */
    KS_ERR_DENIED = 3,             /* no rule allows it */
    KS_ERR_NO_KEY = 4,             /* no such key or version */
    KS_ERR_EXISTS = 5,             /* the name or version is taken */
    KS_ERR_BAD_REQUEST = 6,        /* malformed or out of bounds */
    KS_ERR_TOO_LARGE = 7,          /* larger than a limit that the message names */
    KS_ERR_PURPOSE = 8,            /* the key's class does not sign this */
    KS_ERR_NAME_NOT_ALLOWED = 9,   /* the key's class does not allow this name in a certificate */
    KS_ERR_TOKEN_UNAVAILABLE = 10, /* token absent, restarting or failed; nothing was changed */
    KS_ERR_BUSY = 11,              /* a queue or quota is full, or a reload is under way */
    KS_ERR_DEADLINE = 12,          /* the caller's own time is over; the work may still be done */
    KS_ERR_OUTCOME_UNKNOWN = 13,   /* a state change whose end nobody saw */
    KS_ERR_AUDIT_UNWRITABLE = 14,  /* no record, no signature */
    KS_ERR_KEY_CHANGED = 15,   /* the key under this name is another one than the caller meant */
    KS_ERR_AMBIGUOUS_KEY = 16, /* two private keys with one label */
    KS_ERR_NO_SERVICE = 17,    /* the socket does not answer */
    KS_ERR_LOGIN_BLOCKED = 18, /* a login failed; nothing logs in until there is another PIN */
    KS_ERR_UNSUPPORTED = 19,   /* not by this token */
    KS_ERR_CERTIFICATE_REFUSED = 20, /* it did not pass the agent's checks; the report says which */
    KS_ERR_NOT_FOUND = 21,           /* no such identity, upload, token of the API or agent */
    KS_ERR_IN_USE = 22,              /* what serves now cannot be replaced or removed */
    KS_ERR_UNTRUSTED = 23,           /* an agent shows another certificate than was trusted */
    KS_ERR_COUNT
} ks_err;

struct err_info {
    const char *name;    /* as on the wire's JSON form: "NO_KEY" */
    const char *message; /* one sentence without a full stop, when nothing more precise is known */
    const char *hint;    /* what to do next */
    bool retryable;      /* the same request may succeed later, unchanged */
};

/* Never NULL; a value outside of the list is described as INTERNAL. The texts are constants. */
const struct err_info *err_info(ks_err err);
