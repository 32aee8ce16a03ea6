/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_names - does the certificate name what was asked for
 *
 * A CA that signs the request of one agent with the names of another makes a certificate that chains,
 * is valid and may even have the right key, and that no client of this agent accepts.
 */
#include "client/agent/certificate/check_parts.h"

#include <stdio.h>

static ks_err names_of_certificate(X509 *certificate, struct altname_list *out);
static ks_err missing_names(X509 *leaf, const struct altname_list *has, X509_REQ *request,
                            struct altname_list *wanted, struct altname_list *missing);
static ks_err compare_before(const struct altname_list *has, X509 *before,
                             struct report_check *check);

/* The request that the certificate fits best. */
struct best {
    struct altname_list wanted;
    struct altname_list missing;
    bool found;
    size_t key;
};

static void
best_deinit(struct best *best)
{
    altname_deinit(&best->wanted);
    altname_deinit(&best->missing);
}

static ks_err
consider(X509 *leaf, const struct altname_list *has, const struct check_wanted *wanted, size_t key,
         struct best *best)
{
    struct best next = {.found = true, .key = key};
    ks_err err = missing_names(leaf, has, wanted->keys[key].request, &next.wanted, &next.missing);

    /* A request that names nothing asks for nothing. */
    if (!err && next.wanted.n_names > 0 &&
        (!best->found || next.missing.n_names < best->missing.n_names)) {
        best_deinit(best);
        *best = next;
        return KS_OK;
    }
    best_deinit(&next);
    return err;
}

static bool
first_fitting(X509 *leaf, const struct check_wanted *wanted, size_t *key)
{
    for (*key = 0; *key < wanted->n_keys; (*key)++) {
        if (check_key_fits(leaf, &wanted->keys[*key]))
            return true;
    }
    return false;
}

ks_err
check_names(X509 *leaf, const struct check_wanted *wanted, const struct check_chain *chain,
            size_t *key, struct report *report)
{
    ks_auto(altname_deinit) struct altname_list has = {0};
    ks_auto(best_deinit) struct best best = {.found = false};
    struct report_check *check = report_add(report, "names", false);
    ks_err err = names_of_certificate(leaf, &has);
    bool any = !first_fitting(leaf, wanted, key);

    if (err == KS_ERR_TOO_LARGE) {
        snprintf(check->expected, sizeof(check->expected), "at most %u alternative names",
                 KS_MAX_ALTERNATIVE_NAMES);
        snprintf(check->found, sizeof(check->found), "more");
        return KS_OK;
    }
    /* With a key of nobody's it is judged by every request. */
    for (size_t i = 0; !err && i < wanted->n_keys; i++) {
        if (wanted->keys[i].request && (any || check_key_fits(leaf, &wanted->keys[i])))
            err = consider(leaf, &has, wanted, i, &best);
    }
    if (err)
        return err;
    if (best.found && !any)
        *key = best.key;
    altname_text(&has, check->found, sizeof(check->found));
    if (has.n_names == 0) {
        snprintf(check->expected, sizeof(check->expected), "alternative names");
    } else if (best.found) {
        altname_text(&best.wanted, check->expected, sizeof(check->expected));
        check->passed = best.missing.n_names == 0;
    } else {
        err = compare_before(&has, wanted->before, check);
    }
    if (best.missing.n_names > 0 && has.n_names > 0) {
        char missing[200], names[200];

        altname_text(&best.missing, missing, sizeof(missing));
        altname_text(&has, names, sizeof(names));
        snprintf(check->found, sizeof(check->found), "%s; of the request %s %s missing", names,
                 missing, best.missing.n_names == 1 ? "is" : "are");
    }
    if (check->passed && chain->names[0] != '\0') {
        check->passed = false;
        snprintf(check->found, sizeof(check->found), "of its chain %s", chain->names);
    }
    return err;
}

static ks_err
names_of_certificate(X509 *certificate, struct altname_list *out)
{
    ks_auto(ossl_names_freep) GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

    return altname_read(out, names);
}

/* By itself, or by a wildcard of the certificate. */
static bool
covers(X509 *leaf, const struct altname_list *has, const struct ks_alternative_name *name)
{
    return altname_contains(has, name) || (name->kind == KS_NAME_DNS && name->value[0] != '*' &&
                                           X509_check_host(leaf, name->value, 0,
                                                           X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                                                           NULL) == 1);
}

static ks_err
missing_names(X509 *leaf, const struct altname_list *has, X509_REQ *request,
              struct altname_list *wanted, struct altname_list *missing)
{
    ks_auto(ossl_names_freep) GENERAL_NAMES *names = ossl_names_of_request(request);
    struct fault why = FAULT_INIT;
    ks_err err = altname_read(wanted, names);

    for (size_t i = 0; !err && i < wanted->n_names; i++) {
        if (!covers(leaf, has, &wanted->names[i]))
            err = altname_add(missing, wanted->names[i].kind, wanted->names[i].value, &why);
    }
    return err;
}

/* No request is known: a renewal that somebody asked the CA for by other ways. */
static ks_err
compare_before(const struct altname_list *has, X509 *before, struct report_check *check)
{
    ks_auto(altname_deinit) struct altname_list old = {0};
    ks_err err = before ? names_of_certificate(before, &old) : KS_OK;
    char text[200];

    if (err == KS_ERR_TOO_LARGE) /* of an uploaded one: some of them will do */
        err = KS_OK;
    check->passed = old.n_names == 0;
    for (size_t i = 0; i < old.n_names; i++)
        check->passed |= altname_contains(has, &old.names[i]);
    altname_text(&old, text, sizeof(text));
    if (old.n_names > 0)
        snprintf(check->expected, sizeof(check->expected),
                 "one at least of those of the certificate before: %s", text);
    else
        snprintf(check->expected, sizeof(check->expected), "alternative names");
    return err;
}
