/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/util.h"
#include "client/web/path.h"

/* clang-format off */
static const struct { const char *target, *path, *query; } GOOD[] = {
    {"/", "/", ""},
    {"/e/default/api", "/e/default/api", ""},
    {"/a?b=c&d=%2F..", "/a", "b=c&d=%2F.."},
    {"/a?", "/a", ""},
    {"/%61%20%c3%a4", "/a \303\244", ""},
    {"/a%3fb", "/a?b", ""},
    {"/a%25", "/a%", ""},
    {"//a", "//a", ""},
    {"/...", "/...", ""},
    {"/a..b/.c", "/a..b/.c", ""},
    {"https://shop.example:9999/a?b", "/a", "b"},
    {"HTTP://[::1]/a", "/a", ""},
    {"/%F4%8F%BF%BF", "/\364\217\277\277", ""},
};

static const char *const BAD[] = {
    "", "*", "a", "shop.example:443", "ftp://shop.example/a", "https://shop.example",
    "/a b", "/a\tb", "/a\x7f", "/\303\244", "/a#b",
    "/%", "/%1", "/%zz", "/%+1", "/%00", "/a%00b", "/%0a", "/%1f", "/%7f",
    "/a%2fb", "/a%2Fb",
    "/.", "/..", "/./a", "/../a", "/a/..", "/a/../b", "/a/%2e%2e/b", "/%2E", "/a/.%2e",
    "/%c3", "/%c3a", "/%c0%af", "/%e0%80%af", "/%ed%a0%80", "/%f4%90%80%80", "/%ff", "/%80",
};
/* clang-format on */

Test(path, what_has_one_meaning_is_decoded)
{
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        const char *path, *query;
        char target[128];

        snprintf(target, sizeof(target), "%s", GOOD[i].target);
        cr_assert(path_parse(target, &path, &query), "%s", GOOD[i].target);
        cr_assert_str_eq(path, GOOD[i].path);
        cr_assert_str_eq(query, GOOD[i].query);
    }
}

Test(path, what_has_two_meanings_or_none_is_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        const char *path, *query;
        char target[128];

        snprintf(target, sizeof(target), "%s", BAD[i]);
        cr_assert_not(path_parse(target, &path, &query), "%s", BAD[i]);
    }
}
