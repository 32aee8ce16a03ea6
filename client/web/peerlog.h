/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peerlog - how many lines of the log strangers may cause: each address few, all of them not many
 *
 * What is left out is counted and told, with the address, by peerlog_tell(). The addresses of the last
 * PEERLOG_PEERS peers are kept apart; what is left out for one that made room for another is told
 * without it. One thread.
 */
#pragma once

#include <netinet/in.h>

#include "base/log.h"

#define PEERLOG_PEERS 64u
#define PEERLOG_LINES 5u      /* a second, of one peer */
#define PEERLOG_ALL_LINES 50u /* a second, of all */

struct peerlog {
    struct {
        char peer[INET6_ADDRSTRLEN];
        struct log_limit limit;
        uint64_t used; /* when; 0: never */
    } rows[PEERLOG_PEERS];
    uint64_t n_used;
    struct log_limit all;
};

/* False: the line is one too many. Starts as {0}. */
bool peerlog_allowed(struct peerlog *log, const char *peer);

/* A line for each peer of whom lines were left out since the last time; event=log-limited. */
void peerlog_tell(struct peerlog *log);
