/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "tests/unit/token/make_certificate.h"
#include "token/certchain.h"

/* A leaf, an authority between, a root; and the same names with other keys. */
static EVP_PKEY *leaf_key, *middle_key, *root_key, *other_key;
static X509 *leaf, *middle, *root;

static void
set_up(void)
{
    leaf_key = make_certificate_key();
    middle_key = make_certificate_key();
    root_key = make_certificate_key();
    other_key = make_certificate_key();
    leaf = make_certificate(&(struct made_certificate){"leaf", leaf_key, "middle", middle_key});
    middle = make_certificate(&(struct made_certificate){"middle", middle_key, "root", root_key});
    root = make_certificate(&(struct made_certificate){"root", root_key, NULL, root_key});
}

static void
tear_down(void)
{
    X509_free(leaf);
    X509_free(middle);
    X509_free(root);
    EVP_PKEY_free(leaf_key);
    EVP_PKEY_free(middle_key);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(other_key);
}

TestSuite(certchain, .init = set_up, .fini = tear_down);

/* What certchain_take() says of these, NULL ends the list; the text goes to `text`. */
static ks_err
take(X509 *const *list, struct fault *why)
{
    ks_auto(certchain_deinit) struct certchain chain = CERTCHAIN_INIT;
    struct job_chain data = {.n_items = 0};
    uint8_t *der[JOB_MAX_CHAIN + 1] = {NULL};
    ks_err err;

    *why = (struct fault)FAULT_INIT;
    for (; list[data.n_items]; data.n_items++) {
        int len = i2d_X509(list[data.n_items], &der[data.n_items]);

        cr_assert_gt(len, 0);
        data.items[data.n_items] = (struct job_blob){der[data.n_items], (size_t)len};
    }
    err = certchain_take(&data, leaf_key, "web/shop@1", &chain, why);
    cr_assert_eq(err == KS_OK, why->text[0] == '\0', "%s", why->text);
    cr_assert(err || chain.n_items == data.n_items);
    for (size_t i = 0; i < data.n_items; i++)
        OPENSSL_free(der[i]);
    return err;
}

Test(certchain, takes_a_leaf_alone_or_with_any_number_of_its_issuers)
{
    struct fault why;

    cr_assert_eq(take((X509 *[]){leaf, NULL}, &why), KS_OK);
    cr_assert_eq(take((X509 *[]){leaf, middle, NULL}, &why), KS_OK);
    cr_assert_eq(take((X509 *[]){leaf, middle, root, NULL}, &why), KS_OK);
}

Test(certchain, refuses_none)
{
    struct fault why;

    cr_assert_eq(take((X509 *[]){NULL}, &why), KS_ERR_BAD_REQUEST);
}

Test(certchain, refuses_a_certificate_of_another_key_and_names_the_key)
{
    struct fault why;
    X509 *foreign =
        make_certificate(&(struct made_certificate){"leaf", other_key, "middle", middle_key});

    cr_assert_eq(take((X509 *[]){foreign, middle, NULL}, &why), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "web/shop@1"), "%s", why.text);
    cr_assert_eq(take((X509 *[]){middle, leaf, NULL}, &why), KS_ERR_BAD_REQUEST);
    X509_free(foreign);
}

Test(certchain, refuses_a_chain_out_of_order_and_names_the_position)
{
    struct fault why;

    cr_assert_eq(take((X509 *[]){leaf, root, middle, NULL}, &why), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "certificate 2 did not issue certificate 1"), "%s", why.text);
    cr_assert_eq(take((X509 *[]){leaf, middle, leaf, NULL}, &why), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "certificate 3 did not issue certificate 2"), "%s", why.text);
    cr_assert_eq(take((X509 *[]){leaf, middle, root, root, NULL}, &why), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "certificate 3 is self-signed"), "%s", why.text);
}

Test(certchain, does_not_take_a_name_for_a_signature)
{
    struct fault why;
    X509 *pretender =
        make_certificate(&(struct made_certificate){"middle", other_key, "root", root_key});

    cr_assert_eq(take((X509 *[]){leaf, pretender, NULL}, &why), KS_ERR_BAD_REQUEST);
    X509_free(pretender);
}

Test(certchain, does_not_take_a_signature_for_a_name)
{
    struct fault why;
    X509 *renamed =
        make_certificate(&(struct made_certificate){"another", middle_key, "root", root_key});

    cr_assert_eq(take((X509 *[]){leaf, renamed, NULL}, &why), KS_ERR_BAD_REQUEST);
    X509_free(renamed);
}

Test(certchain, takes_bytes_for_a_certificate_only_if_they_are_exactly_one)
{
    uint8_t bytes[4096], *der = NULL;
    int len = i2d_X509(leaf, &der);
    X509 *found;

    cr_assert(len > 0 && (size_t)len < sizeof(bytes) - 1);
    memcpy(bytes, der, (size_t)len);
    bytes[len] = 0;
    found = certchain_certificate(bytes, (size_t)len);
    cr_assert(found && X509_cmp(found, leaf) == 0);
    X509_free(found);
    cr_assert_null(certchain_certificate(bytes, (size_t)len + 1), "a byte behind it");
    for (int cut = 0; cut < len; cut++)
        cr_assert_null(certchain_certificate(bytes, (size_t)cut), "cut to %d", cut);
    cr_assert_null(certchain_certificate((const uint8_t *)"no certificate", 14));

    /* BER: the outer SEQUENCE of indefinite length. It had a length of two bytes. */
    cr_assert_eq(bytes[1], 0x82);
    bytes[1] = 0x80;
    memmove(bytes + 2, bytes + 4, (size_t)len - 4);
    memset(bytes + len - 2, 0, 2);
    cr_assert_null(certchain_certificate(bytes, (size_t)len), "BER");
    OPENSSL_free(der);
}

Test(certchain, bounds_one_certificate_and_all_of_them)
{
    struct made_certificate large = {"root", leaf_key, NULL, leaf_key, 0, 64000};
    X509 *certificate = make_certificate(&large), *list[JOB_MAX_CHAIN + 1] = {NULL};
    struct fault why;

    cr_assert_eq(take((X509 *[]){certificate, NULL}, &why), KS_OK, "%s", why.text);
    for (size_t i = 0; i < JOB_MAX_CHAIN; i++)
        list[i] = certificate;
    cr_assert_eq(take(list, &why), KS_ERR_TOO_LARGE, "%s", why.text);
    X509_free(certificate);
    large.ballast = JOB_MAX_CERTIFICATE;
    certificate = make_certificate(&large);
    cr_assert_eq(take((X509 *[]){certificate, NULL}, &why), KS_ERR_BAD_REQUEST);
    X509_free(certificate);
}
