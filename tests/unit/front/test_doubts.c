/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "front/doubts.h"

Test(doubts, are_of_one_version_and_of_the_name_until_the_token_has_told)
{
    struct doubts *doubts = doubts_new();

    doubts_add(doubts, "main", "web/a", 2);
    doubts_add(doubts, "spare", "web/b", 1);
    cr_assert_str_eq(doubts_find(doubts, "web/a", 2), "main");
    cr_assert_str_eq(doubts_find(doubts, "web/a", 0), "main");
    cr_assert_null(doubts_find(doubts, "web/a", 1));
    cr_assert_null(doubts_find(doubts, "web", 0));
    doubts_settle(doubts, "main");
    cr_assert_null(doubts_find(doubts, "web/a", 2));
    cr_assert_str_eq(doubts_find(doubts, "web/b", 1), "spare");
    doubts_free(doubts);
}

Test(doubts, are_so_many_and_no_more)
{
    struct doubts *doubts = doubts_new();
    char name[KEYNAME_MAX + 1];

    for (unsigned int i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "web/%u", i);
        doubts_add(doubts, "main", name, 1);
    }
    cr_assert_not_null(doubts_find(doubts, "web/0", 1));
    cr_assert_null(doubts_find(doubts, "web/99999", 1));
    doubts_settle(doubts, "main");
    doubts_add(doubts, "main", "web/99999", 1);
    cr_assert_not_null(doubts_find(doubts, "web/99999", 1));
    doubts_free(doubts);
}
