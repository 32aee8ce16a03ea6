/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - its signature, its extensions, its names
 */
#include "client/agent/console/request.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "client/agent/certificate/altname.h"
#include "client/agent/console/peercert.h"
#include "client/agent/tame.h"

#define TEXT_LEN 512

/* What the service puts into a request for TLS; others have no place in one. */
static const int EXTENSIONS[] = {NID_basic_constraints, NID_key_usage, NID_ext_key_usage,
                                 NID_subject_alt_name, NID_subject_key_identifier};

static const int SUBJECT_NID[SUBJECT_N_FIELDS] = {
    [SUBJECT_COMMON_NAME] = NID_commonName,
    [SUBJECT_ORGANIZATION] = NID_organizationName,
    [SUBJECT_ORGANIZATION_UNIT] = NID_organizationalUnitName,
    [SUBJECT_COUNTRY] = NID_countryName,
    [SUBJECT_STATE] = NID_stateOrProvinceName,
    [SUBJECT_LOCALITY] = NID_localityName,
};

struct checking {
    STACK_OF(X509_EXTENSION) * extensions;
    struct altname_list names;
    struct altname_list wanted;
};

static ks_err
bad(struct fault *why, const char *what)
{
    ERR_clear_error();
    fault_set(why, "its request %s", what);
    fault_hint(why, "no agent asks for that: look at its host before anything is signed for it");
    return KS_ERR_BAD_REQUEST;
}

/* --- what it may be used for --- */

static bool
is_known(int nid)
{
    for (size_t i = 0; i < ARRAY_LEN(EXTENSIONS); i++) {
        if (EXTENSIONS[i] == nid)
            return true;
    }
    return false;
}

static ks_err
check_kinds(X509_REQ *request, const STACK_OF(X509_EXTENSION) * extensions, struct fault *why)
{
    int at = X509_REQ_get_attr_by_NID(request, NID_ext_req, -1);

    if ((at >= 0 && X509_REQ_get_attr_by_NID(request, NID_ext_req, at) >= 0) ||
        X509_REQ_get_attr_by_NID(request, NID_ms_ext_req, -1) >= 0)
        return bad(why, "has its extensions twice, or in another program's form");
    for (int i = 0; i < sk_X509_EXTENSION_num(extensions); i++) {
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(sk_X509_EXTENSION_value(extensions, i)));

        if (!is_known(nid) || X509v3_get_ext_by_NID(extensions, nid, i) >= 0)
            return bad(why, "has an extension that has no place in one for TLS");
    }
    return KS_OK;
}

static ks_err
check_no_ca(const STACK_OF(X509_EXTENSION) * extensions, struct fault *why)
{
    BASIC_CONSTRAINTS *constraints = X509V3_get_d2i(extensions, NID_basic_constraints, NULL, NULL);
    ASN1_BIT_STRING *usage = X509V3_get_d2i(extensions, NID_key_usage, NULL, NULL);
    int at = X509v3_get_ext_by_NID(extensions, NID_basic_constraints, -1);
    bool ca = (at >= 0 && !constraints) || (constraints && constraints->ca);

    if (usage && usage->length > 0 && (usage->data[0] & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)))
        ca = true;
    BASIC_CONSTRAINTS_free(constraints);
    ASN1_BIT_STRING_free(usage);
    return ca ? bad(why, "is for a CA") : KS_OK;
}

static ks_err
check_usage(const STACK_OF(X509_EXTENSION) * extensions, struct fault *why)
{
    EXTENDED_KEY_USAGE *usages = X509V3_get_d2i(extensions, NID_ext_key_usage, NULL, NULL);
    bool other = !usages && X509v3_get_ext_by_NID(extensions, NID_ext_key_usage, -1) >= 0;

    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
        int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(usages, i));

        other = other || (nid != NID_server_auth && nid != NID_client_auth);
    }
    EXTENDED_KEY_USAGE_free(usages);
    return other ? bad(why, "is for other usages than TLS") : KS_OK;
}

/* --- whom it names --- */

static ks_err
read_names(struct checking *checking, struct fault *why)
{
    int at = X509v3_get_ext_by_NID(checking->extensions, NID_subject_alt_name, -1);
    GENERAL_NAMES *names = X509V3_get_d2i(checking->extensions, NID_subject_alt_name, NULL, NULL);
    bool failed = at >= 0 && !names;
    bool left_out = names && (altname_read(&checking->names, names) != KS_OK ||
                              (size_t)sk_GENERAL_NAME_num(names) != checking->names.n_names);

    GENERAL_NAMES_free(names);
    return failed || left_out ? bad(why, "has alternative names that are none, or twice") : KS_OK;
}

/* Exactly one of the kind, of that text. */
static bool
subject_has(const X509_NAME *name, int nid, const char *wanted)
{
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    unsigned char *text = NULL;
    bool same;
    int len;

    if (at < 0 || X509_NAME_get_index_by_NID(name, nid, at) >= 0)
        return false;
    len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    same = len >= 0 && (size_t)len == strlen(wanted) && memcmp(text, wanted, (size_t)len) == 0;
    OPENSSL_free(text);
    return same;
}

static ks_err
check_subject(X509_REQ *request, const char *const subject[SUBJECT_N_FIELDS], struct fault *why)
{
    const X509_NAME *name = X509_REQ_get_subject_name(request);

    for (size_t i = 0; i < SUBJECT_N_FIELDS; i++) {
        if (SUBJECT_NID[i] == NID_undef || !subject[i] ||
            subject_has(name, SUBJECT_NID[i], subject[i]))
            continue;
        (void)bad(why, "");
        fault_set(why, "its request has not the %s that was asked for", SUBJECT_FIELD_NAMES[i]);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

static ks_err
check_all_in(const struct altname_list *names, const struct altname_list *list, const char *what,
             struct fault *why)
{
    for (size_t i = 0; i < names->n_names; i++) {
        const struct ks_alternative_name *name = &names->names[i];

        if (altname_contains(list, name))
            continue;
        (void)bad(why, "");
        fault_set(why, "its request %s: %s:%.128s", what, altname_kind_word(name->kind),
                  name->value);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

/* All that were asked for, and beside them what was asked for as the common name at most. */
static ks_err
check_names(struct checking *checking, const char *const subject[SUBJECT_N_FIELDS],
            struct fault *why)
{
    const char *common_name = subject[SUBJECT_COMMON_NAME];
    ks_err err = altname_parse(&checking->wanted, subject[SUBJECT_ALTERNATIVE_NAMES], why);
    struct altname_list asked = {.n_names = checking->wanted.n_names};

    if (!err && common_name)
        (void)!altname_add(&checking->wanted, KS_NAME_DNS, common_name, why);
    asked.names = checking->wanted.names;
    if (!err)
        err = check_all_in(&checking->names, &checking->wanted, "has a name that was not asked for",
                           why);
    if (!err)
        err = check_all_in(&asked, &checking->names, "lacks a name that was asked for", why);
    return err;
}

ks_err
request_check(X509_REQ *request, const char *const subject[SUBJECT_N_FIELDS], struct fault *why)
{
    struct checking checking = {.extensions = X509_REQ_get_extensions(request)};
    ks_err err;

    if (X509_REQ_verify(request, X509_REQ_get0_pubkey(request)) != 1)
        err = bad(why, "is not signed with its own key");
    else
        err = check_kinds(request, checking.extensions, why);
    if (!err)
        err = check_no_ca(checking.extensions, why);
    if (!err)
        err = check_usage(checking.extensions, why);
    if (!err)
        err = read_names(&checking, why);
    if (!err)
        err = check_subject(request, subject, why);
    if (!err && subject[SUBJECT_ALTERNATIVE_NAMES])
        err = check_names(&checking, subject, why);
    sk_X509_EXTENSION_pop_free(checking.extensions, X509_EXTENSION_free);
    altname_deinit(&checking.names);
    altname_deinit(&checking.wanted);
    ERR_clear_error();
    return err;
}

void
request_text(X509_REQ *request, char *out, size_t cap)
{
    struct checking checking = {.extensions = X509_REQ_get_extensions(request)};
    char names[TEXT_LEN] = "", subject[TEXT_LEN];
    struct fault ignored = FAULT_INIT;

    if (read_names(&checking, &ignored) == KS_OK)
        altname_text(&checking.names, names, sizeof(names));
    peercert_name(X509_REQ_get_subject_name(request), subject, sizeof(subject));
    snprintf(out, cap, "%s; %s", subject, names);
    tame_text(out);
    sk_X509_EXTENSION_pop_free(checking.extensions, X509_EXTENSION_free);
    altname_deinit(&checking.names);
}
