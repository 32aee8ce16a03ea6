/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certchain - parsing and comparing certificates
 */
#include "token/certchain.h"

#include <openssl/err.h>

static ks_err parse(const struct job_chain *data, struct certchain *out, struct fault *why);
static ks_err check_order(const struct certchain *chain, struct fault *why);

void
certchain_deinit(struct certchain *chain)
{
    for (size_t i = 0; i < chain->n_items; i++)
        X509_free(chain->items[i]);
    *chain = (struct certchain)CERTCHAIN_INIT;
}

/* What is encoded again must be the same bytes, to the end: OpenSSL reads BER as well. */
X509 *
certchain_certificate(const uint8_t *data, size_t len)
{
    ks_auto(ossl_x509_freep) X509 *certificate = NULL;
    ks_auto(ossl_memory_freep) uint8_t *again = NULL;
    const uint8_t *at = data;
    int again_len;

    if (len == 0 || len > JOB_MAX_CERTIFICATE)
        return NULL;
    certificate = d2i_X509(NULL, &at, (long)len);
    again_len = certificate ? i2d_X509(certificate, &again) : -1;
    ERR_clear_error();
    if (again_len < 0 || (size_t)again_len != len || memcmp(again, data, len) != 0)
        return NULL;
    return ks_steal(&certificate);
}

ks_err
certchain_take(const struct job_chain *data, EVP_PKEY *key, const char *label,
               struct certchain *out, struct fault *why)
{
    ks_err err = parse(data, out, why);

    if (err)
        return err;
    if (!certchain_is_for(out->items[0], key)) {
        fault_set(why, "certificate 1 is not for the key %s: its public key is another one", label);
        fault_hint(why, "the key's own certificate comes first, its issuers behind it");
        return KS_ERR_BAD_REQUEST;
    }
    return check_order(out, why);
}

static ks_err
parse(const struct job_chain *data, struct certchain *out, struct fault *why)
{
    size_t total = 0;

    if (data->n_items == 0 || data->n_items > JOB_MAX_CHAIN) {
        fault_set(why, "1 to %d certificates stand beside a key, not %zu", JOB_MAX_CHAIN,
                  data->n_items);
        return KS_ERR_BAD_REQUEST;
    }
    for (size_t i = 0; i < data->n_items; i++) {
        X509 *certificate = certchain_certificate(data->items[i].data, data->items[i].len);

        if (!certificate) {
            fault_set(why, "certificate %zu is not one X.509 certificate in DER", i + 1);
            return KS_ERR_BAD_REQUEST;
        }
        out->items[out->n_items++] = certificate;
        total += data->items[i].len;
    }
    if (total > CERTCHAIN_MAX_LEN) {
        fault_set(why, "the certificates have %zu bytes, the limit is %d", total,
                  CERTCHAIN_MAX_LEN);
        return KS_ERR_TOO_LARGE;
    }
    return KS_OK;
}

static ks_err
check_order(const struct certchain *chain, struct fault *why)
{
    for (size_t i = 0; i + 1 < chain->n_items; i++) {
        if (certchain_issued(chain->items[i], chain->items[i])) {
            fault_set(why, "certificate %zu is self-signed, nothing can follow it", i + 1);
            return KS_ERR_BAD_REQUEST;
        }
        if (!certchain_issued(chain->items[i + 1], chain->items[i])) {
            fault_set(why, "certificate %zu did not issue certificate %zu", i + 2, i + 1);
            fault_hint(why, "each certificate is followed by its issuer's");
            return KS_ERR_BAD_REQUEST;
        }
    }
    return KS_OK;
}

bool
certchain_is_for(const X509 *certificate, EVP_PKEY *key)
{
    EVP_PKEY *own = X509_get0_pubkey(certificate);
    bool same = own && EVP_PKEY_eq(own, key) == 1;

    ERR_clear_error();
    return same;
}

bool
certchain_issued(X509 *issuer, X509 *certificate)
{
    EVP_PKEY *key;
    bool verified;

    if (X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(issuer)) != 0)
        return false;
    key = X509_get0_pubkey(issuer);
    verified = key && X509_verify(certificate, key) == 1;
    ERR_clear_error();
    return verified;
}
