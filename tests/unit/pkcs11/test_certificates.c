/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pkcs11/certificates.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <openssl/sha.h>
#include <openssl/x509.h>

#include "module_rig.h"

static struct hashes hashes;
static struct certificate_pool *pool;
static OSSL_LIB_CTX *libcrypto;

static void
start(void)
{
    libcrypto = OSSL_LIB_CTX_new();
    cr_assert(hashes_init(&hashes, libcrypto));
    pool = certificate_pool_new();
}

static void
stop(void)
{
    certificate_pool_free(pool);
    hashes_deinit(&hashes);
    OSSL_LIB_CTX_free(libcrypto);
}

TestSuite(certificates, .init = start, .fini = stop);

static struct certificates *
read_chain(struct ks_blob *der, size_t n)
{
    struct ks_chain chain = {der, n};
    struct certificates *out = NULL;

    cr_assert_eq(certificates_new(pool, &hashes, &chain, &out), CKR_OK);
    return out;
}

static void
is_same(const struct ks_blob *got, unsigned char *wanted, int wanted_len, const char *what)
{
    cr_assert_gt(wanted_len, 0);
    cr_assert_eq(got->len, (size_t)wanted_len, "%s", what);
    cr_assert_arr_eq(got->data, wanted, (size_t)wanted_len, "%s", what);
    OPENSSL_free(wanted);
}

/* Against X509, which the module does without. */
static void
is_as_x509(X509 *made, const char *begins, const char *ends)
{
    struct ks_blob der = {NULL, 0};
    struct certificates *chain;
    const ASN1_BIT_STRING *bits;
    const struct certificate *got;
    unsigned char *wanted = NULL, sha[32];
    X509 *x509 = NULL;
    const unsigned char *at;
    int len = i2d_X509(made, &der.data);

    cr_assert_gt(len, 0);
    der.len = (size_t)len;
    at = der.data;
    x509 = d2i_X509(NULL, &at, len);
    chain = read_chain(&der, 1);
    cr_assert_eq(chain->n, 1);
    got = chain->at[0];
    cr_assert_eq(got->der.len, der.len);
    cr_assert_arr_eq(got->der.data, der.data, der.len);
    len = i2d_X509_NAME(X509_get_subject_name(x509), &wanted);
    is_same(&got->subject, wanted, len, "subject");
    wanted = NULL;
    len = i2d_X509_NAME(X509_get_issuer_name(x509), &wanted);
    is_same(&got->issuer, wanted, len, "issuer");
    wanted = NULL;
    len = i2d_ASN1_INTEGER(X509_get_serialNumber(x509), &wanted);
    is_same(&got->serial, wanted, len, "serial");
    wanted = NULL;
    len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &wanted);
    is_same(&got->public_key, wanted, len, "public key");
    bits = X509_get0_pubkey_bitstr(x509);
    SHA1(bits->data, (size_t)bits->length, sha);
    cr_assert_arr_eq(got->id, sha, sizeof(got->id));
    SHA1(der.data, der.len, sha);
    cr_assert_arr_eq(got->check_value, sha, sizeof(got->check_value));
    SHA256(der.data, der.len, sha);
    cr_assert_arr_eq(got->sha256, sha, sizeof(got->sha256));
    cr_assert_arr_eq(&got->begins, begins, 8);
    cr_assert_arr_eq(&got->ends, ends, 8);
    certificates_putp(&chain);
    X509_free(x509);
    OPENSSL_free(der.data);
}

static void
add(X509_NAME *name, const char *field, int type, const char *value, int set)
{
    cr_assert(
        X509_NAME_add_entry_by_txt(name, field, type, (const unsigned char *)value, -1, -1, set));
}

/* `rich`: what certificates may have, and these do. */
static void
compare(EVP_PKEY *key, const char *serial, const char *begins, const char *ends, bool rich)
{
    bool edwards = EVP_PKEY_is_a(key, "ED25519");
    X509 *x509 = X509_new();
    X509_NAME *name = X509_NAME_new();
    BIGNUM *number = NULL;
    char time[32];

    cr_assert(BN_hex2bn(&number, serial));
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));
    snprintf(time, sizeof(time), "%s000000Z", begins);
    cr_assert(ASN1_TIME_set_string_X509(X509_getm_notBefore(x509), time));
    snprintf(time, sizeof(time), "%s235959Z", ends);
    cr_assert(ASN1_TIME_set_string_X509(X509_getm_notAfter(x509), time));
    add(name, "CN", MBSTRING_ASC, "shop.example", 0);
    if (rich) {
        X509_set_version(x509, X509_VERSION_3);
        add(name, "OU", MBSTRING_UTF8,
            "Br\xc3\xbc"
            "cke",
            0);
        add(name, "O", V_ASN1_T61STRING, "Old & Odd", 1);
        add(name, "serialNumber", V_ASN1_PRINTABLESTRING, "4711", -1);
        add(name, "emailAddress", V_ASN1_IA5STRING, "a@shop.example", 0);
    }
    X509_set_subject_name(x509, name);
    if (rich)
        add(name, "C", MBSTRING_ASC, "CH", 0);
    X509_set_issuer_name(x509, name);
    cr_assert(X509_set_pubkey(x509, key));
    cr_assert_gt(X509_sign(x509, key, edwards ? NULL : EVP_sha384()), 0);
    is_as_x509(x509, begins, ends);
    X509_NAME_free(name);
    BN_free(number);
    X509_free(x509);
}

Test(certificates, each_field_is_what_x509_has)
{
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-521"), EVP_RSA_gen(2048),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        compare(keys[i], "01", "20260101", "20261231", false);
        compare(keys[i], "00FFEEDDCCBBAA99887766554433221100", "20491231", "20500101", true);
        compare(keys[i], "-80", "19700101", "99991231", true);
        compare(keys[i], "0", "20280229", "20290301", true);
        EVP_PKEY_free(keys[i]);
    }
}

static struct ks_blob
make(EVP_PKEY *key, const char *subject, const char *comment)
{
    struct ks_blob der;

    der.len = (size_t)rig_certificate(subject, "issuer", key, key, comment, &der.data);
    return der;
}

static int
count_x509(void *parent, void *data, CRYPTO_EX_DATA *ex, int index, long argl, void *argp)
{
    (void)parent, (void)data, (void)ex, (void)index, (void)argl;
    (*(int *)argp)++;
    return 1;
}

/* Its locks are the program's, and in the child of a fork nobody's. */
Test(certificates, no_x509_is_made)
{
    static int n_made;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct ks_blob der = make(key, "shop", NULL);
    struct certificates *chain;

    cr_assert_geq(CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_X509, 0, &n_made,
                                          (CRYPTO_EX_new *)(void *)count_x509, NULL, NULL),
                  0);
    X509_free(X509_new());
    cr_assert_eq(n_made, 1, "the counter counts");
    chain = read_chain(&der, 1);
    cr_assert_eq(chain->n, 1);
    cr_assert_eq(n_made, 1);
    certificates_putp(&chain);
    OPENSSL_free(der.data);
    EVP_PKEY_free(key);
}

Test(certificates, what_the_program_configures_of_digests_is_nothing_to_us)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct ks_blob der = make(key, "shop", NULL);
    struct certificates *before = read_chain(&der, 1), *after;
    uint8_t id[KEY_ID_LEN];

    memcpy(id, before->at[0]->id, sizeof(id));
    certificates_putp(&before);
    cr_assert(EVP_set_default_properties(NULL, "provider=nonesuch"));
    cr_assert_null(EVP_MD_fetch(NULL, "SHA1", NULL));
    after = read_chain(&der, 1);
    cr_assert_arr_eq(after->at[0]->id, id, sizeof(id));
    certificates_putp(&after);
    OPENSSL_free(der.data);
    EVP_PKEY_free(key);
}

Test(certificates, what_is_no_certificate_ends_the_chain)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct ks_blob good = make(key, "shop", NULL), der[3] = {good, good, good};
    struct certificates *chain;

    for (size_t cut = 0; cut < good.len; cut += 7) {
        der[1].len = cut;
        chain = read_chain(der, 3);
        cr_assert_eq(chain->n, 1, "cut at %zu", cut);
        certificates_putp(&chain);
    }
    der[1].len = good.len;
    chain = read_chain(der, 3);
    cr_assert_eq(chain->n, 3);
    certificates_putp(&chain);
    chain = NULL;
    cr_assert_eq(certificates_new(pool, &hashes, NULL, &chain), CKR_OK);
    cr_assert_eq(chain->n, 0);
    certificates_putp(&chain);
    OPENSSL_free(good.data);
    EVP_PKEY_free(key);
}

Test(certificates, an_issuer_of_many_keys_is_kept_once)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct ks_blob issuer = make(key, "issuer", NULL);
    struct ks_blob one[2] = {make(key, "one", NULL), issuer};
    struct ks_blob two[2] = {make(key, "two", NULL), issuer};
    struct certificates *first = read_chain(one, 2), *second = read_chain(two, 2);

    cr_assert_neq(first->at[0], second->at[0]);
    cr_assert_eq(first->at[1], second->at[1]);
    certificates_putp(&first);
    cr_assert_eq(second->at[1]->der.len, issuer.len);
    cr_assert_arr_eq(second->at[1]->der.data, issuer.data, issuer.len);
    certificates_putp(&second);
    OPENSSL_free(issuer.data);
    OPENSSL_free(one[0].data);
    OPENSSL_free(two[0].data);
    EVP_PKEY_free(key);
}

#define COMMENT_LEN (60 * 1024)

Test(certificates, memory_has_a_bound_and_is_given_back, .timeout = 60)
{
    static struct certificates *kept[2 * CERTIFICATES_MAX_BYTES / COMMENT_LEN];
    static char comment[COMMENT_LEN + 1];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct ks_chain chain = {NULL, 1};
    struct ks_blob der;
    size_t n = 0;

    memset(comment, 'c', COMMENT_LEN);
    der = make(key, "fat", comment);
    chain.certificates = &der;
    /* Another certificate each: of the first, too, the last bytes of the signature are written. */
    for (; n < ARRAY_LEN(kept); n++) {
        der.data[der.len - 1] = (uint8_t)n;
        der.data[der.len - 2] = (uint8_t)(n >> 8);
        if (certificates_new(pool, &hashes, &chain, &kept[n]) != CKR_OK)
            break;
    }
    cr_assert_lt(n, CERTIFICATES_MAX_BYTES / COMMENT_LEN);
    cr_assert_gt(n, CERTIFICATES_MAX_BYTES / COMMENT_LEN * 9 / 10);
    cr_assert_eq(certificates_new(pool, &hashes, &chain, &kept[n]), CKR_DEVICE_MEMORY);
    certificates_putp(&kept[0]);
    cr_assert_eq(certificates_new(pool, &hashes, &chain, &kept[0]), CKR_OK);
    for (size_t i = 0; i < n; i++)
        certificates_putp(&kept[i]);
    OPENSSL_free(der.data);
    EVP_PKEY_free(key);
}
