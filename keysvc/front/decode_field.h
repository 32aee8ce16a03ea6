/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_field - what every field of a client's message has to keep to
 *
 * For decode.c. `field` names it in `why`. All answer BAD_REQUEST.
 */
#pragma once

#include "base/fault.h"
#include "front/request.h"

/* The bytes of one character of UTF-8 (RFC 3629) at `text`; 0: it is none, or a control character
 * (C0, DEL, and C1, which terminals obey too). A NUL ends the text: no look goes past it. */
size_t field_char_len(const char *text);

/* A text from the arena, at most `max` bytes of UTF-8 without NUL and control characters. */
ks_err field_check_text(const char *text, size_t max, const char *field,
                        struct fault *why) KS_MUST_CHECK;
/* The same, copied to `out` of `cap` bytes. */
ks_err field_text(const char *text, char *out, size_t cap, const char *field,
                  struct fault *why) KS_MUST_CHECK;

ks_err field_enum(int value, int count, const char *field, struct fault *why) KS_MUST_CHECK;

/* The members of the request that several operations have. */
ks_err field_token(const char *name, struct request *out, struct fault *why) KS_MUST_CHECK;
ks_err field_name(const char *name, struct request *out, struct fault *why) KS_MUST_CHECK;
ks_err field_version(uint32_t version, bool zero_allowed, const char *field, struct request *out,
                     struct fault *why) KS_MUST_CHECK;
/* Which key is meant. */
ks_err field_sha256(const uint8_t *data, size_t len, struct request *out,
                    struct fault *why) KS_MUST_CHECK;
