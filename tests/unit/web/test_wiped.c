/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "client/web/wiped.h"

Test(wiped, grows_to_its_limit_and_no_further)
{
    ks_auto(wiped_deinit) struct wiped wiped = {.max = 5000};

    for (int i = 0; i < 500; i++)
        cr_assert(wiped_append(&wiped, "0123456789", 10));
    cr_assert_not(wiped_append(&wiped, "x", 1));
    cr_assert_null(wiped_reserve(&wiped, SIZE_MAX));
    cr_assert_eq(wiped.len, 5000);
    cr_assert_arr_eq(wiped.data + 4990, "0123456789", 10);
}

Test(wiped, what_is_consumed_leaves_zeros)
{
    static const uint8_t ZEROS[6];
    ks_auto(wiped_deinit) struct wiped wiped = {.max = 100};

    cr_assert(wiped_append(&wiped, "secretrest", 10));
    wiped_consume(&wiped, 6);
    cr_assert_eq(wiped.len, 4);
    cr_assert_arr_eq(wiped.data, "rest", 4);
    cr_assert_arr_eq(wiped.data + 4, ZEROS, 6);
}
