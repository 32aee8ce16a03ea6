/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret - bytes that are locked in memory, left out of core files and wiped when freed
 *
 * Only in the process that uses them. Holds at most SECRET_MAX_LEN bytes, NUL-terminated behind
 * len.
 */
#pragma once

#include "base/err.h"
#include "base/util.h"

#define SECRET_MAX_LEN 1023 /* a PIN or a passphrase; PKCS#11 tokens allow 4 to 255 bytes */

struct secret {
    size_t len;
    char text[SECRET_MAX_LEN + 1];
};

/* On pages of its own. INTERNAL: no memory or RLIMIT_MEMLOCK is spent. */
ks_err secret_new(struct secret **out) KS_MUST_CHECK;

/* Wipes and frees; takes NULL; returns NULL. */
struct secret *secret_free(struct secret *secret);
void secret_freep(struct secret **secret);
