/* SPDX-License-Identifier: Apache-2.0 */
/*
 * default_names - what a certificate of this host is for, if nobody says: common name and
 * alternative names
 *
 * The common name is the full host name (the short one if that is longer than a common name may
 * be); the alternative names are host name, full name and static addresses, each once.
 */
#pragma once

#include "client/agent/identity/hostnames.h"
#include "client/agent/report.h"

#define DEFAULT_NAMES_MAX (2 + HOSTNAMES_MAX_ADDRESSES)

struct default_names {
    struct hostnames host;
    const char *common_name; /* into `host`, as are the values below */
    struct ks_alternative_name names[DEFAULT_NAMES_MAX];
    size_t n_names;
};

/* BAD_REQUEST: this host has no name that could stand in a certificate. `out` must not be moved. */
ks_err default_names_get(struct default_names *out, struct report *report) KS_MUST_CHECK;
