/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkcs8 - PEM blocks and the two DER forms
 */
#include "token/pkcs8.h"

#include <ctype.h>

#include <openssl/err.h>
#include <openssl/pem.h>

/* One PEM block, freed by block_deinit. */
struct block {
    char *name, *header;
    unsigned char *data;
    long len;
};

static ks_err read_pem(const struct keyfile *file, struct pbe *pbe, struct keybundle *out,
                       struct fault *why);
static ks_err read_blocks(BIO *in, struct pbe *pbe, struct keybundle *out,
                          struct stack_st_X509 *certificates, struct fault *why);
static ks_err read_block(const struct block *block, struct pbe *pbe, struct keybundle *out,
                         struct stack_st_X509 *certificates, struct fault *why);
static ks_err read_encrypted(const uint8_t *der, size_t len, struct pbe *pbe,
                             struct private_key *out, struct fault *why);

static void
block_deinit(struct block *block)
{
    OPENSSL_free(block->name);
    OPENSSL_free(block->header);
    if (block->data)
        OPENSSL_clear_free(block->data, (size_t)block->len);
}

static ks_err
malformed(struct fault *why)
{
    fault_set(why, "the file is no well-formed PKCS#8 file: it is damaged, or cut off");
    return KS_ERR_BAD_REQUEST;
}

static bool
has_text(const struct keyfile *file, const char *text)
{
    return memmem(file->data, file->len, text, strlen(text)) != NULL;
}

/* EncryptedPrivateKeyInfo begins with an algorithm, PrivateKeyInfo with a number. */
static bool
is_encrypted(const uint8_t *der, size_t len)
{
    const uint8_t *at = der;
    int tag, class;
    long contents;

    return (ASN1_get_object(&at, &contents, &tag, &class, (long)len) & 0x80) == 0 &&
           tag == V_ASN1_SEQUENCE && at < der + len &&
           *at == (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED);
}

/* Behind the version PrivateKeyInfo has an algorithm, RSAPrivateKey a number, ECPrivateKey octets. */
static ks_err
read_plain(const uint8_t *der, size_t len, struct private_key *out, struct fault *why)
{
    const uint8_t *at = der, *end = der + len;
    int tag = -1, class;
    long contents;

    if ((ASN1_get_object(&at, &contents, &tag, &class, (long)len) & 0x80) == 0 &&
        tag == V_ASN1_SEQUENCE &&
        (ASN1_get_object(&at, &contents, &tag, &class, end - at) & 0x80) == 0 &&
        tag == V_ASN1_INTEGER) {
        at += contents;
        tag = at < end ? *at : -1;
    }
    if (tag == V_ASN1_INTEGER)
        return private_key_from_rsa(der, len, out, why);
    if (tag == V_ASN1_OCTET_STRING)
        return private_key_from_ec(der, len, out, why);
    return private_key_from_pkcs8(der, len, out, why);
}

ks_err
pkcs8_read(const struct keyfile *file, struct pbe *pbe, struct keybundle *out, struct fault *why)
{
    ks_err err;

    if (has_text(file, "-----BEGIN "))
        err = read_pem(file, pbe, out, why);
    else if (is_encrypted(file->data, file->len))
        err = read_encrypted(file->data, file->len, pbe, &out->key, why);
    else
        err = read_plain(file->data, file->len, &out->key, why);
    ERR_clear_error();
    return err;
}

static ks_err
read_pem(const struct keyfile *file, struct pbe *pbe, struct keybundle *out, struct fault *why)
{
    ks_auto(ossl_certificates_freep) struct stack_st_X509 *certificates = sk_X509_new_null();
    BIO *in = BIO_new_mem_buf(file->data, (int)file->len); /* reads in place */
    ks_err err = KS_ERR_INTERNAL;

    if (in && certificates)
        err = read_blocks(in, pbe, out, certificates, why);
    BIO_free(in);
    if (!err && !out->key.memory.data) {
        fault_set(why, "the file holds no private key, or is cut off");
        err = KS_ERR_BAD_REQUEST;
    }
    return err ? err : keybundle_order(out, certificates, NULL, why);
}

static bool
only_space(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isspace((unsigned char)text[i]))
            return false;
    }
    return true;
}

static ks_err
read_blocks(BIO *in, struct pbe *pbe, struct keybundle *out, struct stack_st_X509 *certificates,
            struct fault *why)
{
    for (size_t n = 0; n < PKCS8_MAX_BLOCKS; n++) {
        ks_auto(block_deinit) struct block block = {.len = 0};
        char *rest = NULL;
        long rest_len = BIO_get_mem_data(in, &rest);
        ks_err err;

        if (rest_len <= 0 || only_space(rest, (size_t)rest_len))
            return KS_OK;
        if (PEM_read_bio(in, &block.name, &block.header, &block.data, &block.len) != 1) {
            fault_set(why, "the file's PEM is damaged or cut off, or something follows it");
            return KS_ERR_BAD_REQUEST;
        }
        err = read_block(&block, pbe, out, certificates, why);
        if (err)
            return err;
    }
    fault_set(why, "the file has more than %d PEM blocks", PKCS8_MAX_BLOCKS);
    return KS_ERR_BAD_REQUEST;
}

static ks_err
add_certificate(const struct block *block, struct stack_st_X509 *certificates, struct fault *why)
{
    const unsigned char *at = block->data;
    X509 *certificate = d2i_X509(NULL, &at, block->len);

    if (certificate && at == block->data + block->len &&
        sk_X509_push(certificates, certificate) > 0)
        return KS_OK;
    X509_free(certificate);
    fault_set(why, "a certificate in the file is damaged");
    return KS_ERR_BAD_REQUEST;
}

static ks_err
read_block(const struct block *block, struct pbe *pbe, struct keybundle *out,
           struct stack_st_X509 *certificates, struct fault *why)
{
    const uint8_t *der = block->data;
    size_t len = (size_t)block->len;

    if (strcmp(block->name, PEM_STRING_X509) == 0)
        return add_certificate(block, certificates, why);
    if (!strstr(block->name, "PRIVATE KEY"))
        return KS_OK; /* "EC PARAMETERS" and the like */
    if (out->key.memory.data) {
        fault_set(why, "the file holds several private keys");
        fault_hint(why, "put one key into a file");
        return KS_ERR_BAD_REQUEST;
    }
    if (block->header[0] && strcmp(block->name, PEM_STRING_PKCS8) != 0) {
        fault_set(why, "the private key is encrypted in the way of old OpenSSL, not as PKCS#8");
        fault_hint(why, "`openssl pkcs8 -topk8 -in FILE` makes PKCS#8 of it");
        return KS_ERR_BAD_REQUEST;
    }
    if (strcmp(block->name, PEM_STRING_PKCS8) == 0)
        return read_encrypted(der, len, pbe, &out->key, why);
    if (strcmp(block->name, PEM_STRING_PKCS8INF) == 0)
        return private_key_from_pkcs8(der, len, &out->key, why);
    if (strcmp(block->name, PEM_STRING_RSA) == 0)
        return private_key_from_rsa(der, len, &out->key, why);
    if (strcmp(block->name, PEM_STRING_ECPRIVATEKEY) == 0)
        return private_key_from_ec(der, len, &out->key, why);
    fault_set(why, "the file's private key is neither PKCS#8 nor of the kinds RSA and EC");
    return KS_ERR_BAD_REQUEST;
}

static ks_err
read_encrypted(const uint8_t *der, size_t len, struct pbe *pbe, struct private_key *out,
               struct fault *why)
{
    ks_auto(keyfile_deinit) struct keyfile plain = KEYFILE_INIT;
    const ASN1_OCTET_STRING *data = NULL;
    const X509_ALGOR *algorithm = NULL;
    const unsigned char *at = der;
    X509_SIG *sealed = d2i_X509_SIG(NULL, &at, (long)len);
    ks_err err;

    if (!sealed || at != der + len) {
        X509_SIG_free(sealed);
        return malformed(why);
    }
    X509_SIG_get0(sealed, &algorithm, &data);
    err = pbe_decrypt(pbe, algorithm, data, &plain, why);
    X509_SIG_free(sealed);
    return err ? err : private_key_from_pkcs8(plain.data, plain.len, out, why);
}
