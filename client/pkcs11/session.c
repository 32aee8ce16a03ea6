/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - sessions, and a login that is none
 *
 * The service knows its caller by the credentials the kernel gives of this process. C_Login is
 * there for programs that insist: any PIN is right, and is not read.
 */
#include "client/pkcs11/session.h"

#include "client/pkcs11/digest.h"
#include "client/pkcs11/find.h"
#include "client/pkcs11/operation.h"

struct session_table {
    struct session *at[SESSIONS_MAX];
    CK_ULONG n, n_read_write;
    CK_ULONG serial; /* of handles */
    bool logged_in;
};

static struct session *find_session(struct session_table *table, CK_SESSION_HANDLE handle);
static void remove_session(struct session_table *table, struct session *session);
static struct session *session_free(struct session *session);

struct session_table *
sessions_new(void)
{
    return calloc(1, sizeof(struct session_table));
}

struct session_table *
sessions_free(struct session_table *table)
{
    for (size_t i = 0; table && i < SESSIONS_MAX; i++)
        session_free(table->at[i]);
    free(table);
    return NULL;
}

void
sessions_forked(struct session_table *table)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *session = table->at[i];

        if (!session || !session->busy)
            continue;
        session->busy = false;
        session->find = NULL;
        session->sign = session->verify = NULL;
        session->digest = NULL;
    }
}

void
sessions_count(struct session_table *table, CK_ULONG *all, CK_ULONG *read_write)
{
    module_lock();
    *all = table->n;
    *read_write = table->n_read_write;
    module_unlock();
}

static struct session *
session_free(struct session *session)
{
    if (!session)
        return NULL;
    find_free(session->find);
    operation_free(session->sign);
    operation_free(session->verify);
    digest_free(session->digest);
    free(session);
    return NULL;
}

/* --- calls --- */

CK_RV
session_begin(CK_SESSION_HANDLE handle, struct call *call)
{
    CK_RV rv;

    rv = module_enter(&call->module);
    if (rv)
        return rv;
    module_lock();
    while ((call->session = find_session(call->module->sessions, handle)) && call->session->busy)
        module_wait();
    if (call->session)
        call->session->busy = true;
    module_unlock();
    return call->session ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

void
session_end(struct call *call)
{
    if (call->session) {
        module_lock();
        call->session->busy = false;
        module_wake();
        module_unlock();
        call->session = NULL;
    }
    module_leave(&call->module);
    call->module = NULL;
}

/* The place in the table is in the handle: one look finds it. */
static struct session *
find_session(struct session_table *table, CK_SESSION_HANDLE handle)
{
    struct session *session = table->at[handle % SESSIONS_MAX];

    return session && session->handle == handle ? session : NULL;
}

/* --- opening and closing --- */

/* With the lock held; `fresh` gets its handle. */
static bool
add_session(struct session_table *table, struct session *fresh)
{
    for (size_t tries = 0; tries < SESSIONS_MAX; tries++) {
        CK_SESSION_HANDLE handle = ++table->serial;

        if (handle == CK_INVALID_HANDLE || table->at[handle % SESSIONS_MAX])
            continue;
        fresh->handle = handle;
        table->at[handle % SESSIONS_MAX] = fresh;
        table->n++;
        table->n_read_write += (fresh->flags & CKF_RW_SESSION) != 0;
        return true;
    }
    return false;
}

CK_RV
C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
              CK_SESSION_HANDLE *handle)
{
    ks_auto(module_leave) struct module *module = NULL;
    struct session *session;
    bool added;
    CK_RV rv;

    (void)application, (void)notify;
    rv = module_enter(&module);
    if (rv)
        return rv;
    if (slot != SLOT_ID)
        return CKR_SLOT_ID_INVALID;
    if (!handle)
        return CKR_ARGUMENTS_BAD;
    if (!(flags & CKF_SERIAL_SESSION))
        return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
    session = calloc(1, sizeof(*session));
    if (!session)
        return CKR_HOST_MEMORY;
    session->flags = flags & (CKF_SERIAL_SESSION | CKF_RW_SESSION);
    module_lock();
    added = add_session(module->sessions, session);
    if (added)
        *handle = session->handle;
    module_unlock();
    if (!added) {
        free(session);
        return CKR_SESSION_COUNT;
    }
    return CKR_OK;
}

CK_RV
C_CloseSession(CK_SESSION_HANDLE handle)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    struct session *session;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    session = ks_steal(&call.session);
    module_lock();
    remove_session(call.module->sessions, session);
    module_wake();
    module_unlock();
    session_free(session);
    return CKR_OK;
}

/* With the lock held. The last one takes the login with it. */
static void
remove_session(struct session_table *table, struct session *session)
{
    table->at[session->handle % SESSIONS_MAX] = NULL;
    table->n--;
    table->n_read_write -= (session->flags & CKF_RW_SESSION) != 0;
    if (table->n == 0)
        table->logged_in = false;
}

CK_RV
C_CloseAllSessions(CK_SLOT_ID slot)
{
    ks_auto(module_leave) struct module *module = NULL;
    CK_RV rv;

    rv = module_enter(&module);
    if (rv)
        return rv;
    if (slot != SLOT_ID)
        return CKR_SLOT_ID_INVALID;
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;

        module_lock();
        if (module->sessions->at[i])
            handle = module->sessions->at[i]->handle;
        module_unlock();
        if (handle != CK_INVALID_HANDLE)
            (void)C_CloseSession(handle);
    }
    return CKR_OK;
}

CK_RV
C_GetSessionInfo(CK_SESSION_HANDLE handle, CK_SESSION_INFO *info)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    bool logged_in, read_write;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    if (!info)
        return CKR_ARGUMENTS_BAD;
    module_lock();
    logged_in = call.module->sessions->logged_in;
    module_unlock();
    read_write = call.session->flags & CKF_RW_SESSION;
    memset(info, 0, sizeof(*info));
    info->slotID = SLOT_ID;
    info->flags = call.session->flags;
    if (read_write)
        info->state = logged_in ? CKS_RW_USER_FUNCTIONS : CKS_RW_PUBLIC_SESSION;
    else
        info->state = logged_in ? CKS_RO_USER_FUNCTIONS : CKS_RO_PUBLIC_SESSION;
    return CKR_OK;
}

/* --- login --- */

static CK_RV
change_login(struct session_table *table, bool wanted)
{
    bool before;

    module_lock();
    before = table->logged_in;
    table->logged_in = wanted;
    module_unlock();
    if (before != wanted)
        return CKR_OK;
    return wanted ? CKR_USER_ALREADY_LOGGED_IN : CKR_USER_NOT_LOGGED_IN;
}

CK_RV
C_Login(CK_SESSION_HANDLE handle, CK_USER_TYPE user, unsigned char *pin, CK_ULONG pin_len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    if (!pin && pin_len > 0)
        return CKR_ARGUMENTS_BAD;
    switch (user) {
    case CKU_USER:
        return change_login(call.module->sessions, true);
    case CKU_CONTEXT_SPECIFIC:
        return CKR_OK;
    default:
        return CKR_USER_TYPE_INVALID;
    }
}

CK_RV
C_Logout(CK_SESSION_HANDLE handle)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    return rv ? rv : change_login(call.module->sessions, false);
}
