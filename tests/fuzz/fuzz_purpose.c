/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_purpose - may a key of this purpose sign these bytes?
 *
 * Three bytes choose purpose, algorithm and hash, the rest is the message. Whatever a TLS key signs
 * must be no digest, no ASN.1 that OpenSSL reads, and no more than the purpose's neighbours allow.
 */
#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include "token/purpose.h"
#include "token/purpose_tls.h"

#define TLS13_ONLY 0x80 /* in the first byte */
#define HEADER_LEN 3

struct input {
    enum ks_purpose purpose;
    bool tls13_only;
    enum ks_algorithm algorithm;
    enum ks_hash prehashed;
    const uint8_t *data;
    size_t len;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool holds)
{
    if (!holds)
        abort();
}

static bool
allowed(enum ks_purpose purpose, bool tls13_only, const struct input *in)
{
    struct fault why = FAULT_INIT;
    ks_err err =
        purpose_check(purpose, tls13_only, in->algorithm, in->prehashed, in->data, in->len, &why);

    expect(err == KS_OK || err == KS_ERR_PURPOSE || err == KS_ERR_BAD_REQUEST);
    expect((err == KS_OK) == (why.text[0] == '\0'));
    return err == KS_OK;
}

static bool
is_tls(enum ks_purpose purpose)
{
    return purpose >= KS_PURPOSE_TLS_SERVER && purpose <= KS_PURPOSE_TLS;
}

/* Is the whole of it such a structure? */
static bool
is_a(const ASN1_ITEM *item, const struct input *in)
{
    const uint8_t *at = in->data;
    ASN1_VALUE *value = ASN1_item_d2i(NULL, &at, (long)in->len, item);
    bool whole = value && at == in->data + in->len;

    ASN1_item_free(value, item);
    return whole;
}

static void
check_tls(const struct input *in)
{
    expect(!is_a(ASN1_ITEM_rptr(X509_REQ_INFO), in));
    expect(!is_a(ASN1_ITEM_rptr(X509_CINF), in));
    expect(!is_a(ASN1_ITEM_rptr(X509_CRL_INFO), in));
    expect(!is_a(ASN1_ITEM_rptr(OCSP_RESPDATA), in));
    expect(!is_a(ASN1_ITEM_rptr(ASN1_SEQUENCE_ANY), in));
    expect(!is_a(ASN1_ITEM_rptr(ASN1_SET_ANY), in));

    expect(in->prehashed == KS_HASH_NONE);
    expect(!purpose_tls_resembles_der(in->data, in->len));
    expect(allowed(KS_PURPOSE_TLS, in->tls13_only, in));
    expect(allowed(in->purpose, false, in));
    expect(!in->tls13_only || purpose_tls_resembles_13(in->data, in->len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in;

    if (size < HEADER_LEN)
        return 0;
    in.purpose = (enum ks_purpose)(data[0] & ~TLS13_ONLY);
    in.tls13_only = data[0] & TLS13_ONLY;
    in.algorithm = (enum ks_algorithm)data[1];
    in.prehashed = (enum ks_hash)data[2];
    in.data = data + HEADER_LEN;
    in.len = size - HEADER_LEN;
    if (allowed(in.purpose, in.tls13_only, &in) && is_tls(in.purpose))
        check_tls(&in);
    return 0;
}
