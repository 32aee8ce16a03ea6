/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - the audit key on the token against the one that is known
 *
 * Reads objects itself, not through keys.c: what another token has must not get into that list.
 */
#include "token/identity.h"

#include "token/object.h"

static ks_err look(struct worker *worker, CK_OBJECT_CLASS class, bool *found, bool *same,
                   struct fault *why);
static ks_err refuse(const struct worker *worker, bool found, struct fault *why);

void
identity_doubt(struct worker *worker)
{
    worker->is_recognised = false;
}

ks_err
identity_check_early(struct worker *worker, struct fault *why)
{
    struct fault ignored = FAULT_INIT;
    bool found = false, same = false;

    if (worker->audit_key.len == 0 || worker->is_recognised)
        return KS_OK;
    /* A token that answers nobody before the login, or not at all, says so again after it. */
    if (look(worker, CKO_PUBLIC_KEY, &found, &same, &ignored) != KS_OK)
        return KS_OK;
    worker->is_recognised = same;
    return found && !same ? refuse(worker, found, why) : KS_OK;
}

ks_err
identity_check(struct worker *worker, struct fault *why)
{
    bool found = false, same = false;
    ks_err err;

    if (worker->audit_key.len == 0 || worker->is_recognised)
        return KS_OK;
    err = look(worker, CKO_PUBLIC_KEY, &found, &same, why);
    if (!err && !same) /* many tokens show the public half on the private one */
        err = look(worker, CKO_PRIVATE_KEY, &found, &same, why);
    if (err)
        return err;
    worker->is_recognised = same;
    return same ? KS_OK : refuse(worker, found, why);
}

static ks_err
look(struct worker *worker, CK_OBJECT_CLASS class, bool *found, bool *same, struct fault *why)
{
    ks_auto(object_list_deinit) struct object_list list = OBJECT_LIST_INIT;
    const struct spki *known = &worker->audit_key;
    ks_err err = object_find(worker->slot, class, WORKER_AUDIT_LABEL, &list, why);

    for (size_t i = 0; !err && !*same && i < list.n_handles; i++) {
        struct spki spki = {.len = 0};

        err = object_spki(worker->slot, list.handles[i], &spki, why);
        *found |= !err;
        *same = !err && spki.len == known->len && memcmp(spki.der, known->der, spki.len) == 0;
        if (err == KS_ERR_NO_KEY)
            err = KS_OK;
    }
    return err;
}

static ks_err
refuse(const struct worker *worker, bool found, struct fault *why)
{
    fault_set(why,
              "this is another token than before (its audit key %s), and nothing is done with it; "
              "if it was replaced on purpose, move away %s/%s.audit-key.pem",
              found ? "is another" : "is not there", worker->config->state_dir,
              worker->token->name);
    return KS_ERR_KEY_CHANGED;
}

void
identity_learn(struct worker *worker)
{
    const struct key *key = keys_known(worker->keys, WORKER_AUDIT_LABEL);

    if (worker->audit_key.len > 0 || !key || key->state != JOB_KEY_USABLE)
        return;
    worker->audit_key = key->spki;
    worker->is_recognised = true;
}
