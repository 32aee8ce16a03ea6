/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/lib/sealed.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define TEXT "a private key"
#define N_ROUNDS 3000
#define N_CHILDREN 4 /* that live at a time, with all that was mapped when they began */

static struct ks_error error;

Test(sealed, holds_what_it_was_given_and_takes_nothing_more)
{
    ks_auto(sealed_deinit) struct sealed sealed = SEALED_INIT;
    char got[sizeof(TEXT)] = "";

    cr_assert_eq(sealed_init(&sealed, "a", TEXT, strlen(TEXT), &error), KS_OK);
    cr_assert_eq(fcntl(sealed.fd, F_GET_SEALS) & SEALS, SEALS);
    /* From the first byte on, for a receiver that only reads. */
    cr_assert_eq(read(sealed.fd, got, sizeof(got)), strlen(TEXT));
    cr_assert_str_eq(got, TEXT);
    cr_assert_eq(pwrite(sealed.fd, "A", 1, 0), -1);
    cr_assert_eq(ftruncate(sealed.fd, 0), -1);
}

static void *
fork_on(void *context)
{
    const _Atomic bool *enough = context;
    pid_t children[N_CHILDREN] = {0};

    for (size_t i = 0; !*enough || children[i % N_CHILDREN] > 0; i++) {
        pid_t *child = &children[i % N_CHILDREN];

        if (*child > 0) {
            kill(*child, SIGKILL);
            waitpid(*child, NULL, 0);
        }
        *child = *enough ? 0 : fork();
        if (*child == 0 && !*enough) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                pause();
        }
    }
    return NULL;
}

Test(sealed, a_fork_in_the_middle_does_not_keep_it_from_being_sealed, .timeout = 60)
{
    _Atomic bool enough = false;
    pthread_t forker;
    int n_failed = 0;

    cr_assert_eq(pthread_create(&forker, NULL, fork_on, &enough), 0);
    for (int i = 0; i < N_ROUNDS; i++) {
        ks_auto(sealed_deinit) struct sealed sealed = SEALED_INIT;

        n_failed += sealed_init(&sealed, "a", TEXT, strlen(TEXT), &error) != KS_OK;
    }
    enough = true;
    pthread_join(forker, NULL);
    cr_assert_eq(n_failed, 0, "%d times, the last: %s", n_failed, error.message);
}
