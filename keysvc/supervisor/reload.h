/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload - from one generation of the configuration to the next
 *
 *   NONE --file is good--> WORKERS --all ready workers answered--> FRONT --answered--> NONE
 *
 * Workers take a generation before the front does, so that the front never decides by rules that
 * the workers do not know. A bad file changes nothing. Whoever does not answer in RELOAD_ANSWER_MS
 * is restarted and gets the new generation then; a worker's time is counted from the end of the last
 * call into its module, or of its last wait at the store's gate: jobs that it had before go first, and
 * hang.h bounds each of those.
 */
#pragma once

#include "supervisor/front.h"
#include "supervisor/roster.h"

#define RELOAD_ANSWER_MS 10000

struct reload;

/* All of it is borrowed; launch->settings is replaced. */
struct reload_parts {
    struct launch *launch;
    struct roster *roster;
    struct front *front;
    const char *config_path;
    const char *profile_dir;
};

ks_err reload_new(const struct reload_parts *parts, struct reload **out) KS_MUST_CHECK;
/* Takes NULL. */
struct reload *reload_free(struct reload *reload);

/* keysvcd stops: none begins any more, and none that ends says that it is ready. */
void reload_stop(struct reload *reload);

/* SIGHUP. One that comes in the middle of a reload is done after it. */
void reload_by_signal(struct reload *reload);

/* `keysvc reload`: the front is answered when all is done, or why not. BUSY in the middle of
 * another. */
void reload_by_admin(struct reload *reload, uint64_t cookie);

/* Something that it may have waited for has happened. */
void reload_step(struct reload *reload);
void reload_tick(struct reload *reload, uint64_t now_ms);
