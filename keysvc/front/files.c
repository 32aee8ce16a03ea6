/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files - descriptors, charged to their caller
 */
#include "front/files.h"

#include "front/call.h"
#include "front/connection.h"
#include "front/dispatch.h"
#include "front/front.h"
#include "front/policy.h"
#include "front/quota.h"

static ks_err admit(struct connection *connection, const struct passed_fds *fds);

ks_err
files_keep(struct connection *connection, struct passed_fds *fds, size_t len, struct fault *why)
{
    size_t n_fds = fds->n_fds;
    ks_err err = KS_OK, admitted = KS_OK;

    if (n_fds > 0 && n_fds <= PASSED_MAX)
        admitted = admit(connection, fds);
    err = passed_put(connection_passed(connection), len, fds, admitted, why);
    if (err && n_fds <= PASSED_MAX && !admitted)
        quota_files_put(connection_front(connection)->quota, connection_account(connection), n_fds);
    return err;
}

static ks_err
admit(struct connection *connection, const struct passed_fds *fds)
{
    struct front *front = connection_front(connection);
    struct fault why = FAULT_INIT;

    if (!policy_any_key(front->config, connection_peer(connection), OPERATION_IMPORT))
        return KS_ERR_DENIED;
    if (!passed_sealed(fds))
        return KS_ERR_BAD_REQUEST;
    return quota_files_take(front->quota, connection_account(connection),
                            connection_administrator(connection), fds->n_fds, &why);
}

ks_err
files_take(struct call *call, size_t n_wanted, struct fault *why)
{
    const char *operation = call->operation->name;
    struct passed_parcel parcel;

    if (!passed_take(connection_passed(call->connection), &parcel)) {
        fault_set(why, "%s of %s: no descriptor came with the first byte of the request", operation,
                  call->subject);
        return KS_ERR_BAD_REQUEST;
    }
    call->n_files = parcel.n_fds;
    memcpy(call->files, parcel.fds, sizeof(call->files));
    if (parcel.err == KS_ERR_BAD_REQUEST) {
        fault_set(why,
                  "%s of %s: its descriptors are not memfds sealed against shrinking, growing and "
                  "writing",
                  operation, call->subject);
        return parcel.err;
    }
    if (parcel.err == KS_ERR_DENIED) {
        fault_set(why, "%s of %s: when its descriptors came no rule allowed uid %u any import",
                  operation, call->subject, connection_peer(call->connection)->uid);
        return parcel.err;
    }
    if (parcel.err) {
        fault_set(why,
                  "%s of %s: too many descriptors are open for clients; the limit of one is %d",
                  operation, call->subject, QUOTA_FILES_PER_CALLER);
        return parcel.err;
    }
    if (parcel.n_fds != n_wanted) {
        fault_set(why, "%s of %s: %zu descriptors came with the request instead of %zu", operation,
                  call->subject, parcel.n_fds, n_wanted);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

void
files_settle(struct connection *connection, const struct request *request)
{
    struct passed_parcel parcel;

    if (request->operation != REQUEST_IMPORT ||
        !passed_take(connection_passed(connection), &parcel))
        return;
    for (size_t i = 0; i < parcel.n_fds; i++)
        close(parcel.fds[i]);
    quota_files_put(connection_front(connection)->quota, connection_account(connection),
                    parcel.n_fds);
}

void
files_clear(struct connection *connection)
{
    size_t n_closed = passed_clear(connection_passed(connection));

    quota_files_put(connection_front(connection)->quota, connection_account(connection), n_closed);
}
