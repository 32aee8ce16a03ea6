/* SPDX-License-Identifier: Apache-2.0 */
/*
 * missing - why a search for keys found none
 *
 * A search without a result is no error in PKCS#11, and all a program can say is that there is no
 * such key. The service knows more: a wrong name, or a rule that is missing.
 */
#pragma once

#include "client/pkcs11/module.h"

/* Writes a line if the template names one key by its label. An ID alone says nothing: programs look
 * for the private keys of all certificates they find. */
void missing_report(struct module *module, const CK_ATTRIBUTE *wanted, CK_ULONG n);

/* Writes a line, once in a process, if there is no key at all for the user and the template asks for
 * private or for public keys, as OpenSSH does: what such a program says of it names no rule. */
void missing_all_report(struct module *module, const CK_ATTRIBUTE *wanted, CK_ULONG n);
