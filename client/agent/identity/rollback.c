/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rollback - to the set that was current before
 *
 * A second one leads back again: what was current is the previous set then.
 */
#include <openssl/x509.h>

#include "client/agent/certificate/chain.h"
#include "client/agent/identity/operations.h"
#include "client/agent/store/store_identity.h"
#include "client/agent/store/store_set.h"

static ks_err roll_back(struct agent *agent, const char *identity, struct report *report);
static ks_err check_validity(const char *identity, const struct identity_set *set,
                             struct report *report);

ks_err
certificate_rollback(struct agent *agent, const char *identity, struct report *report)
{
    ks_err err = identity_lock(agent, identity, report);

    if (err)
        return err;
    err = roll_back(agent, identity, report);
    identity_unlock(agent);
    return err;
}

static ks_err
roll_back(struct agent *agent, const char *identity, struct report *report)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};
    struct fault why = FAULT_INIT;
    struct identity_row row;
    ks_err err = store_identity_get(agent->store, identity, &row, &why);

    if (!err && row.previous == 0) {
        report_fail(report, KS_ERR_NOT_FOUND, "%s: nothing was current before", identity);
        report_hint(report, "certificate-status shows the history");
        return KS_ERR_NOT_FOUND;
    }
    if (!err)
        err = store_set_get(agent->store, identity, row.previous, &set, &why);
    if (err)
        return report_fault(report, err, &why);
    err = check_validity(identity, &set, report);
    if (!err) {
        err = identity_key_check(agent, &set.key, report);
        if (err == KS_ERR_NO_KEY)
            report_hint(report,
                        "the key of the certificate before was destroyed%s; "
                        "certificate-apply-self-signed serves at once",
                        set.kind == SET_UPLOADED ? " with its upload" : "");
    }
    return err ? err : identity_switch(agent, identity, &set, "rollback", NULL, report);
}

/* An expired certificate is an outage, whatever was wrong with the one that serves. */
static ks_err
check_validity(const char *identity, const struct identity_set *set, struct report *report)
{
    X509 *leaf = chain_leaf(set->chain);
    struct report_check *check;
    char found[128] = "a certificate that cannot be parsed";
    bool valid = false;

    if (leaf) {
        valid = X509_cmp_current_time(X509_get0_notAfter(leaf)) > 0;
        chain_validity_text(leaf, found, sizeof(found));
    }
    X509_free(leaf);
    if (valid)
        return KS_OK;
    check = report_add(report, "validity", false);
    snprintf(check->expected, sizeof(check->expected), "valid now");
    snprintf(check->found, sizeof(check->found), "%s", found);
    report_fail(report, KS_ERR_CERTIFICATE_REFUSED,
                "%s: the certificate that was current before has expired", identity);
    report_hint(report, "certificate-apply-self-signed serves at once; or apply a new one");
    return KS_ERR_CERTIFICATE_REFUSED;
}
