/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply - a certificate from outside becomes what serves, if it passes every check
 *
 * Looked at, decided and changed under the identity's lock: what was current when it was checked is
 * what is replaced. What-if is the same way up to the change.
 */
#include <time.h>

#include "client/agent/certificate/certview.h"
#include "client/agent/certificate/chain.h"
#include "client/agent/certificate/check.h"
#include "client/agent/identity/operations.h"
#include "client/agent/identity/pending.h"

static ks_err apply_locked(struct agent *agent, const char *identity,
                           const struct apply_request *request, json_t **out,
                           struct report *report);
static bool is_same(const struct identity_set *current, const struct identity_set *set);
static ks_err keep_as_it_is(struct agent *agent, const char *identity,
                            const struct identity_set *set, struct report *report);
static ks_err make_set(struct agent *agent, const struct pending *pending,
                       const struct check_result *result, struct identity_set *out,
                       struct report *report);
static void note_older_key(const struct ks_key *used, const struct ks_key *wanted,
                           struct report *report);
static struct ks_chain *chain_from(STACK_OF(X509) * list);
static ks_err tell(const struct identity_set *set, bool applied, json_t **out,
                   struct report *report);

ks_err
certificate_apply(struct agent *agent, const char *identity, const struct apply_request *request,
                  json_t **out, struct report *report)
{
    ks_err err;

    if (request->certificate_len > APPLY_MAX_LEN || request->ca_len > APPLY_MAX_LEN)
        return report_fail(report, KS_ERR_TOO_LARGE, "the %s file has more than %u bytes",
                           request->ca_len > APPLY_MAX_LEN ? "CA's" : "certificate's",
                           APPLY_MAX_LEN);
    err = identity_lock(agent, identity, report);
    if (err)
        return err;
    err = apply_locked(agent, identity, request, out, report);
    identity_unlock(agent);
    return err;
}

static ks_err
apply_locked(struct agent *agent, const char *identity, const struct apply_request *request,
             json_t **out, struct report *report)
{
    ks_auto(identity_set_deinit) struct identity_set current = {0};
    ks_auto(identity_set_deinit) struct identity_set set = {.kind = SET_ISSUED};
    ks_auto(pending_deinit) struct pending pending = {0};
    ks_auto(check_result_deinit) struct check_result result = {0};
    ks_auto(ossl_x509_freep) X509 *before = NULL;
    const struct check_files files = {request->certificate, request->certificate_len, request->ca,
                                      request->ca_len};
    struct check_wanted wanted = {.keys = pending.keys, .now_s = (int64_t)time(NULL)};
    ks_err err = identity_current(agent, identity, &current, report);

    if (!err)
        err = pending_read(agent, identity, &current, &pending, report);
    if (err)
        return err;
    before = chain_leaf(current.chain);
    wanted.before = before;
    wanted.n_keys = pending.n_keys;
    err = check_files(&files, &wanted, &result, report);
    if (!err)
        err = make_set(agent, &pending, &result, &set, report);
    if (err)
        return err;
    note_older_key(&current.key, &set.key, report);
    err = tell(&set, !request->what_if, out, report);
    if (err)
        return err;
    if (!request->what_if && is_same(&current, &set))
        err = keep_as_it_is(agent, identity, &set, report);
    else if (!request->what_if)
        err = identity_switch(agent, identity, &set, "apply", NULL, report);
    if (err) {
        json_decref(*out);
        *out = NULL;
        return err;
    }
    report_tell_note(report, *out);
    return KS_OK;
}

/* --- what serves already --- */

static bool
is_same(const struct identity_set *current, const struct identity_set *set)
{
    const struct ks_chain *a = current->chain, *b = set->chain;

    if (current->kind != set->kind || strcmp(current->key.name, set->key.name) != 0 ||
        current->key.version != set->key.version || a->n_certificates != b->n_certificates)
        return false;
    for (size_t i = 0; i < a->n_certificates; i++) {
        if (a->certificates[i].len != b->certificates[i].len ||
            memcmp(a->certificates[i].data, b->certificates[i].data, a->certificates[i].len) != 0)
            return false;
    }
    return true;
}

/* As after an answer that was lost. A set of its own would take the place of the one before. */
static ks_err
keep_as_it_is(struct agent *agent, const char *identity, const struct identity_set *set,
              struct report *report)
{
    struct fault why = FAULT_INIT;
    ks_err err = store_begin(agent->store, &why);

    if (!err) {
        err = store_csr_settle(agent->store, identity, &set->key, &why);
        err = store_end(agent->store, err, &why);
    }
    if (err)
        return report_fault(report, err, &why);
    report_note(report, "it was in use already");
    return KS_OK;
}

/* --- a new set --- */

/* The key is asked for: a certificate whose key is gone, or is another by now, serves nobody. */
static ks_err
make_set(struct agent *agent, const struct pending *pending, const struct check_result *result,
         struct identity_set *out, struct report *report)
{
    const struct check_key *wanted = &pending->keys[result->key];
    struct ks_error error;

    if (ks_get(agent->client, wanted->label, &out->key, &error))
        return report_error(report, &error);
    if (out->key.public_key_len != wanted->public_key_len ||
        memcmp(out->key.public_key, wanted->public_key, wanted->public_key_len) != 0)
        return report_fail(report, KS_ERR_KEY_CHANGED,
                           "%s: the key on the token is another one than the certificate's",
                           wanted->label);
    out->chain = chain_from(result->chain);
    return out->chain ? KS_OK : report_fail(report, KS_ERR_INTERNAL, "no memory for the chain");
}

/* Right while a CA takes its time, and wrong if the rekey was because of the old key. */
static void
note_older_key(const struct ks_key *used, const struct ks_key *wanted, struct report *report)
{
    if (wanted->version < used->version && strcmp(wanted->name, used->name) == 0)
        report_note(report,
                    "the certificate is for %s@%u, an older version of the key than @%u, which was "
                    "in use: certificate-create-csr asks for one for that",
                    wanted->name, wanted->version, used->version);
}

/* NULL: no memory. */
static struct ks_chain *
chain_from(STACK_OF(X509) * list)
{
    ks_auto(buf_deinit) struct buf joined = BUF_INIT;
    struct ks_chain *chain = NULL;

    for (int i = 0; i < sk_X509_num(list); i++) {
        ks_auto(ossl_memory_freep) uint8_t *der = NULL;
        int len = i2d_X509(sk_X509_value(list, i), &der);

        if (len <= 0)
            return NULL;
        buf_append(&joined, der, (size_t)len);
    }
    return joined.failed || chain_split(joined.data, joined.len, &chain) ? NULL : chain;
}

static ks_err
tell(const struct identity_set *set, bool applied, json_t **out, struct report *report)
{
    json_t *certificate = json_object();
    int bad = !certificate || certview_add(certificate, set->chain);
    json_t *told = json_pack("{s:b, s:o, s:o}", "applied", applied, "checks",
                             report_checks_json(report), "certificate", certificate);

    if (told && !bad) {
        *out = told;
        return KS_OK;
    }
    json_decref(told);
    return report_fail(report, KS_ERR_INTERNAL, "no memory for the report");
}
