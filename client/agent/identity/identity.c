/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - first use, the current set, and the one way in which it changes
 *
 * A switch, under the identity's lock:
 *
 *     files of the new set, synced    \
 *     the link, beside `current`       }  a crash or a full disk: the old set, leftovers are removed
 *     the store's transaction         /
 *     --- its commit ---
 *     rename of the link              \   a crash, a failing disk: the new set is current all the same,
 *     old sets removed                /   and identity_recover() does it
 */
#include "client/agent/identity/identity.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/keyname.h"
#include "base/log.h"
#include "client/agent/identity/fileset.h"
#include "client/agent/folder.h"
#include "client/agent/identity/self_signed.h"
#include "client/agent/store/store_csr.h"
#include "client/agent/store/store_history.h"
#include "client/agent/store/store_identity.h"
#include "client/agent/store/store_set.h"

static ks_err create(struct agent *agent, const char *name, struct report *report);
static ks_err lock(struct agent *agent, const char *name, bool make, struct report *report);
static ks_err switch_locked(struct agent *agent, struct identity_row *row, struct identity_set *set,
                            const char *action, const struct identity_also *also,
                            struct report *report);
static ks_err commit(struct agent *agent, const struct identity_row *row,
                     const struct identity_set *set, bool is_new, const char *action,
                     const struct identity_also *also, struct fault *why);
static ks_err record(struct agent *agent, const char *name, const struct identity_set *set,
                     const char *action, struct fault *why);
static void publish(struct agent *agent, const struct identity_row *row, int folder,
                    struct report *report);
static void prune_files(struct agent *agent, const char *name, int folder);

void
identity_set_deinit(struct identity_set *set)
{
    ks_chain_free(set->chain);
    *set = (struct identity_set){0};
}

bool
identity_name_valid(const char *name)
{
    return strnlen(name, IDENTITY_NAME_MAX + 1) <= IDENTITY_NAME_MAX && !strchr(name, '/') &&
           keyname_valid(name);
}

/* --- looking --- */

ks_err
identity_current(struct agent *agent, const char *name, struct identity_set *out,
                 struct report *report)
{
    struct fault why = FAULT_INIT;
    struct identity_row row;
    ks_err err = store_identity_get(agent->store, name, &row, &why);

    *out = (struct identity_set){0};
    if (!err)
        err = store_set_get(agent->store, name, row.current, out, &why);
    return err ? report_fault(report, err, &why) : KS_OK;
}

ks_err
identity_key_check(struct agent *agent, const struct ks_key *key, struct report *report)
{
    char label[KEYNAME_LABEL_MAX + 1];
    struct ks_error error;
    struct ks_key found;

    keyname_label(key->name, key->version, label);
    if (ks_get(agent->client, label, &found, &error))
        return report_error(report, &error);
    if (memcmp(found.public_key_sha256, key->public_key_sha256, KS_SHA256_LEN) != 0)
        return report_fail(report, KS_ERR_KEY_CHANGED,
                           "%s: the key on the token is another one than the certificate's", label);
    return KS_OK;
}

int64_t
identity_current_number(struct agent *agent, const char *name)
{
    struct fault why = FAULT_INIT;
    struct identity_row row;

    return store_identity_get(agent->store, name, &row, &why) ? 0 : row.current;
}

/* --- first use --- */

ks_err
identity_ensure(struct agent *agent, const char *name, struct report *report)
{
    struct fault why = FAULT_INIT;
    struct identity_row row;
    ks_err err;

    if (!identity_name_valid(name)) {
        report_fail(report, KS_ERR_BAD_REQUEST, "\"%s\" is no name for an identity", name);
        report_hint(report, "1 to %u letters, digits, dots, underscores or dashes",
                    IDENTITY_NAME_MAX);
        return KS_ERR_BAD_REQUEST;
    }
    err = store_identity_get(agent->store, name, &row, &why);
    if (!err)
        return KS_OK;
    if (err != KS_ERR_NOT_FOUND)
        return report_fault(report, err, &why);
    err = lock(agent, name, true, report);
    if (err)
        return err;
    /* Somebody else may have made it while we waited. */
    err = store_identity_get(agent->store, name, &row, &why);
    if (err == KS_ERR_NOT_FOUND)
        err = create(agent, name, report);
    else if (err)
        report_fault(report, err, &why);
    identity_unlock(agent);
    return err;
}

static ks_err
create(struct agent *agent, const char *name, struct report *report)
{
    ks_auto(identity_set_deinit) struct identity_set set = {.kind = SET_SELF_SIGNED};
    struct identity_row row = {.next_number = 1, .made_us = (int64_t)clock_wall_us()};
    ks_err err;

    text_copy(row.name, sizeof(row.name), name);
    if ((size_t)snprintf(row.key, sizeof(row.key), "%s/%s", agent->config->keys, name) >=
        sizeof(row.key))
        return report_fail(report, KS_ERR_BAD_REQUEST, "%s/%s: too long for a key's name",
                           agent->config->keys, name);
    err = self_signed_key(agent, row.key, &set.key, report);
    if (!err)
        err = self_signed_make(agent, &set, report);
    return err ? err : switch_locked(agent, &row, &set, "create", NULL, report);
}

/* --- the lock --- */

ks_err
identity_lock(struct agent *agent, const char *name, struct report *report)
{
    struct fault why = FAULT_INIT;
    struct identity_row row;
    ks_err err;

    if (agent->lock.fd < 0) {
        err = store_identity_get(agent->store, name, &row, &why);
        if (err)
            return report_fault(report, err, &why);
    }
    return lock(agent, name, true, report);
}

static ks_err
lock(struct agent *agent, const char *name, bool make, struct report *report)
{
    ks_auto(closep) int folder = -1;
    struct fault why = FAULT_INIT;
    ks_err err;

    if (agent->lock.fd >= 0) {
        /* Two at once would wait for each other some day. */
        if (strcmp(agent->lock.name, name) != 0)
            return report_fail(report, KS_ERR_INTERNAL, "%s: locked inside of %s", name,
                               agent->lock.name);
        agent->lock.depth++;
        return KS_OK;
    }
    err = folder_identity(agent->config->state_dir, name, make, &folder, &why);
    if (!err)
        err = folder_lock(folder, LOCK_WAIT_S, &agent->lock.fd, &why);
    if (err) {
        fault_prefix(&why, "%s", name);
        return report_fault(report, err, &why);
    }
    text_copy(agent->lock.name, sizeof(agent->lock.name), name);
    agent->lock.depth = 1;
    return KS_OK;
}

void
identity_unlock(struct agent *agent)
{
    if (--agent->lock.depth == 0)
        closep(&agent->lock.fd);
}

/* --- the change --- */

ks_err
identity_switch(struct agent *agent, const char *name, struct identity_set *set, const char *action,
                const struct identity_also *also, struct report *report)
{
    struct fault why = FAULT_INIT;
    struct identity_row row;
    ks_err err = identity_lock(agent, name, report);

    if (err)
        return err;
    err = store_identity_get(agent->store, name, &row, &why);
    if (err)
        report_fault(report, err, &why);
    else
        err = switch_locked(agent, &row, set, action, also, report);
    identity_unlock(agent);
    return err;
}

static ks_err
switch_locked(struct agent *agent, struct identity_row *row, struct identity_set *set,
              const char *action, const struct identity_also *also, struct report *report)
{
    ks_auto(closep) int folder = -1;
    struct fault why = FAULT_INIT;
    bool is_new = set->number == 0;
    ks_err err = folder_identity(agent->config->state_dir, row->name, false, &folder, &why);

    if (err)
        return report_fault(report, err, &why);
    if (is_new) {
        set->number = row->next_number++;
        set->made_us = (int64_t)clock_wall_us();
    }
    if (set->number == row->current)
        return KS_OK;
    row->previous = row->current;
    row->current = set->number;
    err = fileset_write(folder, set, &why);
    if (!err)
        err = fileset_prepare(folder, set->number, &why);
    if (!err)
        err = commit(agent, row, set, is_new, action, also, &why);
    if (err) {
        prune_files(agent, row->name, folder);
        set->number = is_new ? 0 : set->number;
        return report_fault(report, err, &why);
    }
    log_info("event=certificate-changed identity=%s action=%s set=%lld kind=%s key=%s@%u "
             "who=\"%s\"",
             row->name, action, (long long)set->number, set_kind_name(set->kind), set->key.name,
             set->key.version, LOG_TEXT(agent->who));
    publish(agent, row, folder, report);
    return KS_OK;
}

/* What fails here is no failure of the change, which is made. */
static void
publish(struct agent *agent, const struct identity_row *row, int folder, struct report *report)
{
    struct fault why = FAULT_INIT;

    if (fileset_publish(folder, &why) == KS_OK) {
        prune_files(agent, row->name, folder);
        return;
    }
    log_error("event=files-not-published identity=%s set=%lld why=\"%s\"", row->name,
              (long long)row->current, LOG_TEXT(why.text));
    report_note(report,
                "it is current, but programs that read %s/identities/%s/current see the one before "
                "(%s): the next keysvc-agent command tries again",
                agent->config->state_dir, row->name, why.text);
}

static ks_err
commit(struct agent *agent, const struct identity_row *row, const struct identity_set *set,
       bool is_new, const char *action, const struct identity_also *also, struct fault *why)
{
    struct store *store = agent->store;
    ks_err err = store_begin(store, why);

    if (err)
        return err;
    if (also)
        err = also->write(store, also->context, why);
    if (!err && is_new)
        err = store_set_put(store, row->name, set, why);
    if (!err)
        err = store_identity_put(store, row, why);
    if (!err)
        err = record(agent, row->name, set, action, why);
    /* Not a rollback: what it leads to was requested before, and what is pending is for another one. */
    if (!err && is_new && set->kind == SET_ISSUED)
        err = store_csr_settle(store, row->name, &set->key, why);
    if (!err)
        err = store_set_prune(store, row->name, why);
    if (!err)
        err = store_csr_prune(store, row->name, why);
    return store_end(store, err, why);
}

static ks_err
record(struct agent *agent, const char *name, const struct identity_set *set, const char *action,
       struct fault *why)
{
    struct history_row row = {
        .at_us = (int64_t)clock_wall_us(),
        .number = set->number,
        .kind = set->kind,
        .key_version = set->key.version,
    };
    X509 *leaf = chain_leaf(set->chain);

    snprintf(row.who, sizeof(row.who), "%s", agent->who);
    snprintf(row.action, sizeof(row.action), "%s", action);
    snprintf(row.key_name, sizeof(row.key_name), "%s", set->key.name);
    if (leaf)
        chain_name_text(X509_get_subject_name(leaf), row.subject, sizeof(row.subject));
    X509_free(leaf);
    chain_sha256(set->chain, row.sha256);
    return store_history_add(agent->store, name, &row, why);
}

/* The store says what stays; if it does not say, all of it. */
static void
prune_files(struct agent *agent, const char *name, int folder)
{
    int64_t keep[STORE_SETS_MAX];
    struct fault why = FAULT_INIT;
    size_t n;

    if (store_set_numbers(agent->store, name, keep, &n, &why) == KS_OK)
        fileset_prune(folder, keep, n);
}

/* --- after a crash --- */

ks_err
identity_recover(struct agent *agent, const char *name, struct fault *why)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};
    ks_auto(closep) int folder = -1, held = -1;
    struct identity_row row;
    ks_err err = folder_identity(agent->config->state_dir, name, true, &folder, why);

    if (!err)
        err = folder_lock(folder, 0, &held, why);
    if (!err)
        err = store_identity_get(agent->store, name, &row, why);
    if (!err)
        err = store_set_get(agent->store, name, row.current, &set, why);
    if (!err)
        err = fileset_write(folder, &set, why);
    if (!err && fileset_current(folder) != set.number) {
        err = fileset_prepare(folder, set.number, why);
        if (!err)
            err = fileset_publish(folder, why);
        if (!err)
            log_warning("event=files-mended identity=%s set=%lld", name, (long long)set.number);
    }
    if (!err)
        prune_files(agent, name, folder);
    return err;
}
