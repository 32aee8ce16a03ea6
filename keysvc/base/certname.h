/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certname - the names a class lets into a CSR: the option `names` of a `keys` section
 *
 *   shop.example      this DNS name           10.0.0.7, 2001:db8::1     this address
 *   .shop.example     any DNS name below it   10.0.0.0/8, 2001:db8::/32 any address of the network
 *   *.shop.example    this wildcard name      email:a@b, email:@b, email:.b   an address, a host's,
 * a domain's uri:https://x/    any URI that begins so (the prefix ends with a slash or is the whole
 * URI)
 *
 * DNS names compare without case. A common name is checked as an address if it is one, as an e-mail
 * address if it has an at sign, otherwise as a DNS name.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

#define CERTNAME_MAX_LEN 255 /* bytes of one name; RFC 1035 allows 253 for DNS */

enum certname_kind {
    CERTNAME_DNS = 1, /* the numbers are the wire's */
    CERTNAME_IP = 2,  /* text form: inet_pton reads it */
    CERTNAME_EMAIL = 3,
    CERTNAME_URI = 4,
};

/* Is this a pattern? BAD_REQUEST says what is wrong with it. */
ks_err certname_pattern_check(const char *pattern, struct fault *why) KS_MUST_CHECK;

/* Is this a well-formed name of its kind? BAD_REQUEST. Only printable ASCII passes. */
ks_err certname_check(enum certname_kind kind, const char *name, struct fault *why) KS_MUST_CHECK;

/* The kind a common name is checked as. */
enum certname_kind certname_kind_of_common_name(const char *name);

/* Both were checked before. */
bool certname_match(const char *pattern, enum certname_kind kind, const char *name);
