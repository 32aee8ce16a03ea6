/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox - answers that a client has not read yet
 */
#pragma once

#include "base/buf.h"
#include "front/reply.h"

#define OUTBOX_FREE (64 * 1024) /* bytes of unread answers: more is charged to the caller */

struct config_limits;
struct quota_account;

/* Nothing in it holds no buffer. Starts as OUTBOX_INIT. */
struct outbox {
    struct buf bytes;
    size_t used;       /* of `bytes`: written */
    size_t mark;       /* of `bytes`: have to be written before since_ms moves on */
    uint64_t since_ms; /* how long the client has been reading too little; 0: nothing is unread */
    size_t charge;
};

#define OUTBOX_INIT                                                                                \
    {                                                                                              \
        BUF_INIT, 0, 0, 0, 0                                                                       \
    }

/* Gives back what it was charged. */
void outbox_close(struct outbox *outbox, struct quota_account *account);

/* One more answer, or an error in its place that says that it does not fit. INTERNAL: no memory. */
ks_err outbox_put(struct outbox *outbox, const struct reply *reply) KS_MUST_CHECK;

size_t outbox_unread(const struct outbox *outbox);

/* Writes what the socket takes. NO_SERVICE: the client has gone. */
ks_err outbox_write(struct outbox *outbox, int fd) KS_MUST_CHECK;

/* Many unread answers count as one more open request of that size. BUSY, TOO_LARGE: `why` says
 * which limit. */
ks_err outbox_charge(struct outbox *outbox, struct quota_account *account,
                     const struct config_limits *limits, struct fault *why) KS_MUST_CHECK;
