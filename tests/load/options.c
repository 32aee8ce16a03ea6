/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - the command line of the load generator
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>

#include "tests/load/run.h"

enum load_option {
    OPTION_SOCKET = 256,
    OPTION_KEY,
    OPTION_VIA,
    OPTION_PROCESSES,
    OPTION_THREADS,
    OPTION_OPEN,
    OPTION_SECONDS,
    OPTION_COUNT,
    OPTION_RATE,
    OPTION_DEADLINE,
    OPTION_VERIFY,
    OPTION_PREHASHED,
    OPTION_TIMELINE,
    OPTION_JSON,
};

static const struct argp_option options[] = {
    {"socket", OPTION_SOCKET, "S", 0, "the service's, else $KEYSVC_SOCKET", 0},
    {"key", OPTION_KEY, "NAME[@V],...", 0, "signed with in turn; purpose sign", 0},
    {"via", OPTION_VIA, "library|protocol", 0, "libkeysvc, or the protocol itself (library)", 0},
    {"processes", OPTION_PROCESSES, "N", 0, "client processes (1)", 0},
    {"threads", OPTION_THREADS, "N", 0,
     "of each process (1); by the library they share one connection, else each has its own", 0},
    {"open", OPTION_OPEN, "N", 0, "requests at a time on each connection, protocol only (1)", 0},
    {"seconds", OPTION_SECONDS, "S", 0, "how long is asked (5; with --count: until it is reached)",
     0},
    {"count", OPTION_COUNT, "N", 0, "requests of all clients together, and no more", 0},
    {"rate", OPTION_RATE, "R", 0, "requests a second of all clients together, and no more", 0},
    {"deadline-ms", OPTION_DEADLINE, "D", 0, "of each request (30000)", 0},
    {"verify", OPTION_VERIFY, NULL, 0, "every signature", 0},
    {"prehashed", OPTION_PREHASHED, NULL, 0, "sign digests, not messages", 0},
    {"timeline", OPTION_TIMELINE, NULL, 0, "each second by itself too", 0},
    {"json", OPTION_JSON, NULL, 0, "one object, else lines", 0},
    {0},
};

static const char doc[] =
    "asks keysvcd for signatures and counts what becomes of it\v"
    "The exit code is 0 whatever the service did; 1: trouble of the generator's own, a key that is "
    "not there among it; 2: wrong usage. It ends early, with its report, on SIGTERM and SIGINT.\n\n"
    "By the library a request is a call, with the library's own tries inside. By the protocol each "
    "is asked once; behind a failure a client pauses for 10 ms, and a connection that was lost is "
    "made again.";

static void
take_keys(struct argp_state *state, struct run *run, char *list)
{
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        if (run->n_keys == RUN_MAX_KEYS)
            argp_error(state, "more than %d keys", RUN_MAX_KEYS);
        run->keys[run->n_keys++] = name;
    }
}

static double
number(struct argp_state *state, const char *text, double min, double max)
{
    char *end = NULL;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= min && value <= max))
        argp_error(state, "%s is no number from %g to %g", text, min, max);
    return value;
}

static unsigned int
whole(struct argp_state *state, const char *text, unsigned int max)
{
    return (unsigned int)number(state, text, 1, max);
}

static void
check(struct argp_state *state, struct run *run)
{
    if (run->n_keys == 0)
        argp_error(state, "--key is missing");
    if (!run->socket || run->socket[0] == '\0')
        argp_error(state, "neither --socket nor $KEYSVC_SOCKET");
    if (run->n_processes * run->n_threads > RUN_MAX_THREADS)
        argp_error(state, "more than %d threads in all", RUN_MAX_THREADS);
    if (run->n_open > 1 && !run->raw)
        argp_error(state, "--open needs --via protocol: by the library each thread has one");
    if (run->seconds == 0)
        run->seconds = run->count == TALLY_NO_LIMIT ? 5 : RUN_MAX_SECONDS;
}

static error_t
take_option(int key, char *value, struct argp_state *state)
{
    struct run *run = state->input;

    switch (key) {
    case OPTION_SOCKET:
        run->socket = value;
        return 0;
    case OPTION_KEY:
        take_keys(state, run, value);
        return 0;
    case OPTION_VIA:
        run->raw = strcmp(value, "protocol") == 0;
        if (!run->raw && strcmp(value, "library") != 0)
            argp_error(state, "--via is library or protocol");
        return 0;
    case OPTION_PROCESSES:
        run->n_processes = whole(state, value, RUN_MAX_PROCESSES);
        return 0;
    case OPTION_THREADS:
        run->n_threads = whole(state, value, RUN_MAX_THREADS);
        return 0;
    case OPTION_OPEN:
        run->n_open = whole(state, value, RUN_MAX_OPEN);
        return 0;
    case OPTION_SECONDS:
        run->seconds = number(state, value, 0.01, RUN_MAX_SECONDS);
        return 0;
    case OPTION_COUNT:
        run->count = (uint64_t)number(state, value, 1, 1e12);
        return 0;
    case OPTION_RATE:
        run->rate = number(state, value, 0.01, 1e6);
        return 0;
    case OPTION_DEADLINE:
        run->deadline_ms = whole(state, value, 600000);
        return 0;
    case OPTION_VERIFY:
        run->verify = true;
        return 0;
    case OPTION_PREHASHED:
        run->prehashed = true;
        return 0;
    case OPTION_TIMELINE:
        run->timeline = true;
        return 0;
    case OPTION_JSON:
        run->json = true;
        return 0;
    case ARGP_KEY_END:
        check(state, run);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void
run_parse(struct run *run, int argc, char **argv)
{
    static const struct argp argp = {options, take_option, NULL, doc, NULL, NULL, NULL};

    *run = (struct run){
        .socket = getenv("KEYSVC_SOCKET"),
        .n_processes = 1,
        .n_threads = 1,
        .n_open = 1,
        .count = TALLY_NO_LIMIT,
        .deadline_ms = 30000,
    };
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, ARGP_NO_ARGS, NULL, run);
}
