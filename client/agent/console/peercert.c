/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peercert - parsing and showing certificates of agents
 */
#include "client/agent/console/peercert.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "base/file.h"
#include "base/hex.h"
#include "client/agent/certificate/certfile.h"
#include "client/agent/certificate/chain.h"
#include "client/agent/tame.h"

/* --- reading --- */

ks_err
peercert_load(const char *path, STACK_OF(X509) * *out, struct fault *why)
{
    ks_auto(buf_deinit) struct buf data = {.max = PEERCERT_FILE_MAX};
    ks_err err = file_read(path, &data, why);

    return err ? err : certfile_parse(path, data.data, data.len, PEERCERT_MAX_LIST, out, why);
}

char *
peercert_pem(const STACK_OF(X509) * list)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *text = NULL;
    long len;
    bool written = bio;

    for (int i = 0; written && i < sk_X509_num(list); i++)
        written = PEM_write_bio_X509(bio, sk_X509_value(list, i)) == 1;
    if (written) {
        len = BIO_get_mem_data(bio, &data);
        text = strndup(data, (size_t)len);
    }
    BIO_free(bio);
    return text;
}

/* --- comparing --- */

void
peercert_sha256(const X509 *certificate, uint8_t out[static PEERCERT_SHA256_LEN])
{
    unsigned int len = PEERCERT_SHA256_LEN;

    /* All zeros is no certificate's: what cannot be hashed equals nothing. */
    memset(out, 0, PEERCERT_SHA256_LEN);
    if (X509_digest(certificate, EVP_sha256(), out, &len) != 1)
        memset(out, 0, PEERCERT_SHA256_LEN);
}

void
peercert_hex(const X509 *certificate, char out[static PEERCERT_HEX_LEN])
{
    uint8_t sha256[PEERCERT_SHA256_LEN];

    peercert_sha256(certificate, sha256);
    hex_text(out, sha256, sizeof(sha256));
}

void
peercert_fingerprint(const X509 *certificate, char out[static PEERCERT_FINGERPRINT_LEN])
{
    uint8_t sha256[PEERCERT_SHA256_LEN];

    peercert_sha256(certificate, sha256);
    for (size_t i = 0; i < sizeof(sha256); i++)
        snprintf(out + 3 * i, 4, "%02X%s", sha256[i], i + 1 < sizeof(sha256) ? ":" : "");
}

bool
peercert_parse_fingerprint(const char *text, uint8_t out[static PEERCERT_SHA256_LEN])
{
    char digits[2 * PEERCERT_SHA256_LEN + 1];
    size_t n = 0;

    if (strncasecmp(text, "sha256:", strlen("sha256:")) == 0)
        text += strlen("sha256:");
    for (; *text; text++) {
        if (*text == ':' && n > 0 && n % 2 == 0)
            continue;
        if (n == sizeof(digits) - 1)
            return false;
        digits[n++] = (char)tolower((unsigned char)*text);
    }
    digits[n] = '\0';
    return n == sizeof(digits) - 1 && hex_parse(digits, out, PEERCERT_SHA256_LEN);
}

bool
peercert_same(const X509 *one, const X509 *other)
{
    uint8_t first[PEERCERT_SHA256_LEN], second[PEERCERT_SHA256_LEN];
    static const uint8_t NONE[PEERCERT_SHA256_LEN];

    peercert_sha256(one, first);
    peercert_sha256(other, second);
    return memcmp(first, second, sizeof(first)) == 0 && memcmp(first, NONE, sizeof(NONE)) != 0;
}

bool
peercert_same_key(const X509 *one, const X509 *other)
{
    EVP_PKEY *first = X509_get0_pubkey(one), *second = X509_get0_pubkey(other);

    return first && second && EVP_PKEY_eq(first, second) == 1;
}

bool
peercert_self_signed(X509 *certificate)
{
    bool self_signed = X509_self_signed(certificate, 1) == 1;

    ERR_clear_error();
    return self_signed;
}

/* --- showing --- */

void
peercert_name(const X509_NAME *name, char *out, size_t cap)
{
    chain_name_text(name, out, cap);
    tame_text(out);
}

void
peercert_subject(const X509 *certificate, char *out, size_t cap)
{
    peercert_name(X509_get_subject_name(certificate), out, cap);
}

json_t *
peercert_json(X509 *certificate)
{
    char subject[512], issuer[512], not_before[CHAIN_TIME_MAX], not_after[CHAIN_TIME_MAX];
    char sha256[PEERCERT_HEX_LEN];

    peercert_subject(certificate, subject, sizeof(subject));
    peercert_name(X509_get_issuer_name(certificate), issuer, sizeof(issuer));
    chain_time_text(X509_get0_notBefore(certificate), not_before);
    chain_time_text(X509_get0_notAfter(certificate), not_after);
    peercert_hex(certificate, sha256);
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "subject", subject, "issuer", issuer,
                     "not_before", not_before, "not_after", not_after, "self_signed",
                     peercert_self_signed(certificate), "sha256", sha256);
}
