/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch - which operations there are, who may ask for them, and who carries them out
 *
 * The table is in dispatch.c: one row an operation. The order for each request: rule, then rate,
 * then the operation's own file. Who may not learns nothing about what exists.
 */
#pragma once

#include "front/metrics.h"
#include "front/reply.h"
#include "front/request.h"

struct call;
struct connection;

enum operation_scope {
    SCOPE_ANYBODY, /* what is shown depends on who asks */
    SCOPE_KEY,     /* a rule must give `rule` on the key */
    SCOPE_SERVICE, /* a rule must give `rule`, whatever its keys */
};

struct operation {
    const char *name; /* in logs and audit */
    enum request_operation request;
    enum operation_scope scope;
    enum config_operation rule;
    enum metrics_class class; /* of what a token process does for it */
    bool changes;      /* something is different afterwards: when nobody saw its end that is said */
    bool first_worker; /* only a token's first worker does it */
    bool slow;         /* keeps a worker for seconds; only with first_worker */
    /* Answers, or stages the call, or fails with what is then answered. */
    ks_err (*start)(struct call *call, const struct request *request, struct fault *why);
    /* False: no worker that is in its senses says OK with this. NULL: any will do. */
    bool (*sane)(const struct job_reply *reply);
    /* With what the worker says, when it says OK: answers. */
    void (*finish)(struct call *call, const struct job_reply *reply);
    /* Only of the front's own calls, which have no client. */
    void (*failed)(struct call *call, ks_err err, const struct fault *why);
};

void dispatch_request(struct connection *connection, const struct request *request,
                      size_t frame_len);

/* As in log, audit and metrics; "unknown": none that is in the table. */
const char *dispatch_name(enum request_operation operation);

/* Answers a request that decode.c did not let in. */
void dispatch_malformed(struct connection *connection, const struct request *request, ks_err err,
                        const struct fault *why);
