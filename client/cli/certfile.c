/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certfile - reading certificates, by libcrypto
 */
#include "client/cli/certfile.h"

#include <limits.h>
#include <stdio.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define DER_SEQUENCE 0x30
#define PEM_BEGIN "-----BEGIN "

static ks_err parse_pem(const char *path, BIO *in, struct certfile *out, struct fault *why);
static ks_err check_order(const char *path, const struct certfile *file, struct fault *why);

void
certfile_deinit(struct certfile *file)
{
    for (size_t i = 0; i < file->n_certificates; i++)
        free(file->certificates[i].data);
    memset(file, 0, sizeof(*file));
}

static X509 *
decode(const uint8_t *der, size_t len)
{
    const uint8_t *end = der;
    X509 *certificate = len <= KS_CERTIFICATE_MAX_LEN ? d2i_X509(NULL, &end, (long)len) : NULL;

    if (certificate && end == der + len)
        return certificate;
    X509_free(certificate);
    ERR_clear_error();
    return NULL;
}

static ks_err
add(const char *path, const uint8_t *der, size_t len, struct certfile *out, struct fault *why)
{
    struct ks_blob *blob = &out->certificates[out->n_certificates];
    X509 *certificate;

    if (out->n_certificates == KS_CHAIN_MAX) {
        fault_set(why, "%s: more than %u certificates", path, KS_CHAIN_MAX);
        return KS_ERR_TOO_LARGE;
    }
    if (len > KS_CERTIFICATE_MAX_LEN) {
        fault_set(why, "%s: certificate %zu has %zu bytes, more than %u", path,
                  out->n_certificates + 1, len, KS_CERTIFICATE_MAX_LEN);
        return KS_ERR_TOO_LARGE;
    }
    certificate = decode(der, len);
    X509_free(certificate);
    if (!certificate) {
        fault_set(why, "%s: certificate %zu cannot be read: it is none, or damaged", path,
                  out->n_certificates + 1);
        return KS_ERR_BAD_REQUEST;
    }
    blob->data = malloc(len);
    if (!blob->data)
        return KS_ERR_INTERNAL;
    memcpy(blob->data, der, len);
    blob->len = len;
    out->n_certificates++;
    return KS_OK;
}

ks_err
certfile_parse(const char *path, const struct buf *data, struct certfile *out, struct fault *why)
{
    BIO *in;
    ks_err err;

    if (data->len == 0 || data->len > INT_MAX) {
        fault_set(why, "%s: holds no certificate", path);
        return KS_ERR_BAD_REQUEST;
    }
    /* Texts before the first certificate may begin like DER does, with a 0. */
    if (data->data[0] == DER_SEQUENCE &&
        !memmem(data->data, data->len, PEM_BEGIN, strlen(PEM_BEGIN)))
        return add(path, data->data, data->len, out, why);
    in = BIO_new_mem_buf(data->data, (int)data->len);
    if (!in)
        return KS_ERR_INTERNAL;
    err = parse_pem(path, in, out, why);
    BIO_free(in);
    return err ? err : check_order(path, out, why);
}

static bool
is_certificate(const char *label)
{
    return strcmp(label, PEM_STRING_X509) == 0 || strcmp(label, PEM_STRING_X509_OLD) == 0;
}

/* One block; *more is false behind the last one. */
static ks_err
parse_block(const char *path, BIO *in, struct certfile *out, bool *more, struct fault *why)
{
    char *label = NULL, *header = NULL;
    uint8_t *der = NULL;
    long len;
    ks_err err;

    if (!PEM_read_bio(in, &label, &header, &der, &len)) {
        *more = false;
        if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
            ERR_clear_error();
            return KS_OK;
        }
        ERR_clear_error();
        fault_set(why, "%s: damaged PEM behind certificate %zu", path, out->n_certificates);
        return KS_ERR_BAD_REQUEST;
    }
    if (is_certificate(label)) {
        err = add(path, der, (size_t)len, out, why);
    } else {
        fault_set(why, "%s: holds a %.40s, and only certificates are kept beside a key", path,
                  label);
        err = KS_ERR_BAD_REQUEST;
    }
    OPENSSL_free(label);
    OPENSSL_free(header);
    /* It may have been a private key, put into the wrong file. */
    OPENSSL_clear_free(der, (size_t)len);
    return err;
}

static ks_err
parse_pem(const char *path, BIO *in, struct certfile *out, struct fault *why)
{
    bool more = true;
    ks_err err = KS_OK;

    while (!err && more)
        err = parse_block(path, in, out, &more, why);
    if (!err && out->n_certificates == 0) {
        fault_set(why, "%s: holds no certificate, neither PEM nor DER", path);
        err = KS_ERR_BAD_REQUEST;
    }
    return err;
}

/* By names and key identifiers: whether the signatures are good is for those who verify. */
static ks_err
check_order(const char *path, const struct certfile *file, struct fault *why)
{
    for (size_t i = 0; i + 1 < file->n_certificates; i++) {
        const struct ks_blob *blob = &file->certificates[i];
        X509 *subject = decode(blob[0].data, blob[0].len);
        X509 *issuer = decode(blob[1].data, blob[1].len);
        bool fits =
            subject && issuer &&
            X509_NAME_cmp(X509_get_issuer_name(subject), X509_get_subject_name(issuer)) == 0;

        X509_free(subject);
        X509_free(issuer);
        if (fits)
            continue;
        fault_set(why, "%s: certificate %zu is not the issuer of certificate %zu", path, i + 2,
                  i + 1);
        fault_hint(why, "put them in order: the key's own first, then its issuer, and so on");
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}
