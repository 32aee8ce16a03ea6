/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <stdio.h>

#include "client/agent/certificate/altname.h"

static const struct {
    const char *text, *read;
} GOOD[] = {
    {"host", "DNS:host"},
    {"shop.example,10.0.0.1,a@b.example,https://x.example/",
     "DNS:shop.example, IP:10.0.0.1, EMAIL:a@b.example, URI:https://x.example/"},
    {" shop.example , 2001:DB8::0:1 ", "DNS:shop.example, IP:2001:db8::1"},
    {"dns:shop.example,Ip:10.0.0.1,EMAIL:a@b.example,URI:urn:example:shop",
     "DNS:shop.example, IP:10.0.0.1, EMAIL:a@b.example, URI:urn:example:shop"},
    {"*.shop.example", "DNS:*.shop.example"},
    {"a.example,A.EXAMPLE,DNS:a.example,10.0.0.1,IP:10.0.0.1", "DNS:a.example, IP:10.0.0.1"},
};

Test(agent_altname, knows_names_by_their_looks_and_by_a_word)
{
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        ks_auto(altname_deinit) struct altname_list list = {0};
        struct fault why = FAULT_INIT;
        char text[200];

        cr_expect_eq(altname_parse(&list, GOOD[i].text, &why), KS_OK, "%s: %s", GOOD[i].text,
                     why.text);
        altname_text(&list, text, sizeof(text));
        cr_expect_str_eq(text, GOOD[i].read);
    }
}

Test(agent_altname, refuses_what_is_no_name_and_says_which)
{
    static const struct {
        const char *text, *said;
    } BAD[] = {
        {"", "nothing stands"},
        {"a,,b", "nothing stands"},
        {"a,", "nothing stands"},
        {",a", "nothing stands"},
        {"a, ,b", "nothing stands"},
        {"DNS:", "DNS:"},
        {"good.example,10.0.0.300", "DNS:10.0.0.300"},
        {"under_score.example", "DNS:under_score.example"},
        {"a b", "DNS:a b"},
        {"IP:shop.example", "IP:shop.example"},
        {"EMAIL:shop.example", "EMAIL:shop.example"},
        {"a\nb", "DNS:a"},
    };

    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        ks_auto(altname_deinit) struct altname_list list = {0};
        struct fault why = FAULT_INIT;

        cr_expect_eq(altname_parse(&list, BAD[i].text, &why), KS_ERR_USAGE, "\"%s\" passed",
                     BAD[i].text);
        cr_expect(strstr(why.text, BAD[i].said), "\"%s\": %s", BAD[i].text, why.text);
    }
}

Test(agent_altname, a_thousand_names_fit_and_one_more_does_not)
{
    ks_auto(altname_deinit) struct altname_list list = {0};
    struct fault why = FAULT_INIT;
    char name[32];

    for (unsigned int i = 0; i < KS_MAX_ALTERNATIVE_NAMES; i++) {
        snprintf(name, sizeof(name), "h%u.example", i);
        cr_assert_eq(altname_parse(&list, name, &why), KS_OK);
    }
    cr_assert_eq(altname_parse(&list, "h0.example", &why), KS_OK, "it is there already");
    cr_assert_eq(altname_parse(&list, "one.more", &why), KS_ERR_TOO_LARGE);
}

Test(agent_altname, a_text_that_does_not_fit_ends_in_dots)
{
    ks_auto(altname_deinit) struct altname_list list = {0};
    struct fault why = FAULT_INIT;
    char text[20];

    altname_text(&list, text, sizeof(text));
    cr_assert_str_eq(text, "none");
    cr_assert_eq(altname_parse(&list, "shop.example,other.example", &why), KS_OK);
    altname_text(&list, text, sizeof(text));
    cr_assert_str_eq(text, "DNS:shop.example...");
    cr_assert_eq(strlen(text), sizeof(text) - 1);
}
