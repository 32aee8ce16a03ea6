/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkcs12 - one private key and its certificates out of a PKCS#12 file
 *
 * DER or BER, of any maker that uses passwords; bags in one level. Everything in the file is hostile
 * until its MAC is checked, and after it too.
 */
#pragma once

#include "token/keybundle.h"
#include "token/pbe.h"

#define PKCS12_MAX_SAFES 32 /* makers write two: certificates, and keys */
#define PKCS12_MAX_BAGS 256 /* in all */

/*
 * `select` is a friendlyName or a localKeyID in hex; empty: the file holds one key. A friendlyName that
 * differs in the case of ASCII letters only is taken where none is exactly so. `out` starts as
 * KEYBUNDLE_INIT. BAD_REQUEST: damaged, too much of something, a wrong password, no such key or
 * several (which are listed).
 */
ks_err pkcs12_read(const struct keyfile *file, struct pbe *pbe, const char *select,
                   struct keybundle *out, struct fault *why) KS_MUST_CHECK;
