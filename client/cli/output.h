/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output - what a command writes: one result, as text, JSON or bytes, or one error
 *
 * A result goes to --out-file, whole or not at all, else to standard output. An error is one line
 * on standard error; with --json it is an object on standard output, or on standard error where
 * that takes no more.
 */
#pragma once

#include <jansson.h>

#include "client/cli/cli.h"

/* Return the exit code: 0, or that of the error they report when the result cannot be written. */
int output_text(struct cli *cli, const char *text);
int output_bytes(struct cli *cli, const void *data, size_t len); /* not to a terminal */
int output_json(struct cli *cli, json_t *root);                  /* takes `root`; NULL: no memory */

/* What was asked for is made: from now on no output that fails, and no SIGPIPE, is a failure of it. */
void output_changed(struct cli *cli);

/* output_changed(), then `object` (taken; NULL: no memory) with --json, else
 * the text. */
int output_done(struct cli *cli, json_t *object, const char *format, ...) KS_PRINTF(3, 4);

/* Report an error, once, and return the exit code for it. */
int output_error(const struct cli *cli, const struct ks_error *error);
int output_fault(const struct cli *cli, ks_err err, const struct fault *why);
int output_fail(const struct cli *cli, ks_err err, const char *format, ...) KS_PRINTF(3, 4);

/* The result cannot be told, for what `why` says. OUTCOME_UNKNOWN if cli->changed, else INTERNAL. */
int output_lost(const struct cli *cli, const struct fault *why);
int output_stdout_failed(const struct cli *cli); /* for what errno says */

/* {"error":{...}}; a new reference. */
json_t *output_error_object(const struct ks_error *error);

/* "0a1b": 2 * len + 1 bytes of `out`. */
void output_hex(const uint8_t *data, size_t len, char *out);
