/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <jansson.h>

#include "base/util.h"
#include "client/agent/tame.h"

Test(tame, lets_nothing_through_that_a_terminal_obeys_or_that_is_no_utf8)
{
    static const char *const ROWS[][2] = {
        {"plain", "plain"},
        {"Gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac", "Gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac"},
        {"\x1b[2J\n\x7f", "?[2J??"},
        {"\xc2\x9b", "??"},            /* CSI of one character */
        {"a\xe2\x80\xae z", "a??? z"}, /* turns the line around */
        {"\xff\xc3", "??"},            /* no UTF-8, and cut */
        {"\xc0\xaf", "??"},            /* overlong */
        {"\xe0\x80\xaf", "???"},
        {"\xed\xa0\x80", "???"}, /* half of a pair */
        {"\xf4\x90\x80\x80", "????"},
        {"\xf0\x9f\x94\x91", "\xf0\x9f\x94\x91"},
    };
    char text[64];

    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        cr_assert(text_copy(text, sizeof(text), ROWS[i][0]));
        tame_text(text);
        cr_assert_str_eq(text, ROWS[i][1]);
    }
}

Test(tame, leaves_line_ends_where_there_may_be_lines)
{
    char text[] = "one\ntwo\r\n";

    tame_lines(text);
    cr_assert_str_eq(text, "one\ntwo?\n");
}

/* Whatever three bytes come: JSON takes them. */
Test(tame, makes_json_of_anything)
{
    static const unsigned char BYTES[] = {0x01, 'a',  0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                          0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe2,
                                          0xed, 0xef, 0xf0, 0xf4, 0xff};
    size_t n = ARRAY_LEN(BYTES);

    for (size_t i = 0; i < n * n * n * n; i++) {
        char text[] = {(char)BYTES[i % n], (char)BYTES[i / n % n], (char)BYTES[i / n / n % n],
                       (char)BYTES[i / n / n / n], 0};
        json_t *json;

        tame_text(text);
        json = json_string(text);
        cr_assert_not_null(json);
        json_decref(json);
    }
}
