/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload - from one generation of the configuration to the next
 *
 * A bad file changes nothing. A good one is sent to the workers first and to the front right behind, so
 * that what the front decides by it finds it at the workers: they take it before the first such job
 * (token/serve.h). Jobs of the one before are not begun any more (ipc/pulse.h). A worker that is in a long call
 * holds up nobody, then.
 *
 * It has ended when all have answered, or after RELOAD_WAIT_MS, when the front has; a front that has not is
 * restarted. A worker that is late takes it behind its call, or is ended by worker_check_config().
 */
#pragma once

#include "supervisor/front.h"
#include "supervisor/roster.h"

#define RELOAD_WAIT_MS WORKER_CONFIG_MS

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

/* SIGHUP. One that comes before the front has taken the last one is done after that. */
void reload_by_signal(struct reload *reload);

/* `keysvc reload`: the front is answered when all is done, or why not. BUSY before the front has
 * taken another. */
void reload_by_admin(struct reload *reload, uint64_t cookie);

/* Something that it may have waited for has happened. */
void reload_step(struct reload *reload);
void reload_tick(struct reload *reload, uint64_t now_ms);
