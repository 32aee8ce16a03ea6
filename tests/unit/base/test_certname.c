/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "base/certname.h"

struct name_case {
    enum certname_kind kind;
    char name[96];
    bool valid;
};

ParameterizedTestParameters(certname, lets_in_well_formed_names_only)
{
    static struct name_case cases[] = {
        {CERTNAME_DNS, "shop.example", true},
        {CERTNAME_DNS, "localhost", true},
        {CERTNAME_DNS, "*.shop.example", true},
        {CERTNAME_DNS, "xn--bcher-kva.example", true},
        {CERTNAME_DNS, "1a.2b", true},
        {CERTNAME_DNS, "", false},
        {CERTNAME_DNS, "shop.example.", false},
        {CERTNAME_DNS, ".shop.example", false},
        {CERTNAME_DNS, "shop..example", false},
        {CERTNAME_DNS, "-shop.example", false},
        {CERTNAME_DNS, "shop-.example", false},
        {CERTNAME_DNS, "my_shop.example", false},
        {CERTNAME_DNS, "*", false},
        {CERTNAME_DNS, "*.", false},
        {CERTNAME_DNS, "a*.shop.example", false},
        {CERTNAME_DNS, "*a.shop.example", false},
        {CERTNAME_DNS, "a.*.example", false},
        {CERTNAME_DNS, "*.*.example", false},
        {CERTNAME_DNS, "10.0.0.1", false},
        {CERTNAME_DNS, "10.0.0.256", false},
        {CERTNAME_DNS, "shop.123", false},
        {CERTNAME_DNS,
         "b\xc3\xbc"
         "cher.example",
         false},
        {CERTNAME_DNS, "shop example", false},
        {CERTNAME_DNS, "shop.example\n", false},
        {CERTNAME_IP, "10.0.0.1", true},
        {CERTNAME_IP, "2001:db8::1", true},
        {CERTNAME_IP, "10.0.0.01", false},
        {CERTNAME_IP, "10.1", false},
        {CERTNAME_IP, "10.0.0.0/8", false},
        {CERTNAME_IP, "fe80::1%eth0", false},
        {CERTNAME_IP, "shop.example", false},
        {CERTNAME_EMAIL, "a.b+c@shop.example", true},
        {CERTNAME_EMAIL, "a@b", true},
        {CERTNAME_EMAIL, "@shop.example", false},
        {CERTNAME_EMAIL, "a@", false},
        {CERTNAME_EMAIL, "a@b@c", false},
        {CERTNAME_EMAIL, ".a@b.example", false},
        {CERTNAME_EMAIL, "a..b@c.example", false},
        {CERTNAME_EMAIL, "\"a\"@b.example", false},
        {CERTNAME_EMAIL, "a@*.example", false},
        {CERTNAME_URI, "https://x/y?z=%20#f", true},
        {CERTNAME_URI, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", true},
        {CERTNAME_URI, "spiffe://x/.hidden/a..b", true},
        {CERTNAME_URI, "/x", false},
        {CERTNAME_URI, "x", false},
        {CERTNAME_URI, "x:", false},
        {CERTNAME_URI, "1x:y", false},
        {CERTNAME_URI, "https://x/%2", false},
        {CERTNAME_URI, "https://x/a/../b", false},
        {CERTNAME_URI, "https://x/a/.", false},
        {CERTNAME_URI, "https://x/a/%2E./b", false},
        {CERTNAME_URI, "https://x/<b>", false},
        {CERTNAME_URI, "https://x\\y", false},
        {(enum certname_kind)9, "x", false},
    };

    return cr_make_param_array(struct name_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct name_case *c, certname, lets_in_well_formed_names_only)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(certname_check(c->kind, c->name, &why), c->valid ? KS_OK : KS_ERR_BAD_REQUEST,
                 "%s", c->name);
    cr_assert_eq(why.text[0] == '\0', c->valid);
}

Test(certname, counts_the_bytes_of_labels_and_names)
{
    char name[300];
    struct fault why = FAULT_INIT;

    memset(name, 'a', sizeof(name));
    name[63] = '\0';
    cr_assert_eq(certname_check(CERTNAME_DNS, name, &why), KS_OK);
    name[63] = 'a';
    name[64] = '\0';
    cr_assert_eq(certname_check(CERTNAME_DNS, name, &why), KS_ERR_BAD_REQUEST);

    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = i % 50 == 49 ? '.' : 'a';
    name[253] = '\0';
    cr_assert_eq(certname_check(CERTNAME_DNS, name, &why), KS_OK);
    name[253] = 'a';
    name[254] = '\0';
    cr_assert_eq(certname_check(CERTNAME_DNS, name, &why), KS_ERR_BAD_REQUEST);

    memset(name, 'a', sizeof(name));
    memcpy(name, "urn:", 4);
    name[CERTNAME_MAX_LEN] = '\0';
    cr_assert_eq(certname_check(CERTNAME_URI, name, &why), KS_OK);
    name[CERTNAME_MAX_LEN] = 'a';
    name[CERTNAME_MAX_LEN + 1] = '\0';
    cr_assert_eq(certname_check(CERTNAME_URI, name, &why), KS_ERR_BAD_REQUEST);
}

struct pattern_case {
    char pattern[64];
    bool valid;
};

ParameterizedTestParameters(certname, patterns_are_checked)
{
    static struct pattern_case cases[] = {
        {"shop.example", true},
        {".shop.example", true},
        {"*.shop.example", true},
        {"10.0.0.7", true},
        {"10.0.0.0/8", true},
        {"0.0.0.0/0", true},
        {"2001:db8::/32", true},
        {"::1", true},
        {"email:a@b.example", true},
        {"email:@b.example", true},
        {"email:.b.example", true},
        {"uri:https://x/", true},
        {"uri:https://x/y", true},
        {"uri:urn:a:b", true},
        {"", false},
        {".", false},
        {"*", false},
        {"*.", false},
        {"..example", false},
        {"*.*.example", false},
        {"shop_1.example", false},
        {"10.0.0.1/8", false},
        {"10.0.0.0/33", false},
        {"10.0.0.0/08", false},
        {"10.0.0.0/", false},
        {"10.0.0.0/8x", false},
        {"2001:db8::1/32", false},
        {"::/129", false},
        {"shop.example/24", false},
        {"email:", false},
        {"email:b.example", false},
        {"email:*@b.example", false},
        {"uri:", false},
        {"uri:https://", false},
        {"uri:https:///x", false},
        {"uri:urn:/", false},
        {"uri:https://x/../", false},
        {"uri:x", false},
    };

    return cr_make_param_array(struct pattern_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct pattern_case *c, certname, patterns_are_checked)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(certname_pattern_check(c->pattern, &why), c->valid ? KS_OK : KS_ERR_BAD_REQUEST,
                 "%s", c->pattern);
    cr_assert_eq(why.text[0] == '\0', c->valid);
}

struct match_case {
    char pattern[48];
    enum certname_kind kind;
    char name[48];
    bool matches;
};

ParameterizedTestParameters(certname, a_pattern_lets_in_its_names_and_no_others)
{
    static struct match_case cases[] = {
        {"shop.example", CERTNAME_DNS, "Shop.EXAMPLE", true},
        {"shop.example", CERTNAME_DNS, "a.shop.example", false},
        {"shop.example", CERTNAME_DNS, "*.example", false},
        {".shop.example", CERTNAME_DNS, "a.b.SHOP.example", true},
        {".shop.example", CERTNAME_DNS, "shop.example", false},
        {".shop.example", CERTNAME_DNS, "workshop.example", false},
        {".shop.example", CERTNAME_DNS, "*.shop.example", false},
        {".shop.example", CERTNAME_DNS, "*.a.shop.example", false},
        {"*.shop.example", CERTNAME_DNS, "*.shop.example", true},
        {"*.shop.example", CERTNAME_DNS, "a.shop.example", false},
        {"10.0.0.7", CERTNAME_IP, "10.0.0.7", true},
        {"10.0.0.7", CERTNAME_IP, "10.0.0.8", false},
        {"10.0.0.0/8", CERTNAME_IP, "10.255.1.2", true},
        {"10.0.0.0/8", CERTNAME_IP, "11.0.0.1", false},
        {"10.0.0.128/25", CERTNAME_IP, "10.0.0.200", true},
        {"10.0.0.128/25", CERTNAME_IP, "10.0.0.100", false},
        {"0.0.0.0/0", CERTNAME_IP, "1.2.3.4", true},
        {"0.0.0.0/0", CERTNAME_IP, "::1", false},
        {"2001:db8::/32", CERTNAME_IP, "2001:DB8:0:0:1::", true},
        {"2001:db8::1", CERTNAME_IP, "2001:0db8:0::0001", true},
        {"2001:db8::/32", CERTNAME_IP, "2001:db9::1", false},
        {"::/0", CERTNAME_IP, "10.0.0.1", false},
        {"shop.example", CERTNAME_IP, "10.0.0.1", false},
        {"10.0.0.7", CERTNAME_EMAIL, "a@b.example", false},
        {"email:a@b.example", CERTNAME_EMAIL, "a@B.Example", true},
        {"email:a@b.example", CERTNAME_EMAIL, "A@b.example", false},
        {"email:a@b.example", CERTNAME_EMAIL, "aa@b.example", false},
        {"email:@b.example", CERTNAME_EMAIL, "x@b.example", true},
        {"email:@b.example", CERTNAME_EMAIL, "x@c.b.example", false},
        {"email:.b.example", CERTNAME_EMAIL, "x@c.b.example", true},
        {"email:.b.example", CERTNAME_EMAIL, "x@b.example", false},
        {"b.example", CERTNAME_EMAIL, "x@b.example", false},
        {"email:@b.example", CERTNAME_DNS, "b.example", false},
        {"uri:https://x/", CERTNAME_URI, "https://x/y", true},
        {"uri:https://x/", CERTNAME_URI, "https://xx/y", false},
        {"uri:https://x/", CERTNAME_URI, "https://x", false},
        {"uri:https://x/y", CERTNAME_URI, "https://x/y", true},
        {"uri:https://x/y", CERTNAME_URI, "https://x/yz", false},
        {"uri:https://x/", CERTNAME_DNS, "x", false},
        {"x", CERTNAME_URI, "https://x/", false},
    };

    return cr_make_param_array(struct match_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct match_case *c, certname, a_pattern_lets_in_its_names_and_no_others)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(certname_pattern_check(c->pattern, &why), KS_OK, "%s", why.text);
    cr_assert_eq(certname_check(c->kind, c->name, &why), KS_OK, "%s", why.text);
    cr_assert_eq(certname_match(c->pattern, c->kind, c->name), c->matches, "%s and %s", c->pattern,
                 c->name);
}

Test(certname, a_common_name_is_what_it_looks_like)
{
    cr_assert_eq(certname_kind_of_common_name("10.0.0.1"), CERTNAME_IP);
    cr_assert_eq(certname_kind_of_common_name("::1"), CERTNAME_IP);
    cr_assert_eq(certname_kind_of_common_name("a@b.example"), CERTNAME_EMAIL);
    cr_assert_eq(certname_kind_of_common_name("shop.example"), CERTNAME_DNS);
    cr_assert_eq(certname_kind_of_common_name("10.0.0.256"), CERTNAME_DNS);
}
