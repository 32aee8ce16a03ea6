/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "base/keyname.h"

struct name_case {
    char name[KEYNAME_MAX + 20];
    bool valid;
};

ParameterizedTestParameters(keyname, accepts_path_like_names_only)
{
    static struct name_case cases[] = {
        {"web/shop", true},     {"a", true},          {"A-b_c.9/x", true},
        {"...", true},          {"", false},          {"/web", false},
        {"web/", false},        {"web//shop", false}, {".", false},
        {"web/../shop", false}, {"web/.", false},     {"web@1", false},
        {"web shop", false},    {"web\n", false},     {"w\xc3\xa9", false},
        {"web/*", false},
    };

    return cr_make_param_array(struct name_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct name_case *c, keyname, accepts_path_like_names_only)
{
    cr_assert_eq(keyname_valid(c->name), c->valid, "%s", c->name);
}

Test(keyname, refuses_a_name_one_byte_too_long)
{
    char name[KEYNAME_MAX + 2];

    memset(name, 'a', sizeof(name));
    name[KEYNAME_MAX] = '\0';
    cr_assert(keyname_valid(name));
    name[KEYNAME_MAX] = 'a';
    name[KEYNAME_MAX + 1] = '\0';
    cr_assert_not(keyname_valid(name));
}

Test(keyname, splits_and_joins_a_label)
{
    char name[KEYNAME_MAX + 1], label[KEYNAME_LABEL_MAX + 1];
    uint32_t version;

    cr_assert(keyname_split("web/shop@12", 11, false, name, &version));
    cr_assert_str_eq(name, "web/shop");
    cr_assert_eq(version, 12);
    keyname_label(name, version, label);
    cr_assert_str_eq(label, "web/shop@12");
}

Test(keyname, refuses_labels_that_are_not_ours)
{
    static const char *const labels[] = {"web@0",   "web@",           "web@01", "web@1x",
                                         "web@1@2", "web@1234567890", "@1",     "web@-1"};
    char name[KEYNAME_MAX + 1];
    uint32_t version;

    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        cr_assert_not(keyname_split(labels[i], strlen(labels[i]), true, name, &version), "%s",
                      labels[i]);
    cr_assert_not(keyname_split("web", 3, false, name, &version));
    cr_assert_not(keyname_split("a\0b@1", 5, true, name, &version));
}

Test(keyname, a_bare_name_has_version_0_where_allowed)
{
    char name[KEYNAME_MAX + 1];
    uint32_t version = 7;

    cr_assert(keyname_split("web/shop", 8, true, name, &version));
    cr_assert_eq(version, 0);
}

Test(keyname, names_below_keysvc_are_the_services_own)
{
    cr_assert(keyname_reserved(KEYNAME_AUDIT));
    cr_assert(keyname_reserved("keysvc/**"));
    cr_assert_not(keyname_reserved("keysvc"));
    cr_assert_not(keyname_reserved("web/keysvc/audit"));
}
