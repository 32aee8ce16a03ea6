/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csr - signing requests and self-signed certificates, built and signed by the service
 */
#include "client/lib/call.h"
#include "client/lib/error.h"

/* What both have in common. */
static ks_err
check_wanted(const struct ks_key *key, const struct ks_csr_request *wanted, struct ks_error *error)
{
    if (ks_algorithm_for(key->type, wanted->algorithm) == KS_ALGORITHM_COUNT)
        return error_set(error, KS_ERR_USAGE, "%s: %s does not fit a key of type %s", key->name,
                         ks_algorithm_name(wanted->algorithm), ks_key_type_name(key->type));
    if (wanted->n_alternative_names > KS_MAX_ALTERNATIVE_NAMES)
        return error_set(error, KS_ERR_TOO_LARGE, "%s: %zu alternative names; at most %u fit",
                         key->name, wanted->n_alternative_names, KS_MAX_ALTERNATIVE_NAMES);
    return KS_OK;
}

ks_err
ks_csr(struct ks_client *client, const struct ks_key *key, const struct ks_csr_request *wanted,
       uint8_t **der, size_t *der_len, struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_CSR,
                                    .csr = {.key = key, .request = wanted}};
    ks_auto(response_freep) struct response *response = NULL;
    ks_err err;

    error_clear(error);
    err = check_wanted(key, wanted, error);
    if (!err)
        err = call_run(client, &request, &response, error);
    if (err)
        return err;
    return response_csr(response, der, der_len, error);
}

ks_err
ks_self_sign(struct ks_client *client, const struct ks_key *key,
             const struct ks_csr_request *wanted, uint32_t days, struct ks_chain **out,
             struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_SELF_SIGN,
                                    .csr = {.key = key, .request = wanted, .days = days}};
    ks_auto(response_freep) struct response *response = NULL;
    ks_err err;

    error_clear(error);
    err = check_wanted(key, wanted, error);
    if (err)
        return err;
    if (wanted->challenge_password && wanted->challenge_password[0] != '\0')
        return error_set(error, KS_ERR_USAGE,
                         "%s: a challenge password is for signing requests, not for certificates",
                         key->name);
    if (days > KS_SELF_SIGN_MAX_DAYS)
        return error_set(error, KS_ERR_TOO_LARGE, "%s: a certificate for %u days; at most %u",
                         key->name, days, KS_SELF_SIGN_MAX_DAYS);
    err = call_run(client, &request, &response, error);
    if (err)
        return err;
    return response_chain(response, key, 1, out, error);
}
