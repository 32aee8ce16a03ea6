/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkcs11_break_calls - prints how often functions of libpkcs11-break.so were called
 *
 *   pkcs11-break-calls FOLDER            each function that was called, and how often
 *   pkcs11-break-calls FOLDER C_Login    the number alone
 */
#include <inttypes.h>
#include <stdio.h>

#include "tests/fakes/calls.h"

int
main(int argc, char **argv)
{
    struct calls *calls = argc == 2 || argc == 3 ? calls_open(argv[1]) : NULL;
    enum function only = argc == 3 ? calls_function(argv[2]) : FUNCTION_COUNT;

    if (!calls || (argc == 3 && only == FUNCTION_COUNT)) {
        fprintf(stderr, "usage: pkcs11-break-calls FOLDER [FUNCTION]\n");
        return 2;
    }
    if (argc == 3)
        printf("%" PRIu64 "\n", calls_get(calls, only));
    for (enum function i = 0; argc == 2 && i < FUNCTION_COUNT; i++) {
        if (calls_get(calls, i) > 0)
            printf("%s %" PRIu64 "\n", calls_name(i), calls_get(calls, i));
    }
    calls_close(calls);
    return 0;
}
