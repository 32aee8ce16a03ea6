/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate - X.509 fields as DER, as attributes want them
 */
#include "client/pkcs11/certificate.h"

#include <stdio.h>

#include <openssl/sha.h>
#include <openssl/x509.h>

#include "client/pkcs11/module.h"

static struct certificate *certificate_new(OSSL_LIB_CTX *libcrypto, const struct ks_blob *der);
static struct certificate *certificate_free(struct certificate *certificate);
static bool read_fields(X509 *x509, struct certificate *out);

struct certificates *
certificates_new(OSSL_LIB_CTX *libcrypto, const struct ks_chain *chain)
{
    struct certificates *certificates = calloc(1, sizeof(*certificates));

    if (!certificates)
        return NULL;
    certificates->n_users = 1;
    for (size_t i = 0; chain && i < chain->n_certificates && i < KS_CHAIN_MAX; i++) {
        certificates->at[i] = certificate_new(libcrypto, &chain->certificates[i]);
        if (!certificates->at[i])
            break;
        certificates->n = i + 1;
    }
    return certificates;
}

void
certificates_put_locked(struct certificates *certificates)
{
    if (!certificates || --certificates->n_users > 0)
        return;
    for (size_t i = 0; i < certificates->n; i++)
        certificate_free(certificates->at[i]);
    free(certificates);
}

void
certificates_putp(struct certificates **certificates)
{
    if (!*certificates)
        return;
    module_lock();
    certificates_put_locked(*certificates);
    module_unlock();
}

static struct certificate *
certificate_new(OSSL_LIB_CTX *libcrypto, const struct ks_blob *der)
{
    struct certificate *certificate = calloc(1, sizeof(*certificate));
    const unsigned char *at = der->data;
    X509 *x509 = X509_new_ex(libcrypto, NULL);
    bool good = certificate && x509 && der->len <= KS_CERTIFICATE_MAX_LEN &&
                d2i_X509(&x509, &at, (long)der->len) && at == der->data + der->len;

    if (good) {
        certificate->der.data = malloc(der->len);
        good = certificate->der.data;
    }
    if (good) {
        memcpy(certificate->der.data, der->data, der->len);
        certificate->der.len = der->len;
        good = read_fields(x509, certificate);
    }
    X509_free(x509);
    return good ? certificate : certificate_free(certificate);
}

static struct certificate *
certificate_free(struct certificate *certificate)
{
    if (!certificate)
        return NULL;
    free(certificate->der.data);
    OPENSSL_free(certificate->subject.data);
    OPENSSL_free(certificate->issuer.data);
    OPENSSL_free(certificate->serial.data);
    OPENSSL_free(certificate->public_key.data);
    free(certificate);
    return NULL;
}

/* `len` and the data are what an i2d function gave. */
static bool
take_der(struct ks_blob *out, int len)
{
    out->len = len > 0 ? (size_t)len : 0;
    return len > 0;
}

static CK_DATE
date_of(const ASN1_TIME *time)
{
    CK_DATE date;
    struct tm when;
    char text[16];

    memset(&date, 0, sizeof(date));
    if (!ASN1_TIME_to_tm(time, &when) || strftime(text, sizeof(text), "%Y%m%d", &when) != 8)
        return date;
    memcpy(date.year, text, sizeof(date.year));
    memcpy(date.month, text + 4, sizeof(date.month));
    memcpy(date.day, text + 6, sizeof(date.day));
    return date;
}

static bool
read_fields(X509 *x509, struct certificate *out)
{
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(x509);
    uint8_t sha1[SHA_DIGEST_LENGTH];

    SHA256(out->der.data, out->der.len, out->sha256);
    SHA1(out->der.data, out->der.len, sha1);
    memcpy(out->check_value, sha1, sizeof(out->check_value));
    if (!bits)
        return false;
    SHA1(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits), out->id);
    out->begins = date_of(X509_get0_notBefore(x509));
    out->ends = date_of(X509_get0_notAfter(x509));
    return take_der(&out->subject,
                    i2d_X509_NAME(X509_get_subject_name(x509), &out->subject.data)) &&
           take_der(&out->issuer, i2d_X509_NAME(X509_get_issuer_name(x509), &out->issuer.data)) &&
           take_der(&out->serial,
                    i2d_ASN1_INTEGER(X509_get_serialNumber(x509), &out->serial.data)) &&
           take_der(&out->public_key,
                    i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &out->public_key.data));
}
