/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certfile - reading certificates, by libcrypto
 */
#include "client/agent/certificate/certfile.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "client/agent/certificate/ossl.h"

#define DER_SEQUENCE 0x30
#define PEM_BEGIN "-----BEGIN "

/* Where the reading of a file is. */
struct reading {
    const char *name;
    size_t max;
    STACK_OF(X509) * list;
    struct fault *why;
};

static ks_err add(struct reading *reading, const uint8_t *der, size_t len);
static ks_err parse_pem(struct reading *reading, const char *data, size_t len);

ks_err
certfile_parse(const char *name, const void *data, size_t len, size_t max, STACK_OF(X509) * *out,
               struct fault *why)
{
    ks_auto(ossl_stack_freep) STACK_OF(X509) *list = sk_X509_new_null();
    struct reading reading = {.name = name, .max = max, .list = list, .why = why};
    const uint8_t *bytes = data;
    ks_err err;

    if (!list)
        return KS_ERR_INTERNAL;
    if (len == 0 || len > INT_MAX) {
        fault_set(why, "%s: %s", name, len == 0 ? "is empty" : "is too long");
        return KS_ERR_BAD_REQUEST;
    }
    /* Texts before the first certificate may begin as DER does, with a 0. */
    if (bytes[0] == DER_SEQUENCE && !memmem(data, len, PEM_BEGIN, strlen(PEM_BEGIN)))
        err = add(&reading, data, len);
    else
        err = parse_pem(&reading, data, len);
    if (err)
        return err;
    *out = ks_steal(&list);
    return KS_OK;
}

/* NULL: it is no certificate over its whole length, or not in the one form that DER allows. */
static X509 *
decode(const uint8_t *der, size_t len)
{
    ks_auto(ossl_memory_freep) uint8_t *again = NULL;
    const uint8_t *end = der;
    X509 *certificate = d2i_X509(NULL, &end, (long)len);

    ERR_clear_error();
    if (certificate && end == der + len && i2d_X509(certificate, &again) == (int)len &&
        memcmp(again, der, len) == 0 && X509_get0_pubkey(certificate))
        return certificate;
    X509_free(certificate);
    ERR_clear_error();
    return NULL;
}

/* What libcrypto could not read of its extensions would count as not there. */
static bool
extensions_valid(X509 *certificate)
{
    return !(X509_get_extension_flags(certificate) & EXFLAG_INVALID);
}

bool
certfile_takes(X509 *certificate)
{
    ks_auto(ossl_memory_freep) uint8_t *der = NULL;
    int len = i2d_X509(certificate, &der);
    ks_auto(ossl_x509_freep) X509 *again = len > 0 ? decode(der, (size_t)len) : NULL;
    bool taken = again && extensions_valid(again);

    ERR_clear_error();
    return taken;
}

static ks_err
add(struct reading *reading, const uint8_t *der, size_t len)
{
    ks_auto(ossl_x509_freep) X509 *certificate = NULL;
    int n = sk_X509_num(reading->list) + 1;

    if ((size_t)n > reading->max) {
        fault_set(reading->why, "%s: more than %zu certificates", reading->name, reading->max);
        return KS_ERR_TOO_LARGE;
    }
    certificate = decode(der, len);
    if (!certificate || !extensions_valid(certificate)) {
        ERR_clear_error();
        fault_set(reading->why, "%s: certificate %d %s", reading->name, n,
                  certificate ? "has an extension that cannot be read"
                              : "cannot be read: it is none, is damaged or has bytes behind it");
        return KS_ERR_BAD_REQUEST;
    }
    if (sk_X509_push(reading->list, certificate) <= 0)
        return KS_ERR_INTERNAL;
    certificate = NULL;
    return KS_OK;
}

static bool
is_certificate(const char *label, const char *header)
{
    return header[0] == '\0' &&
           (strcmp(label, PEM_STRING_X509) == 0 || strcmp(label, PEM_STRING_X509_OLD) == 0);
}

/* One block; *more is false behind the last one. */
static ks_err
parse_block(struct reading *reading, BIO *in, bool *more)
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
        fault_set(reading->why, "%s: damaged PEM behind certificate %d", reading->name,
                  sk_X509_num(reading->list));
        return KS_ERR_BAD_REQUEST;
    }
    if (is_certificate(label, header)) {
        err = add(reading, der, (size_t)len);
    } else {
        fault_set(reading->why, "%s: holds a %.40s, not only certificates", reading->name, label);
        err = KS_ERR_BAD_REQUEST;
    }
    OPENSSL_free(label);
    OPENSSL_free(header);
    /* It may have been a private key, put into the wrong file. */
    OPENSSL_clear_free(der, (size_t)len);
    return err;
}

static bool
is_blank(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!strchr(" \t\r\n", data[i]) || data[i] == '\0')
            return false;
    }
    return true;
}

static ks_err
parse_pem(struct reading *reading, const char *data, size_t len)
{
    BIO *in = BIO_new_mem_buf(data, (int)len);
    size_t end = 0; /* behind the last certificate */
    bool more = true;
    ks_err err = KS_OK;

    if (!in)
        return KS_ERR_INTERNAL;
    while (!err && more) {
        err = parse_block(reading, in, &more);
        if (more)
            end = len - BIO_ctrl_pending(in);
    }
    BIO_free(in);
    if (err)
        return err;
    if (sk_X509_num(reading->list) == 0) {
        fault_set(reading->why, "%s: holds no certificate, neither PEM nor DER", reading->name);
        return KS_ERR_BAD_REQUEST;
    }
    if (!is_blank(data + end, len - end)) {
        fault_set(reading->why, "%s: something stands behind the last certificate", reading->name);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}
