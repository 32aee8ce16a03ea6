/* SPDX-License-Identifier: Apache-2.0 */
#include "client/web/peerlog.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct peerlog lines;
static char said[8192];

static void
set_up(void)
{
    lines = (struct peerlog){.n_used = 0};
    log_init("test", LOG_LEVEL_INFO);
}

TestSuite(peerlog, .init = set_up);

static unsigned int
allowed(const char *peer, unsigned int n)
{
    unsigned int count = 0;

    for (unsigned int i = 0; i < n; i++)
        count += peerlog_allowed(&lines, peer);
    return count;
}

static unsigned int
left_out(void)
{
    unsigned int n = lines.all.swallowed;

    for (size_t i = 0; i < PEERLOG_PEERS; i++)
        n += lines.rows[i].limit.swallowed;
    return n;
}

/* What peerlog_tell() writes. */
static void
tell(void)
{
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    size_t len;

    cr_assert(file && before >= 0);
    dup2(fileno(file), STDERR_FILENO);
    peerlog_tell(&lines);
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(file);
    len = fread(said, 1, sizeof(said) - 1, file);
    said[len] = '\0';
    fclose(file);
}

Test(peerlog, one_peer_has_few_lines_and_leaves_others_theirs)
{
    unsigned int n = allowed("192.0.2.1", 1000);

    cr_assert_geq(n, PEERLOG_LINES);
    cr_assert_leq(n, 100);
    cr_assert_eq(n + left_out(), 1000);
    cr_assert(peerlog_allowed(&lines, "192.0.2.2"));
}

Test(peerlog, many_peers_have_no_more_than_all_may)
{
    unsigned int n = 0;
    char peer[32];

    for (unsigned int i = 0; i < 1000; i++) {
        snprintf(peer, sizeof(peer), "2001:db8::%x", i);
        n += peerlog_allowed(&lines, peer);
    }
    cr_assert_geq(n, PEERLOG_ALL_LINES);
    cr_assert_leq(n, 500);
    cr_assert_eq(n + left_out(), 1000);
}

Test(peerlog, what_was_left_out_is_told_once_with_its_peer)
{
    unsigned int n = allowed("192.0.2.1", 1000);
    char expected[80];

    snprintf(expected, sizeof(expected), "event=log-limited peer=192.0.2.1 lines=%u\n", 1000 - n);
    tell();
    cr_assert_not_null(strstr(said, expected), "%s", said);
    tell();
    cr_assert_str_eq(said, "");
}

Test(peerlog, what_was_left_out_of_a_peer_that_made_room_is_told_without_it)
{
    unsigned int n = allowed("192.0.2.1", 500);
    char peer[32], expected[80];

    for (unsigned int i = 0; i < PEERLOG_PEERS; i++) {
        snprintf(peer, sizeof(peer), "2001:db8::%x", i);
        n += peerlog_allowed(&lines, peer);
    }
    snprintf(expected, sizeof(expected), "event=log-limited lines=%u\n", 500 + PEERLOG_PEERS - n);
    tell();
    cr_assert_not_null(strstr(said, expected), "%s", said);
}
