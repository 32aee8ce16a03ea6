/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certfile - the bytes of a file of certificates, from outside: one in DER, or any number in PEM
 *
 * Strict, since what is not understood must not be applied: DER is DER and ends where the file ends;
 * a PEM may have text before and between its certificates, as CAs write it, but nothing behind the
 * last; anything but certificates is refused, a private key above all.
 */
#pragma once

#include <openssl/x509.h>

#include "base/err.h"
#include "base/fault.h"

/* `name` is for `why`. BAD_REQUEST: not such a file; TOO_LARGE: more than `max` certificates. */
ks_err certfile_parse(const char *name, const void *data, size_t len, size_t max,
                      STACK_OF(X509) * *out, struct fault *why) KS_MUST_CHECK;

/* Would a file with it be read? For one that came otherwise. */
bool certfile_takes(X509 *certificate);
