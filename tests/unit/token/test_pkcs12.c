/* SPDX-License-Identifier: Apache-2.0 */
#include "token/pkcs12.h"

#include <criterion/criterion.h>
#include <openssl/bn.h>
#include <openssl/pkcs12.h>

#include "key_files.h"

static struct fault why;

/* BMPString of PKCS#12 and the bytes of PBKDF2 both come from these. */
#define UMLAUTS "\xc3\xbc\xc3\x9f"                         /* in UTF-8 */
#define UMLAUTS_WIDENED "\xc3\x83\xc2\xbc\xc3\x83\xc2\x9f" /* as OpenSSL 1.0 would have read it */
#define UMLAUTS_LATIN1 "\xfc\xdf"

static ks_err
read_with(const struct keyfile *file, const char *password, const char *select, uint64_t budget,
          struct keybundle *out)
{
    ks_auto(keyfile_deinit) struct keyfile secret = KEYFILE_INIT;
    ks_auto(pbe_close) struct pbe pbe = PBE_INIT;
    ks_err err;

    why = (struct fault)FAULT_INIT;
    if (password)
        secret = key_files_text(password);
    err = pbe_open(&pbe, password ? &secret : NULL, budget, &why);
    cr_assert_eq(err, KS_OK, "%s", why.text);
    return pkcs12_read(file, &pbe, select, out, &why);
}

static ks_err
read_file(const struct keyfile *file, const char *password, struct keybundle *out)
{
    return read_with(file, password, "", PBE_BUDGET, out);
}

static bool
is_key(const struct keybundle *bundle, EVP_PKEY *key)
{
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    bool same = len > 0 && (size_t)len == bundle->key.spki.len &&
                memcmp(der, bundle->key.spki.der, (size_t)len) == 0;

    OPENSSL_free(der);
    return same;
}

Test(pkcs12, reads_each_kind_of_key_by_each_kind_of_encryption)
{
    static const char *const types[] = {"EC", "EC:P-384", "EC:P-521", "RSA:2048", "ED25519"};
    static const int pbes[] = {0,
                               -1,
                               NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
                               NID_pbe_WithSHA1And40BitRC2_CBC,
                               NID_pbe_WithSHA1And128BitRC4,
                               NID_aes_128_cbc};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        EVP_PKEY *key = key_files_key(types[i]);
        X509 *certificate = key_files_certificate(key, "shop", NULL, NULL);

        for (size_t n = 0; n < ARRAY_LEN(pbes); n++) {
            const struct key_files_p12 how = {"secret", "shop", pbes[n], 0, 0};
            ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
            ks_auto(keyfile_deinit) struct keyfile file = KEYFILE_INIT;
            ks_auto(pbe_close) struct pbe legacy = PBE_INIT; /* so that RC2 can be written */
            PKCS12 *p12;

            cr_assert_eq(pbe_open(&legacy, NULL, 0, &why), KS_OK);
            p12 = key_files_p12(key, certificate, NULL, &how);
            file = key_files_der(p12);
            PKCS12_free(p12);
            cr_assert_eq(read_file(&file, "secret", &bundle), KS_OK, "%s %d: %s", types[i], pbes[n],
                         why.text);
            cr_expect(is_key(&bundle, key), "%s %d", types[i], pbes[n]);
            cr_expect_eq(bundle.n_certificates, 1);
        }
        X509_free(certificate);
        EVP_PKEY_free(key);
    }
}

Test(pkcs12, takes_the_very_numbers_of_the_key)
{
    ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
    const struct key_files_p12 how = {.password = "secret"};
    EVP_PKEY *key = key_files_key("EC");
    PKCS12 *p12 = key_files_p12(key, NULL, NULL, &how);
    ks_auto(keyfile_deinit) struct keyfile file = key_files_der(p12);
    BIGNUM *scalar = NULL;
    uint8_t bytes[32];

    cr_assert_eq(read_file(&file, "secret", &bundle), KS_OK, "%s", why.text);
    cr_assert_eq(EVP_PKEY_get_bn_param(key, "priv", &scalar), 1);
    cr_assert_eq(BN_bn2binpad(scalar, bytes, sizeof(bytes)), (int)sizeof(bytes));
    cr_assert_eq(bundle.key.parts[PRIVATE_KEY_SECRET].len, sizeof(bytes));
    cr_assert_arr_eq(bundle.key.parts[PRIVATE_KEY_SECRET].data, bytes, sizeof(bytes));
    BN_free(scalar);
    PKCS12_free(p12);
    EVP_PKEY_free(key);
}

Test(pkcs12, tells_a_wrong_password_from_none)
{
    ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
    ks_auto(keyfile_deinit) struct keyfile file = key_files_usual("secret");

    cr_assert_eq(read_file(&file, "Secret", &bundle), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "wrong") && why.hint[0], "%s", why.text);
    cr_assert_null(strstr(why.text, "Secret"));
    cr_assert_eq(read_file(&file, NULL, &bundle), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "no password was given"), "%s", why.text);
    cr_assert_null(bundle.key.memory.data);
    cr_assert_eq(read_file(&file, "secret", &bundle), KS_OK, "%s", why.text);
}

Test(pkcs12, takes_an_empty_password_and_none_for_the_same)
{
    static const char *const passwords[] = {"", NULL};

    for (size_t i = 0; i < 4; i++) {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
        const struct key_files_p12 how = {passwords[i / 2], "shop",
                                          NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 0, 0};
        EVP_PKEY *key = key_files_key("EC");
        PKCS12 *p12 = key_files_p12(key, NULL, NULL, &how);
        ks_auto(keyfile_deinit) struct keyfile file = key_files_der(p12);

        cr_expect_eq(read_file(&file, passwords[i % 2], &bundle), KS_OK, "%zu: %s", i, why.text);
        PKCS12_free(p12);
        EVP_PKEY_free(key);
    }
}

Test(pkcs12, reads_umlauts_as_old_and_foreign_makers_wrote_them)
{
    static const struct {
        const char *made_with;
        int pbe;
        int mac;
    } cases[] = {
        {UMLAUTS, 0, 0},
        {UMLAUTS, NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 0},
        {UMLAUTS_WIDENED, NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 0},
        {UMLAUTS_LATIN1, 0, -1},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
        const struct key_files_p12 how = {cases[i].made_with, "shop", cases[i].pbe, 0,
                                          cases[i].mac};
        EVP_PKEY *key = key_files_key("EC");
        PKCS12 *p12 = key_files_p12(key, NULL, NULL, &how);
        ks_auto(keyfile_deinit) struct keyfile file = key_files_der(p12);

        cr_expect_eq(read_file(&file, UMLAUTS, &bundle), KS_OK, "case %zu: %s", i, why.text);
        cr_expect_eq(read_file(&file, "uss", &bundle), KS_ERR_BAD_REQUEST);
        PKCS12_free(p12);
        EVP_PKEY_free(key);
    }
}

Test(pkcs12, refuses_a_file_that_is_cut_off_anywhere_or_goes_on)
{
    ks_auto(keyfile_deinit) struct keyfile file = key_files_usual("secret");
    ks_auto(keyfile_deinit) struct keyfile longer = KEYFILE_INIT;
    size_t len = file.len;

    for (file.len = 0; file.len < len; file.len++) {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;

        cr_assert_eq(read_file(&file, "secret", &bundle), KS_ERR_BAD_REQUEST, "%zu", file.len);
        cr_assert(why.text[0]);
    }
    cr_assert_eq(keyfile_new(len + 1, &longer, &why), KS_OK);
    memcpy(longer.data, file.data, len);
    longer.len = len + 1;
    {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;

        cr_assert_eq(read_file(&longer, "secret", &bundle), KS_ERR_BAD_REQUEST);
        longer.len = len;
        cr_assert_eq(read_file(&longer, "secret", &bundle), KS_OK, "%s", why.text);
    }
}

Test(pkcs12, refuses_a_file_in_which_any_byte_of_the_safes_is_another)
{
    ks_auto(keyfile_deinit) struct keyfile file = key_files_usual("secret");
    size_t n_read = 0;

    for (size_t i = 0; i < file.len; i++) {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;

        file.data[i] ^= 0x10;
        if (read_with(&file, "secret", "", 100000, &bundle) == KS_OK)
            n_read++; /* some bytes say nothing: a NULL's tag, for example */
        file.data[i] ^= 0x10;
    }
    cr_assert(n_read <= 2, "%zu of %zu changed files were read", n_read, file.len);
}

Test(pkcs12, hashes_no_password_more_often_than_it_has_a_budget_for)
{
    static const struct key_files_p12 cases[] = {
        {"secret", "shop", 0, 5000, 0},
        {"secret", "shop", NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 5000, 0},
        {"secret", "shop", -1, 0, 20000},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
        EVP_PKEY *key = key_files_key("EC");
        PKCS12 *p12 = key_files_p12(key, NULL, NULL, &cases[i]);
        ks_auto(keyfile_deinit) struct keyfile file = key_files_der(p12);

        cr_expect_eq(read_with(&file, "secret", "", 9999, &bundle), KS_ERR_BAD_REQUEST);
        cr_expect(strstr(why.text, "hashed too often"), "case %zu: %s", i, why.text);
        cr_expect_eq(read_with(&file, "secret", "", 100000, &bundle), KS_OK, "%s", why.text);
        PKCS12_free(p12);
        EVP_PKEY_free(key);
    }
}

/* The MAC's count becomes 2^31 - 1 without anybody computing it. */
Test(pkcs12, refuses_an_iteration_bomb_at_once)
{
    ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
    ks_auto(keyfile_deinit) struct keyfile usual = key_files_usual("secret");
    const unsigned char *at = usual.data;
    PKCS12 *p12 = d2i_PKCS12(NULL, &at, (long)usual.len);
    ks_auto(keyfile_deinit) struct keyfile bomb = KEYFILE_INIT;
    const ASN1_INTEGER *count = NULL;

    PKCS12_get0_mac(NULL, NULL, NULL, &count, p12);
    cr_assert(count);
    ASN1_INTEGER_set((ASN1_INTEGER *)(uintptr_t)count, 0x7fffffff);
    bomb = key_files_der(p12);
    PKCS12_free(p12);
    cr_assert_eq(read_file(&bomb, "secret", &bundle), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "hashed too often"), "%s", why.text);
}

/* Two keys in one file, each in a safe of its own. */
static struct keyfile
two_keys(EVP_PKEY *first, const char *first_name, EVP_PKEY *second, const char *second_name)
{
    STACK_OF(PKCS7) *safes = NULL;
    EVP_PKEY *keys[2] = {first, second};
    const char *names[2] = {first_name, second_name};
    struct keyfile file;
    PKCS12 *p12;

    for (int i = 0; i < 2; i++) {
        STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
        uint8_t id[2] = {0xab, (uint8_t)i};
        PKCS12_SAFEBAG *bag = PKCS12_add_key(&bags, keys[i], 0, 10, NID_aes_128_cbc, "secret");

        cr_assert(bag);
        if (names[i])
            cr_assert_eq(PKCS12_add_friendlyname_utf8(bag, names[i], -1), 1);
        cr_assert_eq(PKCS12_add_localkeyid(bag, id, sizeof(id)), 1);
        cr_assert_eq(PKCS12_add_safe(&safes, bags, -1, 0, NULL), 1);
        sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    }
    p12 = PKCS12_add_safes(safes, 0);
    cr_assert(p12 && PKCS12_set_mac(p12, "secret", -1, NULL, 0, 10, NULL) == 1);
    file = key_files_der(p12);
    PKCS12_free(p12);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    return file;
}

Test(pkcs12, takes_a_name_in_another_case_only_where_none_is_exactly_so)
{
    EVP_PKEY *first = key_files_key("EC"), *second = key_files_key("EC");
    ks_auto(keyfile_deinit) struct keyfile differ = two_keys(first, "Shop", second, "other");
    ks_auto(keyfile_deinit) struct keyfile alike = two_keys(first, "Shop", second, "shop");
    static const struct {
        bool alike;
        const char *select;
        int which; /* 0: none, or both */
        const char *alias;
    } cases[] = {{false, "shop", 1, "Shop"}, {false, "OTHER", 2, "other"}, {false, "sho", 0, ""},
                 {true, "shop", 2, "shop"},  {true, "Shop", 1, "Shop"},    {true, "SHOP", 0, ""}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
        ks_err err = read_with(cases[i].alike ? &alike : &differ, "secret", cases[i].select,
                               PBE_BUDGET, &bundle);

        cr_expect_eq(err, cases[i].which ? KS_OK : KS_ERR_BAD_REQUEST, "%s: %s", cases[i].select,
                     why.text);
        cr_expect_str_eq(bundle.alias, cases[i].alias);
        if (!err)
            cr_expect(is_key(&bundle, cases[i].which == 1 ? first : second), "%s", cases[i].select);
    }
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
}

Test(pkcs12, says_what_the_file_calls_its_key)
{
    static const struct {
        const char *name, *alias;
    } cases[] = {{"shop", "shop"},
                 {NULL, "ab00"},
                 {"", "ab00"},
                 {"sh\"op\n\\\xc3\xbc\xe2\x82\xac\xc2\x85", "sh?op??\xc3\xbc\xe2\x82\xac?"}};
    EVP_PKEY *first = key_files_key("EC"), *second = key_files_key("EC");
    char name[2 * JOB_MAX_SELECT] = "";

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
        ks_auto(keyfile_deinit) struct keyfile file =
            two_keys(first, cases[i].name, second, "other");

        cr_assert_eq(read_with(&file, "secret", "ab00", PBE_BUDGET, &bundle), KS_OK, "%s",
                     why.text);
        cr_expect_str_eq(bundle.alias, cases[i].alias);
    }
    {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
        ks_auto(keyfile_deinit) struct keyfile file = KEYFILE_INIT;

        /* Two bytes each: the last one does not fit whole. */
        for (size_t i = 0; i + 2 < sizeof(name); i += 2)
            memcpy(name + i, "\xc3\xbc", 2);
        file = two_keys(first, name, second, "other");
        cr_assert_eq(read_with(&file, "secret", "ab00", PBE_BUDGET, &bundle), KS_OK);
        cr_assert_eq(strlen(bundle.alias), JOB_MAX_SELECT - 1);
        cr_assert_eq(memcmp(bundle.alias, name, JOB_MAX_SELECT - 1), 0);
    }
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
}

Test(pkcs12, takes_one_of_several_keys_by_name_or_id)
{
    EVP_PKEY *first = key_files_key("EC"), *second = key_files_key("EC");
    ks_auto(keyfile_deinit) struct keyfile file =
        two_keys(first, "old shop", second, "sh\"op\n\xc3\xbc");
    static const struct {
        const char *select;
        int which; /* 0: none */
    } cases[] = {{"old shop", 1}, {"abUNKNOWN", 0}, {"ab01", 2}, {"AB:00", 1}, {"ab 01", 2},
                 {"ab", 0},       {"ab0100", 0},    {"shop", 0}, {":", 0}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
        ks_err err = read_with(&file, "secret", cases[i].select, PBE_BUDGET, &bundle);

        cr_expect_eq(err, cases[i].which ? KS_OK : KS_ERR_BAD_REQUEST, "%s: %s", cases[i].select,
                     why.text);
        if (!err)
            cr_expect(is_key(&bundle, cases[i].which == 1 ? first : second), "%s", cases[i].select);
    }
    {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;

        cr_assert_eq(read_file(&file, "secret", &bundle), KS_ERR_BAD_REQUEST);
        cr_assert(strstr(why.text, "2 private keys: old shop, sh?op?\xc3\xbc"), "%s", why.text);
        cr_assert(strstr(why.hint, "localKeyID"));
    }
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
}

Test(pkcs12, shows_ids_of_keys_without_names_and_no_endless_list)
{
    EVP_PKEY *key = key_files_key("EC");
    char name[200];
    ks_auto(keyfile_deinit) struct keyfile file = KEYFILE_INIT;
    ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    file = two_keys(key, NULL, key, name);
    cr_assert_eq(read_file(&file, "secret", &bundle), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "ab00, nnnn"), "%s", why.text);
    cr_assert(strlen(why.text) < 120, "%s", why.text);
    EVP_PKEY_free(key);
}

Test(pkcs12, puts_the_chain_in_order_and_leaves_strangers_out)
{
    EVP_PKEY *root_key = key_files_key("EC"), *middle_key = key_files_key("EC");
    EVP_PKEY *key = key_files_key("EC"), *stranger_key = key_files_key("EC");
    X509 *root = key_files_certificate(root_key, "root", NULL, NULL);
    X509 *middle = key_files_certificate(middle_key, "middle", root_key, "root");
    X509 *own = key_files_certificate(key, "shop", middle_key, "middle");
    X509 *stranger = key_files_certificate(stranger_key, "stranger", NULL, NULL);
    X509 *const expected[] = {own, middle, root};
    STACK_OF(X509) *others = sk_X509_new_null();
    const struct key_files_p12 how = {.password = "secret"};
    ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
    ks_auto(keyfile_deinit) struct keyfile file = KEYFILE_INIT;
    PKCS12 *p12;

    sk_X509_push(others, root);
    sk_X509_push(others, stranger);
    sk_X509_push(others, middle);
    p12 = key_files_p12(key, own, others, &how);
    file = key_files_der(p12);
    cr_assert_eq(read_file(&file, "secret", &bundle), KS_OK, "%s", why.text);
    cr_assert_eq(bundle.n_certificates, 3);
    for (size_t i = 0; i < 3; i++) {
        const unsigned char *at = bundle.certificates[i].data;
        X509 *got = d2i_X509(NULL, &at, (long)bundle.certificates[i].len);

        cr_expect_eq(X509_cmp(got, expected[i]), 0, "certificate %zu", i);
        X509_free(got);
    }
    PKCS12_free(p12);
    sk_X509_free(others);
    X509_free(root);
    X509_free(middle);
    X509_free(own);
    X509_free(stranger);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(middle_key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(stranger_key);
}

/* Two that claim to have issued each other. */
Test(pkcs12, ends_a_chain_that_goes_in_a_circle)
{
    EVP_PKEY *one = key_files_key("EC"), *two = key_files_key("EC");
    X509 *first = key_files_certificate(one, "one", two, "two");
    X509 *second = key_files_certificate(two, "two", one, "one");
    STACK_OF(X509) *others = sk_X509_new_null();
    const struct key_files_p12 how = {.password = "secret"};
    ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
    ks_auto(keyfile_deinit) struct keyfile file = KEYFILE_INIT;
    PKCS12 *p12;

    sk_X509_push(others, second);
    p12 = key_files_p12(one, first, others, &how);
    file = key_files_der(p12);
    cr_assert_eq(read_file(&file, "secret", &bundle), KS_OK, "%s", why.text);
    cr_assert_eq(bundle.n_certificates, 2);
    PKCS12_free(p12);
    sk_X509_free(others);
    X509_free(first);
    X509_free(second);
    EVP_PKEY_free(one);
    EVP_PKEY_free(two);
}

Test(pkcs12, refuses_keys_that_no_class_can_have)
{
    static const char *const types[] = {"EC:secp256k1", "RSA:1024", "X25519"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
        const struct key_files_p12 how = {.password = "secret"};
        EVP_PKEY *key = key_files_key(types[i]);
        PKCS12 *p12 = key_files_p12(key, NULL, NULL, &how);
        ks_auto(keyfile_deinit) struct keyfile file = key_files_der(p12);

        cr_expect_eq(read_file(&file, "secret", &bundle), KS_ERR_BAD_REQUEST, "%s", types[i]);
        cr_expect(why.text[0]);
        PKCS12_free(p12);
        EVP_PKEY_free(key);
    }
}
