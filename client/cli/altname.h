/* SPDX-License-Identifier: Apache-2.0 */
/*
 * altname - the text of --alternative-names: DNS:shop.example,IP:10.0.0.7,URI:https://x/
 *
 * The words are DNS, IP, EMAIL and URI, in either case. A comma separates only where one of them
 * follows: URIs may hold commas.
 */
#pragma once

#include "base/fault.h"
#include "client/lib/keysvc.h"

/* Starts as {0}. */
struct altname_list {
    struct ks_alternative_name *names;
    size_t n_names;
    char *texts[KS_MAX_ALTERNATIVE_NAMES]; /* what the names point into */
    size_t n_texts;
};

/* For ks_auto. */
void altname_deinit(struct altname_list *list);

/* Adds the names of one text. USAGE: `why` names the part that is wrong; TOO_LARGE; INTERNAL: no
 * memory. The service checks the names themselves. */
ks_err altname_add(struct altname_list *list, const char *text, struct fault *why) KS_MUST_CHECK;
