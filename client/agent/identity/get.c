/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get - the current certificate and its chain
 */
#include "client/agent/certificate/chain.h"
#include "client/agent/identity/operations.h"

ks_err
certificate_get(struct agent *agent, const char *identity, char **pem, struct report *report)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};
    ks_auto(buf_deinit) struct buf text = BUF_INIT;
    ks_err err = identity_current(agent, identity, &set, report);

    if (err)
        return err;
    if (chain_pem(set.chain, 0, SIZE_MAX, &text))
        return report_fail(report, KS_ERR_INTERNAL, "%s: no memory for its certificate", identity);
    buf_append(&text, "", 1);
    if (text.failed)
        return report_fail(report, KS_ERR_INTERNAL, "%s: no memory for its certificate", identity);
    *pem = (char *)ks_steal(&text.data);
    return KS_OK;
}
