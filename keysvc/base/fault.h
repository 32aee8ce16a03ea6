/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault - what an operator must read about a failure: one line, filled once, where our code meets
 * the outside
 *
 * The returned ks_err says what to do next; the fault says what happened. A struct fault starts as
 * FAULT_INIT and is passed down as the last argument `why`, never NULL. Text that does not fit is
 * cut. Never put a PIN, a signature or a digest into it: it reaches logs and clients.
 */
#pragma once

#include "base/util.h"

#define FAULT_NAME_LEN 256 /* bytes of a certificate's longest name, and its NUL */

struct fault {
    char text[384];                    /* what failed, on which key or token or file, and why */
    char hint[256];                    /* what to do next; empty: the outcome's own hint */
    unsigned long rv;                  /* the CK_RV behind it, 0 if none */
    char refused_name[FAULT_NAME_LEN]; /* NAME_NOT_ALLOWED: which; empty: no name is allowed */
};

#define FAULT_INIT                                                                                 \
    {                                                                                              \
        {0}, {0}, 0,                                                                               \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* Replaces the text; the rest stays. */
void fault_set(struct fault *why, const char *format, ...) KS_PRINTF(2, 3);

/* Puts "PREFIX: " before the text that is there. */
void fault_prefix(struct fault *why, const char *format, ...) KS_PRINTF(2, 3);

/* Replaces the hint. */
void fault_hint(struct fault *why, const char *format, ...) KS_PRINTF(2, 3);
