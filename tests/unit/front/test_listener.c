/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "harness.h"

#define OTHER_UID 64811
#define AT_ONCE 500 /* connections, between two looks at the audit */

static struct harness h;

/* Closes it; without a Hello whoever is let in is told so, and who is not that he is one too many. */
static bool
is_let_in(int fd)
{
    Keysvc__V1__Response *response;
    bool let_in;

    client_send_status(fd, 1);
    response = client_receive(fd);
    let_in = response && response->result_case == KEYSVC__V1__RESPONSE__RESULT_ERROR &&
             response->error->code == KS_ERR_BAD_REQUEST;
    if (response)
        response_free(response);
    close(fd);
    return let_in;
}

Test(listener, who_connects_without_a_pause_is_turned_away_and_others_are_not)
{
    uint64_t begun_ms = clock_mono_ms();

    harness_prepare(&h);
    /* So that nobody is turned away for those that are open. */
    h.config->limits.max_connections = 2000;
    h.config->limits.max_connections_per_caller = 900;
    harness_start(&h);
    while (harness_count_audit(&h, "too many new connections") == 0) {
        cr_assert_lt(clock_mono_ms() - begun_ms, HARNESS_WAIT_MS);
        for (int i = 0; i < AT_ONCE; i++)
            close(client_connect(&h));
    }
    if (getuid() == 0) {
        cr_assert_eq(chmod(h.dir, 0711), 0);
        cr_assert_eq(chmod(h.socket_path, 0666), 0);
        cr_assert_eq(syscall(SYS_setresuid, -1, OTHER_UID, -1), 0);
        close(client_hello(&h));
        cr_assert_eq(syscall(SYS_setresuid, -1, 0, -1), 0);
    }
    /* In another second he is let in again. */
    while (!is_let_in(client_connect(&h)))
        cr_assert_lt(clock_mono_ms() - begun_ms, 2 * HARNESS_WAIT_MS);
    harness_stop(&h);
}
