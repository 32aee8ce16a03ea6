/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ckr - what a PKCS#11 return value means to this process: one table for every call
 *
 * A failed call becomes a ks_err (what the client is told) and an action (what this process does
 * next). The value travels in fault.rv, so that whoever may act on it can look it up again.
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include "base/err.h"
#include "base/fault.h"

enum ckr_action {
    CKR_ACTION_NONE = 0, /* success */
    CKR_ACTION_LOGIN,    /* log in again, then try once more */
    CKR_ACTION_REOPEN,   /* open a new session (and log in), find the keys again, try once more */
    CKR_ACTION_FIND,     /* the handle is stale: find the key again, try once more */
    CKR_ACTION_RESTART,  /* only a new process helps */
    CKR_ACTION_ABSENT,   /* the token is not there */
    CKR_ACTION_BLOCKED,  /* the PIN was refused: never try it again */
    CKR_ACTION_UNSUPPORTED, /* this token does not do this; asking again changes nothing */
    CKR_ACTION_REFUSED,     /* permanent, for this request only */
};

struct ckr_info {
    CK_RV rv;
    const char *name; /* "CKR_DEVICE_REMOVED" */
    enum ckr_action action;
    ks_err err;
};

/* Never NULL; a value outside of the table (a vendor's) restarts the process. */
const struct ckr_info *ckr_info(CK_RV rv);

/* The table itself, for tests. */
const struct ckr_info *ckr_table(size_t *n_rows);

enum ckr_action ckr_action(CK_RV rv);

/* May it mean anything, from "the token is gone" to "I do not do this"? */
bool ckr_is_vague(CK_RV rv);

/* Of a call that sets a PIN, or initialises a token: is it certain that the token did not do it? */
bool ckr_is_refused_pin(CK_RV rv);

/* Fills `why` ("C_Sign: CKR_DEVICE_REMOVED (0x32)", rv) and returns the row's ks_err. `rv` is not
 * CKR_OK. */
ks_err ckr_fault(CK_RV rv, const char *call, struct fault *why) KS_MUST_CHECK;
