/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "base/buf.h"

Test(buf, grows_and_gives_back_from_the_front)
{
    ks_auto(buf_deinit) struct buf buf = BUF_INIT;

    for (int i = 0; i < 1000; i++)
        buf_append(&buf, "0123456789", 10);
    cr_assert_eq(buf.len, 10000);
    buf_consume(&buf, 9995);
    cr_assert_eq(buf.len, 5);
    cr_assert_arr_eq(buf.data, "56789", 5);
    buf_consume(&buf, 100);
    cr_assert_eq(buf.len, 0);
}

Test(buf, a_limit_refuses_the_append_and_is_remembered)
{
    ks_auto(buf_deinit) struct buf buf = {.max = 8};

    buf_append(&buf, "12345678", 8);
    cr_assert_not(buf.failed);
    buf_append(&buf, "9", 1);
    cr_assert(buf.failed);
    cr_assert_eq(buf.len, 8);
    cr_assert_arr_eq(buf.data, "12345678", 8);
}

Test(buf, a_length_that_overflows_is_refused)
{
    ks_auto(buf_deinit) struct buf buf = BUF_INIT;

    buf_append(&buf, "x", 1);
    cr_assert_null(buf_reserve(&buf, SIZE_MAX));
    cr_assert_null(buf_reserve(&buf, SIZE_MAX / 2));
    cr_assert(buf.failed);
}
