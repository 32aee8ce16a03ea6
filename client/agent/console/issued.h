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
#include "client/agent/console/fleet.h"
#include "client/agent/console/outcome.h"

struct issued_file {
    char name[PEER_NAME_MAX + 1]; /* of the agent */
    char path[PATH_MAX];
    STACK_OF(X509) * certificates; /* the agent's own first; NULL: see `fault` */
    struct fault fault;
    bool twice; /* there is another file for the same agent */
};

struct issued_request {
    char name[PEER_NAME_MAX + 1];
    X509_REQ *request;
};

struct issued {
    struct issued_file *files;
    size_t n_files;
    struct issued_request *requests; /* also those whose certificate is missing */
    size_t n_requests;
    struct strv surplus;          /* paths: of no agent of the list */
    STACK_OF(X509) * authorities; /* of the CA file */
    char *authorities_pem;
};

/* Reads the folder and the CA file. The CA file may stand in the folder. USAGE: one cannot be read. */
ks_err issued_read(const char *directory, const char *ca_file, const struct fleet *fleet,
                   struct issued *out, struct fault *why) KS_MUST_CHECK;
void issued_deinit(struct issued *issued);

/* NULL: there is none for that agent. */
const struct issued_file *issued_find(const struct issued *issued, const char *name);

/* NULL: there is none for that agent. */
X509_REQ *issued_find_request(const struct issued *issued, const char *name);

/*
 * The checks that need no agent: key (of this agent's request, or else whose), issuer, validity, usage,
 * names (at least those that were asked for). Adds them to the array `checks` as report.h has them;
 * CERTIFICATE_REFUSED with the first that failed as the outcome's message.
 */
ks_err issued_check(const struct issued *issued, const struct issued_file *file, time_t now,
                    json_t *checks, struct outcome *outcome) KS_MUST_CHECK;
