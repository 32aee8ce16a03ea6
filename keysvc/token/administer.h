/* SPDX-License-Identifier: Apache-2.0 */
/*
 * administer - `keysvc-token --administer`: a new token, another PIN; then exit
 *
 * Started by keysvcd for an administrator, never through the service's socket, so that PINs pass no
 * other process. The message SETUP (ipc/control.h) comes on CONTROL_FD as for a serving process,
 * but its two descriptors hold PINs:
 *
 *   init [--force]   the security officer's PIN, the user PIN
 *   change-pin       the old user PIN, the new one
 *
 * One that is not given is sent as /dev/null (or anything else that is empty): it is asked for on
 * the terminal, new ones twice, or read as a line from standard input if there is no terminal. The
 * exit code is the ks_err (OUTCOME_UNKNOWN: the token may have been changed; after any other
 * error it has not); an error is one line on standard error.
 */
#pragma once

/* argv without the program and --administer. */
int administer_run(int argc, char **argv);
