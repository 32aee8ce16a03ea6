/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>

#include "client/agent/identity/hostnames.h"

/* A message as the kernel sends it. */
struct told {
    struct nlmsghdr header;
    struct ifaddrmsg body;
    uint8_t attributes[128];
};

static void
add(struct told *told, uint16_t type, const void *data, size_t len)
{
    const struct rtattr item = {.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(len)};
    uint8_t *at = told->attributes + (told->header.nlmsg_len - NLMSG_LENGTH(sizeof(told->body)));

    memcpy(at, &item, sizeof(item));
    memcpy(at + RTA_LENGTH(0), data, len);
    told->header.nlmsg_len += (uint32_t)RTA_SPACE(len);
}

static struct told
message(const char *address, uint32_t flags, uint8_t scope)
{
    struct told told = {.header = {.nlmsg_type = RTM_NEWADDR}};
    uint8_t binary[sizeof(struct in6_addr)];

    told.header.nlmsg_len = NLMSG_LENGTH(sizeof(told.body));
    told.body.ifa_family = strchr(address, ':') ? AF_INET6 : AF_INET;
    told.body.ifa_scope = scope;
    told.body.ifa_flags = (uint8_t)flags;
    cr_assert_eq(inet_pton(told.body.ifa_family, address, binary), 1);
    add(&told, IFA_ADDRESS, binary, told.body.ifa_family == AF_INET ? 4 : 16);
    add(&told, IFA_FLAGS, &flags, sizeof(flags));
    return told;
}

static const struct {
    const char *address;
    uint32_t flags;
    uint8_t scope;
    bool taken;
} TOLD[] = {
    {"10.1.2.3", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, true},
    {"10.1.2.3", 0, RT_SCOPE_UNIVERSE, false}, /* DHCP */
    {"10.1.2.3", IFA_F_PERMANENT | IFA_F_SECONDARY, RT_SCOPE_UNIVERSE, true},
    {"10.1.2.3", IFA_F_PERMANENT | IFA_F_DEPRECATED, RT_SCOPE_UNIVERSE, false},
    {"10.1.2.3", IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE, RT_SCOPE_UNIVERSE, true},
    {"10.1.2.3", IFA_F_PERMANENT, RT_SCOPE_LINK, false},
    {"10.1.2.3", IFA_F_PERMANENT, RT_SCOPE_HOST, false},
    {"127.0.0.2", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, false},
    {"128.0.0.2", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, true},
    {"169.254.9.9", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, false},
    {"169.253.9.9", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, true},
    {"224.0.0.1", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, false},
    {"2001:db8::7", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, true},
    {"2001:db8::7", IFA_F_MANAGETEMPADDR, RT_SCOPE_UNIVERSE, false}, /* router advertisement */
    {"2001:db8::7", IFA_F_PERMANENT | IFA_F_TENTATIVE, RT_SCOPE_UNIVERSE, false},
    {"2001:db8::7", IFA_F_PERMANENT | IFA_F_DADFAILED, RT_SCOPE_UNIVERSE, false},
    {"fd00::7", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, true},
    {"fe80::7", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, false},
    {"::1", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, false},
};

Test(hostnames, takes_permanent_addresses_that_can_be_used)
{
    for (size_t i = 0; i < ARRAY_LEN(TOLD); i++) {
        struct told told = message(TOLD[i].address, TOLD[i].flags, TOLD[i].scope);
        char text[INET6_ADDRSTRLEN] = "";

        cr_expect_eq(hostnames_static_address(&told.header, text), TOLD[i].taken, "%zu: %s", i,
                     TOLD[i].address);
        if (TOLD[i].taken)
            cr_expect_str_eq(text, TOLD[i].address);
    }
}

Test(hostnames, of_a_link_between_two_hosts_takes_its_own_end)
{
    struct told told = message("10.0.0.1", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE);
    uint8_t own[4] = {10, 0, 0, 2};
    char text[INET6_ADDRSTRLEN] = "";

    add(&told, IFA_LOCAL, own, sizeof(own));
    cr_assert(hostnames_static_address(&told.header, text));
    cr_assert_str_eq(text, "10.0.0.2");
}

Test(hostnames, a_message_that_is_cut_off_tells_nothing)
{
    struct told told = message("10.1.2.3", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE);
    char text[INET6_ADDRSTRLEN];

    told.header.nlmsg_len = NLMSG_LENGTH(sizeof(told.body)) - 1;
    cr_assert_not(hostnames_static_address(&told.header, text));
    told.header.nlmsg_len = NLMSG_LENGTH(sizeof(told.body)) + RTA_LENGTH(3);
    cr_assert_not(hostnames_static_address(&told.header, text));
    told = message("10.1.2.3", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE);
    told.header.nlmsg_type = RTM_DELADDR;
    cr_assert_not(hostnames_static_address(&told.header, text));
}

Test(hostnames, the_full_name_is_the_resolvers_if_it_is_one)
{
    static const struct {
        const char *host, *canonical, *full;
    } CASE[] = {
        {"web1", "web1.example.org", "web1.example.org"},
        {"web1", NULL, "web1"},
        {"web1", "web1", "web1"},
        {"web1", "localhost", "web1"},
        {"web1", "localhost.localdomain", "web1"},
        {"web1", "localhosts.example", "localhosts.example"},
        {"web1", "web_1.example.org", "web1"},
        {"web1.example.org", "web1", "web1.example.org"},
    };

    for (size_t i = 0; i < ARRAY_LEN(CASE); i++) {
        char full[HOSTNAMES_NAME_MAX + 1];

        hostnames_choose_full(CASE[i].host, CASE[i].canonical, full);
        cr_expect_str_eq(full, CASE[i].full);
    }
}

static bool
told_address(const struct hostnames *names, const char *address)
{
    for (size_t i = 0; i < names->n_addresses; i++) {
        if (strcmp(names->addresses[i], address) == 0)
            return true;
    }
    return false;
}

/* The real kernel, in a network of its own. */
Test(hostnames, the_kernel_tells_which_addresses_stay)
{
    static const char SETUP[] =
        "exec 2>/dev/null; ip link set lo up && ip link add v0 type veth peer name v1 &&"
        " ip link set v0 up && ip link set v1 up &&"
        " ip addr add 10.1.2.3/24 dev v0 &&"
        " ip addr add 10.1.2.4/24 dev v0 valid_lft 1000 preferred_lft 500 &&"
        " ip addr add 10.1.2.5/32 dev v0 preferred_lft 0 &&"
        " ip addr add 169.254.7.7/16 dev v0 &&"
        " ip addr add 10.9.9.9/32 dev lo &&"
        " ip addr add 2001:db8::7/64 dev v0 nodad &&"
        " ip addr add 2001:db8::8/64 dev v0 nodad valid_lft 1000 preferred_lft 500";
    struct hostnames names;
    struct fault why = FAULT_INIT;

    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        cr_skip_test("no network of its own for this user");
    cr_assert_eq(hostnames_get(&names, &why), KS_OK, "%s", why.text);
    cr_assert_eq(names.n_addresses, 0, "nothing but lo, which is down: %s", names.addresses[0]);
    if (system(SETUP) != 0)
        cr_skip_test("no addresses may be given here");
    cr_assert_eq(hostnames_get(&names, &why), KS_OK, "%s", why.text);
    cr_expect(told_address(&names, "10.1.2.3"));
    cr_expect(told_address(&names, "10.9.9.9"), "a service's address, on lo");
    cr_expect(told_address(&names, "2001:db8::7"));
    cr_expect_eq(names.n_addresses, 3);
    cr_expect_neq(names.host[0], '\0');
    cr_expect_neq(names.full[0], '\0');
}
