/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes - appending, asking
 */
#include "bytes.h"

#include <criterion/criterion.h>

ks_err
bytes_check(enum ks_purpose purpose, const void *data, size_t len)
{
    struct fault why = FAULT_INIT;
    ks_err err =
        purpose_check(purpose, false, KS_ALGORITHM_ECDSA_SHA256, KS_HASH_NONE, data, len, &why);

    cr_assert_eq(err == KS_OK, why.text[0] == '\0', "a refusal and only a refusal says why");
    return err;
}

void
bytes_append(struct bytes *out, const void *data, size_t len)
{
    cr_assert_leq(out->len + len, sizeof(out->data));
    memcpy(out->data + out->len, data, len);
    out->len += len;
}
