/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress - one line that is written over, or one for each agent
 */
#include "client/agent/console/progress.h"

#include <stdio.h>

#define ERASE_LINE "\r\033[K"

static void
show(const struct progress *progress)
{
    if (progress->silent || !progress->terminal)
        return;
    fprintf(stderr, ERASE_LINE "%zu done, %zu failed, %zu left",
            progress->n_done - progress->n_failed, progress->n_failed,
            progress->n_all - progress->n_done);
    fflush(stderr);
}

void
progress_begin(struct progress *progress, size_t n_all)
{
    progress->n_all = n_all;
    progress->n_done = progress->n_failed = 0;
    show(progress);
}

void
progress_done(struct progress *progress, const char *name, const struct outcome *outcome)
{
    progress->n_done++;
    progress->n_failed += outcome->code ? 1 : 0;
    if (!progress->silent && !progress->terminal)
        fprintf(stderr, "%s: %s%s%s\n", name, outcome->code ? err_info(outcome->code)->name : "OK",
                outcome->message[0] ? ": " : "", outcome->message);
    show(progress);
}

void
progress_end(struct progress *progress)
{
    if (!progress->silent && progress->terminal)
        fputs(ERASE_LINE, stderr);
}
