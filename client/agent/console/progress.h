/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress - how far the work has come, on standard error
 *
 * On a terminal one line that is written over, else a line for each agent; with --json nothing.
 */
#pragma once

#include "client/agent/console/outcome.h"

struct progress {
    bool silent;
    bool terminal;
    size_t n_all, n_done, n_failed;
};

void progress_begin(struct progress *progress, size_t n_all);
void progress_done(struct progress *progress, const char *name, const struct outcome *outcome);
/* The line of a terminal is taken away: the summary says it all. */
void progress_end(struct progress *progress);
