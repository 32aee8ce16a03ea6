/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pem - text forms, by libcrypto
 */
#include "client/cli/pem.h"

#include <limits.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

char *
pem_text(const char *label, const uint8_t *der, size_t len)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL;
    char *data;
    long text_len;

    if (out && len <= INT_MAX && PEM_write_bio(out, label, "", der, (long)len) > 0) {
        text_len = BIO_get_mem_data(out, &data);
        text = strndup(data, (size_t)text_len);
    }
    BIO_free(out);
    return text;
}

char *
pem_base64(const uint8_t *data, size_t len)
{
    char *text = len < INT_MAX / 2 ? malloc((len + 2) / 3 * 4 + 1) : NULL;

    if (text)
        EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    return text;
}
