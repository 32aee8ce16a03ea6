/* SPDX-License-Identifier: Apache-2.0 */
/*
 * find - objects by template
 *
 * A label without a version stands for the newest version of that name, so that configurations can
 * say `object=web/shop`. The template is read twice for each object: what is known here decides
 * first, and only what is left costs a call to the service. A thousand private keys are listed
 * with one call.
 */
#include "client/pkcs11/find.h"

#include "client/pkcs11/attribute.h"
#include "client/pkcs11/directory.h"
#include "client/pkcs11/missing.h"
#include "client/pkcs11/session.h"

struct find {
    CK_OBJECT_HANDLE *found;
    size_t n, cap;
    size_t at; /* next to give */
};

/* Of this search: chains share their issuers, which are given once. */
struct seen {
    uint8_t (*sha256)[KS_SHA256_LEN];
    size_t n, cap;
};

/* Tokens that did not answer in this search: each further key would cost its patience again. */
#define AWAY_MAX 8
struct away {
    uint32_t tokens[AWAY_MAX];
    size_t n;
};

struct search {
    struct module *module;
    const CK_ATTRIBUTE *wanted;
    CK_ULONG n_wanted;
    unsigned int kinds; /* that the template leaves */
    struct find *find;
    struct seen issuers;
    struct away away;
};

static unsigned int kinds_wanted(const CK_ATTRIBUTE *wanted, CK_ULONG n);
static CK_RV search_all(struct search *search);
static CK_RV search_entry(struct search *search, struct entry *entry, bool newest);
static bool wants_ours(const struct search *search);
static CK_RV search_gone(struct search *search);
static CK_RV search_certificates(struct search *search, struct entry *entry, bool newest);
static CK_RV offer(struct search *search, const struct object *object);

struct find *
find_free(struct find *find)
{
    if (!find)
        return NULL;
    free(find->found);
    free(find);
    return NULL;
}

static void
findp(struct find **find)
{
    find_free(*find);
}

static CK_RV
check_values(const CK_ATTRIBUTE *wanted, CK_ULONG n)
{
    CK_RV rv = attribute_check_template(wanted, n);

    for (CK_ULONG i = 0; !rv && i < n; i++) {
        if (!wanted[i].pValue && wanted[i].ulValueLen > 0)
            rv = CKR_ARGUMENTS_BAD;
    }
    return rv;
}

CK_RV
C_FindObjectsInit(CK_SESSION_HANDLE handle, CK_ATTRIBUTE *attributes, CK_ULONG n)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    ks_auto(findp) struct find *find = NULL;
    struct search search = {.wanted = attributes, .n_wanted = n};
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (!rv)
        rv = check_values(attributes, n);
    if (!rv && call.session->find)
        rv = CKR_OPERATION_ACTIVE;
    if (rv)
        return rv;
    find = calloc(1, sizeof(*find));
    if (!find)
        return CKR_HOST_MEMORY;
    search.module = call.module;
    search.find = find;
    search.kinds = kinds_wanted(attributes, n);
    if (search.kinds != 0)
        rv = search_all(&search);
    free(search.issuers.sha256);
    if (!rv && search.kinds == OBJECT_PRIVATE && find->n == 0)
        rv = search_gone(&search);
    if (rv)
        return rv;
    if (find->n == 0)
        missing_all_report(call.module, attributes, n);
    call.session->find = ks_steal(&find);
    return CKR_OK;
}

CK_RV
C_FindObjects(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE *objects, CK_ULONG max, CK_ULONG *count)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    struct find *find;
    size_t n;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    find = call.session->find;
    if (!find)
        return CKR_OPERATION_NOT_INITIALIZED;
    if (!count || (!objects && max > 0))
        return CKR_ARGUMENTS_BAD;
    n = find->n - find->at < max ? find->n - find->at : max;
    if (n > 0)
        memcpy(objects, find->found + find->at, n * sizeof(objects[0]));
    find->at += n;
    *count = n;
    return CKR_OK;
}

CK_RV
C_FindObjectsFinal(CK_SESSION_HANDLE handle)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (rv)
        return rv;
    if (!call.session->find)
        return CKR_OPERATION_NOT_INITIALIZED;
    call.session->find = find_free(call.session->find);
    return CKR_OK;
}

/* --- the search --- */

/* By their class; a class that is not ours, or two at once, leaves none. */
static unsigned int
kinds_wanted(const CK_ATTRIBUTE *wanted, CK_ULONG n)
{
    static const enum object_kind KIND[] = {OBJECT_PRIVATE, OBJECT_PUBLIC, OBJECT_CERTIFICATE,
                                            OBJECT_ISSUER};
    unsigned int kinds = OBJECT_ALL;

    for (CK_ULONG i = 0; i < n; i++) {
        CK_OBJECT_CLASS class;

        if (wanted[i].type != CKA_CLASS)
            continue;
        if (wanted[i].ulValueLen != sizeof(class))
            return 0;
        memcpy(&class, wanted[i].pValue, sizeof(class));
        for (size_t j = 0; j < ARRAY_LEN(KIND); j++) {
            if (object_class(KIND[j]) != class)
                kinds &= ~(unsigned int)KIND[j];
        }
    }
    return kinds;
}

static CK_RV
search_all(struct search *search)
{
    ks_auto(snapshot_putp) struct snapshot *snapshot = NULL;
    CK_RV rv;

    rv = directory_refresh(search->module, !wants_ours(search));
    if (rv)
        return rv;
    /* Another thread's refresh in the middle changes nothing in what is searched. */
    snapshot = directory_snapshot(search->module->directory);
    for (size_t i = 0; !rv && snapshot && i < snapshot->n; i++)
        rv = search_entry(search, snapshot->at[i].entry, snapshot->at[i].newest);
    return rv;
}

/* Programs that look for certificates in every token there is, as GnuTLS does for each server's, want
 * to hear nothing of a service that is not there. Who names no class wants keys, too, and who gives a
 * label (NSS looks for a certificate of it first) means one of ours. */
static bool
wants_ours(const struct search *search)
{
    for (CK_ULONG i = 0; i < search->n_wanted; i++) {
        if (search->wanted[i].type == CKA_LABEL)
            return true;
    }
    return (search->kinds & OBJECT_KEYS) != 0;
}

static CK_RV
search_entry(struct search *search, struct entry *entry, bool newest)
{
    struct object object = {
        .module = search->module, .entry = entry, .searching = true, .newest = newest};
    CK_RV rv = CKR_OK;

    object.kind = OBJECT_PRIVATE;
    if (search->kinds & OBJECT_PRIVATE)
        rv = offer(search, &object);
    object.kind = OBJECT_PUBLIC;
    if (!rv && search->kinds & OBJECT_PUBLIC)
        rv = offer(search, &object);
    if (!rv && search->kinds & OBJECT_CERTIFICATES)
        rv = search_certificates(search, entry, newest);
    return rv;
}

/* Programs that look for their key by its ID before each signature (ssh-agent) find it even when
 * it is gone: the service then says of the signature what became of the key. */
static CK_RV
search_gone(struct search *search)
{
    CK_RV rv = CKR_OK;

    for (CK_ULONG i = 0; !rv && i < search->n_wanted; i++) {
        ks_auto(entry_putp) struct entry *entry = NULL;
        bool newest = false;

        if (search->wanted[i].type == CKA_ID)
            entry = directory_find_id(search->module->directory, search->wanted[i].pValue,
                                      search->wanted[i].ulValueLen, &newest);
        if (entry)
            rv = search_entry(search, entry, newest);
    }
    if (!rv && search->find->n == 0)
        missing_report(search->module, search->wanted, search->n_wanted);
    return rv;
}

/* --- does it match? --- */

static bool
label_matches(const CK_ATTRIBUTE *wanted, const struct object *object)
{
    const struct entry *entry = object->entry;
    struct attribute label;

    if (object->kind != OBJECT_ISSUER && object->newest &&
        wanted->ulValueLen == strlen(entry->name) &&
        memcmp(wanted->pValue, entry->name, wanted->ulValueLen) == 0)
        return true;
    return attribute_get(object, CKA_LABEL, &label) == CKR_OK && wanted->ulValueLen == label.len &&
           (label.len == 0 || memcmp(wanted->pValue, label.data, label.len) == 0);
}

/* A look at the label alone may save the call for the certificates. */
static bool
may_have_label(const struct search *search, const struct entry *entry)
{
    size_t len = strlen(entry->name);

    for (CK_ULONG i = 0; i < search->n_wanted; i++) {
        if (search->wanted[i].type == CKA_LABEL &&
            (search->wanted[i].ulValueLen < len ||
             memcmp(search->wanted[i].pValue, entry->name, len) != 0))
            return false;
    }
    return true;
}

static CK_RV
one_matches(const CK_ATTRIBUTE *wanted, const struct object *object, bool *matches)
{
    struct attribute value;
    CK_RV rv;

    if (wanted->type == CKA_LABEL) {
        *matches = label_matches(wanted, object);
        return CKR_OK;
    }
    rv = attribute_get(object, wanted->type, &value);
    *matches = !rv && value.len == wanted->ulValueLen &&
               (value.len == 0 || memcmp(value.data, wanted->pValue, value.len) == 0);
    /* A key that went away meanwhile, or whose rule did, is no reason to find none. */
    if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE ||
        rv == CKR_OBJECT_HANDLE_INVALID || rv == CKR_FUNCTION_REJECTED)
        rv = CKR_OK;
    return rv;
}

static CK_RV
matches_template(const struct search *search, const struct object *object, bool *matches)
{
    CK_RV rv = CKR_OK;

    *matches = true;
    for (int costs = 0; costs <= 1; costs++) {
        for (CK_ULONG i = 0; !rv && *matches && i < search->n_wanted; i++) {
            if (attribute_costs(search->wanted[i].type) == costs)
                rv = one_matches(&search->wanted[i], object, matches);
        }
    }
    return rv;
}

static CK_RV
offer(struct search *search, const struct object *object)
{
    struct find *find = search->find;
    bool matches;
    CK_RV rv;

    rv = matches_template(search, object, &matches);
    if (rv || !matches)
        return rv;
    if (find->n == find->cap) {
        size_t cap = find->cap > 0 ? find->cap * 2 : 16;
        CK_OBJECT_HANDLE *found = reallocarray(find->found, cap, sizeof(found[0]));

        if (!found)
            return CKR_HOST_MEMORY;
        find->found = found;
        find->cap = cap;
    }
    find->found[find->n++] = object_handle(object->entry, object->kind, object->place);
    return CKR_OK;
}

/* --- certificates --- */

/* Sorted, so that long lists stay cheap. *fresh: it was not there. */
static CK_RV
see(struct seen *seen, const uint8_t sha256[KS_SHA256_LEN], bool *fresh)
{
    size_t low = 0, high = seen->n;

    *fresh = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(sha256, seen->sha256[middle], KS_SHA256_LEN);

        if (order == 0)
            return CKR_OK;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    if (seen->n == seen->cap) {
        size_t cap = seen->cap > 0 ? seen->cap * 2 : 16;
        void *grown = reallocarray(seen->sha256, cap, KS_SHA256_LEN);

        if (!grown)
            return CKR_HOST_MEMORY;
        seen->sha256 = grown;
        seen->cap = cap;
    }
    memmove(seen->sha256 + low + 1, seen->sha256 + low, (seen->n - low) * KS_SHA256_LEN);
    memcpy(seen->sha256[low], sha256, KS_SHA256_LEN);
    seen->n++;
    *fresh = true;
    return CKR_OK;
}

static bool
is_away(const struct away *away, uint32_t token)
{
    for (size_t i = 0; i < away->n; i++) {
        if (away->tokens[i] == token)
            return true;
    }
    return false;
}

/* A token that is away hides its certificates and no others; a service that is gone ends the
 * search. */
static CK_RV
skip(struct away *away, uint32_t token, CK_RV rv)
{
    if (rv == CKR_TOKEN_NOT_PRESENT) {
        if (away->n == AWAY_MAX)
            return CKR_DEVICE_ERROR;
        away->tokens[away->n++] = token;
        return CKR_OK;
    }
    if (rv == CKR_HOST_MEMORY || rv == CKR_FUNCTION_CANCELED || rv == CKR_DEVICE_ERROR ||
        rv == CKR_DEVICE_MEMORY)
        return rv;
    return CKR_OK;
}

static CK_RV
search_certificates(struct search *search, struct entry *entry, bool newest)
{
    ks_auto(certificates_putp) struct certificates *certificates = NULL;
    bool fresh = true;
    CK_RV rv;

    if (!may_have_label(search, entry) || is_away(&search->away, entry->token))
        return CKR_OK;
    rv = entry_certificates(search->module, entry, true, &certificates);
    if (rv)
        return skip(&search->away, entry->token, rv);
    for (size_t i = 0; !rv && i < certificates->n; i++) {
        struct object object = {.module = search->module,
                                .entry = entry,
                                .searching = true,
                                .newest = newest,
                                .kind = i == 0 ? OBJECT_CERTIFICATE : OBJECT_ISSUER,
                                .place = i,
                                .certificates = certificates,
                                .certificate = certificates->at[i]};

        if (i > 0)
            rv = see(&search->issuers, certificates->at[i]->sha256, &fresh);
        if (!rv && fresh)
            rv = offer(search, &object);
    }
    return rv;
}
