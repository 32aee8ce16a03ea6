/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_reference - files that stand where a program expects a private key
 *
 * The bytes are a reference's DER to the library, and to the provider both a PEM file and the inside
 * of one. What the library takes is written again as the same bytes; what the library refuses the
 * provider refuses too. What programs give an RSA key to sign goes the same way: a DigestInfo.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>

#include "base/util.h"
#include "client/lib/keysvc.h"
#include "client/provider/provider.h"

OSSL_provider_init_fn OSSL_provider_init;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static OSSL_LIB_CTX *libctx;

static void
expect(bool holds)
{
    if (!holds)
        abort();
}

static void
load_provider(void)
{
    libctx = OSSL_LIB_CTX_new();
    expect(libctx && OSSL_PROVIDER_load(libctx, "default") &&
           OSSL_PROVIDER_add_builtin(libctx, PROVIDER_NAME, OSSL_provider_init) &&
           OSSL_PROVIDER_load(libctx, PROVIDER_NAME));
}

/* True: a reference. */
static bool
check_library(const uint8_t *data, size_t size, struct ks_key *key)
{
    ks_auto(freep) char *pem = NULL;
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    struct ks_error error;
    long len;
    BIO *in;

    if (ks_reference_decode(data, size, key, &error)) {
        expect(error.message[0] != '\0');
        return false;
    }
    expect(ks_reference_encode(key, &pem, NULL) == KS_OK);
    in = BIO_new_mem_buf(pem, -1);
    expect(PEM_read_bio(in, &name, &header, &der, &len) == 1);
    expect((size_t)len == size && memcmp(der, data, size) == 0);
    BIO_free(in);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return true;
}

static void
check_digest_info(const uint8_t *data, size_t size)
{
    const uint8_t *digest = NULL;
    enum ks_hash hash = ks_digest_info_read(data, size, &digest);

    if (hash == KS_HASH_NONE)
        expect(!digest);
    else
        expect(digest > data && digest + ks_hash_len(hash) == data + size);
}

static EVP_PKEY *
read_key(BIO *in)
{
    EVP_PKEY *key =
        PEM_read_bio_PrivateKey_ex(in, NULL, NULL, (void *)(uintptr_t) "", libctx, NULL);

    ERR_clear_error();
    BIO_free(in);
    return key;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_key info;
    bool reference;
    EVP_PKEY *key;
    BIO *pem;

    if (!libctx)
        load_provider();
    check_digest_info(data, size);
    reference = check_library(data, size, &info);
    EVP_PKEY_free(read_key(BIO_new_mem_buf(data, (int)size)));
    pem = BIO_new(BIO_s_mem());
    expect(PEM_write_bio(pem, KS_REFERENCE_PEM_NAME, "", data, (long)size) >= 0);
    key = read_key(pem);
    expect(!key || (reference && EVP_PKEY_get_bits(key) > 0));
    EVP_PKEY_free(key);
    ERR_clear_error();
    return 0;
}
