/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - what a run of the load generator is: asked for once, read by every thread of it
 */
#pragma once

#include <stdatomic.h>

#include "base/crypto.h"
#include "base/util.h"
#include "tests/load/tally.h"

#define RUN_MAX_KEYS 64
#define RUN_MAX_PROCESSES 256
#define RUN_MAX_THREADS 4096 /* of all processes */
#define RUN_MAX_OPEN 1024    /* requests on one connection */
#define RUN_MAX_SECONDS TALLY_MAX_SECONDS

/* What answers this soon would make a failing service the client's own busy loop. */
#define RUN_FAILURE_PAUSE_US 10000

/* An answer that is this much later than its request's deadline does not come any more. */
#define RUN_GRACE_US 2000000

struct run_control {
    _Atomic unsigned int n_ready;
    _Atomic bool go, stop;
};

struct run {
    const char *socket;
    const char *keys[RUN_MAX_KEYS]; /* NAME or NAME@VERSION */
    size_t n_keys;
    bool raw; /* the protocol itself, without the library */
    bool verify;
    bool prehashed;
    bool json;
    bool timeline;
    unsigned int n_processes, n_threads, n_open; /* n_threads: of each process */
    double seconds;
    uint64_t count; /* TALLY_NO_LIMIT: none */
    double rate;    /* a second, of all; 0: as many as are answered */
    uint32_t deadline_ms;
    struct run_control *control; /* shared, as the tally is */
    struct tally *tally;
};

/* One thread's part of the rate. */
struct pace {
    uint64_t interval_us; /* 0: none */
    uint64_t due_us;
};

/* Fills `run`, or ends the program: 2, wrong usage. */
void run_parse(struct run *run, int argc, char **argv);

void pace_init(struct pace *pace, const struct run *run, unsigned int index, uint64_t now_us);
/* Once a request has been sent; what was missed is not caught up with. */
void pace_sent(struct pace *pace, uint64_t now_us);

/* One client process once it is forked: opens what it needs, waits for `go`, asks until `stop`. False:
 * trouble of its own, told on standard error. `first`: the number of its first thread. */
bool library_run(const struct run *run, unsigned int first);
bool protocol_run(const struct run *run, unsigned int first);

/* Starts `n` threads, each of them ready before it waits for `go`; the processor time from then on
 * goes to the tally. */
struct crew_member {
    const struct run *run;
    void *process;      /* the same for all */
    unsigned int index; /* among all threads of the run */
};
bool crew_run(const struct run *run, unsigned int first, void *process,
              void *(*work)(void *crew_member));
/* What each of them does first. */
void crew_wait_go(const struct run *run);

/* On standard output. */
void report_print(const struct run *run);
