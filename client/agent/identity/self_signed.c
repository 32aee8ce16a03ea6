/* SPDX-License-Identifier: Apache-2.0 */
/*
 * self_signed - back to a certificate that the identity's key has signed itself
 *
 * The kept one serves again if it is valid now and its key is still on the token. Else there is a
 * new one: on the key that serves, if it is the identity's own, else on the newest version of the
 * identity's own key; with --rekey on a version that never served before.
 */
#include "client/agent/identity/self_signed.h"

#include <openssl/x509.h>

#include "client/agent/certificate/chain.h"
#include "client/agent/identity/default_names.h"
#include "client/agent/identity/operations.h"
#include "client/agent/identity/refused_name.h"
#include "client/agent/store/store_history.h"
#include "client/agent/store/store_identity.h"
#include "client/agent/store/store_set.h"

static ks_err back_to_kept(struct agent *agent, const struct identity_row *row, bool *done,
                           struct report *report);
static ks_err look_at_kept(struct agent *agent, const struct identity_row *row, int64_t number,
                           bool *done, struct report *report);
static ks_err make_new(struct agent *agent, const struct identity_row *row, bool rekey,
                       struct report *report);
static ks_err existing_key(struct agent *agent, const struct identity_row *row, struct ks_key *out,
                           struct report *report);
static ks_err new_version(struct agent *agent, const struct identity_row *row, struct ks_key *out,
                          struct report *report);
static ks_err rotate(struct agent *agent, const char *name, uint32_t from, struct ks_key *out,
                     struct report *report);

ks_err
certificate_self_signed(struct agent *agent, const char *identity, bool rekey,
                        struct report *report)
{
    struct fault why = FAULT_INIT;
    struct identity_row row;
    bool done = false;
    ks_err err = identity_lock(agent, identity, report);

    if (err)
        return err;
    err = store_identity_get(agent->store, identity, &row, &why);
    if (err)
        report_fault(report, err, &why);
    if (!err && !rekey)
        err = back_to_kept(agent, &row, &done, report);
    if (!err && !done)
        err = make_new(agent, &row, rekey, report);
    identity_unlock(agent);
    return err;
}

/* --- the kept one --- */

static ks_err
back_to_kept(struct agent *agent, const struct identity_row *row, bool *done, struct report *report)
{
    struct fault why = FAULT_INIT;
    int64_t number;
    ks_err err = store_set_self_signed(agent->store, row->name, &number, &why);

    if (err)
        return report_fault(report, err, &why);
    return number == 0 ? KS_OK : look_at_kept(agent, row, number, done, report);
}

static bool
is_valid_now(const struct ks_chain *chain)
{
    X509 *leaf = chain_leaf(chain);
    bool valid = leaf && X509_cmp_current_time(X509_get0_notBefore(leaf)) < 0 &&
                 X509_cmp_current_time(X509_get0_notAfter(leaf)) > 0;

    X509_free(leaf);
    return valid;
}

static ks_err
look_at_kept(struct agent *agent, const struct identity_row *row, int64_t number, bool *done,
             struct report *report)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};
    struct report looking = REPORT_INIT;
    struct fault why = FAULT_INIT;
    ks_err err = store_set_get(agent->store, row->name, number, &set, &why);

    if (err)
        return report_fault(report, err, &why);
    if (!is_valid_now(set.chain)) {
        report_note(report,
                    "the kept self-signed certificate is not valid any more; made a new one");
        return KS_OK;
    }
    err = identity_key_check(agent, &set.key, &looking);
    if (err == KS_ERR_NO_KEY || err == KS_ERR_KEY_CHANGED) {
        report_note(report,
                    "the key of the kept self-signed certificate, %s@%u, is gone; made a new "
                    "certificate",
                    set.key.name, set.key.version);
        return KS_OK;
    }
    *done = true;
    if (err) {
        *report = looking;
        return err;
    }
    return identity_switch(agent, row->name, &set, "self-signed", NULL, report);
}

/* --- a new one --- */

static ks_err
make_new(struct agent *agent, const struct identity_row *row, bool rekey, struct report *report)
{
    ks_auto(identity_set_deinit) struct identity_set set = {.kind = SET_SELF_SIGNED};
    ks_err err = rekey ? new_version(agent, row, &set.key, report)
                       : existing_key(agent, row, &set.key, report);

    if (!err)
        err = self_signed_make(agent, &set, report);
    if (err)
        return err;
    return identity_switch(agent, row->name, &set, rekey ? "rekey" : "self-signed", NULL, report);
}

static ks_err
existing_key(struct agent *agent, const struct identity_row *row, struct ks_key *out,
             struct report *report)
{
    ks_auto(identity_set_deinit) struct identity_set current = {0};
    struct report looking = REPORT_INIT;
    ks_err err = identity_current(agent, row->name, &current, report);

    if (err)
        return err;
    *out = current.key;
    if (strcmp(current.key.name, row->key) != 0)
        return self_signed_key(agent, row->key, out, report);
    err = identity_key_check(agent, out, &looking);
    if (err == KS_OK)
        return KS_OK;
    if (err != KS_ERR_NO_KEY && err != KS_ERR_KEY_CHANGED) {
        *report = looking;
        return err;
    }
    report_note(report, "the key %s@%u is gone; took another version", current.key.name,
                current.key.version);
    return self_signed_key(agent, row->key, out, report);
}

/*
 * A version that was made and never served is left from a rekey that did not come to its end: it is
 * as new as another one would be, and a token has room for so many only.
 */
static ks_err
new_version(struct agent *agent, const struct identity_row *row, struct ks_key *out,
            struct report *report)
{
    struct fault why = FAULT_INIT;
    struct ks_error error;
    uint32_t served;
    ks_err err = store_history_version(agent->store, row->name, row->key, &served, &why);

    if (err)
        return report_fault(report, err, &why);
    err = ks_get(agent->client, row->key, out, &error);
    if (err == KS_ERR_NO_KEY)
        return self_signed_key(agent, row->key, out, report);
    if (err)
        return report_error(report, &error);
    if (out->version > served)
        return KS_OK;
    return rotate(agent, row->key, out->version, out, report);
}

static ks_err
rotate(struct agent *agent, const char *name, uint32_t from, struct ks_key *out,
       struct report *report)
{
    struct ks_error error, looking;
    ks_err err = ks_rotate(agent->client, name, from, out, &error);

    /* Nobody saw the end: the key itself says it. */
    if (err == KS_ERR_OUTCOME_UNKNOWN && ks_get(agent->client, name, out, &looking) == KS_OK &&
        out->version == from + 1)
        return KS_OK;
    return err ? report_error(report, &error) : KS_OK;
}

/* --- for the first use, too --- */

ks_err
self_signed_key(struct agent *agent, const char *key_name, struct ks_key *out,
                struct report *report)
{
    struct ks_error error;
    ks_err err = ks_get(agent->client, key_name, out, &error);

    if (err != KS_ERR_NO_KEY)
        return err ? report_error(report, &error) : KS_OK;
    err = ks_generate(agent->client, key_name, agent->config->key_type, out, &error);
    if (err == KS_ERR_OUTCOME_UNKNOWN || err == KS_ERR_EXISTS) {
        struct ks_error looking;

        if (ks_get(agent->client, key_name, out, &looking) == KS_OK)
            return KS_OK;
    }
    return err ? report_error(report, &error) : KS_OK;
}

ks_err
self_signed_make(struct agent *agent, struct identity_set *set, struct report *report)
{
    ks_auto(freep) struct default_names *names = calloc(1, sizeof(*names));
    struct ks_csr_request request;
    struct ks_error error;
    ks_err err;

    if (!names)
        return report_fail(report, KS_ERR_INTERNAL, "no memory");
    err = default_names_get(names, report);
    if (err)
        return err;
    do {
        request = (struct ks_csr_request){
            .common_name = names->common_name,
            .alternative_names = names->names,
            .n_alternative_names = names->n_names,
        };
        err = ks_self_sign(agent->client, &set->key, &request, 0, &set->chain, &error);
    } while (err == KS_ERR_NAME_NOT_ALLOWED &&
             refused_name_drop(names->names, &names->n_names, names->common_name, &error, report));
    if (err)
        set->chain = NULL;
    return err ? refused_name_report(set->key.name, &error, report) : KS_OK;
}
