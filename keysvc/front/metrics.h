/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics - what the front has counted since its start
 *
 * Plain integers in the one thread that there is. What stands on a request's way allocates nothing,
 * reads no clock and looks nothing up by name: its cost is a few nanoseconds (tests/bench/metrics.c).
 */
#pragma once

#include "base/err.h"
#include "front/request.h"

/* What token processes do, by how long it may take. */
enum metrics_class {
    METRICS_CLASS_NONE, /* no token process works on it */
    METRICS_SIGN,
    METRICS_CERTIFY, /* CSRs and self-signed certificates */
    METRICS_READ,
    METRICS_MAKE,   /* keys: generated or imported */
    METRICS_CHANGE, /* destruction, certificates beside a key */
    METRICS_RESCAN,
    METRICS_CLASS_COUNT,
};

/* Why somebody was turned away before a token process was asked. */
enum metrics_refusal {
    METRICS_REFUSAL_RULE,        /* none allows it */
    METRICS_REFUSAL_RATE,        /* more than the rule, or what needs none, allows a second */
    METRICS_REFUSAL_FAILURES,    /* too many of the caller's jobs have just failed */
    METRICS_REFUSAL_QUOTA,       /* of open requests or bytes */
    METRICS_REFUSAL_QUEUE,       /* the token's is full */
    METRICS_REFUSAL_MALFORMED,   /* a request out of its bounds */
    METRICS_REFUSAL_PROTOCOL,    /* no request at all: the end of the connection */
    METRICS_REFUSAL_CONNECTIONS, /* one too many, or of nobody known */
    METRICS_REFUSAL_OVERDUE,     /* a connection that was silent, or said half of something */
    METRICS_REFUSAL_UNREAD,      /* a connection whose client does not read its answers */
    METRICS_REFUSAL_COUNT,
};

/* An outcome that is no ks_err: the client went away before there was one. */
#define METRICS_GONE KS_ERR_COUNT
#define METRICS_OUTCOME_COUNT (KS_ERR_COUNT + 1)

#define METRICS_N_BOUNDS 18
#define METRICS_N_BUCKETS (METRICS_N_BOUNDS + 1) /* the last has no upper bound */

/* Microseconds, ascending: from a fast software token to an RSA key that a card makes. */
extern const uint64_t METRICS_BOUNDS_US[METRICS_N_BOUNDS];

struct metrics_histogram {
    uint64_t sum_us;
    uint64_t counts[METRICS_N_BUCKETS]; /* each bucket by itself */
};

/* Starts zeroed. */
struct metrics {
    uint64_t requests[REQUEST_OPERATION_COUNT][METRICS_OUTCOME_COUNT];
    uint64_t refusals[METRICS_REFUSAL_COUNT];
    struct metrics_histogram queue[METRICS_CLASS_COUNT], execution[METRICS_CLASS_COUNT];
    uint64_t n_accepted;     /* connections */
    uint64_t received, sent; /* bytes */
    uint64_t n_sent_again;   /* requests, to another token of their group */
};

/* A request has had its answer, or METRICS_GONE. */
void metrics_request(struct metrics *metrics, enum request_operation operation,
                     unsigned int outcome);

/* A token process has answered what was asked total_us ago. One that says that it worked longer is
 * not believed. */
void metrics_job(struct metrics *metrics, enum metrics_class class, uint64_t total_us,
                 uint64_t execution_us);

void metrics_refuse(struct metrics *metrics, enum metrics_refusal reason);

const char *metrics_class_name(enum metrics_class class); /* "certify" */
const char *metrics_refusal_name(enum metrics_refusal reason);
/* "OK", "DENIED", "GONE" */
const char *metrics_outcome_name(unsigned int outcome);
