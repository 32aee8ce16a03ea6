/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostnames - what this host is called: its name, its full name, and the addresses that stay
 *
 * What a certificate names if nobody says which names it should. Addresses that were given for a
 * time (DHCP, router advertisements) are left out: tomorrow they are another host's.
 */
#pragma once

#include <netinet/in.h>

#include "base/err.h"
#include "base/fault.h"

#define HOSTNAMES_MAX_ADDRESSES 64u
#define HOSTNAMES_NAME_MAX 253 /* bytes of a DNS name */

struct hostnames {
    char host[HOSTNAMES_NAME_MAX + 1]; /* of gethostname(); empty: it is no DNS name */
    char full[HOSTNAMES_NAME_MAX + 1]; /* with its domain, else as `host` */
    char addresses[HOSTNAMES_MAX_ADDRESSES][INET6_ADDRSTRLEN]; /* sorted, each once */
    size_t n_addresses;                                        /* the first 64, if there are more */
};

/* Asks the resolver, so it may take as long as that does. INTERNAL: the kernel does not tell the
 * addresses. */
ks_err hostnames_get(struct hostnames *out, struct fault *why) KS_MUST_CHECK;

/* The name that the resolver gave for `host`, if it is a full one and not localhost's; else `host`. */
void hostnames_choose_full(const char *host, const char *canonical,
                           char out[static HOSTNAMES_NAME_MAX + 1]);

/*
 * One message of the kernel's answer (struct nlmsghdr) as text, if it tells a permanent address that
 * is neither loopback nor link-local, and that can be used.
 */
struct nlmsghdr;
bool hostnames_static_address(const struct nlmsghdr *message, char out[static INET6_ADDRSTRLEN]);
