/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - all checks in the order in which they are reported
 */
#include "client/agent/certificate/check.h"

#include <stdio.h>

#include "client/agent/certificate/certfile.h"
#include "client/agent/certificate/check_parts.h"

static ks_err check_certificates(STACK_OF(X509) * certificates, STACK_OF(X509) * cas,
                                 const struct check_wanted *wanted, struct check_result *out,
                                 struct report *report);
static void check_issuer(const struct check_chain *chain, STACK_OF(X509) * cas,
                         struct report *report);
static ks_err refuse(struct report *report, size_t first);
static STACK_OF(X509) * without_root(STACK_OF(X509) * chain);

void
check_result_deinit(struct check_result *result)
{
    ossl_stack_freep(&result->chain);
}

/* One file's check. */
static ks_err
parse(const char *name, const char *file_name, const void *data, size_t len, size_t max,
      const char *expected, STACK_OF(X509) * *out, struct report *report)
{
    struct fault why = FAULT_INIT;
    ks_err err = certfile_parse(file_name, data, len, max, out, &why);
    struct report_check *check = report_add(report, name, !err);

    snprintf(check->expected, sizeof(check->expected), "%s", expected);
    if (err)
        snprintf(check->found, sizeof(check->found), "%s", why.text);
    else
        snprintf(check->found, sizeof(check->found), "%d certificate%s", sk_X509_num(*out),
                 sk_X509_num(*out) == 1 ? "" : "s");
    return err;
}

ks_err
check_files(const struct check_files *files, const struct check_wanted *wanted,
            struct check_result *out, struct report *report)
{
    ks_auto(ossl_stack_freep) STACK_OF(X509) *certificates = NULL;
    ks_auto(ossl_stack_freep) STACK_OF(X509) *cas = NULL;
    ks_auto(check_result_deinit) struct check_result result = {0};
    size_t first = report->n_checks;
    ks_err err;

    err = parse("certificate-file", "the certificate's file", files->certificate,
                files->certificate_len, CHECK_MAX_CERTIFICATES,
                "a certificate, DER or PEM, and nothing behind it", &certificates, report);
    if (err == KS_ERR_INTERNAL)
        return report_fail(report, err, "no memory to read the certificate");
    err = parse("ca-file", "the CA's file", files->ca, files->ca_len, CHECK_MAX_CAS,
                "the CA's certificate, DER or PEM", &cas, report);
    if (err == KS_ERR_INTERNAL)
        return report_fail(report, err, "no memory to read the CA's certificate");
    if (certificates) {
        err = check_certificates(certificates, cas, wanted, &result, report);
        if (err)
            return report_fail(report, err, "no memory to check the certificate");
    }
    err = refuse(report, first);
    if (err)
        return err;
    *out = result;
    memset(&result, 0, sizeof(result));
    return KS_OK;
}

/* Which of the file's certificates is meant: that with a wanted key, else the first that is no CA. */
static X509 *
choose_leaf(STACK_OF(X509) * certificates, const struct check_wanted *wanted)
{
    for (int i = 0; i < sk_X509_num(certificates); i++) {
        for (size_t j = 0; j < wanted->n_keys; j++) {
            if (check_key_fits(sk_X509_value(certificates, i), &wanted->keys[j]))
                return sk_X509_value(certificates, i);
        }
    }
    for (int i = 0; i < sk_X509_num(certificates); i++) {
        if (X509_check_ca(sk_X509_value(certificates, i)) == 0)
            return sk_X509_value(certificates, i);
    }
    return sk_X509_value(certificates, 0);
}

static ks_err
check_certificates(STACK_OF(X509) * certificates, STACK_OF(X509) * cas,
                   const struct check_wanted *wanted, struct check_result *out,
                   struct report *report)
{
    ks_auto(check_chain_deinit) struct check_chain chain = {0};
    X509 *leaf = choose_leaf(certificates, wanted);
    ks_err err = KS_OK;

    /* Without a CA there is no chain to judge; what the certificate itself says is told all the same. */
    if (cas)
        err = check_chain_build(leaf, certificates, cas, wanted->now_s, &chain);
    if (err)
        return err;
    if (cas)
        check_issuer(&chain, cas, report);
    if (!wanted->any_key)
        check_key(leaf, wanted, report);
    check_validity(leaf, &chain, wanted->now_s, report);
    check_usage(leaf, &chain, report);
    check_leaf(leaf, report);
    err = check_names(leaf, wanted, &chain, &out->key, report);
    if (err)
        return err;
    check_strength(leaf, &chain, report);
    out->chain = without_root(chain.chain);
    return !cas || out->chain ? KS_OK : KS_ERR_INTERNAL;
}

static void
check_issuer(const struct check_chain *chain, STACK_OF(X509) * cas, struct report *report)
{
    struct report_check *check = report_add(report, "issuer", chain->issuer[0] == '\0');
    char subject[CHECK_SUBJECT_LEN];
    size_t len = 0;

    check_subject(sk_X509_value(cas, 0), subject);
    if (sk_X509_num(cas) == 1)
        snprintf(check->expected, sizeof(check->expected), "a chain to %s", subject);
    else
        snprintf(check->expected, sizeof(check->expected), "a chain to one of %d CAs, %s ...",
                 sk_X509_num(cas), subject);
    if (!check->passed) {
        snprintf(check->found, sizeof(check->found), "%s", chain->issuer);
        return;
    }
    for (int i = 0; i < sk_X509_num(chain->chain) && len < sizeof(check->found); i++) {
        check_subject(sk_X509_value(chain->chain, i), subject);
        len += (size_t)snprintf(check->found + len, sizeof(check->found) - len, "%s%s",
                                i > 0 ? ", issued by " : "", subject);
    }
}

/* A root in what is served is of no use: who trusts it has it. */
static STACK_OF(X509) * without_root(STACK_OF(X509) * chain)
{
    STACK_OF(X509) *copy = X509_chain_up_ref(chain);
    X509 *last = copy ? sk_X509_value(copy, sk_X509_num(copy) - 1) : NULL;

    if (last && sk_X509_num(copy) > 1 && X509_self_signed(last, 0) == 1)
        X509_free(sk_X509_pop(copy));
    return copy;
}

static ks_err
refuse(struct report *report, size_t first)
{
    char text[sizeof(report->message)] = "";
    size_t len = 0, n_failed = 0;
    bool other_key = false;

    for (size_t i = first; i < report->n_checks; i++) {
        const struct report_check *check = &report->checks[i];

        if (check->passed || n_failed++ >= 1)
            continue;
        len = (size_t)snprintf(text, sizeof(text), "%s: %s", check->name, check->found);
        other_key = strcmp(check->name, "key") == 0;
    }
    if (n_failed == 0)
        return KS_OK;
    for (size_t i = first, n = 0; i < report->n_checks && len < sizeof(text); i++) {
        if (report->checks[i].passed || n++ == 0)
            continue;
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
                                n == 2 ? "; failed too: " : ", ", report->checks[i].name);
    }
    report_fail(report, KS_ERR_CERTIFICATE_REFUSED, "%s", text);
    if (other_key)
        report_hint(report, "was it made from an older request, or another host's? "
                            "certificate-create-csr makes one for the current key");
    return KS_ERR_CERTIFICATE_REFUSED;
}
