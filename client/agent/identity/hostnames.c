/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostnames - gethostname(), the resolver, and the kernel's table of addresses
 *
 * The table is read by rtnetlink: getifaddrs() does not tell whether an address is permanent.
 */
#include "client/agent/identity/hostnames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netdb.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/certname.h"

#define ANSWER_MAX (32 * 1024) /* bytes; the kernel sends a dump in parts of at most this */
#define DUMP_TRIES 8           /* a table that changes meanwhile is read anew */
#define ANSWER_TIMEOUT_S 10
#define REFUSED_FLAGS (IFA_F_TENTATIVE | IFA_F_DEPRECATED | IFA_F_DADFAILED | IFA_F_OPTIMISTIC)

static ks_err read_addresses(struct hostnames *out, struct fault *why);

static bool
is_dns_name(const char *name)
{
    struct fault why = FAULT_INIT;

    return certname_check(CERTNAME_DNS, name, &why) == KS_OK && strlen(name) <= HOSTNAMES_NAME_MAX;
}

static void
read_full(struct hostnames *out)
{
    const struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    if (getaddrinfo(out->host, NULL, &hints, &found) != 0)
        found = NULL;
    hostnames_choose_full(out->host, found ? found->ai_canonname : NULL, out->full);
    if (found)
        freeaddrinfo(found);
}

ks_err
hostnames_get(struct hostnames *out, struct fault *why)
{
    char name[HOSTNAMES_NAME_MAX + 1];

    memset(out, 0, sizeof(*out));
    if (gethostname(name, sizeof(name)) != 0)
        name[0] = '\0';
    name[sizeof(name) - 1] = '\0';
    if (is_dns_name(name))
        (void)text_copy(out->host, sizeof(out->host), name);
    if (out->host[0] != '\0')
        read_full(out);
    return read_addresses(out, why);
}

static bool
is_localhost(const char *name)
{
    static const char WORD[] = "localhost";

    return strncasecmp(name, WORD, strlen(WORD)) == 0 &&
           (name[strlen(WORD)] == '\0' || name[strlen(WORD)] == '.');
}

void
hostnames_choose_full(const char *host, const char *canonical,
                      char out[static HOSTNAMES_NAME_MAX + 1])
{
    bool full =
        canonical && strchr(canonical, '.') && !is_localhost(canonical) && is_dns_name(canonical);

    (void)text_copy(out, HOSTNAMES_NAME_MAX + 1, full ? canonical : host);
}

/* --- addresses --- */

static int
ask(struct fault *why)
{
    const struct {
        struct nlmsghdr header;
        struct ifaddrmsg message;
    } request = {
        .header = {.nlmsg_len = sizeof(request),
                   .nlmsg_type = RTM_GETADDR,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .message = {.ifa_family = AF_UNSPEC},
    };
    const struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ks_auto(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
        sendto(fd, &request, sizeof(request), 0, (const struct sockaddr *)&kernel,
               sizeof(kernel)) == (ssize_t)sizeof(request))
        return ks_steal_fd(&fd);
    fault_set(why, "the host's addresses cannot be asked for: %s", strerror(errno));
    fault_hint(why, "name them with --alternative-names");
    return -1;
}

static bool
usable(int family, const void *binary)
{
    struct in6_addr six;
    uint32_t four;

    if (family == AF_INET) {
        memcpy(&four, binary, sizeof(four));
        four = ntohl(four);
        return !IN_MULTICAST(four) && four != INADDR_ANY &&
               four >> IN_CLASSA_NSHIFT != IN_LOOPBACKNET &&
               four >> IN_CLASSB_NSHIFT != 0xa9feu; /* 169.254.0.0/16 */
    }
    memcpy(&six, binary, sizeof(six));
    return !IN6_IS_ADDR_LOOPBACK(&six) && !IN6_IS_ADDR_LINKLOCAL(&six) &&
           !IN6_IS_ADDR_UNSPECIFIED(&six) && !IN6_IS_ADDR_MULTICAST(&six);
}

bool
hostnames_static_address(const struct nlmsghdr *message, char out[static INET6_ADDRSTRLEN])
{
    const struct ifaddrmsg *body = NLMSG_DATA(message);
    const void *local = NULL, *address = NULL;
    const struct rtattr *item;
    uint32_t flags;
    size_t address_len, left;

    if (message->nlmsg_type != RTM_NEWADDR || message->nlmsg_len < NLMSG_LENGTH(sizeof(*body)))
        return false;
    if (body->ifa_family != AF_INET && body->ifa_family != AF_INET6)
        return false;
    address_len = body->ifa_family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    flags = body->ifa_flags;
    left = IFA_PAYLOAD(message);
    for (item = IFA_RTA(body); RTA_OK(item, left); item = RTA_NEXT(item, left)) {
        if (item->rta_type == IFA_FLAGS && RTA_PAYLOAD(item) == sizeof(flags))
            memcpy(&flags, RTA_DATA(item), sizeof(flags));
        else if (item->rta_type == IFA_LOCAL && RTA_PAYLOAD(item) == address_len)
            local = RTA_DATA(item);
        else if (item->rta_type == IFA_ADDRESS && RTA_PAYLOAD(item) == address_len)
            address = RTA_DATA(item);
    }
    /* Of a link between two hosts IFA_ADDRESS is the other one. */
    if (local)
        address = local;
    return address && (flags & IFA_F_PERMANENT) && !(flags & REFUSED_FLAGS) &&
           body->ifa_scope != RT_SCOPE_HOST && body->ifa_scope != RT_SCOPE_LINK &&
           usable(body->ifa_family, address) &&
           inet_ntop(body->ifa_family, address, out, INET6_ADDRSTRLEN);
}

static void
add_address(struct hostnames *out, const char *address)
{
    for (size_t i = 0; i < out->n_addresses; i++) {
        if (strcmp(out->addresses[i], address) == 0)
            return;
    }
    if (out->n_addresses < HOSTNAMES_MAX_ADDRESSES)
        (void)text_copy(out->addresses[out->n_addresses++], INET6_ADDRSTRLEN, address);
}

enum part { PART_MORE, PART_END, PART_AGAIN, PART_FAILED };

/* The messages of one read. */
static enum part
take_part(const uint8_t *data, size_t len, struct hostnames *out)
{
    for (const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)data;
         NLMSG_OK(message, len); message = NLMSG_NEXT(message, len)) {
        char address[INET6_ADDRSTRLEN];

        if (message->nlmsg_type == NLMSG_ERROR)
            return PART_FAILED;
        if (message->nlmsg_flags & NLM_F_DUMP_INTR)
            return PART_AGAIN;
        if (message->nlmsg_type == NLMSG_DONE)
            return PART_END;
        if (hostnames_static_address(message, address))
            add_address(out, address);
    }
    return PART_MORE;
}

static enum part
read_dump(int fd, struct hostnames *out)
{
    _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_MAX];

    for (;;) {
        struct sockaddr_nl sender = {0};
        socklen_t sender_len = sizeof(sender);
        ssize_t n =
            recvfrom(fd, answer, sizeof(answer), 0, (struct sockaddr *)&sender, &sender_len);
        enum part part;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return PART_FAILED;
        /* Others than the kernel may send to a netlink socket too. */
        if (sender.nl_pid != 0)
            continue;
        part = take_part(answer, (size_t)n, out);
        if (part != PART_MORE)
            return part;
    }
}

static int
compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static ks_err
read_addresses(struct hostnames *out, struct fault *why)
{
    for (int i = 0; i < DUMP_TRIES; i++) {
        ks_auto(closep) int fd = ask(why);
        enum part part;

        if (fd < 0)
            return KS_ERR_INTERNAL;
        out->n_addresses = 0;
        part = read_dump(fd, out);
        if (part == PART_AGAIN)
            continue;
        if (part == PART_FAILED)
            break;
        qsort(out->addresses, out->n_addresses, sizeof(out->addresses[0]), compare);
        return KS_OK;
    }
    fault_set(why, "the kernel does not tell the host's addresses");
    fault_hint(why, "name them with --alternative-names");
    return KS_ERR_INTERNAL;
}
