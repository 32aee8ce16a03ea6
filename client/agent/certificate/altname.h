/* SPDX-License-Identifier: Apache-2.0 */
/*
 * altname - alternative names: the text of --alternative-names, and those that stand in certificates
 *
 *     shop.example,10.0.0.7,2001:db8::7,a@b.example,https://shop.example/
 *     DNS:shop.example,IP:10.0.0.7,EMAIL:a@b.example,URI:urn:example:shop
 *
 * Commas separate, always; a URI has %2C for one. What has no word before it is an address if it
 * reads as one, a URI if it has "://", an e-mail address if it has an at sign, else a DNS name.
 */
#pragma once

#include <openssl/x509v3.h>

#include "base/fault.h"
#include "client/lib/keysvc.h"

/* Starts as {0}. Each name once. */
struct altname_list {
    struct ks_alternative_name *names; /* their values are the list's */
    size_t n_names;
};

/* For ks_auto. */
void altname_deinit(struct altname_list *list);

/* Adds one name, unless it is there. USAGE: it is none, `why` says why; TOO_LARGE: too many. */
ks_err altname_add(struct altname_list *list, enum ks_name_kind kind, const char *value,
                   struct fault *why) KS_MUST_CHECK;

/* Adds those of a text. USAGE: `why` names the part that is wrong; TOO_LARGE. */
ks_err altname_parse(struct altname_list *list, const char *text, struct fault *why) KS_MUST_CHECK;

/* Adds those of the four kinds; others, and what is malformed, are left out. NULL: none. TOO_LARGE: there
 * are more than KS_MAX_ALTERNATIVE_NAMES, and the first so many are in the list. */
ks_err altname_read(struct altname_list *list, const GENERAL_NAMES *names) KS_MUST_CHECK;

/* DNS names and e-mail addresses compare without case. */
bool altname_contains(const struct altname_list *list, const struct ks_alternative_name *name);

/* "DNS:shop.example, IP:10.0.0.7"; cut with "..." where it does not fit; "none". */
void altname_text(const struct altname_list *list, char *out, size_t cap);

/* "DNS", "IP", "EMAIL", "URI". */
const char *altname_kind_word(enum ks_name_kind kind);
