/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads without a service: how they are kept, described and checked. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

#include "client/agent/certificate/chain.h"
#include "client/agent/upload/upload.h"
#include "pki.h"

#define DAY ((int64_t)PKI_DAY)

static char folder[] = "/tmp/keysvc-upload-XXXXXX";
static struct store *store;

static void
set_up(void)
{
    char path[sizeof(folder) + 16];
    struct fault why = FAULT_INIT;

    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/agent.db", folder);
    cr_assert_eq(store_open(path, &store, &why), KS_OK, "%s", why.text);
}

static void
tear_down(void)
{
    char command[sizeof(folder) + 16];

    store = store_close(store);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(upload, .init = set_up, .fini = tear_down);

static void
take_key(struct ks_key *key, EVP_PKEY *pkey)
{
    unsigned char *at = key->public_key;

    key->public_key_len = (size_t)i2d_PUBKEY(pkey, NULL);
    cr_assert_leq(key->public_key_len, sizeof(key->public_key));
    i2d_PUBKEY(pkey, &at);
}

static struct ks_chain *
chain_of(const struct pki_certificate *wanted)
{
    ks_auto(buf_deinit) struct buf der = BUF_INIT;
    struct pki_certificate own = *wanted;
    struct ks_chain *chain;
    X509 *certificate;

    own.issuer_key = wanted->key;
    certificate = pki_make(&own);
    pki_add_der(&der, certificate);
    X509_free(certificate);
    cr_assert_eq(chain_split(der.data, der.len, &chain), KS_OK);
    return chain;
}

static struct upload
some_upload(void)
{
    const struct pki_certificate wanted = {.subject = "shop.example",
                                           .key = pki_key(PKI_P256, 0),
                                           .from_s = 1780000000,
                                           .to_s = 1790000000};
    struct upload upload = {
        .name = "shop", .alias = "my key", .verifier = "$scrypt$x", .made_us = 7};

    text_copy(upload.key.name, sizeof(upload.key.name), "agents/a/upload/shop");
    upload.key.version = 3;
    upload.key.type = KS_KEY_TYPE_EC_P256;
    take_key(&upload.key, pki_key(PKI_P256, 0));
    upload.chain = chain_of(&wanted);
    return upload;
}

Test(upload, reads_back_as_it_was_kept_and_is_replaced_and_removed)
{
    ks_auto(upload_deinit) struct upload upload = some_upload();
    ks_auto(upload_deinit) struct upload back = {0};
    ks_auto(strv_deinit) struct strv names = STRV_INIT;
    struct fault why = FAULT_INIT;

    cr_assert_eq(store_upload_get(store, "shop", &back, &why), KS_ERR_NOT_FOUND);
    cr_assert_eq(store_upload_put(store, &upload, &why), KS_OK, "%s", why.text);
    upload.key.version = 4;
    cr_assert_eq(store_upload_put(store, &upload, &why), KS_OK, "%s", why.text);
    cr_assert_eq(store_upload_get(store, "shop", &back, &why), KS_OK, "%s", why.text);
    cr_assert_str_eq(back.key.name, "agents/a/upload/shop");
    cr_assert_eq(back.key.version, 4);
    cr_assert_str_eq(back.alias, "my key");
    cr_assert_str_eq(back.verifier, "$scrypt$x");
    cr_assert_arr_eq(back.key.public_key, upload.key.public_key, upload.key.public_key_len);
    cr_assert_eq(back.chain->n_certificates, 1);
    cr_assert_eq(store_upload_names(store, &names, &why), KS_OK);
    cr_assert_eq(names.n_items, 1);
    cr_assert_eq(store_upload_delete(store, "shop", &why), KS_OK);
    upload_deinit(&back);
    cr_assert_eq(store_upload_get(store, "shop", &back, &why), KS_ERR_NOT_FOUND);
}

Test(upload, is_described_with_its_certificates)
{
    ks_auto(upload_deinit) struct upload upload = some_upload();
    json_t *json = upload_view(&upload, true);
    const char *text = json_string_value(json_array_get(json_object_get(json, "desc"), 0));

    cr_assert_str_eq(json_string_value(json_object_get(json, "name")), "shop");
    cr_assert_str_eq(json_string_value(json_object_get(json, "alias")), "my key");
    cr_assert(json_is_true(json_object_get(json, "active")));
    cr_assert_eq(strncmp(text,
                         "Subject:CN=shop.example;Valid from:2026-05-28T20:26:40Z;"
                         "Valid to:2026-09-21T14:13:20Z;Serial number:",
                         strlen("Subject:CN=shop.example;Valid from:2026-05-28T20:26:40Z;"
                                "Valid to:2026-09-21T14:13:20Z;Serial number:")),
                 0, "%s", text);
    json_decref(json);
}

Test(upload, must_fit_its_key_be_valid_now_and_be_for_servers)
{
    int64_t now = time(NULL);
    const struct {
        const char *usage, *constraints;
        int64_t from_s, to_s;
        unsigned int key;
        ks_err err;
        const char *failed;
    } cases[] = {
        {NULL, NULL, now - DAY, now + DAY, 0, KS_OK, NULL},
        {"serverAuth", NULL, now - DAY, now + DAY, 0, KS_OK, NULL},
        {NULL, "critical,CA:TRUE", now - DAY, now + DAY, 0, KS_OK, NULL},
        {"clientAuth", NULL, now - DAY, now + DAY, 0, KS_ERR_CERTIFICATE_REFUSED, "usage"},
        {NULL, NULL, now - 2 * DAY, now - DAY, 0, KS_ERR_CERTIFICATE_REFUSED, "validity"},
        {NULL, NULL, now + DAY, now + 2 * DAY, 0, KS_ERR_CERTIFICATE_REFUSED, "validity"},
        {NULL, NULL, now - DAY, now + DAY, 1, KS_ERR_CERTIFICATE_REFUSED, "key"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct pki_certificate wanted = {.subject = "shop.example",
                                               .key = pki_key(PKI_P256, cases[i].key),
                                               .usage = cases[i].usage,
                                               .constraints = cases[i].constraints,
                                               .from_s = cases[i].from_s,
                                               .to_s = cases[i].to_s};
        struct ks_chain *chain = chain_of(&wanted);
        struct report report = REPORT_INIT;
        struct ks_key key = {.version = 1};

        take_key(&key, pki_key(PKI_P256, 0));
        cr_expect_eq(upload_check(&key, chain, &report), cases[i].err, "%zu: %s", i,
                     report.message);
        for (size_t c = 0; c < report.n_checks; c++)
            cr_expect_eq(!report.checks[c].passed,
                         cases[i].failed && strcmp(cases[i].failed, report.checks[c].name) == 0,
                         "%zu: %s", i, report.checks[c].name);
        ks_chain_free(chain);
    }
}

Test(upload, without_a_certificate_is_a_bad_file)
{
    const struct ks_chain chain = {.n_certificates = 0};
    const struct ks_key key = {.version = 1};
    struct report report = REPORT_INIT;

    cr_assert_eq(upload_check(&key, &chain, &report), KS_ERR_BAD_REQUEST);
}
