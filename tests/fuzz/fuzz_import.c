/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_import - key files: PKCS#12 and PKCS#8, behind the password "secret" or one of any bytes
 *
 * The first byte: bit 0 PKCS#8, bit 1 no password, bit 2 a key is selected, bit 3 the password stands
 * in front, behind its length in a byte. What is read must be a key of a known type whose public half
 * can be encoded, with certificates that OpenSSL reads back. No form of a password is longer than
 * the password allows.
 */
#include <openssl/crypto.h>

#include "token/pkcs12.h"
#include "token/pkcs8.h"

#define IS_PKCS8 1u
#define NO_PASSWORD 2u
#define SELECTS 4u
#define OWN_PASSWORD 8u
#define BUDGET 10000 /* rounds: enough for each seed, and hundreds of inputs a second */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool holds)
{
    if (!holds)
        abort();
}

static void
check(const struct keybundle *bundle)
{
    struct job_chain chain;

    expect(bundle->key.spki.type != KS_KEY_TYPE_ANY && bundle->key.spki.len > 0);
    expect(bundle->key.parts[PRIVATE_KEY_SECRET].len > 0);
    keybundle_chain(bundle, &chain);
    for (size_t i = 0; i < chain.n_items; i++) {
        const unsigned char *at = chain.items[i].data;
        X509 *certificate = d2i_X509(NULL, &at, (long)chain.items[i].len);

        expect(certificate && at == chain.items[i].data + chain.items[i].len);
        X509_free(certificate);
    }
}

/* Both into locked memory, as they come; takes the password off the input. */
static void
fill(const uint8_t *data, size_t size, struct keyfile *file, struct keyfile *password)
{
    const uint8_t *text = (const uint8_t *)"secret";
    struct fault why = FAULT_INIT;
    size_t len = strlen("secret"), skip = 1;

    if (data[0] & OWN_PASSWORD) {
        text = data + 2;
        len = data[1] < size - 2 ? data[1] : size - 2;
        skip = 2 + len;
    }
    expect(keyfile_new(len + 1, password, &why) == KS_OK);
    memcpy(password->data, text, len);
    password->len = len;
    expect(keyfile_new(size - skip + 1, file, &why) == KS_OK);
    memcpy(file->data, data + skip, size - skip);
    file->len = size - skip;
}

static void
check_forms(const struct pbe *pbe)
{
    expect(pbe->n_forms > 0 && pbe->n_forms <= PBE_MAX_FORMS);
    for (size_t i = 0; i < pbe->n_forms; i++) {
        const struct pbe_form *form = &pbe->forms[i];

        expect(form->len >= 0 && (size_t)form->len <= PBE_MAX_FORMS * PBE_MAX_PASSWORD);
    }
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    expect(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1);
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
    ks_auto(keyfile_deinit) struct keyfile file = KEYFILE_INIT;
    ks_auto(keyfile_deinit) struct keyfile password = KEYFILE_INIT;
    ks_auto(pbe_close) struct pbe pbe = PBE_INIT;
    struct fault why = FAULT_INIT;
    ks_err err;

    if (size < 2 || size > JOB_MAX_IMPORT)
        return 0;
    fill(data, size, &file, &password);
    err = pbe_open(&pbe, data[0] & NO_PASSWORD ? NULL : &password, BUDGET, &why);
    if (err) {
        expect(err == KS_ERR_BAD_REQUEST && data[0] & OWN_PASSWORD && why.text[0] != '\0');
        return 0;
    }
    check_forms(&pbe);
    if (data[0] & IS_PKCS8)
        err = pkcs8_read(&file, &pbe, &bundle, &why);
    else
        err = pkcs12_read(&file, &pbe, data[0] & SELECTS ? "shop" : "", &bundle, &why);
    expect(err == KS_OK || err == KS_ERR_BAD_REQUEST);
    if (err)
        expect(why.text[0] != '\0');
    else
        check(&bundle);
    return 0;
}
