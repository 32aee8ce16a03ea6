/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peerlog - a small table of addresses, each with a limit of its own
 */
#include "client/web/peerlog.h"

#include <stdio.h>

/* The peer's row, else the one that was used longest ago. */
static size_t
row_of(struct peerlog *log, const char *peer)
{
    size_t at = 0;

    for (size_t i = 0; i < PEERLOG_PEERS; i++) {
        if (log->rows[i].used > 0 && strcmp(log->rows[i].peer, peer) == 0)
            return i;
        if (log->rows[i].used < log->rows[at].used)
            at = i;
    }
    log->all.swallowed += log->rows[at].limit.swallowed;
    log->rows[at].limit = (struct log_limit){0};
    snprintf(log->rows[at].peer, sizeof(log->rows[at].peer), "%s", peer);
    return at;
}

bool
peerlog_allowed(struct peerlog *log, const char *peer)
{
    size_t at = row_of(log, peer);

    log->rows[at].used = ++log->n_used;
    return log_allowed(&log->rows[at].limit, PEERLOG_LINES) &&
           log_allowed(&log->all, PEERLOG_ALL_LINES);
}

void
peerlog_tell(struct peerlog *log)
{
    for (size_t i = 0; i < PEERLOG_PEERS; i++) {
        struct log_limit *limit = &log->rows[i].limit;

        if (limit->swallowed > 0)
            log_warning("event=log-limited peer=%s lines=%u", log->rows[i].peer, limit->swallowed);
        limit->swallowed = 0;
    }
    if (log->all.swallowed > 0)
        log_warning("event=log-limited lines=%u", log->all.swallowed);
    log->all.swallowed = 0;
}
