/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certname - the names a class lets into a CSR: the option `names` of a `keys` section
 *
 *   shop.example            this DNS name
 *   .shop.example           any DNS name below it, but no wildcard name
 *   *.shop.example          this wildcard name
 *   10.0.0.7, 2001:db8::1   this address
 *   10.0.0.0/8              any address of the network
 *   email:a@b               this e-mail address; email:@b any at this host, email:.b at hosts below
 *   uri:https://x/          any URI that begins so, if it ends with a slash; else this URI
 *
 * DNS names are labels of 1 to 63 letters, digits and inner hyphens (no underscore), 253 bytes in
 * all, no dot at the end, the last label not all digits; a wildcard is a whole first label. They
 * compare without case, addresses as numbers (IPv4 and IPv6 apart), URIs byte by byte. A common
 * name is checked as an address if it is one, as an e-mail address if it has an at sign, otherwise
 * as a DNS name.
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
