/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keybundle - a chain out of a heap of certificates
 */
#include "token/keybundle.h"

static ks_err take(struct keybundle *bundle, X509 *certificate, struct fault *why);

void
keybundle_deinit(struct keybundle *bundle)
{
    private_key_deinit(&bundle->key);
    for (size_t i = 0; i < bundle->n_certificates; i++)
        buf_deinit(&bundle->certificates[i]);
    bundle->n_certificates = 0;
    bundle->alias[0] = '\0';
}

void
keybundle_chain(const struct keybundle *bundle, struct job_chain *out)
{
    out->n_items = bundle->n_certificates;
    for (size_t i = 0; i < bundle->n_certificates; i++)
        out->items[i] =
            (struct job_blob){bundle->certificates[i].data, bundle->certificates[i].len};
}

static bool
is_for_key(X509 *certificate, const struct spki *spki)
{
    ks_auto(ossl_memory_freep) uint8_t *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);

    return len > 0 && (size_t)len == spki->len && memcmp(der, spki->der, spki->len) == 0;
}

static bool
has_key_id(X509 *certificate, const ASN1_OCTET_STRING *key_id)
{
    int len = 0;
    const uint8_t *own = X509_keyid_get0(certificate, &len);

    return own && key_id && len == ASN1_STRING_length(key_id) &&
           memcmp(own, ASN1_STRING_get0_data(key_id), (size_t)len) == 0;
}

static X509 *
find_own(const struct keybundle *bundle, const struct stack_st_X509 *certificates,
         const ASN1_OCTET_STRING *key_id)
{
    X509 *own = NULL;

    for (int i = 0; i < sk_X509_num(certificates); i++) {
        X509 *certificate = sk_X509_value(certificates, i);

        if (!is_for_key(certificate, &bundle->key.spki))
            continue;
        if (!own || (has_key_id(certificate, key_id) && !has_key_id(own, key_id)))
            own = certificate;
    }
    return own;
}

static bool
is_taken(X509 *const *taken, size_t n_taken, X509 *certificate)
{
    for (size_t i = 0; i < n_taken; i++) {
        if (X509_cmp(taken[i], certificate) == 0)
            return true;
    }
    return false;
}

static X509 *
find_issuer(X509 *const *taken, size_t n_taken, const struct stack_st_X509 *certificates)
{
    for (int i = 0; i < sk_X509_num(certificates); i++) {
        X509 *certificate = sk_X509_value(certificates, i);

        if (X509_check_issued(certificate, taken[n_taken - 1]) == X509_V_OK &&
            !is_taken(taken, n_taken, certificate))
            return certificate;
    }
    return NULL;
}

ks_err
keybundle_order(struct keybundle *bundle, const struct stack_st_X509 *certificates,
                const ASN1_OCTET_STRING *key_id, struct fault *why)
{
    X509 *taken[JOB_MAX_CHAIN];
    X509 *next = find_own(bundle, certificates, key_id);
    size_t n_taken = 0;
    ks_err err = KS_OK;

    while (!err && next && n_taken < JOB_MAX_CHAIN) {
        err = take(bundle, next, why);
        taken[n_taken++] = next;
        if (X509_check_issued(next, next) == X509_V_OK)
            break;
        next = find_issuer(taken, n_taken, certificates);
    }
    return err;
}

static ks_err
take(struct keybundle *bundle, X509 *certificate, struct fault *why)
{
    ks_auto(ossl_memory_freep) uint8_t *der = NULL;
    struct buf *out = &bundle->certificates[bundle->n_certificates];
    int len = i2d_X509(certificate, &der);

    if (len <= 0)
        return KS_ERR_INTERNAL;
    if (len > JOB_MAX_CERTIFICATE) {
        fault_set(why, "a certificate in the file has %d bytes, at most %d are kept", len,
                  JOB_MAX_CERTIFICATE);
        return KS_ERR_BAD_REQUEST;
    }
    *out = (struct buf)BUF_INIT;
    bundle->n_certificates++;
    buf_append(out, der, (size_t)len);
    return out->failed ? KS_ERR_INTERNAL : KS_OK;
}
