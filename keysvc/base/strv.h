/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strv - a list of texts that owns its members
 *
 * Starts as STRV_INIT. Members are never NULL.
 */
#pragma once

#include "base/err.h"
#include "base/util.h"

struct strv {
    char **items;
    size_t n_items;
};

#define STRV_INIT                                                                                  \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

void strv_deinit(struct strv *list);

/* Copies the text. INTERNAL: no memory. */
ks_err strv_add(struct strv *list, const char *text) KS_MUST_CHECK;

bool strv_contains(const struct strv *list, const char *text);
