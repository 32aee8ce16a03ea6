/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <openssl/x509v3.h>

#include "csr_rig.h"

ParameterizedTestParameters(csr, is_made_for_four_purposes_only)
{
    static enum ks_purpose purposes[] = {
        KS_PURPOSE_NONE, KS_PURPOSE_TLS_SERVER, KS_PURPOSE_TLS_CLIENT, KS_PURPOSE_TLS,
        KS_PURPOSE_SIGN, KS_PURPOSE_AUDIT,      KS_PURPOSE_COUNT,
    };

    return cr_make_param_array(enum ks_purpose, purposes, ARRAY_LEN(purposes));
}

ParameterizedTest(enum ks_purpose *purpose, csr, is_made_for_four_purposes_only)
{
    bool allowed = *purpose >= KS_PURPOSE_TLS_SERVER && *purpose <= KS_PURPOSE_SIGN;
    struct config_class class = CSR_CLASS;
    struct fault why = FAULT_INIT;

    class.purpose = *purpose;
    cr_assert_eq(csr_check(&CSR_JOB, &class, &why), allowed ? KS_OK : KS_ERR_PURPOSE);
}

Test(csr, needs_a_class_with_names_and_a_request_with_one)
{
    struct config_class class = CSR_CLASS;
    struct job_csr job = CSR_EMPTY;
    struct fault why = FAULT_INIT;

    class.names.n_items = 0;
    cr_assert_eq(csr_check(&CSR_JOB, &class, &why), KS_ERR_NAME_NOT_ALLOWED);
    cr_assert_str_empty(why.refused_name);
    job.organization = "Köhler";
    cr_assert_eq(csr_rig_check(&job), KS_ERR_BAD_REQUEST);
    job.email = "admin@shop.example";
    cr_assert_eq(csr_rig_check(&job), KS_OK);
}

struct name_case {
    enum certname_kind kind;
    char name[32];
    ks_err err;
};

ParameterizedTestParameters(csr, checks_every_name_against_the_class)
{
    static struct name_case cases[] = {
        {CERTNAME_DNS, "a.shop.example", KS_OK},
        {CERTNAME_DNS, "shop.example.evil", KS_ERR_NAME_NOT_ALLOWED},
        {CERTNAME_DNS, "bank.example", KS_ERR_NAME_NOT_ALLOWED},
        {CERTNAME_DNS, "*.example", KS_ERR_NAME_NOT_ALLOWED},
        {CERTNAME_DNS, "", KS_ERR_BAD_REQUEST},
        {CERTNAME_DNS, "shop.example\n", KS_ERR_BAD_REQUEST},
        {CERTNAME_IP, "10.255.0.1", KS_OK},
        {CERTNAME_IP, "11.0.0.1", KS_ERR_NAME_NOT_ALLOWED},
        {CERTNAME_IP, "shop.example", KS_ERR_BAD_REQUEST},
        {CERTNAME_EMAIL, "x@shop.example", KS_OK},
        {CERTNAME_EMAIL, "x@evil.example", KS_ERR_NAME_NOT_ALLOWED},
        {CERTNAME_URI, "https://shop.example/x", KS_OK},
        {CERTNAME_URI, "https://evil.example/", KS_ERR_NAME_NOT_ALLOWED},
        {(enum certname_kind)0, "shop.example", KS_ERR_BAD_REQUEST},
        {(enum certname_kind)5, "shop.example", KS_ERR_BAD_REQUEST},
    };

    return cr_make_param_array(struct name_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct name_case *c, csr, checks_every_name_against_the_class)
{
    struct job_alternative alternatives[] = {{CERTNAME_DNS, "shop.example"}, {c->kind, c->name}};
    struct job_csr job = CSR_JOB;

    struct fault why = FAULT_INIT;

    job.alternatives = alternatives;
    job.n_alternatives = 2;
    cr_assert_eq(csr_check(&job, &CSR_CLASS, &why), c->err, "%s", c->name);
    cr_assert_str_eq(why.refused_name, c->err == KS_ERR_NAME_NOT_ALLOWED ? c->name : "");
    if (c->kind < CERTNAME_DNS || c->kind > CERTNAME_EMAIL || !*c->name)
        return;
    job.common_name = c->name;
    job.n_alternatives = 1;
    if (c->kind == certname_kind_of_common_name(c->name))
        cr_assert_eq(csr_rig_check(&job), c->err, "common name %s", c->name);
}

struct text_case {
    char what[24];
    size_t offset;
    size_t max; /* characters */
};

ParameterizedTestParameters(csr, holds_each_field_to_its_upper_bound_in_characters)
{
    static struct text_case cases[] = {
        {"organization", offsetof(struct job_csr, organization), 64},
        {"organization unit", offsetof(struct job_csr, organization_unit), 64},
        {"state", offsetof(struct job_csr, state), 128},
        {"locality", offsetof(struct job_csr, locality), 128},
    };

    return cr_make_param_array(struct text_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct text_case *c, csr, holds_each_field_to_its_upper_bound_in_characters)
{
    static const char *const bad[] = {
        "a\nb",
        "a\x7f",
        "\x01",
        "\xc2\x85",
        "\xff",
        "\xc0\xaf",
        "\xe2\x82",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xe2\x80\xae",
        "\xef\xbb\xbf",
        "a\xc3",
        "\xf8\x88\x80\x80\x80",
    };
    struct job_csr job = CSR_JOB;
    const char **field = (const char **)((char *)&job + c->offset);
    char text[300] = {0};

    for (size_t i = 0; i <= c->max; i++) {
        *field = text;
        cr_assert_eq(csr_rig_check(&job), KS_OK, "%s of %zu", c->what, i);
        strcat(text, "ü");
    }
    cr_assert_eq(csr_rig_check(&job), KS_ERR_BAD_REQUEST, "%s", c->what);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        *field = bad[i];
        cr_assert_eq(csr_rig_check(&job), KS_ERR_BAD_REQUEST, "%s: bad text %zu", c->what, i);
    }
}

Test(csr, holds_the_common_name_to_64_characters)
{
    struct job_csr job = CSR_JOB;
    char name[80];

    memset(name, 'a', sizeof(name));
    strcpy(name + 51, ".shop.example");
    cr_assert_eq(strlen(name), 64);
    job.common_name = name;
    name[10] = '.';
    cr_assert_eq(csr_rig_check(&job), KS_OK);
    memset(name, 'a', sizeof(name));
    strcpy(name + 52, ".shop.example");
    name[10] = '.';
    cr_assert_eq(csr_rig_check(&job), KS_ERR_BAD_REQUEST);
}

Test(csr, takes_two_letters_as_a_country)
{
    static const char *const bad[] = {"D", "1", "DEU", "D1", "D ", "Dü", "ü"};
    struct job_csr job = CSR_JOB;

    job.country = "fr";
    cr_assert_eq(csr_rig_check(&job), KS_OK);
    job.country = "";
    cr_assert_eq(csr_rig_check(&job), KS_OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        job.country = bad[i];
        cr_assert_eq(csr_rig_check(&job), KS_ERR_BAD_REQUEST, "%s", bad[i]);
    }
}
