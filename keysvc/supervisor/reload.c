/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload - read, compare, tell the workers, tell the front
 */
#include "supervisor/reload.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/config.h"
#include "supervisor/notify.h"

struct reload {
    struct reload_parts parts;
    bool running;
    uint64_t since_ms;
    bool again;
    bool stopping;
    bool asked; /* by the front, under `cookie` */
    uint64_t cookie;
};

static void begin(struct reload *reload, bool asked, uint64_t cookie);
static ks_err load(struct reload *reload, struct settings **out, struct fault *why);
static void end(struct reload *reload, ks_err err, const struct fault *why);
static void answer(struct reload *reload, uint64_t cookie, ks_err err, const struct fault *why);

ks_err
reload_new(const struct reload_parts *parts, struct reload **out)
{
    struct reload *reload = calloc(1, sizeof(*reload));

    if (!reload)
        return KS_ERR_INTERNAL;
    reload->parts = *parts;
    *out = reload;
    return KS_OK;
}

struct reload *
reload_free(struct reload *reload)
{
    free(reload);
    return NULL;
}

/* One that only waits for workers that are late waits no longer once the next one comes. */
static bool
may_begin(struct reload *reload)
{
    if (reload->running && !front_owes_config(reload->parts.front))
        end(reload, KS_OK, NULL);
    return !reload->running;
}

void
reload_by_signal(struct reload *reload)
{
    if (may_begin(reload))
        begin(reload, false, 0);
    else
        reload->again = true;
}

void
reload_by_admin(struct reload *reload, uint64_t cookie)
{
    struct fault why = FAULT_INIT;

    if (may_begin(reload)) {
        begin(reload, true, cookie);
        return;
    }
    fault_set(&why, "another reload is under way");
    answer(reload, cookie, KS_ERR_BUSY, &why);
}

static void
begin(struct reload *reload, bool asked, uint64_t cookie)
{
    struct launch *launch = reload->parts.launch;
    struct settings *before = launch->settings;
    struct settings *after = NULL;
    struct fault why = FAULT_INIT;
    ks_err err;

    reload->asked = asked;
    reload->cookie = cookie;
    if (launch->ready)
        notify_reloading();
    err = load(reload, &after, &why);
    if (!err)
        err = roster_apply(reload->parts.roster, before, after, &why);
    if (err) {
        settings_unref(after);
        end(reload, err, &why);
        return;
    }
    launch->settings = after;
    settings_unref(before);
    roster_rotate_audit(reload->parts.roster);
    front_rotate_audit(reload->parts.front);
    front_send_config(reload->parts.front); /* whose jobs find it at the workers */
    reload->running = true;
    reload->since_ms = clock_mono_ms();
    reload_step(reload);
}

static ks_err
load(struct reload *reload, struct settings **out, struct fault *why)
{
    const struct config *running = settings_config(reload->parts.launch->settings);
    ks_auto(config_freep) struct config *config = NULL;
    const char *option;
    ks_err err;

    err = config_load(reload->parts.config_path, reload->parts.profile_dir,
                      reload->parts.launch->switch_users, &config, why);
    if (err)
        return err;
    option = settings_needs_restart(running, config);
    if (option) {
        fault_set(why, "%s: the option %s in section daemon cannot change while keysvcd runs",
                  reload->parts.config_path, option);
        fault_hint(why, "put it back, or restart keysvcd");
        return KS_ERR_BAD_REQUEST;
    }
    config->generation = running->generation + 1;
    config_warn(config, NULL);
    err = settings_new(ks_steal(&config), out);
    if (err)
        fault_set(why, "no memory");
    return err;
}

void
reload_step(struct reload *reload)
{
    if (reload->running && !front_owes_config(reload->parts.front) &&
        !roster_owes_config(reload->parts.roster))
        end(reload, KS_OK, NULL);
}

/* Whoever is in a call takes it behind that: nobody waits longer for him. */
void
reload_tick(struct reload *reload, uint64_t now_ms)
{
    if (!reload->running || now_ms - reload->since_ms < RELOAD_WAIT_MS)
        return;
    if (front_owes_config(reload->parts.front))
        front_kill(reload->parts.front, "it does not answer the new configuration");
    else
        end(reload, KS_OK, NULL);
}

static void
count(struct control_tally *tally, ks_err err)
{
    tally->last_reload_failed = err != KS_OK;
    if (err) {
        tally->n_reloads_failed++;
        return;
    }
    tally->n_reloads++;
    tally->configured_us = clock_wall_us();
}

void
reload_stop(struct reload *reload)
{
    reload->stopping = true;
}

static void
end(struct reload *reload, ks_err err, const struct fault *why)
{
    reload->running = false;
    count(reload->parts.launch->tally, err);
    front_send_tally(reload->parts.front);
    if (err)
        log_error("event=reload outcome=%s error=\"%s\" hint=\"the running configuration stays\"",
                  err_info(err)->name, LOG_TEXT(why->text));
    else
        log_info("event=reload outcome=ok generation=%" PRIu64,
                 settings_config(reload->parts.launch->settings)->generation);
    if (reload->parts.launch->ready && !reload->stopping)
        notify_ready();
    if (reload->asked)
        answer(reload, reload->cookie, err, why);
    reload->asked = false;
    if (!reload->again || reload->stopping)
        return;
    reload->again = false;
    begin(reload, false, 0);
}

static void
answer(struct reload *reload, uint64_t cookie, ks_err err, const struct fault *why)
{
    struct control_result result = {.cookie = cookie, .err = err, .why = FAULT_INIT};

    if (why)
        result.why = *why;
    front_send_result(reload->parts.front, &result);
}
