/* SPDX-License-Identifier: Apache-2.0 */
#include "client/web/peers.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>

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
    struct peers *scratch = peers_new(0);
    struct sockaddr_storage from = address(text);
    struct peer_key key;

    cr_assert(peers_take(scratch, &from, &key));
    peers_put(peers, &key);
    peers_free(scratch);
}

Test(peers, each_address_has_its_share_and_gets_it_back)
{
    struct peers *peers = peers_new(2);

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
    struct peers *peers = peers_new(1);

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
    struct peers *peers = peers_new(1);
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
