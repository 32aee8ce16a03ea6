/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "base/err.h"

Test(err, every_outcome_has_a_name_a_message_and_a_hint)
{
    for (int err = KS_OK; err < KS_ERR_COUNT; err++) {
        const struct err_info *info = err_info((ks_err)err);

        cr_assert_not_null(info->name, "outcome %d has no name", err);
        cr_assert_not_null(info->message);
        cr_assert_not_null(info->hint);
        cr_assert(err == KS_OK || info->hint[0] != '\0', "%s has no hint", info->name);
    }
}

Test(err, an_unknown_number_is_internal)
{
    cr_assert_eq(err_info((ks_err)9999), err_info(KS_ERR_INTERNAL));
    cr_assert_eq(err_info((ks_err)-1), err_info(KS_ERR_INTERNAL));
}
