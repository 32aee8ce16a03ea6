/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED /* what programs of old still ask */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/x509.h>

#include "client/provider/options.h"
#include "provider_rig.h"

static struct rig rig;

static void
start(void)
{
    rig_start(&rig, KS_KEY_TYPE_EC_P256, "");
}

static void
stop(void)
{
    rig_stop(&rig);
}

TestSuite(keys, .init = start, .fini = stop);
TestSuite(decoder, .init = start, .fini = stop);

/* --- references --- */

Test(provider, reads_a_reference_of_every_type_and_asks_nobody)
{
    static const enum ks_key_type TYPES[] = {KS_KEY_TYPE_EC_P256, KS_KEY_TYPE_EC_P384,
                                             KS_KEY_TYPE_EC_P521, KS_KEY_TYPE_ED25519,
                                             KS_KEY_TYPE_RSA_2048};

    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        EVP_PKEY *key;

        rig_start(&rig, TYPES[i], "");
        key = rig_key(&rig);
        cr_assert_eq(EVP_PKEY_eq(key, rig.software), 1);
        cr_assert_eq(EVP_PKEY_eq(rig.software, key), 1);
        cr_assert_eq(EVP_PKEY_get_bits(key), EVP_PKEY_get_bits(rig.software));
        cr_assert_eq(EVP_PKEY_get_size(key), EVP_PKEY_get_size(rig.software));
        cr_assert_eq(fake_server_connections(rig.server), 0);
        EVP_PKEY_free(key);
        rig_stop(&rig);
    }
}

static char *
certificate_of(EVP_PKEY *software)
{
    X509 *x509 = X509_new();
    BIO *out = BIO_new(BIO_s_mem());
    char *data, *text;
    long len;

    cr_assert(X509_gmtime_adj(X509_getm_notBefore(x509), 0));
    cr_assert(X509_gmtime_adj(X509_getm_notAfter(x509), 3600));
    cr_assert(X509_set_pubkey(x509, software));
    cr_assert(X509_sign(x509, software, EVP_sha256()));
    cr_assert(PEM_write_bio_X509(out, x509));
    len = BIO_get_mem_data(out, &data);
    text = strndup(data, (size_t)len);
    BIO_free(out);
    X509_free(x509);
    return text;
}

/* With OSSL_STORE's file loader; as "keys certificates". */
static void
expect_stored(const char *text, int n_keys, int n_certificates)
{
    char path[] = "/tmp/keysvc-test-XXXXXX";
    FILE *out = fdopen(mkstemp(path), "w");
    OSSL_STORE_CTX *store;
    int keys = 0, certificates = 0, rounds = 0;

    fputs(text, out);
    fclose(out);
    store = OSSL_STORE_open_ex(path, rig.libctx, NULL, NULL, NULL, NULL, NULL, NULL);
    cr_assert(store);
    while (!OSSL_STORE_eof(store) && rounds++ < 20) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        keys += info && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY;
        certificates += info && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_CERT;
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    unlink(path);
    cr_assert_eq(keys, n_keys);
    cr_assert_eq(certificates, n_certificates);
    cr_assert_lt(rounds, 20, "it never ends");
}

Test(decoder, finds_the_reference_before_and_behind_a_certificate)
{
    char *certificate = certificate_of(rig.software), *reference = rig_reference(&rig);
    char both[2][4096];

    snprintf(both[0], sizeof(both[0]), "%s%s", certificate, reference);
    snprintf(both[1], sizeof(both[1]), "some text\n%s\n%s", reference, certificate);
    for (int i = 0; i < 2; i++) {
        EVP_PKEY *key = rig_read(&rig, both[i]);

        cr_assert(key);
        EVP_PKEY_free(key);
        expect_stored(both[i], 1, 1);
    }
    expect_stored(certificate, 0, 1);
    cr_assert_null(rig_read(&rig, certificate));
    ERR_clear_error();
    free(certificate);
    free(reference);
}

static void
expect_damaged(char *pem, const char *why)
{
    cr_assert_null(rig_read(&rig, pem));
    cr_assert(rig_said(why));
    expect_stored(pem, 0, 0);
    ERR_clear_error();
}

Test(decoder, says_what_is_wrong_with_a_reference)
{
    char *pem = rig_reference(&rig), with_header[2048];
    char *body = strchr(pem, '\n') + 1;
    char *last = strstr(pem, "\n-----END") - 8;

    body[3]++;
    expect_damaged(pem, "not a reference to a key");
    body[3]--;
    last[0] = '*';
    expect_damaged(pem, "damaged between its BEGIN and its END");
    last[0] = 'A';
    last[1] = last[1] == 'A' ? 'B' : 'A';
    expect_damaged(pem, RIG_LABEL ": the reference's public key is damaged");
    snprintf(with_header, sizeof(with_header), "%.*sComment: x\n\n%s", (int)(body - pem), pem,
             body);
    expect_damaged(with_header, "no headers");
    free(pem);
}

/* That OpenSSL goes on to other decoders: the error is theirs. */
Test(decoder, leaves_what_is_not_ours_to_others)
{
    char *certificate = certificate_of(rig.software);
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    EVP_PKEY *key;

    cr_assert(PEM_write_bio_PrivateKey(out, rig.software, NULL, NULL, 0, NULL, NULL));
    BIO_write(out, "", 1);
    BIO_get_mem_data(out, &text);
    key = rig_read(&rig, text);
    cr_assert_eq(EVP_PKEY_eq(key, rig.software), 1);
    cr_assert_str_eq(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)), "default");
    EVP_PKEY_free(key);
    BIO_free(out);
    certificate[100] = '*';
    cr_assert_null(rig_read(&rig, certificate));
    cr_assert_null(strstr(ERR_reason_error_string(ERR_peek_error()), "reference"));
    ERR_clear_error();
    cr_assert_null(rig_read(&rig, ""));
    cr_assert_null(rig_read(&rig, "-----BEGIN KEYSVC KEY REFERENC-----\nAAAA\n-----END"));
    ERR_clear_error();
    free(certificate);
}

/* --- keys --- */

Test(keys, match_their_certificate_and_no_other)
{
    EVP_PKEY *key = rig_key(&rig), *other = EVP_EC_gen("P-256");
    X509 *x509 = X509_new_ex(rig.libctx, NULL);

    cr_assert(X509_set_pubkey(x509, rig.software));
    cr_assert_eq(X509_check_private_key(x509, key), 1);
    cr_assert(X509_set_pubkey(x509, other));
    cr_assert_eq(X509_check_private_key(x509, key), 0);
    ERR_clear_error();
    X509_free(x509);
    EVP_PKEY_free(other);
    EVP_PKEY_free(key);
}

Test(keys, are_duplicated_and_their_duplicates_sign)
{
    EVP_PKEY *key = rig_key(&rig), *copy = EVP_PKEY_dup(key);
    uint8_t sig[KS_SIGNATURE_MAX_LEN];
    size_t len;

    EVP_PKEY_free(key);
    len = rig_sign(&rig, copy, "SHA256", NULL, "x", 1, 0, sig);
    cr_assert(rig_verifies(&rig, "x", 1, sig, len));
    EVP_PKEY_free(copy);
}

Test(keys, show_their_public_half_and_have_no_other)
{
    EVP_PKEY *key = rig_key(&rig);
    BIO *out = BIO_new(BIO_s_mem());
    BIGNUM *x = NULL, *secret = NULL;
    char group[32];
    size_t len;

    cr_assert_eq(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x), 1);
    cr_assert_eq(EVP_PKEY_get_group_name(key, group, sizeof(group), &len), 1);
    cr_assert_str_eq(group, "prime256v1");
    cr_assert_eq(PEM_write_bio_PUBKEY(out, key), 1);
    cr_assert_eq(EVP_PKEY_print_public(out, key, 0, NULL), 1);
    cr_assert_neq(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &secret), 1);
    cr_assert_neq(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    cr_assert_neq(EVP_PKEY_print_private(out, key, 0, NULL), 1);
    cr_assert_null(EVP_PKEY_get0_EC_KEY(key));
    ERR_clear_error();
    BN_free(x);
    BIO_free(out);
    EVP_PKEY_free(key);
}

Test(keys, that_are_only_public_do_not_sign)
{
    EVP_PKEY_CTX *from = EVP_PKEY_CTX_new_from_name(rig.libctx, "EC", "provider=keysvc");
    uint8_t sig[KS_SIGNATURE_MAX_LEN];
    OSSL_PARAM *params;
    EVP_PKEY *key = NULL;

    cr_assert_eq(EVP_PKEY_todata(rig.software, EVP_PKEY_PUBLIC_KEY, &params), 1);
    cr_assert_eq(EVP_PKEY_fromdata_init(from), 1);
    cr_assert_eq(EVP_PKEY_fromdata(from, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    cr_assert_eq(EVP_PKEY_eq(key, rig.software), 1);
    cr_assert_eq(rig_sign(&rig, key, "SHA256", NULL, "x", 1, 0, sig), 0);
    cr_assert(rig_said("a public key and no reference"));
    cr_assert_eq(rig.n_signatures, 0);
    OSSL_PARAM_free(params);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(from);
}

/* --- keysvc:NAME --- */

static EVP_PKEY *
open_uri(const char *uri)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, rig.libctx, NULL, NULL, NULL, NULL, NULL, NULL);
    OSSL_STORE_INFO *info = store ? OSSL_STORE_load(store) : NULL;
    EVP_PKEY *key = info ? OSSL_STORE_INFO_get1_PKEY(info) : NULL;

    cr_assert(!store || OSSL_STORE_eof(store));
    OSSL_STORE_INFO_free(info);
    OSSL_STORE_close(store);
    return key;
}

Test(keys, are_found_by_name)
{
    EVP_PKEY *key = open_uri("keysvc:web/shop");
    uint8_t sig[KS_SIGNATURE_MAX_LEN];
    size_t len;

    cr_assert(key);
    len = rig_sign(&rig, key, "SHA256", NULL, "x", 1, 0, sig);
    cr_assert(rig_verifies(&rig, "x", 1, sig, len));
    EVP_PKEY_free(key);
    rig.refuse = KS_ERR_NO_KEY;
    cr_assert_null(open_uri("keysvc:web/shop@1"));
    cr_assert(rig_said(RIG_LABEL ": NO_KEY"));
    rig.refuse = 0;
    rig.type = KS_KEY_TYPE_ANY;
    cr_assert_null(open_uri("keysvc:web/shop"));
    cr_assert(rig_said(RIG_LABEL ": a key of a type that this provider does not know"));
    cr_assert_null(
        open_uri("keysvc:"
                 "0123456789012345678901234567890123456789012345678901234567890123456789"
                 "0123456789012345678901234567890123456789012345678901234567890123456789"));
    cr_assert(strstr(ERR_reason_error_string(ERR_peek_last_error()), "not the name of a key"));
    ERR_clear_error();
}

/* The reasons that are ours, and the texts behind them. */
static void
expect_clean(void)
{
    unsigned long code;
    const char *text;
    int flags, n_ours = 0;

    while ((code = ERR_get_error_all(NULL, NULL, NULL, &text, &flags)) != 0) {
        const char *library = ERR_lib_error_string(code);

        if (!library || strcmp(library, "keysvc") != 0)
            continue;
        n_ours++;
        cr_assert(!strpbrk(ERR_reason_error_string(code), "\x1b\n\x7f\x9b"));
        cr_assert(!(flags & ERR_TXT_STRING) || !strpbrk(text, "\x1b\n\x7f\x9b"), "%s", text);
    }
    cr_assert_eq(n_ours, 1);
}

Test(keys, of_wild_names_put_nothing_wild_into_a_log)
{
    char name[300] = "keysvc:\x1b[31m\n\x7f\xc2\x9b";

    rig.refuse = KS_ERR_NO_KEY;
    cr_assert_null(open_uri(name));
    expect_clean();
    memset(name + strlen(name), 'a', 200);
    cr_assert_null(open_uri(name));
    expect_clean();
}

/* --- openssl.cnf --- */

Test(options, times_have_units_and_bounds)
{
    static const struct {
        const char *text;
        uint32_t ms;
    } ROWS[] = {{"10s", 10000},  {"500ms", 500}, {"2m", 120000},       {"3", 3000},
                {"10m", 600000}, {"1ms", 1},     {"600000ms", 600000}, {"1min", 60000}},
      *row;
    static const char *const BAD[] = {"",
                                      "0",
                                      "0s",
                                      "-1s",
                                      "+1s",
                                      " 1s",
                                      "1 s",
                                      "1.5s",
                                      "11m",
                                      "600001ms",
                                      "10h",
                                      "s",
                                      "99999999999999999999s"};
    uint32_t ms;

    for (row = ROWS; row < ROWS + sizeof(ROWS) / sizeof(ROWS[0]); row++) {
        cr_assert(options_parse_time(row->text, &ms), "%s", row->text);
        cr_assert_eq(ms, row->ms, "%s", row->text);
    }
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        cr_assert_not(options_parse_time(BAD[i], &ms), "%s", BAD[i]);
}

Test(options, nonsense_in_openssl_cnf_is_told_with_the_reference)
{
    static const struct {
        const char *option, *said;
    } ROWS[] = {{"timeout = soon", "timeout = \"soon\" in openssl.cnf"},
                {"socket = here", "socket = \"here\" in openssl.cnf"},
                {"errors = loud", "errors = \"loud\" in openssl.cnf"}};

    for (size_t i = 0; i < 3; i++) {
        char *pem;

        rig_start(&rig, KS_KEY_TYPE_EC_P256, ROWS[i].option);
        pem = rig_reference(&rig);
        cr_assert_null(rig_read(&rig, pem));
        cr_assert(rig_said(ROWS[i].said));
        cr_assert_null(open_uri("keysvc:web/shop"));
        cr_assert(rig_said(ROWS[i].said));
        free(pem);
        rig_stop(&rig);
    }
}

Test(options, a_socket_that_cannot_be_is_told_with_its_reason)
{
    char option[400] = "socket = /";
    char *pem;

    memset(option + strlen(option), 'a', 300);
    rig_start(&rig, KS_KEY_TYPE_EC_P256, option);
    pem = rig_reference(&rig);
    cr_assert_null(rig_read(&rig, pem));
    cr_assert(rig_said("longer than a socket's path can be: /aaa"));
    free(pem);
    rig_stop(&rig);

    setenv("KEYSVC_SOCKET", "run/s", 1);
    rig_start(&rig, KS_KEY_TYPE_EC_P256, "# no socket is said here");
    pem = rig_reference(&rig);
    cr_assert_null(rig_read(&rig, pem));
    cr_assert(rig_said("$KEYSVC_SOCKET, \"run/s\", is no absolute path"));
    free(pem);
    rig_stop(&rig);
}
