/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent - opens folder, store and client, and ends what a crash left half done
 *
 * The store decides: each identity's files are made to show the store's current set, and what
 * belongs to none is removed. An identity that somebody works on is left alone: its lock goes with
 * the process, so whoever holds it is alive.
 */
#include "client/agent/agent.h"

#include <stdio.h>

#include "base/log.h"
#include "client/agent/folder.h"
#include "client/agent/identity/identity.h"
#include "client/agent/store/store_identity.h"

static ks_err open_client(struct agent *agent, struct report *report);
static ks_err open_store(struct agent *agent, struct report *report);
static ks_err recover_all(struct agent *agent, struct report *report);

static void
agent_closep(struct agent **agent)
{
    *agent = agent_close(*agent);
}

ks_err
agent_open(const struct agent_config *config, const char *who, struct agent **out,
           struct report *report)
{
    ks_auto(agent_closep) struct agent *agent = calloc(1, sizeof(*agent));
    ks_err err;

    if (!agent)
        return report_fail(report, KS_ERR_INTERNAL, "no memory");
    agent->config = config;
    agent->lock.fd = -1;
    snprintf(agent->who, sizeof(agent->who), "%s", who);
    err = open_client(agent, report);
    if (!err)
        err = open_store(agent, report);
    if (!err)
        err = recover_all(agent, report);
    if (!err)
        *out = ks_steal(&agent);
    return err;
}

/* Connects to nothing yet: what needs no key works without keysvcd. */
static ks_err
open_client(struct agent *agent, struct report *report)
{
    const char *socket = agent->config->socket[0] ? agent->config->socket : NULL;
    struct ks_error error;

    if (ks_client_new(socket, &agent->client, &error))
        return report_error(report, &error);
    ks_client_set_program(agent->client, "keysvc-agent");
    return KS_OK;
}

static ks_err
open_store(struct agent *agent, struct report *report)
{
    char path[PATH_MAX + sizeof("/agent.db")];
    struct fault why = FAULT_INIT;
    ks_err err = folder_prepare(agent->config->state_dir, &why);

    snprintf(path, sizeof(path), "%s/agent.db", agent->config->state_dir);
    if (!err)
        err = store_open(path, &agent->store, &why);
    return err ? report_fault(report, err, &why) : KS_OK;
}

/* A disk that is full keeps files from being mended, but nobody from looking or serving. */
static ks_err
recover_all(struct agent *agent, struct report *report)
{
    ks_auto(strv_deinit) struct strv names = STRV_INIT;
    struct fault why = FAULT_INIT;
    ks_err err = store_identity_names(agent->store, &names, &why);

    if (err)
        return report_fault(report, err, &why);
    for (size_t i = 0; i < names.n_items; i++) {
        why = (struct fault)FAULT_INIT;
        err = identity_recover(agent, names.items[i], &why);
        if (err && err != KS_ERR_BUSY)
            log_error("event=files-not-mended identity=%s why=\"%s\"", names.items[i],
                      LOG_TEXT(why.text));
    }
    return KS_OK;
}

struct agent *
agent_close(struct agent *agent)
{
    if (!agent)
        return NULL;
    closep(&agent->lock.fd);
    agent->store = store_close(agent->store);
    agent->client = ks_client_free(agent->client);
    free(agent);
    return NULL;
}
