/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certview - a certificate as it is shown: in the status, and of one that is to be applied
 */
#pragma once

#include <jansson.h>

#include "client/lib/keysvc.h"

/* Adds subject, issuer, serial, not_before, not_after, sha256 and names of the chain's first, of
 * more than KS_MAX_ALTERNATIVE_NAMES the first so many and "names_cut". Not 0: no memory, or it cannot be
 * parsed. */
int certview_add(json_t *object, const struct ks_chain *chain);

/* A text that may be no UTF-8: JSON would take none of it then. */
json_t *certview_text(const char *text);
