/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes - a message of a test, and what a purpose says to it
 */
#pragma once

#include "token/purpose.h"

struct bytes {
    uint8_t data[4096];
    size_t len;
};

/* For a message that is signed with ecdsa-sha256. */
ks_err bytes_check(enum ks_purpose purpose, const void *data, size_t len);

void bytes_append(struct bytes *out, const void *data, size_t len);
