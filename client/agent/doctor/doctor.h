/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor - a list of findings: what was looked at, whether it is right, and how to mend it
 *
 * The checks go from the files through keysvcd to who listens; each adds its findings and stops no
 * other. Nothing is made: no folder, no store, no key, no certificate.
 */
#pragma once

#include "client/agent/agent.h"

#define DOCTOR_MAX 128u /* findings; more are left out. 64 tokens may each have one */

enum doctor_verdict {
    DOCTOR_FINE,
    DOCTOR_SKIPPED, /* not to be seen from here */
    DOCTOR_NOTE,    /* works, and should be better */
    DOCTOR_WRONG,
};

struct doctor_finding {
    enum doctor_verdict verdict;
    ks_err class;      /* WRONG: the exit code it stands for */
    const char *check; /* "state-dir"; a literal */
    char text[512];
    char mend[640]; /* empty: nothing to mend */
};

struct doctor {
    const struct agent_config *config; /* borrowed, as are the next two; NULL: it cannot be read */
    const char *identity;
    char option[IDENTITY_NAME_MAX +
                sizeof(" --identity ")]; /* for what is advised; empty: no need */
    struct agent *agent;                 /* NULL: there is no state yet, or it cannot be opened */
    struct ks_client *client;            /* doctor_service(); NULL: keysvcd does not answer */
    json_t *status; /* doctor_certificate(); NULL: there is no such identity yet */
    struct doctor_finding findings[DOCTOR_MAX];
    size_t n_findings;
};

/* For ks_auto. Starts as zeros. */
void doctor_deinit(struct doctor *doctor);

/* `mend` is a sentence for people, or empty. */
void doctor_add(struct doctor *doctor, enum doctor_verdict verdict, ks_err class, const char *check,
                const char *mend, const char *format, ...) KS_PRINTF(6, 7);

/* The first that is wrong; NULL: none. */
const struct doctor_finding *doctor_first_wrong(const struct doctor *doctor);
void doctor_print(const struct doctor *doctor, FILE *out);
/* {"fine", "findings": [{"check", "verdict", "code", "text", "mend"}]}; NULL: no memory. */
json_t *doctor_json(const struct doctor *doctor);

/* The checks, in their order. True: there is a state that can be opened. */
bool doctor_state(struct doctor *doctor);   /* doctor_files.c: the folder, its owner, its rights */
void doctor_service(struct doctor *doctor); /* doctor_service.c: keysvcd, and who it says we are */
void doctor_certificate(struct doctor *doctor); /* doctor_files.c: what serves; needs the agent */
void doctor_key(struct doctor *doctor);         /* doctor_service.c: rules, class, the key, names */
void doctor_configured(struct doctor *doctor);  /* doctor_files.c: certificate-file of agent.conf */
void doctor_clients(struct doctor *doctor);     /* doctor_clients.c: CAs and lists of agent.conf */
void doctor_listener(struct doctor *doctor);    /* doctor_listener.c: who listens, showing what */
