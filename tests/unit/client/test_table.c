/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "client/cli/table.h"

Test(table, columns_are_as_wide_as_their_widest_cell)
{
    ks_auto(table_deinit) struct table table = TABLE_INIT(2);
    ks_auto(freep) char *text = NULL;

    table_add(&table, "KEY");
    table_add(&table, "TYPE");
    table_add(&table, "web/%s", "shop");
    table_add(&table, "ec-p256");
    text = table_text(&table);
    cr_assert_str_eq(text, "KEY       TYPE\nweb/shop  ec-p256\n");
}

Test(table, nothing_in_a_cell_moves_the_cursor)
{
    ks_auto(table_deinit) struct table table = TABLE_INIT(1);
    ks_auto(freep) char *text = NULL;

    table_add(&table, "a\033[2J\nb\177");
    text = table_text(&table);
    cr_assert_str_eq(text, "a [2J b \n");
}

Test(table, control_characters_of_two_bytes_are_none_either)
{
    ks_auto(table_deinit) struct table table = TABLE_INIT(1);
    ks_auto(freep) char *text = NULL;

    table_add(&table, "a\xc2\x9b"
                      "31m\xc2\x80\xc2\xa0\xc2");
    text = table_text(&table);
    cr_assert_str_eq(text, "a?31m?\xc2\xa0\xc2\n");
}

Test(table, an_umlaut_is_one_character_wide)
{
    ks_auto(table_deinit) struct table table = TABLE_INIT(2);
    ks_auto(freep) char *text = NULL;

    table_add(&table, "\xc3\xa4");
    table_add(&table, "x");
    table_add(&table, "ab");
    table_add(&table, "y");
    text = table_text(&table);
    cr_assert_str_eq(text, "\xc3\xa4   x\nab  y\n");
}

Test(table, no_rows_are_no_text)
{
    struct table table = TABLE_INIT(3);
    ks_auto(freep) char *text = table_text(&table);

    cr_assert_str_eq(text, "");
}
