/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain - joining, splitting and printing certificates
 */
#include "client/agent/certificate/chain.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <time.h>

#include "base/hex.h"

void
chain_certificates_freep(struct ks_chain **chain)
{
    *chain = ks_chain_free(*chain);
}

ks_err
chain_join(const struct ks_chain *chain, struct buf *out)
{
    for (size_t i = 0; i < chain->n_certificates; i++)
        buf_append(out, chain->certificates[i].data, chain->certificates[i].len);
    return out->failed ? KS_ERR_INTERNAL : KS_OK;
}

/* The bytes that the first element takes; 0: none that is whole. */
static size_t
element_len(const uint8_t *data, size_t len)
{
    const unsigned char *at = data;
    long content;
    int tag, class;

    ERR_set_mark();
    content = 0;
    if (len > LONG_MAX || ASN1_get_object(&at, &content, &tag, &class, (long)len) & 0x80 ||
        tag != V_ASN1_SEQUENCE || content < 0 || (size_t)content > len - (size_t)(at - data)) {
        ERR_pop_to_mark();
        return 0;
    }
    ERR_clear_last_mark();
    return (size_t)(at - data) + (size_t)content;
}

ks_err
chain_split(const void *data, size_t len, struct ks_chain **out)
{
    ks_auto(chain_certificates_freep) struct ks_chain *chain = calloc(1, sizeof(*chain));
    const uint8_t *at = data;

    if (!chain)
        return KS_ERR_INTERNAL;
    chain->certificates = calloc(KS_CHAIN_MAX, sizeof(*chain->certificates));
    if (!chain->certificates || len == 0)
        return KS_ERR_INTERNAL;
    while (len > 0) {
        size_t one = element_len(at, len);
        struct ks_blob *blob = &chain->certificates[chain->n_certificates];

        if (one == 0 || chain->n_certificates == KS_CHAIN_MAX)
            return KS_ERR_INTERNAL;
        blob->data = malloc(one);
        if (!blob->data)
            return KS_ERR_INTERNAL;
        memcpy(blob->data, at, one);
        blob->len = one;
        chain->n_certificates++;
        at += one;
        len -= one;
    }
    *out = ks_steal(&chain);
    return KS_OK;
}

ks_err
chain_pem(const struct ks_chain *chain, size_t first, size_t n, struct buf *out)
{
    BIO *memory = BIO_new(BIO_s_mem());
    bool failed = !memory;
    char *text;
    long len;

    for (size_t i = first; !failed && i < chain->n_certificates && i - first < n; i++)
        failed = PEM_write_bio(memory, PEM_STRING_X509, "", chain->certificates[i].data,
                               (long)chain->certificates[i].len) <= 0;
    if (!failed) {
        len = BIO_get_mem_data(memory, &text);
        if (len > 0)
            buf_append(out, text, (size_t)len);
    }
    BIO_free(memory);
    return failed || out->failed ? KS_ERR_INTERNAL : KS_OK;
}

X509 *
chain_leaf(const struct ks_chain *chain)
{
    const unsigned char *at;
    X509 *leaf;

    if (chain->n_certificates == 0)
        return NULL;
    at = chain->certificates[0].data;
    ERR_set_mark();
    leaf = d2i_X509(NULL, &at, (long)chain->certificates[0].len);
    ERR_pop_to_mark();
    return leaf;
}

/* Bytes of a character, at which OpenSSL takes no offence, that moves a terminal's cursor (C1) or
 * turns the direction of what follows; 0: it is none. */
static size_t
turns(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
        return 2;
    if (at[0] == 0xe2 && ((at[1] == 0x80 && at[2] >= 0x8b && at[2] <= 0xaf) ||
                          (at[1] == 0x81 && at[2] >= 0xa0 && at[2] <= 0xaf)))
        return 3;
    return 0;
}

void
chain_name_text(const X509_NAME *name, char *out, size_t cap)
{
    BIO *memory = BIO_new(BIO_s_mem());
    unsigned char next;
    int n = 0;

    if (memory && X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
        n = BIO_read(memory, out, (int)cap - 1);
    /* What has no room is left out, and no half of a character stays. */
    if (n > 0 && BIO_read(memory, &next, 1) == 1 && (next & 0xc0) == 0x80) {
        while (n > 0 && (out[n - 1] & 0xc0) == 0x80)
            n--;
        n--;
    }
    out[n > 0 ? n : 0] = '\0';
    for (char *at = out; *at != '\0'; at++)
        memset(at, '?', turns(at));
    BIO_free(memory);
}

void
chain_time_text(const ASN1_TIME *time, char out[static CHAIN_TIME_MAX])
{
    struct tm tm;

    out[0] = '\0';
    if (ASN1_TIME_to_tm(time, &tm) == 1)
        strftime(out, CHAIN_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void
chain_validity_text(const X509 *certificate, char *out, size_t cap)
{
    char from[CHAIN_TIME_MAX], to[CHAIN_TIME_MAX];

    chain_time_text(X509_get0_notBefore(certificate), from);
    chain_time_text(X509_get0_notAfter(certificate), to);
    snprintf(out, cap, "from %s to %s", from, to);
}

void
chain_sha256(const struct ks_chain *chain, char out[static 2 * KS_SHA256_LEN + 1])
{
    uint8_t digest[KS_SHA256_LEN] = {0};

    if (chain->n_certificates > 0)
        EVP_Digest(chain->certificates[0].data, chain->certificates[0].len, digest, NULL,
                   EVP_sha256(), NULL);
    hex_text(out, digest, sizeof(digest));
}
