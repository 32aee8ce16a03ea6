/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload_check - the checks of an uploaded certificate
 *
 * Less than for one that a CA issued on our request (check.h): whoever uploads names no CA, and may
 * bring a certificate of his own that is its own CA or that says nothing of its usage. What is refused
 * here could serve nobody.
 */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "client/agent/certificate/chain.h"
#include "client/agent/certificate/check_parts.h"
#include "client/agent/upload/upload.h"

static void
check_server(X509 *leaf, struct report *report)
{
    bool passed = X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0) == 1;
    struct report_check *check = report_add(report, "usage", passed);

    snprintf(check->expected, sizeof(check->expected),
             "a certificate for servers, or for anything");
    snprintf(check->found, sizeof(check->found), "%s",
             passed ? "it may serve" : "its usages do not have Server Authentication");
}

ks_err
upload_check(const struct ks_key *key, const struct ks_chain *chain, struct report *report)
{
    ks_auto(ossl_x509_freep) X509 *leaf = chain->n_certificates > 0 ? chain_leaf(chain) : NULL;
    const struct check_key own = {.label = "the uploaded key",
                                  .public_key = key->public_key,
                                  .public_key_len = key->public_key_len};
    const struct check_wanted wanted = {.keys = &own, .n_keys = 1};
    const struct check_chain nothing = {.chain = NULL};
    const struct report_check *failed = NULL;
    size_t first = report->n_checks;

    if (!leaf)
        return report_fail(report, KS_ERR_BAD_REQUEST,
                           "the file holds no certificate for its private key");
    check_key(leaf, &wanted, report);
    check_validity(leaf, &nothing, (int64_t)time(NULL), report);
    check_server(leaf, report);
    for (size_t i = first; i < report->n_checks && !failed; i++)
        failed = report->checks[i].passed ? NULL : &report->checks[i];
    if (!failed)
        return KS_OK;
    return report_fail(report, KS_ERR_CERTIFICATE_REFUSED, "the certificate cannot serve: %s: %s",
                       failed->name, failed->found);
}
