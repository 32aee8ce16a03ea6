/* SPDX-License-Identifier: Apache-2.0 */
#include "token/adopt.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <openssl/ec.h>
#include <openssl/x509.h>

#include "test_worker.h"
#include "token/generate.h"
#include "token/sign.h"

static struct bed *bed;
static struct fault why;

static void
set_up(void)
{
    bed = bed_new();
}

static void
tear_down(void)
{
    bed = bed_free(bed);
}

TestSuite(adopt, .init = set_up, .fini = tear_down);

static void
add_section(const char *name, const char *uri)
{
    struct config *config = bed->worker.config;

    config->keys = reallocarray(config->keys, config->n_keys + 1, sizeof(*config->keys));
    cr_assert(config->keys);
    text_copy(config->keys[config->n_keys].name, KEYNAME_MAX + 1, name);
    text_copy(config->keys[config->n_keys].uri, CONFIG_PATH_MAX + 1, uri);
    config->n_keys++;
}

static void
list(void)
{
    why = (struct fault)FAULT_INIT;
    cr_assert_eq(worker_list_keys(&bed->worker, &why), KS_OK, "%s", why.text);
}

static ks_err
get(const char *label, struct key **key)
{
    why = (struct fault)FAULT_INIT;
    return keys_get(bed->worker.keys, label, key, &why);
}

static ks_err
sign(const char *name)
{
    ks_auto(buf_deinit) struct buf data = BUF_INIT;
    struct answer answer = {.data = data};
    struct job job = bed_sign_job(bed, name, 1, "a message");
    ks_err err;

    why = (struct fault)FAULT_INIT;
    err = sign_run(&bed->worker, &job, &answer, &why);
    data = answer.data;
    return err;
}

struct uri_case {
    char uri[96];
    ks_err err;
    bool matches;
};

ParameterizedTestParameters(adopt, understands_only_uris_that_mean_private_keys)
{
    static struct uri_case cases[] = {
        {"pkcs11:object=signer", KS_OK, true},
        {"pkcs11:id=%01%02", KS_OK, true},
        {"pkcs11:object=signer;id=%01;type=private", KS_OK, true},
        {"pkcs11:token=fake;object=signer", KS_OK, true},
        {"pkcs11:token=other;object=signer", KS_OK, false},
        {"pkcs11:serial=77;object=signer", KS_OK, false},
        {"pkcs11:object=signer?pin-value=1234", KS_OK, true},
        {"", KS_ERR_BAD_REQUEST, false},
        {"signer", KS_ERR_BAD_REQUEST, false},
        {"pkcs11:", KS_ERR_BAD_REQUEST, true},
        {"pkcs11:token=fake", KS_ERR_BAD_REQUEST, true},
        {"pkcs11:object=", KS_ERR_BAD_REQUEST, true},
        {"pkcs11:object=%zz", KS_ERR_BAD_REQUEST, false},
        {"pkcs11:object=signer;type=public", KS_ERR_BAD_REQUEST, true},
        {"pkcs11:object=signer;type=cert", KS_ERR_BAD_REQUEST, true},
        {"pkcs11:object=signer;x-vendor=1", KS_ERR_BAD_REQUEST, false},
        {"pkcs11:object=signer;slot-id=7", KS_ERR_BAD_REQUEST, false},
        {"pkcs11:object=signer;library-manufacturer=x", KS_ERR_BAD_REQUEST, false},
    };

    return cr_make_param_array(struct uri_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct uri_case *c, adopt, understands_only_uris_that_mean_private_keys)
{
    struct fault fault = FAULT_INIT;
    struct adopted adopted;
    CK_TOKEN_INFO info;
    bool matches = false;

    memset(&info, ' ', sizeof(info));
    memcpy(info.label, "fake", 4);
    cr_expect_eq(adopt_parse(c->uri, &info, &adopted, &matches, &fault), c->err, "%s: %s", c->uri,
                 fault.text);
    if (!c->err)
        cr_expect_eq(matches, c->matches, "%s", c->uri);
    cr_expect_eq(fault.text[0] == '\0', c->err == KS_OK);
}

Test(adopt, refuses_an_object_that_is_longer_than_a_label_can_be)
{
    char uri[400] = "pkcs11:object=";
    struct adopted adopted;
    CK_TOKEN_INFO info;
    bool matches;

    memset(&info, ' ', sizeof(info));
    memset(uri + strlen(uri), 'a', ADOPT_ATTRIBUTE_MAX);
    cr_assert_eq(adopt_parse(uri, &info, &adopted, &matches, &why), KS_OK);
    cr_assert_eq(adopted.object_len, ADOPT_ATTRIBUTE_MAX);
    uri[strlen(uri)] = 'a';
    cr_assert_eq(adopt_parse(uri, &info, &adopted, &matches, &why), KS_ERR_BAD_REQUEST);
}

Test(adopt, makes_a_foreign_key_version_1_of_its_name)
{
    static const uint8_t id[] = {0, 1, 2};
    struct key *key = NULL;

    fake_add_pair("somebody's signer", false, false);
    fake_add_pair("bare", false, true);
    fake_set("bare", CKO_PRIVATE_KEY, CKA_ID, id, sizeof(id));
    add_section("doc/a", "pkcs11:object=somebody's%20signer");
    add_section("doc/b", "pkcs11:token=fake;id=%00%01%02");
    list();
    cr_assert_eq(keys_count(bed->worker.keys), 2);
    cr_assert_eq(get("doc/a@1", &key), KS_OK, "%s", why.text);
    cr_assert(key->is_adopted);
    cr_assert_str_eq(key->name, "doc/a");
    cr_assert_eq(key->version, 1);
    cr_assert_eq(key->spki.type, KS_KEY_TYPE_EC_P256);
    cr_assert_eq(sign("doc/a"), KS_OK, "%s", why.text);
    cr_assert_eq(sign("doc/b"), KS_OK, "%s", why.text);
    cr_assert_eq(get("doc/a@2", &key), KS_ERR_NO_KEY);
}

Test(adopt, lists_nothing_for_uris_that_are_none_or_mean_nothing_here)
{
    struct key *key = NULL;

    fake_add_pair("signer", false, true);
    add_section("doc/a", "nonsense");
    add_section("doc/b", "pkcs11:object=another");
    add_section("doc/c", "pkcs11:token=another;object=signer");
    add_section("away/a", "pkcs11:object=signer"); /* a class of another token */
    add_section("nowhere/a", "pkcs11:object=signer");
    list();
    cr_assert_eq(keys_count(bed->worker.keys), 1);
    cr_assert_eq(get("doc/a@1", &key), KS_ERR_NO_KEY);
    cr_assert_eq(get("doc/b@1", &key), KS_ERR_NO_KEY);
    cr_assert(strstr(why.text, "URI of doc/b@1"));
    cr_assert_eq(get("doc/c@1", &key), KS_ERR_NO_KEY);
    cr_assert_eq(get("away/a@1", &key), KS_ERR_NO_KEY);
    cr_assert_eq(get("nowhere/a@1", &key), KS_OK, "in no class: shown");
    cr_assert_eq(sign("nowhere/a"), KS_ERR_DENIED, "and used by nobody");
}

Test(adopt, refuses_two_keys_that_fit_one_uri)
{
    struct key *key = NULL;

    fake_add_pair("signer", false, true);
    fake_add_pair("signer", false, true);
    add_section("doc/a", "pkcs11:object=signer");
    list();
    cr_assert_eq(get("doc/a@1", &key), KS_ERR_AMBIGUOUS_KEY);
    cr_assert_eq(keys_known(bed->worker.keys, "doc/a@1")->state, JOB_KEY_AMBIGUOUS);
    fake_remove("signer");
    fake_add_pair("signer", false, true);
    list();
    cr_assert_eq(get("doc/a@1", &key), KS_OK, "%s", why.text);
}

Test(adopt, refuses_a_key_of_ours_beside_or_in_place_of_the_foreign_one)
{
    struct key *key = NULL;

    fake_add_pair("signer", false, true);
    fake_add_pair("doc/a@1", false, true);
    fake_add_pair("doc/b@1", false, true);
    add_section("doc/a", "pkcs11:object=signer");
    add_section("doc/b", "pkcs11:object=absent");
    list();
    cr_assert_eq(get("doc/a@1", &key), KS_ERR_AMBIGUOUS_KEY);
    cr_assert_eq(get("doc/b@1", &key), KS_ERR_AMBIGUOUS_KEY);
    keys_forget(keys_known(bed->worker.keys, "doc/a@1")); /* found again, not listed */
    cr_assert_eq(get("doc/a@1", &key), KS_ERR_AMBIGUOUS_KEY);
}

Test(adopt, takes_a_uri_that_means_our_own_label_for_what_it_is)
{
    struct key *key = NULL;

    fake_add_pair("doc/a@1", false, true);
    add_section("doc/a", "pkcs11:object=doc%2Fa%401");
    list();
    cr_assert_eq(keys_count(bed->worker.keys), 1);
    cr_assert_eq(get("doc/a@1", &key), KS_OK, "%s", why.text);
    cr_assert_eq(sign("doc/a"), KS_OK, "%s", why.text);
}

/* Whoever may replace doc/b would replace what web/a means. */
Test(adopt, gives_no_second_name_to_a_key_that_has_one)
{
    struct key *key = NULL;

    fake_add_pair("doc/b@1", false, true);
    fake_add_pair("nowhere/b@1", false, true);
    add_section("web/a", "pkcs11:object=doc%2Fb%401");
    add_section("web/b", "pkcs11:object=nowhere%2Fb%401");
    list();
    cr_assert_eq(get("web/a@1", &key), KS_ERR_NO_KEY);
    cr_assert_eq(get("doc/b@1", &key), KS_OK, "%s", why.text);
    cr_assert_eq(get("web/b@1", &key), KS_OK, "in no class: %s", why.text);
}

Test(adopt, finds_the_public_half_where_other_tools_keep_it)
{
    static const uint8_t id[] = {7}, another[] = {8};
    struct key *key = NULL;

    /* by CKA_ID, though another object carries the label */
    fake_add_pair("signer", false, true);
    fake_set("signer", CKO_PRIVATE_KEY, CKA_ID, id, 1);
    fake_set("signer", CKO_PUBLIC_KEY, CKA_ID, id, 1);
    fake_set("signer", CKO_PUBLIC_KEY, CKA_LABEL, "its public half", 15);
    fake_add_pair("decoy", false, true);
    fake_set("decoy", CKO_PUBLIC_KEY, CKA_LABEL, "signer", 6);
    fake_remove_object("decoy", CKO_PRIVATE_KEY);
    add_section("doc/a", "pkcs11:id=%07");
    list();
    cr_assert_eq(get("doc/a@1", &key), KS_OK, "%s", why.text);
    cr_assert_eq(sign("doc/a"), KS_OK, "its first signature fits: %s", why.text);

    /* by label where the ids are others; not one of another type */
    fake_remove("its public half");
    fake_remove("signer");
    fake_add_pair("signer", true, true);
    fake_set("signer", CKO_PUBLIC_KEY, CKA_LABEL, "other", 5);
    fake_remove("signer");
    fake_set("other", CKO_PUBLIC_KEY, CKA_LABEL, "signer", 6);
    fake_add_pair("signer", false, true);
    fake_set("signer", CKO_PRIVATE_KEY, CKA_ID, id, 1);
    list();
    cr_assert_eq(get("doc/a@1", &key), KS_OK, "%s", why.text);
    cr_assert_eq(key->spki.type, KS_KEY_TYPE_EC_P256);
    cr_assert_eq(sign("doc/a"), KS_OK, "%s", why.text);

    /* nowhere: listed, of no use */
    fake_remove("signer");
    fake_add_pair("signer", false, true);
    fake_remove_object("signer", CKO_PUBLIC_KEY);
    fake_set("signer", CKO_PRIVATE_KEY, CKA_ID, id, 1);
    fake_add_pair("third", false, true);
    fake_set("third", CKO_PUBLIC_KEY, CKA_ID, another, 1);
    list();
    cr_assert_eq(get("doc/a@1", &key), KS_ERR_UNSUPPORTED);
}

static void
add_certificate(const uint8_t *id, size_t id_len, const struct spki *spki)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    EVP_PKEY *issuer = EVP_EC_gen("P-256"), *key = NULL;
    X509 *certificate = X509_new();
    uint8_t *der = NULL;
    CK_OBJECT_HANDLE handle;
    int len;

    cr_assert_eq(spki_pkey(spki, &key, &why), KS_OK);
    cr_assert_eq(X509_set_pubkey(certificate, key), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    cr_assert(X509_sign(certificate, issuer, EVP_sha256()) > 0);
    len = i2d_X509(certificate, &der);
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)},
                               {CKA_ID, (void *)(uintptr_t)id, id_len},
                               {CKA_VALUE, der, (CK_ULONG)len}};
    cr_assert_eq(object_create(bed->worker.slot, template, ARRAY_LEN(template), &handle, &why),
                 KS_OK);
    OPENSSL_free(der);
    X509_free(certificate);
    EVP_PKEY_free(key);
    EVP_PKEY_free(issuer);
}

Test(adopt, finds_the_public_half_in_a_certificate)
{
    static const uint8_t id[] = {7};
    struct key *key = NULL;
    struct spki spki;

    fake_add_pair("signer", false, true);
    fake_set("signer", CKO_PRIVATE_KEY, CKA_ID, id, 1);
    add_section("doc/a", "pkcs11:id=%07");
    list();
    cr_assert_eq(get("doc/a@1", &key), KS_OK);
    spki = key->spki;
    fake_remove_object("signer", CKO_PUBLIC_KEY);
    list();
    cr_assert_eq(get("doc/a@1", &key), KS_ERR_UNSUPPORTED);
    add_certificate((const uint8_t *)"\x08", 1, &spki);
    list();
    cr_assert_eq(get("doc/a@1", &key), KS_ERR_UNSUPPORTED, "another CKA_ID");
    add_certificate(id, sizeof(id), &spki);
    list();
    cr_assert_eq(sign("doc/a"), KS_OK, "%s", why.text);
}

Test(adopt, lets_nothing_out_that_a_wrong_public_half_does_not_verify)
{
    fake_add_pair("signer", false, true);
    fake_add_pair("other", false, true);
    fake_remove_object("signer", CKO_PUBLIC_KEY);
    fake_set("other", CKO_PUBLIC_KEY, CKA_LABEL, "signer", 6);
    add_section("doc/a", "pkcs11:object=signer");
    list();
    cr_assert_eq(sign("doc/a"), KS_ERR_TOKEN_UNAVAILABLE);
}

Test(adopt, follows_a_key_that_goes_and_comes_with_a_rescan)
{
    struct key *key = NULL;

    add_section("doc/a", "pkcs11:object=signer");
    list();
    cr_assert_eq(get("doc/a@1", &key), KS_ERR_NO_KEY);
    fake_add_pair("signer", false, true);
    list();
    cr_assert_eq(sign("doc/a"), KS_OK, "%s", why.text);
    fake_remove("signer");
    list();
    cr_assert_eq(keys_count(bed->worker.keys), 0);
    cr_assert_eq(sign("doc/a"), KS_ERR_NO_KEY);
}

Test(adopt, finds_a_foreign_key_again_whose_handle_is_stale)
{
    fake_add_pair("signer", false, true);
    add_section("doc/a", "pkcs11:object=signer");
    list();
    fake_fail_next(FAKE_SIGN_INIT, CKR_KEY_HANDLE_INVALID);
    cr_assert_eq(sign("doc/a"), KS_OK, "%s", why.text);
    fake_remove("signer");
    fake_fail_next(FAKE_SIGN_INIT, CKR_KEY_HANDLE_INVALID);
    cr_assert_eq(sign("doc/a"), KS_ERR_NO_KEY);
    cr_assert_eq(keys_take_changed(bed->worker.keys)->state, JOB_KEY_GONE);
}

Test(adopt, stops_using_a_key_as_soon_as_its_section_is_gone)
{
    bool changed = false;
    struct key *key = NULL;

    fake_add_pair("signer", false, true);
    add_section("doc/a", "pkcs11:object=signer");
    list();
    cr_assert_eq(worker_adopt(&bed->worker, &changed, &why), KS_OK);
    cr_assert_not(changed);
    bed->worker.config->n_keys = 0;
    cr_assert_eq(worker_adopt(&bed->worker, &changed, &why), KS_OK);
    cr_assert(changed);
    cr_assert_eq(get("doc/a@1", &key), KS_ERR_NO_KEY, "before any list");
    list();
    cr_assert_eq(keys_count(bed->worker.keys), 0);
}

Test(adopt, rotates_a_foreign_key_into_one_of_ours_and_makes_no_first_version)
{
    struct job job = bed_job(bed, JOB_GENERATE, "doc/a", 0);
    struct answer answer = ANSWER_INIT;

    add_section("doc/a", "pkcs11:object=signer");
    list();
    cr_assert_eq(generate_run(&bed->worker, &job, &answer, &why), KS_ERR_EXISTS);
    cr_assert(strstr(why.text, "foreign"));
    cr_assert_eq(fake_n_calls(FAKE_GENERATE), 0);

    fake_add_pair("signer", false, true);
    list();
    job = bed_job(bed, JOB_GENERATE, "doc/a", 0);
    cr_assert_eq(generate_run(&bed->worker, &job, &answer, &why), KS_ERR_EXISTS);
    job = bed_job(bed, JOB_ROTATE, "doc/a", 1);
    cr_assert_eq(generate_run(&bed->worker, &job, &answer, &why), KS_OK, "%s", why.text);
    cr_assert_str_eq(answer.made->label, "doc/a@2");
    cr_assert_not(answer.made->is_adopted);
    cr_assert_eq(fake_count("doc/a@2"), 2);
    cr_assert_eq(sign("doc/a"), KS_OK, "the first is still there: %s", why.text);
}

Test(adopt, warns_once_of_a_key_that_can_leave_the_token)
{
    static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    struct key *key = NULL;

    fake_add_pair("signer", false, true);
    fake_set("signer", CKO_PRIVATE_KEY, CKA_SENSITIVE, &yes, 1);
    fake_set("signer", CKO_PRIVATE_KEY, CKA_EXTRACTABLE, &no, 1);
    add_section("doc/a", "pkcs11:object=signer");
    list();
    cr_assert_eq(get("doc/a@1", &key), KS_OK);
    cr_assert_not(key->was_warned_of);
    fake_set("signer", CKO_PRIVATE_KEY, CKA_EXTRACTABLE, &yes, 1);
    list();
    cr_assert_eq(get("doc/a@1", &key), KS_OK, "usable");
    cr_assert(key->was_warned_of);
    fake_set("signer", CKO_PRIVATE_KEY, CKA_EXTRACTABLE, &no, 1);
    list();
    cr_assert(keys_known(bed->worker.keys, "doc/a@1")->was_warned_of, "remembered: not again");
    fake_set("signer", CKO_PRIVATE_KEY, CKA_SENSITIVE, &no, 1);
    add_section("doc/b", "pkcs11:object=signer");
    list();
    cr_assert(keys_known(bed->worker.keys, "doc/b@1")->was_warned_of);
}
