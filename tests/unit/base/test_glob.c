/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

#include "base/glob.h"
#include "base/keyname.h"

struct match_case {
    char glob[GLOB_MAX_LEN + 1];
    char name[64];
    bool matches;
};

ParameterizedTestParameters(glob, a_star_stays_in_its_component_and_two_cross)
{
    static struct match_case cases[] = {
        {"web/shop", "web/shop", true},
        {"web/shop", "web/shop2", false},
        {"web/shop", "web/sho", false},
        {"web/*", "web/shop", true},
        {"web/*", "web/shop/a", false},
        {"web/*", "web", false},
        {"web/*", "mail/shop", false},
        {"web/shop*", "web/shop", true},
        {"web/shop-*", "web/shop-1", true},
        {"web/**", "web/shop", true},
        {"web/**", "web/shop/a/b", true},
        {"web/**", "website/a", false},
        {"**", "a", true},
        {"**", "a/b/c", true},
        {"*", "a", true},
        {"*", "a/b", false},
        {"*/b", "a/b", true},
        {"*/b", "a/a/b", false},
        {"**/b", "a/a/b", true},
        {"**/b", "b", false},
        {"a/*/c", "a/b/c", true},
        {"a/*/c", "a/b/b/c", false},
        {"a/**/c", "a/b/b/c", true},
        {"a/*b/**", "a/xb/c/d", true},
        {"a/*b/**", "a/x/b/c", false},
        {"*b*", "aabaa", true},
        {"*b*", "aaaa", false},
        {"**b*", "x/y/abc", true},
        {"**b*", "x/b/c", false},
        {"*a*a*a", "aaa", true},
        {"*a*a*a", "aa", false},
        {"*a**c*", "xa/b/cy", true},
        {"*a**c*", "x/a/b/c", false},
    };

    return cr_make_param_array(struct match_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct match_case *c, glob, a_star_stays_in_its_component_and_two_cross)
{
    cr_assert_eq(glob_match(c->glob, c->name), c->matches, "%s and %s", c->glob, c->name);
}

/* Thirty stars would take a matcher that tries star by star longer than the machine lives. */
Test(glob, hostile_patterns_end_soon, .timeout = 60)
{
    char glob[GLOB_MAX_LEN * 2], name[KEYNAME_MAX + 1];
    size_t len = 0;

    memset(name, 'a', KEYNAME_MAX);
    name[KEYNAME_MAX] = '\0';
    for (int i = 0; i < 30; i++)
        len += (size_t)snprintf(glob + len, sizeof(glob) - len, "%s", i % 2 ? "**a" : "*a");
    snprintf(glob + len, sizeof(glob) - len, "b");
    for (int i = 0; i < 1000; i++)
        cr_assert_not(glob_match(glob, name));
    glob[len] = '\0';
    cr_assert(glob_match(glob, name));
}

Test(glob, a_name_longer_than_any_key_matches_nothing)
{
    char name[KEYNAME_MAX + 2];

    memset(name, 'a', sizeof(name));
    name[KEYNAME_MAX + 1] = '\0';
    cr_assert_not(glob_match("**", name));
    name[KEYNAME_MAX] = '\0';
    cr_assert(glob_match("**", name));
}

struct check_case {
    char glob[GLOB_MAX_LEN + 3];
    bool valid;
};

ParameterizedTestParameters(glob, check_lets_in_what_can_match_a_name)
{
    static struct check_case cases[] = {
        {"web/**", true},     {"*", true},          {"**/a*b/*", true}, {"a.b_c-d/E", true},
        {"*a*a*a*a", true},   {"", false},          {"***", false},     {"a/***/b", false},
        {"*a*a*a*a*", false}, {"web/?", false},     {"web/[a]", false}, {"web@1", false},
        {"web shop", false},  {"{user}/x", false},  {"/web", false},    {"web/", false},
        {"web//a", false},    {"w\xc3\xa9", false},
    };

    return cr_make_param_array(struct check_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct check_case *c, glob, check_lets_in_what_can_match_a_name)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(glob_check(c->glob, &why), c->valid ? KS_OK : KS_ERR_BAD_REQUEST, "%s", c->glob);
    cr_assert_eq(why.text[0] == '\0', c->valid);
}

Test(glob, check_refuses_one_byte_too_many)
{
    char glob[GLOB_MAX_LEN + 2];
    struct fault why = FAULT_INIT;

    memset(glob, 'a', sizeof(glob));
    glob[GLOB_MAX_LEN] = '\0';
    cr_assert_eq(glob_check(glob, &why), KS_OK);
    glob[GLOB_MAX_LEN] = 'a';
    glob[GLOB_MAX_LEN + 1] = '\0';
    cr_assert_eq(glob_check(glob, &why), KS_ERR_BAD_REQUEST);
}

Test(glob, literal_length_ends_at_the_first_star)
{
    cr_assert_eq(glob_literal_len("web/shop-*"), 9);
    cr_assert_eq(glob_literal_len("**"), 0);
    cr_assert_eq(glob_literal_len("web"), 3);
}

struct overlap_case {
    char a[32], b[32];
    bool overlap;
};

ParameterizedTestParameters(glob, overlap_is_a_text_that_both_match)
{
    static struct overlap_case cases[] = {
        {"web/*", "web/*", true},
        {"web/*", "web/**", true},
        {"web/*", "web/*/key", false},
        {"web/**", "web/*/key", true},
        {"web/*a", "web/*b", false},
        {"web/a*", "web/*b", true},
        {"web/shop", "web/shop", true},
        {"web/shop", "web/shop*", true},
        {"web/shop", "web/s", false},
        {"**/a", "*/b/*", true},
        {"**/a/x", "*/b/*", false},
        {"*-tls", "*-sign", false},
        {"*-tls", "*-*", true},
        {"**", "anything/at/all", true},
        {"*", "a/b", false},
        {"a*c*e", "*b*d*", true},
    };

    return cr_make_param_array(struct overlap_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct overlap_case *c, glob, overlap_is_a_text_that_both_match)
{
    cr_assert_eq(glob_overlap(c->a, c->b), c->overlap, "%s and %s", c->a, c->b);
    cr_assert_eq(glob_overlap(c->b, c->a), c->overlap, "%s and %s", c->b, c->a);
}

/* The nth text over an alphabet, at most `cap` - 1 characters; shorter ones come more than once. */
static void
nth_text(size_t n, const char *alphabet, char *out, size_t cap)
{
    size_t n_chars = strlen(alphabet), len = 0;

    for (; n > 0 && len < cap - 1; n /= n_chars + 1) {
        size_t digit = n % (n_chars + 1);

        if (digit > 0)
            out[len++] = alphabet[digit - 1];
    }
    out[len] = '\0';
}

/* All globs of up to three of these characters, and all names that two of them can need together.
 */
Test(glob, overlap_agrees_with_trying_every_short_name, .timeout = 60)
{
    char a[4], b[4], name[7];

    for (size_t i = 1; i < 64; i++) {
        nth_text(i, "a/*", a, sizeof(a));
        for (size_t j = 1; j <= i; j++) {
            bool found = false;

            nth_text(j, "a/*", b, sizeof(b));
            for (size_t k = 0; k < 729 && !found; k++) {
                nth_text(k, "a/", name, sizeof(name));
                found = glob_match(a, name) && glob_match(b, name);
            }
            cr_expect_eq(glob_overlap(a, b), found, "%s and %s", a, b);
        }
    }
}
