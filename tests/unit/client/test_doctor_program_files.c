/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "doctor_rig.h"

TestSuite(doctor_program_files, .init = rig_start, .fini = rig_stop);

static void
make_certificate(const char *name, const struct pair *pair, long until)
{
    X509 *certificate = X509_new();
    FILE *file = fopen(at(name), "we");

    cr_assert_not_null(file);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -1000);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until);
    X509_set_version(certificate, X509_VERSION_3);
    X509_set_pubkey(certificate, pair->key);
    cr_assert_gt(X509_sign(certificate, pair->key, EVP_sha256()), 0);
    PEM_write_X509(file, certificate);
    fclose(file);
    X509_free(certificate);
}

static void
keys(const char *const *names, size_t n)
{
    struct program_files files = {0};

    for (size_t i = 0; i < n; i++)
        program_files_add(&files, at(names[i]), true);
    rig_again();
    program_keys(doctor, &cli, &files, NULL, 0, false);
    program_files_deinit(&files);
}

#define keys_of(...)                                                                               \
    keys((const char *const[]){__VA_ARGS__},                                                       \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

Test(doctor_program_files, compares_certificates_with_references)
{
    struct pair shop = new_pair("web/shop", 1), other = new_pair("web/shop", 2);

    make_reference("shop.pem", &shop);
    make_certificate("shop.crt", &shop, 1000);
    make_certificate("old.crt", &shop, -500);
    make_certificate("other.crt", &other, 1000);
    keys_of("shop.pem", "shop.crt");
    expect_found(DOCTOR_FINE, "certificate", "shop.crt is for web/shop@1");
    cr_expect_eq(n_wrong(), 0);
    keys_of("shop.pem", "other.crt");
    expect_found(DOCTOR_WRONG, "certificate", "other.crt is for another key");
    keys_of("shop.pem");
    expect_found(DOCTOR_NOTE, "certificate", "no certificate for web/shop@1");
    cr_expect_eq(n_wrong(), 0);
    keys_of("shop.pem", "old.crt");
    expect_found(DOCTOR_WRONG, "certificate", "old.crt has run out");
    keys_of("shop.pem", "shop.crt", "other.crt");
    expect_found(DOCTOR_NOTE, "certificate", "other.crt is for none of the references");
    cr_expect_eq(n_wrong(), 0);
    EVP_PKEY_free(shop.key);
    EVP_PKEY_free(other.key);
}

Test(doctor_program_files, a_damaged_reference_and_a_file_with_nothing_in_it_are_wrong)
{
    struct pair shop = new_pair("web/shop", 1);
    char text[4096] = "";
    FILE *file;

    make_reference("shop.pem", &shop);
    file = fopen(at("shop.pem"), "re");
    cr_assert_gt(fread(text, 1, sizeof(text) - 1, file), 100);
    fclose(file);
    *strstr(text, "-----END") = '\0';
    make("cut.pem", text);
    make("none.pem", "nothing\n");
    make("garbage.pem",
         "-----BEGIN KEYSVC KEY REFERENCE-----\nMAA=\n-----END KEYSVC KEY REFERENCE-----\n");
    keys_of("cut.pem");
    expect_found(DOCTOR_WRONG, "reference", "cut.pem: its PEM is cut off");
    keys_of("none.pem");
    expect_found(DOCTOR_WRONG, "reference", "none.pem holds no reference and no certificate");
    keys_of("garbage.pem");
    expect_found(DOCTOR_WRONG, "reference", "garbage.pem: not a reference");
    keys_of("missing.pem");
    expect_found(DOCTOR_WRONG, "reference", "missing.pem: No such file");
    EVP_PKEY_free(shop.key);
}

Test(doctor_program_files, a_private_key_in_a_file_is_a_note_and_two_references_in_one_are_too)
{
    struct pair shop = new_pair("web/shop", 1);
    FILE *file = fopen(at("private.pem"), "we");

    PEM_write_PrivateKey(file, shop.key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    keys_of("private.pem");
    expect_found(DOCTOR_NOTE, "reference", "holds a private key itself");
    file = fopen(at("two.pem"), "we");
    for (int i = 0; i < 2; i++) {
        ks_auto(freep) char *pem = NULL;

        cr_assert_eq(ks_reference_encode(&shop.reference, &pem, NULL), KS_OK);
        fputs(pem, file);
    }
    fclose(file);
    keys_of("two.pem");
    expect_found(DOCTOR_NOTE, "reference", "holds 2 references");
    EVP_PKEY_free(shop.key);
}

static bool
has_file(const struct program_files *files, const char *name)
{
    for (size_t i = 0; i < files->n; i++) {
        if (strcmp(files->list[i].path, at(name)) == 0)
            return true;
    }
    return false;
}

Test(doctor_program_files, finds_the_files_that_a_configuration_names_in_any_language)
{
    struct pair pairs[6];
    struct program_files files = {0};
    char text[1024];

    make_folder("etc");
    make_folder("etc/sites");
    make_folder("bundles");
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        pairs[i] = new_pair("web/shop", (uint32_t)i + 1);
    make_reference("etc/relative.pem", &pairs[0]);
    make_reference("etc/sites/beside.pem", &pairs[1]);
    make_reference("absolute.pem", &pairs[2]);
    make_reference("bundles/one.pem", &pairs[3]);
    make_reference("comment.pem", &pairs[4]);
    make_reference("quoted.pem", &pairs[5]);
    make("plain.txt", "nothing in it\n");
    snprintf(
        text, sizeof(text),
        "# ssl_certificate_key %s/comment.pem;\n  # %s/comment.pem\n"
        "ssl_certificate_key %s/absolute.pem;\ncrt %s/bundles alpn h2\nlog %s/plain.txt /dev/null\n"
        "ssl_key_file = 'relative.pem'\n",
        folder, folder, folder, folder, folder);
    make("etc/main.conf", text);
    snprintf(text, sizeof(text), "key=\"file:%s/quoted.pem\"\ncert = beside.pem\n", folder);
    make("etc/sites/a", text);
    cr_assert(program_files_search(&files, at("etc")));
    cr_expect(has_file(&files, "absolute.pem"));
    cr_expect(has_file(&files, "bundles/one.pem"));
    cr_expect(has_file(&files, "quoted.pem"));
    cr_expect(has_file(&files, "etc/relative.pem"));
    cr_expect(has_file(&files, "etc/sites/beside.pem"));
    cr_expect_not(has_file(&files, "comment.pem"));
    cr_expect_eq(files.n, 5);
    program_files_deinit(&files);
    cr_expect_not(program_files_search(&files, at("none")));
    cr_expect_eq(errno, ENOENT);
    program_files_deinit(&files);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        EVP_PKEY_free(pairs[i].key);
}

Test(doctor_program_files, a_configuration_may_lead_in_circles_and_name_pipes)
{
    struct program_files files = {0};
    char text[256];

    make_folder("etc");
    link_at("etc/again", "../etc");
    cr_assert_eq(mkfifo(at("pipe"), 0600), 0);
    cr_assert_eq(mkfifo(at("etc/pipe"), 0600), 0);
    snprintf(text, sizeof(text), "key %s/pipe\n", folder);
    make("etc/conf", text);
    make_bytes("etc/binary", "\0/etc/passwd", 12);
    cr_expect(program_files_search(&files, at("etc")));
    cr_expect_eq(files.n, 0);
    program_files_deinit(&files);
}

static void
search(const char *name)
{
    struct program_files files = {0};

    cr_assert(program_files_search(&files, at(name)));
    rig_again();
    program_keys(doctor, &cli, &files, NULL, 0, false);
    program_files_deinit(&files);
}

Test(doctor_program_files, a_file_may_stand_for_the_folder)
{
    struct pair shop = new_pair("web/shop", 1);
    struct program_files files = {0};

    make_reference("shop.pem", &shop);
    make("shopd.conf", "key shop.pem\n");
    cr_assert_eq(chdir(at("")), 0);
    cr_assert(program_files_search(&files, "shopd.conf"));
    cr_assert_eq(files.n, 1);
    cr_assert_str_eq(files.list[0].path, "./shop.pem");
    cr_assert_eq(files.list[0].n_references, 1);
    program_files_deinit(&files);
    cr_assert_eq(chdir("/"), 0);
    EVP_PKEY_free(shop.key);
}

Test(doctor_program_files, a_named_file_that_is_missing_or_empty_is_wrong)
{
    char text[512], why[256];

    make_folder("etc");
    make("empty.pem", "");
    snprintf(text, sizeof(text),
             "#\n\nkey %s/none.pem;\nkey %s/empty.pem\npid %s/none.pid\ncert %s/*.pem\n"
             "key /etc/ssl/private/keysvc-test-none.key\n# key %s/comment.pem\nkey none.pem\n",
             folder, folder, folder, folder, folder);
    make("etc/main.conf", text);
    search("etc");
    snprintf(why, sizeof(why), "none.pem: No such file or directory, and %s names it in line 3",
             at("etc/main.conf"));
    expect_found(DOCTOR_WRONG, "reference", why);
    snprintf(why, sizeof(why), "empty.pem: it is empty, and %s names it in line 4",
             at("etc/main.conf"));
    expect_found(DOCTOR_WRONG, "reference", why);
    cr_expect_eq(n_wrong(), 2);
}

Test(doctor_program_files, of_several_strangers_the_one_named_nearest_is_meant)
{
    struct pair shop = new_pair("web/shop", 1), other = new_pair("web/other", 1);
    char text[512];

    make_folder("etc");
    make_reference("shop.pem", &shop);
    make_certificate("a.crt", &other, 1000);
    make_certificate("b.crt", &other, 1000);
    make_certificate("c.crt", &other, 1000);
    snprintf(text, sizeof(text), "cert %s/a.crt\n\n\nkey %s/shop.pem\ncert %s/b.crt\n", folder,
             folder, folder);
    make("etc/one.conf", text);
    snprintf(text, sizeof(text), "\n\n\ncert %s/c.crt\n", folder);
    make("etc/two.conf", text);
    search("etc");
    expect_found(DOCTOR_WRONG, "certificate", "b.crt is for another key");
    EVP_PKEY_free(shop.key);
    EVP_PKEY_free(other.key);
}

Test(doctor_program_files, what_packages_keep_below_etc_ssl_is_not_worth_a_word)
{
    cr_expect(program_is_systems("/etc/ssl/private/ssl-cert-snakeoil.key"));
    cr_expect_not(program_is_systems("/etc/sslx/a.key"));
    cr_expect_not(program_is_systems("/srv/etc/ssl/a.key"));
}
