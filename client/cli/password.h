/* SPDX-License-Identifier: Apache-2.0 */
/*
 * password - a password from a file, never from the command line; base/ask.h asks on the terminal
 */
#pragma once

#include "base/secret.h"
#include "client/cli/cli.h"

/*
 * The first line of a file, or of standard input for "-", without its line break. A file that
 * others may read is warned about on standard error. USAGE: it cannot be read, is empty or holds a
 * NUL; TOO_LARGE: more than SECRET_MAX_LEN bytes.
 */
ks_err password_first_line(const struct cli *cli, const char *path, struct secret **out,
                           struct fault *why) KS_MUST_CHECK;

/* The same for the whole file but one line break at its end; it may be empty. */
ks_err password_whole(const struct cli *cli, const char *path, struct secret **out,
                      struct fault *why) KS_MUST_CHECK;
