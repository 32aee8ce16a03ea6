/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain_end - where an audit file ends: its last whole record, and what a torn write left behind it
 *
 * Used by chain.c when it opens a file. Reads backwards, so that a big file opens as fast as a
 * small one.
 */
#pragma once

#include "base/buf.h"
#include "base/crypto.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fault.h"

struct chain_end {
    bool found; /* there is a whole record */
    uint64_t seq;
    uint8_t hash[KS_SHA256_LEN];
    bool needs_newline; /* that record lacks its newline only */
};

/*
 * `tail` gets the bytes behind the last whole record, up to its own limit. BAD_REQUEST: they are
 * not what a torn write leaves, or there are more; AUDIT_UNWRITABLE: the file cannot be read.
 */
ks_err chain_end_read(int fd, const char *name, struct digest *digest, struct chain_end *out,
                      struct buf *tail, struct fault *why) KS_MUST_CHECK;
