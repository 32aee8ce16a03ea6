/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create_csr - a request for the identity's own key, kept until its certificate comes
 *
 * Names that nobody asked for and that the key's class does not allow are left out, and that is said;
 * what somebody asked for is refused as it is.
 */
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "client/agent/certificate/altname.h"
#include "client/agent/identity/default_names.h"
#include "client/agent/identity/operations.h"
#include "client/agent/certificate/ossl.h"
#include "client/agent/identity/pending.h"
#include "client/agent/identity/refused_name.h"

struct der {
    uint8_t *data;
    size_t len;
};

static ks_err make(struct agent *agent, const struct ks_key *key, const struct csr_fields *fields,
                   struct der *out, struct report *report);
static ks_err ask(struct agent *agent, const struct ks_key *key, struct ks_csr_request *request,
                  struct ks_alternative_name *defaults, struct der *out, struct report *report);
static ks_err keep(struct agent *agent, const char *identity, const struct ks_key *key,
                   const struct der *der, struct report *report);
static char *pem_of(const struct der *der);

static void
der_deinit(struct der *der)
{
    free(der->data);
    der->data = NULL;
}

ks_err
certificate_create_csr(struct agent *agent, const char *identity, const struct csr_fields *fields,
                       char **pem, struct report *report)
{
    ks_auto(identity_set_deinit) struct identity_set current = {0};
    ks_auto(der_deinit) struct der der = {0};
    ks_auto(freep) char *text = NULL;
    struct ks_key key;
    ks_err err = identity_lock(agent, identity, report);

    if (err)
        return err;
    err = identity_current(agent, identity, &current, report);
    if (!err)
        err = pending_own_key(agent, identity, &current, &key, report);
    if (!err)
        err = make(agent, &key, fields, &der, report);
    if (!err) {
        text = pem_of(&der);
        err = text ? keep(agent, identity, &key, &der, report)
                   : report_fail(report, KS_ERR_INTERNAL, "%s: no memory", identity);
    }
    identity_unlock(agent);
    if (!err)
        *pem = ks_steal(&text);
    return err;
}

static ks_err
make(struct agent *agent, const struct ks_key *key, const struct csr_fields *fields,
     struct der *out, struct report *report)
{
    ks_auto(freep) struct default_names *defaults = NULL;
    ks_auto(altname_deinit) struct altname_list names = {0};
    struct ks_csr_request request = {
        .common_name = fields->common_name,
        .organization = fields->organization,
        .organization_unit = fields->organization_unit,
        .country = fields->country,
        .state = fields->state,
        .locality = fields->locality,
    };
    struct fault why = FAULT_INIT;
    ks_err err;

    if (fields->alternative_names) {
        err = altname_parse(&names, fields->alternative_names, &why);
        if (err)
            return report_fault(report, err, &why);
        request.alternative_names = names.names;
        request.n_alternative_names = names.n_names;
    }
    /* The resolver is asked only for what is not said. */
    if (!fields->common_name || !fields->alternative_names) {
        defaults = calloc(1, sizeof(*defaults));
        if (!defaults)
            return report_fail(report, KS_ERR_INTERNAL, "no memory");
        err = default_names_get(defaults, report);
        if (err)
            return err;
        if (!fields->common_name)
            request.common_name = defaults->common_name;
    }
    if (fields->alternative_names)
        return ask(agent, key, &request, NULL, out, report);
    request.n_alternative_names = defaults->n_names;
    return ask(agent, key, &request, defaults->names, out, report);
}

/* `defaults`: the alternative names that nobody asked for, which may be left out; NULL: there are none. */
static ks_err
ask(struct agent *agent, const struct ks_key *key, struct ks_csr_request *request,
    struct ks_alternative_name *defaults, struct der *out, struct report *report)
{
    struct ks_error error;
    ks_err err;

    if (defaults)
        request->alternative_names = defaults;
    do
        err = ks_csr(agent->client, key, request, &out->data, &out->len, &error);
    while (err == KS_ERR_NAME_NOT_ALLOWED && defaults &&
           refused_name_drop(defaults, &request->n_alternative_names, request->common_name, &error,
                             report));
    if (err)
        out->data = NULL;
    return err ? refused_name_report(key->name, &error, report) : KS_OK;
}

static char *
pem_of(const struct der *der)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *data, *text = NULL;
    long len;

    if (memory && PEM_write_bio(memory, PEM_STRING_X509_REQ, "", der->data, (long)der->len)) {
        len = BIO_get_mem_data(memory, &data);
        text = strndup(data, (size_t)len);
    }
    BIO_free(memory);
    return text;
}

static ks_err
keep(struct agent *agent, const char *identity, const struct ks_key *key, const struct der *der,
     struct report *report)
{
    struct csr_row row = {.key_version = key->version, .made_us = (int64_t)clock_wall_us()};
    const uint8_t *next = der->data;
    ks_auto(ossl_request_freep) X509_REQ *request = d2i_X509_REQ(NULL, &next, (long)der->len);
    struct fault why = FAULT_INIT;
    ks_err err;

    if (!request) {
        ERR_clear_error();
        return report_fail(report, KS_ERR_INTERNAL, "%s: keysvcd sent a request that is none",
                           identity);
    }
    (void)text_copy(row.key_name, sizeof(row.key_name), key->name);
    chain_name_text(X509_REQ_get_subject_name(request), row.subject, sizeof(row.subject));
    snprintf(row.who, sizeof(row.who), "%s", agent->who);
    err = store_begin(agent->store, &why);
    if (!err) {
        err = store_csr_add(agent->store, identity, &row, der->data, der->len, &why);
        err = store_end(agent->store, err, &why);
    }
    return err ? report_fault(report, err, &why) : KS_OK;
}
