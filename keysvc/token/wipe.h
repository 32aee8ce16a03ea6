/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe - libcrypto wipes every block of memory that it gives back
 *
 * OpenSSL wipes the keys it knows to be keys, and not the buffers through which it decoded them
 * (ASN.1, PEM, the octets around an unencrypted key). In a process that takes private keys in,
 * nothing of them may stay in freed memory, so its allocator sees to it.
 */
#pragma once

#include <stdbool.h>

/* Before the first call into libcrypto; false: it has allocated already. */
bool wipe_install(void);
