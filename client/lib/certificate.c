/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate - the certificates beside a key on its token: put, get, delete
 */
#include "client/lib/call.h"
#include "client/lib/error.h"
#include "client/lib/key.h"

static ks_err check_chain(const struct ks_key *key, const struct ks_blob *certificates,
                          size_t n_certificates, struct ks_error *error);

struct ks_chain *
ks_chain_free(struct ks_chain *chain)
{
    if (!chain)
        return NULL;
    for (size_t i = 0; i < chain->n_certificates; i++)
        free(chain->certificates[i].data);
    free(chain->certificates);
    free(chain);
    return NULL;
}

ks_err
ks_certificate_put(struct ks_client *client, const struct ks_key *key,
                   const struct ks_blob *certificates, size_t n_certificates,
                   struct ks_error *error)
{
    const struct request request = {
        .operation = OPERATION_CERTIFICATE_PUT,
        .put = {.key = key, .certificates = certificates, .n_certificates = n_certificates}};
    ks_err err;

    error_clear(error);
    err = key_check(key, error);
    if (!err)
        err = check_chain(key, certificates, n_certificates, error);
    if (err)
        return err;
    return call_for_done(client, &request, error);
}

static ks_err
check_chain(const struct ks_key *key, const struct ks_blob *certificates, size_t n_certificates,
            struct ks_error *error)
{
    if (n_certificates == 0)
        return error_set(error, KS_ERR_USAGE, "%s: no certificate to keep", key->name);
    if (n_certificates > KS_CHAIN_MAX)
        return error_set(error, KS_ERR_TOO_LARGE, "%s: %zu certificates; at most %u fit", key->name,
                         n_certificates, KS_CHAIN_MAX);
    for (size_t i = 0; i < n_certificates; i++) {
        if (certificates[i].len == 0)
            return error_set(error, KS_ERR_USAGE, "%s: certificate %zu is empty", key->name, i + 1);
        if (certificates[i].len > KS_CERTIFICATE_MAX_LEN)
            return error_set(error, KS_ERR_TOO_LARGE,
                             "%s: certificate %zu has %zu bytes; at most %u fit", key->name, i + 1,
                             certificates[i].len, KS_CERTIFICATE_MAX_LEN);
    }
    return KS_OK;
}

ks_err
ks_certificate_get(struct ks_client *client, const struct ks_key *key, struct ks_chain **out,
                   struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_CERTIFICATE_GET, .key = key};
    ks_auto(response_freep) struct response *response = NULL;
    ks_err err;

    error_clear(error);
    err = key_check(key, error);
    if (!err)
        err = call_run(client, &request, &response, error);
    if (err)
        return err;
    return response_chain(response, key, KS_CHAIN_MAX, out, error);
}

ks_err
ks_certificate_delete(struct ks_client *client, const struct ks_key *key, struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_CERTIFICATE_DELETE, .key = key};
    ks_err err;

    error_clear(error);
    err = key_check(key, error);
    if (err)
        return err;
    return call_for_done(client, &request, error);
}
