/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_certificate - certificates that a client wants to keep beside a key, or that a token shows
 *
 * Each with two bytes of length before it. What is taken is one certificate and reads back as the
 * same bytes.
 */
#include "token/certchain.h"
#include "token/spki.h"

static const uint8_t P256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

/* The curve's base point: its private key is 1, so seeds can be signed for it. */
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

static void
check_one(const uint8_t *data, size_t len)
{
    ks_auto(ossl_x509_freep) X509 *certificate = certchain_certificate(data, len);
    ks_auto(ossl_memory_freep) uint8_t *again = NULL;

    if (!certificate)
        return;
    expect(i2d_X509(certificate, &again) == (int)len && memcmp(again, data, len) == 0);
    (void)certchain_issued(certificate, certificate);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ks_auto(certchain_deinit) struct certchain chain = CERTCHAIN_INIT;
    ks_auto(ossl_pkey_freep) EVP_PKEY *key = NULL;
    struct job_chain list = {.n_items = 0};
    struct fault why = FAULT_INIT;
    struct spki spki;

    for (size_t at = 0; at + 2 <= size && list.n_items < JOB_MAX_CHAIN;) {
        size_t len = (size_t)data[at] << 8 | data[at + 1];

        at += 2;
        if (len > size - at)
            len = size - at;
        check_one(data + at, len);
        list.items[list.n_items++] = (struct job_blob){data + at, len};
        at += len;
    }
    expect(spki_from_ec(P256, sizeof(P256), POINT, sizeof(POINT), &spki, &why) == KS_OK);
    expect(spki_pkey(&spki, &key, &why) == KS_OK);
    if (certchain_take(&list, key, "fuzz@1", &chain, &why) == KS_OK)
        expect(chain.n_items == list.n_items && chain.n_items > 0);
    else
        expect(why.text[0]);
    return 0;
}
