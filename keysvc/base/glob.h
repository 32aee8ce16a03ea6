/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glob - patterns over key names, as in `keys "web/shop-*"`
 *
 * `*` stands for any run of characters inside one path component, `**` for any run including
 * slashes; everything else stands for itself. Matching is linear in time for the patterns that
 * glob_check lets in.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

#define GLOB_MAX_LEN 128 /* bytes */
#define GLOB_MAX_STARS 4 /* runs of stars; bounds the time of a match */

/* BAD_REQUEST: empty, too long, too many stars, three stars in a row, or a character no key name
 * has. */
ks_err glob_check(const char *glob, struct fault *why) KS_MUST_CHECK;

bool glob_match(const char *glob, const char *name);

/* Bytes before the first star: of several globs that match, the longest literal prefix wins. */
size_t glob_literal_len(const char *glob);

/* Is there a text that both match? Exact but for texts that are no key names. */
bool glob_overlap(const char *a, const char *b);
