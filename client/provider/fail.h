/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail - texts on OpenSSL's error stack
 *
 * An error of ours is "error:...:keysvc::REASON:text" in whatever log the program writes. Many
 * programs print only the reason: it names the key and says what is wrong, and the text has the
 * hint. With `errors = stderr` both also go to standard error, for programs that print neither.
 */
#pragma once

#include "base/util.h"
#include "client/provider/key.h"

/* Reasons of our own, behind those of ks_err. */
enum fail_reason {
    FAIL_REFERENCE = KS_ERR_COUNT, /* not to be used as it is */
    FAIL_OPTION,
    FAIL_NOT_MADE,    /* a kind of signature that keysvc does not make */
    FAIL_NOT_PRIVATE, /* a public key where a reference is wanted */
    FAIL_MEMORY,
    FAIL_REASON_COUNT,
};

/* Looks at what standard error is. */
void fail_begin(struct provider *provider);

/* Always 0, the failure of most of OpenSSL's functions. */
#define fail(provider, reason, ...)                                                                \
    fail_at((provider), (int)(reason), OPENSSL_FILE, OPENSSL_LINE, OPENSSL_FUNC, __VA_ARGS__)
int fail_at(const struct provider *provider, int reason, const char *file, int line,
            const char *function, const char *format, ...) KS_PRINTF(6, 7);

/* What the library said: "web/shop@1: DENIED: ...", and as a text behind it what to do next. */
#define fail_error(provider, label, error)                                                         \
    fail_error_at((provider), (label), (error), OPENSSL_FILE, OPENSSL_LINE, OPENSSL_FUNC)
int fail_error_at(const struct provider *provider, const char *label, const struct ks_error *error,
                  const char *file, int line, const char *function);

#define fail_key(key, error) fail_key_at((key), (error), OPENSSL_FILE, OPENSSL_LINE, OPENSSL_FUNC)
int fail_key_at(const struct key *key, const struct ks_error *error, const char *file, int line,
                const char *function);

/* For OSSL_FUNC_PROVIDER_GET_REASON_STRINGS. */
const OSSL_ITEM *fail_reasons(void *context);
