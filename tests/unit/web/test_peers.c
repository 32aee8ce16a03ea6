/* SPDX-License-Identifier: Apache-2.0 */
#include "client/web/peers.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/clock.h"

TestSuite(peers, .timeout = 60);

static struct sockaddr_storage
address(const char *text)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&out;
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)&out;

    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        out.ss_family = AF_INET;
        return out;
    }
    cr_assert_eq(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
    out.ss_family = AF_INET6;
    return out;
}

static bool
take(struct peers *peers, const char *text)
{
    struct sockaddr_storage from = address(text);
    struct peer_key key;

    return peers_take(peers, &from, &key);
}

static void
put(struct peers *peers, const char *text)
{
    struct peers *scratch = peers_new(0, 0, 0);
    struct sockaddr_storage from = address(text);
    struct peer_key key;

    cr_assert(peers_take(scratch, &from, &key));
    peers_put(peers, &key);
    peers_free(scratch);
}

Test(peers, each_address_has_its_share_and_gets_it_back)
{
    struct peers *peers = peers_new(2, 0, 0);

    cr_assert(take(peers, "192.0.2.1") && take(peers, "192.0.2.1"));
    cr_assert_not(take(peers, "192.0.2.1"));
    cr_assert(take(peers, "192.0.2.2") && take(peers, "192.0.2.2"));
    cr_assert_not(take(peers, "192.0.2.2"));
    put(peers, "192.0.2.1");
    cr_assert(take(peers, "192.0.2.1"));
    cr_assert_not(take(peers, "192.0.2.1"));
    put(peers, "192.0.2.1");
    put(peers, "192.0.2.1");
    cr_assert_not(take(peers, "192.0.2.2"));
    put(peers, "192.0.2.2");
    put(peers, "192.0.2.2");
    peers_free(peers);
}

Test(peers, an_ipv6_network_is_one_address_and_an_ipv4_address_is_one_in_either_form)
{
    struct peers *peers = peers_new(1, 0, 0);

    cr_assert(take(peers, "2001:db8:0:1::1"));
    cr_assert_not(take(peers, "2001:db8:0:1:ffff:ffff:ffff:ffff"));
    cr_assert(take(peers, "2001:db8:0:2::1"));
    cr_assert(take(peers, "::ffff:192.0.2.1"));
    cr_assert_not(take(peers, "192.0.2.1"));
    cr_assert(take(peers, "::ffff:192.0.2.2"));
    peers_free(peers);
}

Test(peers, more_addresses_than_the_table_had_room_for)
{
    struct peers *peers = peers_new(1, 0, 0);
    char text[INET_ADDRSTRLEN];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 250; i++) {
            snprintf(text, sizeof(text), "10.0.0.%d", i);
            cr_assert(take(peers, text));
            cr_assert_not(take(peers, text));
        }
        for (int i = 0; i < 250; i++) {
            snprintf(text, sizeof(text), "10.0.0.%d", i);
            put(peers, text);
        }
    }
    peers_free(peers);
}

/* What peers_turn() says to a handshake of that address, which has a connection; -1: false. */
static int64_t
turn(struct peers *peers, const char *text, bool *first)
{
    struct sockaddr_storage from = address(text);
    struct peer_turn out = {.wait_ms = 7};
    struct peer_key key;
    bool granted;

    cr_assert(peers_take(peers, &from, &key));
    granted = peers_turn(peers, &key, 2000, &out);
    peers_put(peers, &key);
    *first = out.first;
    return granted ? (int64_t)out.wait_ms : -1;
}

/* All at one time, as this process sees the clock, or a little later: less than what one costs. */
static void
expect_wait(struct peers *peers, const char *text, int64_t wait_ms, bool first)
{
    bool was_first;
    int64_t waits_ms = turn(peers, text, &was_first);

    cr_assert(waits_ms <= wait_ms && waits_ms > wait_ms - 900, "%jd ms for %jd", waits_ms, wait_ms);
    cr_assert_eq(was_first, first);
}

Test(peers, handshakes_behind_the_burst_stand_in_line_each_address_for_itself)
{
    struct peers *peers = peers_new(0, 1, 3);
    bool first;

    for (int i = 0; i < 3; i++)
        cr_assert_eq(turn(peers, "192.0.2.1", &first), 0);
    expect_wait(peers, "192.0.2.1", 1000, true);
    expect_wait(peers, "192.0.2.1", 2000, false);
    /* Too far, and not counted. */
    for (int i = 0; i < 10; i++)
        cr_assert_eq(turn(peers, "192.0.2.1", &first), -1);
    cr_assert_eq(turn(peers, "192.0.2.2", &first), 0);
    clock_shift(1000000, 0);
    expect_wait(peers, "192.0.2.1", 2000, false);
    /* Paid up: the whole burst again, and no more than that. */
    clock_shift(3600 * 1000000ll, 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(turn(peers, "192.0.2.1", &first), 0);
    expect_wait(peers, "192.0.2.1", 1000, true);
    peers_free(peers);
}

Test(peers, without_a_rate_no_handshake_waits)
{
    struct peers *peers = peers_new(0, 0, 0);
    bool first;

    for (int i = 0; i < 10000; i++)
        cr_assert_eq(turn(peers, "192.0.2.1", &first), 0);
    peers_free(peers);
}
