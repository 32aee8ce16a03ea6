/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "client/cli/altname.h"

Test(altname, reads_all_kinds_in_either_case)
{
    struct altname_list list = {0};
    struct fault why = FAULT_INIT;

    cr_assert_eq(
        altname_add(&list, "DNS:shop.example,ip:2001:db8::1,Email:a@b,URI:https://x/", &why), KS_OK,
        "%s", why.text);
    cr_assert_eq(list.n_names, 4);
    cr_assert_eq(list.names[0].kind, KS_NAME_DNS);
    cr_assert_str_eq(list.names[0].value, "shop.example");
    cr_assert_eq(list.names[1].kind, KS_NAME_IP);
    cr_assert_str_eq(list.names[1].value, "2001:db8::1");
    cr_assert_eq(list.names[2].kind, KS_NAME_EMAIL);
    cr_assert_str_eq(list.names[3].value, "https://x/");
    cr_assert_eq(altname_add(&list, "DNS:b", &why), KS_OK, "a second option adds to the first");
    cr_assert_str_eq(list.names[4].value, "b");
    altname_deinit(&list);
}

Test(altname, a_comma_inside_a_uri_stays_in_it)
{
    struct altname_list list = {0};
    struct fault why = FAULT_INIT;

    cr_assert_eq(altname_add(&list, "URI:https://x/a,b,DNS:c", &why), KS_OK);
    cr_assert_eq(list.n_names, 2);
    cr_assert_str_eq(list.names[0].value, "https://x/a,b");
    cr_assert_str_eq(list.names[1].value, "c");
    altname_deinit(&list);
}

Test(altname, refuses_what_has_no_kind_or_no_name)
{
    static const char *const BAD[] = {"", "shop.example", "DNS:", "DNS:,IP:::1", "FTP:x", ",DNS:a"};

    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct altname_list list = {0};
        struct fault why = FAULT_INIT;

        cr_expect_eq(altname_add(&list, BAD[i], &why), KS_ERR_USAGE, "\"%s\" passed", BAD[i]);
        cr_expect_neq(why.text[0], '\0');
        altname_deinit(&list);
    }
}

Test(altname, a_thousand_names_fit_and_one_more_does_not)
{
    struct altname_list list = {0};
    struct fault why = FAULT_INIT;
    char *text = calloc(KS_MAX_ALTERNATIVE_NAMES + 1, sizeof("DNS:a,"));

    for (unsigned int i = 0; i < KS_MAX_ALTERNATIVE_NAMES; i++)
        memcpy(text + i * 6, "DNS:a,", 6);
    text[KS_MAX_ALTERNATIVE_NAMES * 6 - 1] = '\0';
    cr_assert_eq(altname_add(&list, text, &why), KS_OK);
    cr_assert_eq(list.n_names, KS_MAX_ALTERNATIVE_NAMES);
    cr_assert_eq(altname_add(&list, "DNS:b", &why), KS_ERR_TOO_LARGE);
    altname_deinit(&list);
    free(text);
}
