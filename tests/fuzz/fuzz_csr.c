/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_csr - the fields of a certificate request
 *
 * A byte for the purpose, then texts that end in a zero byte: the seven of the subject, then
 * alternative names, each with its kind before it. What the check lets through must become a
 * request that OpenSSL reads back to the same bytes, with the names that were asked for; and, if it
 * has a subject, a self-signed certificate.
 */
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "token/csr.h"
#include "token/purpose_tls.h"
#include "token/selfcert.h"

#define MAX_ALTERNATIVES 64 /* more find nothing more */
#define SIGNATURE_LEN 72

static const uint8_t P256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

/* The curve's base point: a public key as good as any. */
static const uint8_t POINT[] = {
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
    0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
    0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
    0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
    0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool holds)
{
    if (!holds)
        abort();
}

static ks_err
fake_sign(void *context, const uint8_t *data, size_t len, uint8_t out[static KS_SIGNATURE_MAX_LEN],
          size_t *out_len, struct fault *why)
{
    (void)context;
    (void)why;
    expect(purpose_tls_resembles_der(data, len));
    memset(out, 0x30, SIGNATURE_LEN);
    *out_len = SIGNATURE_LEN;
    return KS_OK;
}

/* The next text; the input is copied with a zero byte behind it. */
static const char *
take_text(const char **at, const char *end)
{
    const char *text = *at;

    *at = text + strlen(text);
    if (*at < end)
        (*at)++;
    return text;
}

static size_t
take_alternatives(const char *at, const char *end, struct job_alternative *out)
{
    size_t n = 0;

    while (at < end && n < MAX_ALTERNATIVES) {
        out[n].kind = (enum certname_kind)(uint8_t)*at++;
        out[n++].value = take_text(&at, end);
    }
    return n;
}

static void
check_request(const struct job_csr *job, const uint8_t *der, size_t len)
{
    const uint8_t *at = der;
    uint8_t *again = NULL;
    X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)len);
    STACK_OF(X509_EXTENSION) * list;
    GENERAL_NAMES *names;

    expect(req && at == der + len);
    expect(i2d_re_X509_REQ_tbs(req, &again) > 0);
    OPENSSL_free(again);
    expect(X509_REQ_get0_pubkey(req) != NULL);
    list = X509_REQ_get_extensions(req);
    names = X509V3_get_d2i(list, NID_subject_alt_name, NULL, NULL);
    expect((size_t)(names ? sk_GENERAL_NAME_num(names) : 0) == job->n_alternatives);
    for (size_t i = 0; i < job->n_alternatives; i++) {
        int type;
        const ASN1_STRING *text =
            GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, (int)i), &type);
        size_t text_len = strlen(job->alternatives[i].value);

        if (type == GEN_IPADD)
            continue;
        expect((size_t)ASN1_STRING_length(text) == text_len);
        expect(memcmp(ASN1_STRING_get0_data(text), job->alternatives[i].value, text_len) == 0);
    }
    GENERAL_NAMES_free(names);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    X509_REQ_free(req);
}

static void
check_certificate(const uint8_t *der, size_t len)
{
    const uint8_t *at = der;
    X509 *certificate = d2i_X509(NULL, &at, (long)len);

    expect(certificate && at == der + len && X509_check_ca(certificate) == 0);
    expect(X509_get0_pubkey(certificate) != NULL);
    expect(X509_NAME_entry_count(X509_get_subject_name(certificate)) > 0);
    X509_free(certificate);
}

static void
build(const struct job_csr *job, enum ks_purpose purpose)
{
    static const char *const names[] = {
        "example",       ".example",       "*.example",      "10.0.0.0/8",
        "2001:db8::/32", "email:.example", "email:@example", "uri:https://example/"};
    struct config_class class = {.glob = "**", .purpose = purpose};
    struct fault why = FAULT_INIT;
    struct spki spki;
    uint8_t *der;
    size_t len;

    class.names = (struct strv){(char **)(uintptr_t)names, ARRAY_LEN(names)};
    expect(spki_from_ec(P256, sizeof(P256), POINT, sizeof(POINT), &spki, &why) == KS_OK);
    if (csr_build(job, &class, &spki, KS_ALGORITHM_ECDSA_SHA256, fake_sign, NULL, &der, &len,
                  &why) != KS_OK) {
        expect(!der && why.text[0]);
        return;
    }
    check_request(job, der, len);
    OPENSSL_free(der);
    if (selfcert_build(job, 1, 0, &class, &spki, KS_ALGORITHM_ECDSA_SHA256, fake_sign, NULL, &der,
                       &len, &why) != KS_OK) {
        expect(!der && why.text[0]);
        return;
    }
    check_certificate(der, len);
    OPENSSL_free(der);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct job_alternative alternatives[MAX_ALTERNATIVES];
    ks_auto(freep) char *texts = NULL;
    const char *at, *end;
    struct job_csr job = {.algorithm = KS_ALGORITHM_DEFAULT};

    if (size == 0)
        return 0;
    texts = malloc(size);
    if (!texts)
        return 0;
    memcpy(texts, data + 1, size - 1);
    texts[size - 1] = '\0';
    at = texts;
    end = texts + size - 1;
    job.common_name = take_text(&at, end);
    job.organization = take_text(&at, end);
    job.organization_unit = take_text(&at, end);
    job.country = take_text(&at, end);
    job.state = take_text(&at, end);
    job.locality = take_text(&at, end);
    job.email = take_text(&at, end);
    job.alternatives = alternatives;
    job.n_alternatives = take_alternatives(at, end, alternatives);
    build(&job, (enum ks_purpose)data[0]);
    return 0;
}
