/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - the table of sessions: bounded, with handles that are not used again
 *
 * A call on a session has it for itself: another call on the same session waits, calls on others do
 * not.
 *
 *     ks_auto(session_end) struct call call = CALL_INIT;
 *     rv = session_begin(handle, &call);
 *     if (rv)
 *         return rv;
 *     ... call.session, call.module ...
 */
#pragma once

#include "client/pkcs11/module.h"

#define SLOT_ID 0u
#define SESSIONS_MAX 4096u /* browsers and Java open some dozens */

struct digest;
struct find;
struct operation;

struct session {
    CK_SESSION_HANDLE handle;
    CK_FLAGS flags;
    bool busy; /* with a call */
    /* What was begun and not ended; each its own file's. */
    struct find *find;
    struct operation *sign;
    struct operation *verify;
    struct digest *digest;
};

struct call {
    struct module *module;
    struct session *session;
};

#define CALL_INIT                                                                                  \
    {                                                                                              \
        NULL, NULL                                                                                 \
    }

/* CKR_CRYPTOKI_NOT_INITIALIZED, CKR_SESSION_HANDLE_INVALID. */
CK_RV session_begin(CK_SESSION_HANDLE handle, struct call *call) KS_MUST_CHECK;
void session_end(struct call *call);

/* For module.c. */
struct session_table *sessions_new(void);
struct session_table *sessions_free(struct session_table *table);

/* In the child of a fork, where the threads are gone that had sessions busy: what these had begun
 * is forgotten, its memory too, since it may be half changed. */
void sessions_forked(struct session_table *table);

void sessions_count(struct session_table *table, CK_ULONG *all, CK_ULONG *read_write);
