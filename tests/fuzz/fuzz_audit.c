/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_audit - an audit file that somebody else may have written, through `keysvc audit verify`'s
 * own function
 *
 * Whatever the bytes are: no crash, and a verdict that agrees with the place it names.
 */
#include "base/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verify_options options = {.last_checkpoint = NULL};
    struct verify_result result;
    struct fault why = FAULT_INIT;
    FILE *file;
    ks_err err;

    if (size == 0)
        return 0;
    file = fmemopen((void *)(uintptr_t)data, size, "r");
    if (!file)
        abort();
    err = verify_file(file, "main-1", &options, &result, &why);
    fclose(file);
    if ((err == KS_ERR_BAD_REQUEST) != (result.bad_line > 0))
        abort();
    if (result.bad_line > size + 1 || result.bad_offset > size)
        abort();
    return 0;
}
