/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_rig - findings, files and keys made up for the checks of keysvc doctor --program
 */
#pragma once

#include <openssl/evp.h>

#include "client/cli/doctor_program.h"

/* For TestSuite: a list of findings, a cli without a client, a new folder that everybody may pass. */
extern struct doctor *doctor;
extern struct cli cli;
extern char folder[64];
void rig_start(void);
void rig_stop(void);

/* Forgets what was found. */
void rig_again(void);

/* Is there such a finding, with that text, and something to do about it? */
bool found(enum doctor_verdict verdict, const char *check, const char *text);
/* Fails and shows all findings if not. */
void expect_found(enum doctor_verdict verdict, const char *check, const char *text);
size_t n_wrong(void);

/* Below the folder; the text lives for three more calls. */
const char *at(const char *name);
void make_bytes(const char *name, const void *data, size_t len);
void make(const char *name, const char *text);
void make_folder(const char *name);
void link_at(const char *name, const char *target);

/* An openssl.cnf in which nothing is wrong. */
#define GOOD_CONF                                                                                  \
    "openssl_conf = init\n[init]\nproviders = list\n[list]\ndefault = d\nkeysvc = k\n"             \
    "[d]\nactivate = 1\n[k]\nactivate = 1\nmodule = /x/keysvc.so\nsocket = /x/socket\n"

/* A key in software and what a reference says of it; key: EVP_PKEY_free(). */
struct pair {
    EVP_PKEY *key;
    struct ks_key reference;
};
struct pair new_pair(const char *name, uint32_t version);
void make_reference(const char *name, const struct pair *pair);
