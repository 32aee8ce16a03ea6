/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error - filling struct ks_error
 */
#pragma once

#include "base/util.h"
#include "client/lib/keysvc.h"

/* Sets code, message and the code's own hint and retryable; returns `code`. `error` may be NULL. */
ks_err error_set(struct ks_error *error, ks_err code, const char *format, ...) KS_PRINTF(3, 4);

/* Replaces the hint. */
void error_hint(struct ks_error *error, const char *format, ...) KS_PRINTF(2, 3);

/* KS_OK and no texts. */
void error_clear(struct ks_error *error);
