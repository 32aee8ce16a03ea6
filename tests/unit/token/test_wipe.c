/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_wipe - libcrypto on our allocator, in a program of its own: the test framework has used
 * libcrypto before a test begins
 *
 * That freed memory holds nothing any more is seen from outside, by
 * tests/integration/test_import.c.
 */
#include "token/wipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>

static unsigned int n_tests, n_failed;

static void
expect(bool holds, const char *what)
{
    printf("%s %u - %s\n", holds ? "ok" : "not ok", ++n_tests, what);
    n_failed += !holds;
}

int
main(void)
{
    bool keeps = true;
    int status = 0;
    char *block;
    pid_t late = fork();

    if (late == 0) {
        OPENSSL_free(OPENSSL_malloc(1));
        _exit(wipe_install() ? 1 : 0);
    }
    expect(waitpid(late, &status, 0) == late && status == 0,
           "it says so when libcrypto has had memory before");
    expect(wipe_install(), "it is installed before libcrypto has memory");
    block = OPENSSL_malloc(8);
    memcpy(block, "secret", sizeof("secret"));
    for (size_t len = 16; len < 100000; len *= 3) {
        block = OPENSSL_realloc(block, len);
        keeps = keeps && strcmp(block, "secret") == 0;
    }
    expect(keeps, "a block that grows keeps what is in it");
    block = OPENSSL_realloc(block, sizeof("secret"));
    expect(strcmp(block, "secret") == 0, "a block that shrinks keeps what fits");
    expect(!OPENSSL_realloc(block, 0) && !OPENSSL_malloc(0), "no bytes are no block");
    OPENSSL_free(NULL);
    OPENSSL_free(OPENSSL_realloc(NULL, 5));
    printf("1..%u\n", n_tests);
    return n_failed > 0;
}
