/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyname - the names of keys and the labels they carry on a token
 *
 * A name is path-like, `web/shop`: 1 to KEYNAME_MAX bytes of letters, digits, `. _ - /`; no empty
 * component, none that is `.` or `..`, no slash at either end. A label is NAME@VERSION, the version
 * a decimal from 1 to KEYNAME_VERSION_MAX without leading zeros. Names below keysvc/ are the
 * service's own.
 */
#pragma once

#include "base/util.h"

#define KEYNAME_MAX                                                                                \
    100 /* bytes; label and version still fit in 128, which every tried token stores */
#define KEYNAME_VERSION_MAX 999999999u
#define KEYNAME_LABEL_MAX (KEYNAME_MAX + 10)

#define KEYNAME_AUDIT "keysvc/audit" /* signs the audit's checkpoints; no client ever uses it */

bool keyname_valid(const char *name);

/* Is it one of the service's own, whatever globs match it? True for globs that begin so, too. */
bool keyname_reserved(const char *name);

/* Splits "web/shop@2"; a bare name has version 0 only if `bare_allowed`. False: not a key's label.
 */
bool keyname_split(const char *label, size_t label_len, bool bare_allowed,
                   char name[static KEYNAME_MAX + 1], uint32_t *version);

/* "web/shop@2" */
void keyname_label(const char *name, uint32_t version, char out[static KEYNAME_LABEL_MAX + 1]);
