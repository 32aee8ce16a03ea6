/* SPDX-License-Identifier: Apache-2.0 */
/*
 * friendlyname - what a PKCS#12 file calls its keys: a friendlyName, a localKeyID
 *
 * Both are a stranger's text: they reach messages, logs and answers only as friendlyname_show() has
 * them.
 */
#pragma once

#include <openssl/pkcs12.h>
#include <stdbool.h>
#include <stddef.h>

/* Borrowed from the bag; NULL: it has none. */
const ASN1_OCTET_STRING *friendlyname_id(const PKCS12_SAFEBAG *bag);

/* Is `select` its localKeyID in hex ("54:69:6D", "54 69 6d", "54696d"), or its friendlyName?
 * `any_case`: without regard to the case of ASCII letters. */
bool friendlyname_is(PKCS12_SAFEBAG *bag, const char *select, bool any_case);

/*
 * The friendlyName; without one the localKeyID in hex; else an empty text. Cut to whole characters;
 * control characters, quotes, backslashes and what is no UTF-8 become '?'.
 */
void friendlyname_show(PKCS12_SAFEBAG *bag, char *out, size_t cap);
