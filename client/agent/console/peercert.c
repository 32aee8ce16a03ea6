/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peercert - parsing and showing certificates of agents
 */
#include "client/agent/console/peercert.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/hex.h"

#define PEM_START "-----BEGIN "
#define PEERCERT_MAX_LIST 32 /* certificates in one file; a chain has three */

void
peercert_freep(X509 **certificate)
{
    X509_free(*certificate);
}

void
peercert_list_freep(STACK_OF(X509) * *list)
{
    sk_X509_pop_free(*list, X509_free);
}

/* --- reading --- */

static ks_err
bad(struct fault *why, const char *what)
{
    ERR_clear_error();
    fault_set(why, "%s", what);
    return KS_ERR_BAD_REQUEST;
}

static ks_err
parse_der(const void *data, size_t len, STACK_OF(X509) * list, struct fault *why)
{
    const unsigned char *next = data;
    ks_auto(peercert_freep) X509 *one = d2i_X509(NULL, &next, (long)len);

    if (!one || next != (const unsigned char *)data + len)
        return bad(why, "it is no certificate, neither PEM nor DER");
    if (!sk_X509_push(list, one))
        return KS_ERR_INTERNAL;
    one = NULL;
    return KS_OK;
}

static ks_err
parse_pem(const void *data, size_t len, STACK_OF(X509) * list, struct fault *why)
{
    BIO *bio = BIO_new_mem_buf(data, (int)len);
    X509 *one;
    bool at_end;

    if (!bio)
        return KS_ERR_INTERNAL;
    while ((one = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        if (sk_X509_num(list) == PEERCERT_MAX_LIST || !sk_X509_push(list, one)) {
            X509_free(one);
            BIO_free(bio);
            return bad(why, "it holds too many certificates");
        }
    }
    at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    BIO_free(bio);
    if (!at_end || sk_X509_num(list) == 0)
        return bad(why, "it holds something that is no certificate");
    ERR_clear_error();
    return KS_OK;
}

ks_err
peercert_parse(const void *data, size_t len, STACK_OF(X509) * *out, struct fault *why)
{
    ks_auto(peercert_list_freep) STACK_OF(X509) *list = sk_X509_new_null();
    ks_err err;

    *out = NULL;
    if (!list)
        return KS_ERR_INTERNAL;
    if (len > PEERCERT_FILE_MAX) {
        fault_set(why, "more than %u bytes", PEERCERT_FILE_MAX);
        return KS_ERR_TOO_LARGE;
    }
    ERR_clear_error();
    if (memmem(data, len, PEM_START, strlen(PEM_START)))
        err = parse_pem(data, len, list, why);
    else
        err = parse_der(data, len, list, why);
    if (!err)
        *out = ks_steal(&list);
    return err;
}

static ks_err
read_file(const char *path, char **out, size_t *len, struct fault *why)
{
    ks_auto(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ks_auto(freep) char *bytes = malloc(PEERCERT_FILE_MAX + 1);
    size_t have = 0;
    ssize_t n = 1;

    if (!bytes)
        return KS_ERR_INTERNAL;
    while (fd >= 0 && n != 0 && have <= PEERCERT_FILE_MAX) {
        n = read(fd, bytes + have, PEERCERT_FILE_MAX + 1 - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        have += (size_t)n;
    }
    if (fd < 0 || n < 0) {
        fault_set(why, "%s: %s", path, strerror(errno));
        return KS_ERR_USAGE;
    }
    if (have > PEERCERT_FILE_MAX) {
        fault_set(why, "%s: more than %u bytes", path, PEERCERT_FILE_MAX);
        return KS_ERR_TOO_LARGE;
    }
    *out = ks_steal(&bytes);
    *len = have;
    return KS_OK;
}

ks_err
peercert_load(const char *path, STACK_OF(X509) * *out, char **bytes, size_t *len, struct fault *why)
{
    ks_auto(freep) char *data = NULL;
    size_t data_len = 0;
    ks_err err = read_file(path, &data, &data_len, why);

    *out = NULL;
    if (err)
        return err;
    err = peercert_parse(data, data_len, out, why);
    if (err) {
        fault_prefix(why, "%s", path);
        return err;
    }
    if (bytes) {
        *bytes = ks_steal(&data);
        *len = data_len;
    }
    return KS_OK;
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
peercert_same_key(const X509 *certificate, EVP_PKEY *key)
{
    EVP_PKEY *own = X509_get0_pubkey(certificate);
    bool same = own && key && EVP_PKEY_eq(own, key) == 1;

    ERR_clear_error();
    return same;
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
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    long len;

    out[0] = '\0';
    if (!bio)
        return;
    if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        len = BIO_get_mem_data(bio, &data);
        snprintf(out, cap, "%.*s", (int)len, data);
    }
    BIO_free(bio);
    peercert_tame(out);
}

void
peercert_subject(const X509 *certificate, char *out, size_t cap)
{
    peercert_name(X509_get_subject_name(certificate), out, cap);
}

void
peercert_issuer(const X509 *certificate, char *out, size_t cap)
{
    peercert_name(X509_get_issuer_name(certificate), out, cap);
}

void
peercert_time(const ASN1_TIME *time, char out[static PEERCERT_TIME_LEN])
{
    struct tm tm;

    snprintf(out, PEERCERT_TIME_LEN, "?");
    if (time && ASN1_TIME_to_tm(time, &tm) == 1)
        strftime(out, PEERCERT_TIME_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

json_t *
peercert_json(X509 *certificate)
{
    char subject[512], issuer[512], not_before[PEERCERT_TIME_LEN], not_after[PEERCERT_TIME_LEN];
    char sha256[PEERCERT_HEX_LEN];

    peercert_subject(certificate, subject, sizeof(subject));
    peercert_issuer(certificate, issuer, sizeof(issuer));
    peercert_time(X509_get0_notBefore(certificate), not_before);
    peercert_time(X509_get0_notAfter(certificate), not_after);
    peercert_hex(certificate, sha256);
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "subject", subject, "issuer", issuer,
                     "not_before", not_before, "not_after", not_after, "self_signed",
                     peercert_self_signed(certificate), "sha256", sha256);
}

/* Bytes of the character that begins here; 0: it is none, or a control character. */
static size_t
character_len(const unsigned char *text)
{
    size_t len = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

    if (text[0] < 0x20 || text[0] == 0x7f || (text[0] >= 0x80 && text[0] < 0xc2) || text[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    /* C1 controls, and the marks that turn the direction of what follows. */
    if (text[0] == 0xc2 && text[1] < 0xa0)
        return 0;
    if (text[0] == 0xe2 && ((text[1] == 0x80 && text[2] >= 0x8b && text[2] <= 0xaf) ||
                            (text[1] == 0x81 && text[2] >= 0xa0 && text[2] <= 0xaf)))
        return 0;
    return len;
}

void
peercert_tame(char *text)
{
    size_t len;

    for (char *next = text; *next; next += len) {
        len = character_len((const unsigned char *)next);
        if (len == 0) {
            *next = '?';
            len = 1;
        }
    }
}
