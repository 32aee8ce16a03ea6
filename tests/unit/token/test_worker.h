/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_worker - a struct worker on the fake token, logged in, with a real audit file
 */
#pragma once

#include "fake_pkcs11.h"
#include "token/worker.h"

struct bed {
    struct worker worker;
    char audit_path[64];
    int audit_fd;    /* a second descriptor of the file, to read it */
    ks_err denial;   /* what the broker answers instead of leave to log in */
    const char *pin; /* what it hands over */
    unsigned int n_asked, n_told;
    ks_err told; /* the last */
};

/* Classes: "web/..." tls-server P-256, "doc/..." sign P-256, "code/..." sign RSA-2048,
 * "away/..." on another token. */
struct bed *bed_new(void);
struct bed *bed_free(struct bed *bed);

/* Another slot, open and not logged in. */
void bed_new_slot(struct bed *bed, bool login_override);

/* The keys listed; called once the fake token holds what the test wants. */
void bed_list(struct bed *bed);

struct job bed_job(struct bed *bed, enum job_operation operation, const char *name,
                   uint32_t version);
/* For a message, with the hash of the public key that the list holds. */
struct job bed_sign_job(struct bed *bed, const char *name, uint32_t version, const char *message);

/* How often the flushed audit holds this text. */
size_t bed_audit_count(struct bed *bed, const char *text);
