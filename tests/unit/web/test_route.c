/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/util.h"
#include "client/web/route.h"

/* clang-format off */
static const struct route ROUTES[] = {
    {WEB_GET, "/", 1, NULL},
    {WEB_PUT, "/e/{environment}/api/v1/certificate/{name}", 2, NULL},
    {WEB_DELETE, "/e/{environment}/api/v1/certificate/{name}", 3, NULL},
    {WEB_GET, "/e/{environment}/api/v1/certificate/list", 4, NULL},
    {WEB_GET, "/a/{one}/{two}/{three}/{four}", 5, NULL},
};
/* clang-format on */

static const struct route *
find(enum web_method method, const char *path, struct route_match *match, bool *other_method)
{
    return route_find(ROUTES, ARRAY_LEN(ROUTES), method, path, match, other_method);
}

Test(route, words_are_given_in_the_order_of_the_path)
{
    struct route_match match;
    const struct route *route;
    bool other_method;

    route = find(WEB_DELETE, "/e/default/api/v1/certificate/shop", &match, &other_method);
    cr_assert_not_null(route);
    cr_assert_eq(route->scope, 3);
    cr_assert_eq(match.n_words, 2);
    cr_assert_str_eq(match.words[0], "default");
    cr_assert_str_eq(match.words[1], "shop");
    cr_assert_not(other_method);
    route = find(WEB_GET, "/a/1/2/3/4", &match, &other_method);
    cr_assert_eq(route->scope, 5);
    cr_assert_str_eq(match.words[3], "4");
    cr_assert_eq(find(WEB_GET, "/", &match, &other_method)->scope, 1);
}

Test(route, a_path_with_another_method_is_told_from_one_that_is_not_there)
{
    struct route_match match;
    bool other_method;

    cr_assert_null(find(WEB_HEAD, "/e/d/api/v1/certificate/shop", &match, &other_method));
    cr_assert(other_method);
    cr_assert_null(find(WEB_GET, "/e/d/api/v1/certificate", &match, &other_method));
    cr_assert_not(other_method);
    /* "list" is a name to DELETE, and a row of its own to GET. */
    cr_assert_eq(find(WEB_GET, "/e/d/api/v1/certificate/list", &match, &other_method)->scope, 4);
    cr_assert_not(other_method);
    cr_assert_eq(find(WEB_DELETE, "/e/d/api/v1/certificate/list", &match, &other_method)->scope, 3);
}

Test(route, nothing_more_nothing_less_and_no_empty_word)
{
    static const char *const PATHS[] = {
        "",
        "x",
        "/e/d/api/v1/certificate/",
        "/e//api/v1/certificate/shop",
        "/a/1/2/3",
        "//",
        "/a/1/2/3/4/",
        "/a/1/2/3/4/5",
        "/E/d/api/v1/certificate/shop",
    };
    char path[ROUTE_WORD_MAX + 64];
    struct route_match match;
    bool other_method;

    for (size_t i = 0; i < ARRAY_LEN(PATHS); i++) {
        cr_assert_null(find(WEB_GET, PATHS[i], &match, &other_method), "%s", PATHS[i]);
        cr_assert_not(other_method, "%s", PATHS[i]);
    }
    snprintf(path, sizeof(path), "/e/%0*d/api/v1/certificate/list", (int)ROUTE_WORD_MAX, 0);
    cr_assert_not_null(find(WEB_GET, path, &match, &other_method));
    snprintf(path, sizeof(path), "/e/%0*d/api/v1/certificate/list", (int)ROUTE_WORD_MAX + 1, 0);
    cr_assert_null(find(WEB_GET, path, &match, &other_method));
}
