/* SPDX-License-Identifier: Apache-2.0 */
/*
 * issued - a folder of issued certificates, each named after its agent, and what can be said of them here
 *
 * AGENT01.crt (.pem, .cer, .der), beside the AGENT01.req that it was issued for, if that is there.
 * The agent checks the same and more; but only the console sees all files, and can say whose a wrong
 * one is.
 */
#pragma once

#include <limits.h>

#include "base/strv.h"
#include "base/buf.h"
#include "client/agent/certificate/check.h"
#include "client/agent/console/fleet.h"
#include "client/agent/console/outcome.h"

struct issued_file {
    char name[PEER_NAME_MAX + 1]; /* of the agent */
    char path[PATH_MAX];
    struct buf bytes;
    struct fault fault;     /* why it cannot be read; no text: it can */
    bool twice;             /* there is another file for the same agent */
    STACK_OF(X509) * chain; /* what the agent is to serve, its own first; by issued_check() */
};

struct issued {
    struct issued_file *files;
    size_t n_files;
    struct check_key *requests; /* label "AGENT01.req"; also those whose certificate is missing */
    size_t n_requests;
    struct strv surplus;          /* tamed paths: of no agent of the list */
    STACK_OF(X509) * authorities; /* of the CA file */
    char *authorities_pem;
};

/* Reads the folder and the CA file. The CA file may stand in the folder. USAGE: one cannot be read. */
ks_err issued_read(const char *directory, const char *ca_file, const struct fleet *fleet,
                   struct issued *out, struct fault *why) KS_MUST_CHECK;
void issued_deinit(struct issued *issued);

/* NULL: there is none for that agent. */
struct issued_file *issued_find(const struct issued *issued, const char *name);

/*
 * The agent's own checks (certificate/check.h), as far as the folder knows what is wanted: the key and
 * the names of this agent's request, or else whose key it is; without a request any key. Adds them to
 * the array `checks` as report.h has them and sets file->chain; CERTIFICATE_REFUSED: `outcome` says why.
 */
ks_err issued_check(const struct issued *issued, struct issued_file *file, time_t now,
                    json_t *checks, struct outcome *outcome) KS_MUST_CHECK;
