/* SPDX-License-Identifier: Apache-2.0 */
/*
 * issued_check - what the console itself can say of one issued certificate
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>

#include "client/agent/console/issued.h"
#include "client/agent/console/trust.h"

#define TEXT_LEN 384

struct checking {
    json_t *checks;
    struct outcome *outcome;
    const struct issued_file *file;
    X509 *leaf;
    X509_REQ *request; /* NULL: it is not there */
};

static void KS_PRINTF(4, 5)
    add(struct checking *checking, const char *name, bool passed, const char *format, ...)
{
    char texts[2 * TEXT_LEN];
    const char *expected = texts;
    char *found;
    va_list args;

    /* "EXPECTED\nFOUND" */
    va_start(args, format);
    vsnprintf(texts, sizeof(texts), format, args);
    va_end(args);
    found = strchr(texts, '\n');
    if (found)
        *found++ = '\0';
    (void)json_array_append_new(checking->checks,
                                json_pack("{s:s, s:b, s:s, s:s}", "check", name, "passed", passed,
                                          "expected", expected, "found", found ? found : ""));
    if (!passed && !checking->outcome->code)
        outcome_fail(checking->outcome, KS_ERR_CERTIFICATE_REFUSED, "%s: %s: expected %s, found %s",
                     checking->file->path, name, expected, found ? found : "");
}

/* Whose key is it, if it is not the one it should be? */
static void
check_key(struct checking *checking, const struct issued *issued)
{
    const struct issued_file *file = checking->file;
    const char *owner = "that of no request here";

    if (!checking->request)
        return;
    if (peercert_same_key(checking->leaf, X509_REQ_get0_pubkey(checking->request))) {
        add(checking, "key", true, "the key of %s.req\nthe same", file->name);
        return;
    }
    for (size_t i = 0; i < issued->n_requests; i++) {
        if (peercert_same_key(checking->leaf, X509_REQ_get0_pubkey(issued->requests[i].request)))
            owner = issued->requests[i].name;
    }
    add(checking, "key", false, "the key of %s.req\nthe key of another request: %s", file->name,
        owner);
}

static void
check_issuer(struct checking *checking, const struct issued *issued, time_t now)
{
    char wanted[TEXT_LEN / 2], issuer[TEXT_LEN / 2], why[TEXT_LEN];
    X509 *leaf = checking->leaf;
    bool valid = X509_cmp_time(X509_get0_notBefore(leaf), &now) < 0 &&
                 X509_cmp_time(X509_get0_notAfter(leaf), &now) > 0;

    peercert_subject(sk_X509_value(issued->authorities, 0), wanted, sizeof(wanted));
    peercert_issuer(leaf, issuer, sizeof(issuer));
    /* One that is not valid now is told by its own check; who issued it is asked for its own day. */
    if (trust_issued_by(issued->authorities, leaf, checking->file->certificates, NULL, now, why,
                        sizeof(why)))
        add(checking, "issuer", true, "%s\n%s", wanted, issuer);
    else if (valid)
        add(checking, "issuer", false, "%s\n%s: %s", wanted, issuer, why);
}

static void
check_validity(struct checking *checking, time_t now)
{
    char from[PEERCERT_TIME_LEN], to[PEERCERT_TIME_LEN];
    X509 *leaf = checking->leaf;

    peercert_time(X509_get0_notBefore(leaf), from);
    peercert_time(X509_get0_notAfter(leaf), to);
    add(checking, "validity",
        X509_cmp_time(X509_get0_notBefore(leaf), &now) < 0 &&
            X509_cmp_time(X509_get0_notAfter(leaf), &now) > 0,
        "valid now\nvalid from %s to %s", from, to);
}

static void
check_usage(struct checking *checking)
{
    bool has = (X509_get_extension_flags(checking->leaf) & EXFLAG_XKUSAGE) &&
               (X509_get_extended_key_usage(checking->leaf) & XKU_SSL_SERVER);

    add(checking, "usage", has, "Server Authentication in the extended key usage\n%s",
        has ? "it is there" : "it is not there");
}

/* --- names --- */

static GENERAL_NAMES *
requested_names(X509_REQ *request)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);

    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return names;
}

static bool
has_name(GENERAL_NAMES *names, GENERAL_NAME *wanted)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names, i), wanted) == 0)
            return true;
    }
    return false;
}

static void
show_name(GENERAL_NAME *name, char *out, size_t cap)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    long len;

    snprintf(out, cap, "?");
    if (!bio)
        return;
    if (GENERAL_NAME_print(bio, name) == 1) {
        len = BIO_get_mem_data(bio, &data);
        snprintf(out, cap, "%.*s", (int)len, data);
        peercert_tame(out);
    }
    BIO_free(bio);
}

static void
check_names(struct checking *checking)
{
    X509_REQ *request = checking->request;
    GENERAL_NAMES *wanted = request ? requested_names(request) : NULL;
    GENERAL_NAMES *names = X509_get_ext_d2i(checking->leaf, NID_subject_alt_name, NULL, NULL);
    char missing[TEXT_LEN] = "";

    for (int i = 0; i < sk_GENERAL_NAME_num(wanted) && !missing[0]; i++) {
        if (!has_name(names, sk_GENERAL_NAME_value(wanted, i)))
            show_name(sk_GENERAL_NAME_value(wanted, i), missing, sizeof(missing));
    }
    if (wanted)
        add(checking, "names", !missing[0], "the names of the request\n%s%s",
            missing[0] ? "not among them: " : "all of them", missing);
    GENERAL_NAMES_free(wanted);
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

ks_err
issued_check(const struct issued *issued, const struct issued_file *file, time_t now,
             json_t *checks, struct outcome *outcome)
{
    struct checking checking = {.checks = checks, .outcome = outcome, .file = file};

    if (file->twice)
        return outcome_fail(outcome, KS_ERR_CERTIFICATE_REFUSED,
                            "%s: there is more than one file for this agent", file->path);
    if (!file->certificates)
        return outcome_fail(outcome, KS_ERR_CERTIFICATE_REFUSED, "%s", file->fault.text);
    checking.leaf = sk_X509_value(file->certificates, 0);
    checking.request = issued_find_request(issued, file->name);
    check_key(&checking, issued);
    check_issuer(&checking, issued, now);
    check_validity(&checking, now);
    check_usage(&checking);
    check_names(&checking);
    return outcome->code;
}
