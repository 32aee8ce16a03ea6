/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_watch - keysvc status --watch
 *
 * Looks again and again until SIGINT, which ends it with exit code 0. On a terminal each look takes
 * the place of the one before, on a screen of its own that is gone at the end; elsewhere they are
 * blocks, one after the other. A service that does not answer is said to be so and asked again.
 */
#pragma once

#include "client/cli/cli.h"

/* The exit code; an error at the first look is reported and ends it. */
int status_watch(struct cli *cli, uint32_t period_ms);
