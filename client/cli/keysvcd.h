/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keysvcd - finding and running the service's own program, for what never goes over the socket
 */
#pragma once

#include <limits.h>

#include "base/buf.h"
#include "client/cli/cli.h"

/* The options --config and --keysvcd, for the commands that run keysvcd. */
#define KEYSVCD_KEY_CONFIG 0x300
#define KEYSVCD_KEY_KEYSVCD 0x301
#define KEYSVCD_OPTIONS                                                                            \
    {"config", KEYSVCD_KEY_CONFIG, "FILE", 0, "keysvcd's configuration, if not its default", 10},  \
    {                                                                                              \
        "keysvcd", KEYSVCD_KEY_KEYSVCD, "PATH", 0, "the program keysvcd, if not beside keysvc", 10 \
    }

/* For cli_arguments.option: takes these two; ARGP_ERR_UNKNOWN for others. */
int keysvcd_option(struct cli *cli, int key, char *value);

/*
 * --keysvcd, else beside this program, in ../sbin and in the build folder, else /usr/local/sbin,
 * /usr/sbin, or PATH's. NO_KEY is never an answer: USAGE if there is none, and `why` says where it
 * was looked for.
 */
ks_err keysvcd_find(const struct cli *cli, char path[static PATH_MAX],
                    struct fault *why) KS_MUST_CHECK;

/* The file that keysvcd reads if --config says nothing else. */
const char *keysvcd_config(const struct cli *cli);

/* Runs it and waits; `arguments` ends with NULL, [0] is the path. Its output and errors (at most
 * out->max bytes) go to `out`. *status: as from waitpid. INTERNAL: it could not be run. */
ks_err keysvcd_run(const char *const arguments[], struct buf *out, int *status,
                   struct fault *why) KS_MUST_CHECK;

/* The same, `path` apart from the arguments, for one that asks a person: it keeps our standard
 * input and terminal. What it writes to standard output and to standard error goes to its own
 * buffer. */
ks_err keysvcd_attend(const char *path, const char *const arguments[], struct buf *out,
                      struct buf *errors, int *status, struct fault *why) KS_MUST_CHECK;
