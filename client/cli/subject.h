/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subject - the options that say what stands in a request or a certificate: csr, self-sign
 */
#pragma once

#include "client/cli/altname.h"
#include "client/cli/cli.h"

enum subject_key {
    SUBJECT_KEY_COMMON_NAME = 0x400,
    SUBJECT_KEY_ORGANIZATION,
    SUBJECT_KEY_ORGANIZATION_UNIT,
    SUBJECT_KEY_COUNTRY,
    SUBJECT_KEY_STATE,
    SUBJECT_KEY_LOCALITY,
    SUBJECT_KEY_EMAIL,
    SUBJECT_KEY_ALTERNATIVE_NAMES,
    SUBJECT_KEY_ALGORITHM,
    SUBJECT_KEY_FORMAT,
};

/* Rows of an option table, for the middle of one; a table of groups 1 to 3. */
#define SUBJECT_OPTIONS                                                                            \
    {"common-name", SUBJECT_KEY_COMMON_NAME, "NAME", 0, "CN", 1},                                  \
        {"organization", SUBJECT_KEY_ORGANIZATION, "TEXT", 0, "O", 1},                             \
        {"organization-unit", SUBJECT_KEY_ORGANIZATION_UNIT, "TEXT", 0, "OU", 1},                  \
        {"country", SUBJECT_KEY_COUNTRY, "CC", 0, "C, two letters", 1},                            \
        {"state", SUBJECT_KEY_STATE, "TEXT", 0, "ST", 1},                                          \
        {"locality", SUBJECT_KEY_LOCALITY, "TEXT", 0, "L", 1},                                     \
        {"email", SUBJECT_KEY_EMAIL, "ADDRESS", 0, "emailAddress", 1},                             \
        {"alternative-names",                                                                      \
         SUBJECT_KEY_ALTERNATIVE_NAMES,                                                            \
         "KIND:NAME,...",                                                                          \
         0,                                                                                        \
         "DNS:a,IP:b,EMAIL:c,URI:d; may be given again",                                           \
         2},                                                                                       \
        {"algorithm",                                                                              \
         SUBJECT_KEY_ALGORITHM,                                                                    \
         "ALGORITHM",                                                                              \
         0,                                                                                        \
         "of the signature; by the key if not given",                                              \
         3},                                                                                       \
    {                                                                                              \
        "format", SUBJECT_KEY_FORMAT, "FORMAT", 0, "pem (the default) or der", 3                   \
    }

/* Starts with `cli` and zeros. Texts are those of the command line. */
struct subject {
    struct cli *cli;
    struct ks_csr_request request; /* its alternative names by subject_finish() */
    struct altname_list names;
    bool der; /* --format der */
};

/* Takes the options above; ARGP_ERR_UNKNOWN for others. Wrong ones exit with 2, too many names
 * with TOO_LARGE. */
int subject_option(struct subject *subject, int key, char *value);

/* After the last option, before the request is used. */
void subject_finish(struct subject *subject);

/* For ks_auto. */
void subject_deinit(struct subject *subject);
