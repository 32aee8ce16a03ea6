/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent - what every operation is given: configuration, service, store, and who asks
 *
 * One for each thread: the store's connection is its own. Operations are one file each and are
 * called by the command line (command/) and by the REST interface (serve/rest_*.c) alike; they return
 * a ks_err and fill `report`. They may block for as long as the token needs.
 */
#pragma once

#include "client/agent/config.h"
#include "client/agent/report.h"

#define AGENT_WHO_MAX 128u
#define IDENTITY_NAME_MAX 64u /* letters, digits, . _ - ; it is a folder's name and a key's */
#define IDENTITY_OF_LISTENER "agent"

struct store;

struct agent {
    const struct agent_config *config; /* borrowed */
    struct ks_client *client;
    struct store *store;
    /* For the history: "root", "token backup (3f2a)", "certificate console.example". */
    char who[AGENT_WHO_MAX];
    struct {
        char name[IDENTITY_NAME_MAX + 1];
        int fd; /* -1: none is held */
        unsigned int depth;
    } lock; /* identity_lock() */
};

/* Opens (and makes, if need be) the state folder and its store, and ends what a crash left half done. */
ks_err agent_open(const struct agent_config *config, const char *who, struct agent **out,
                  struct report *report) KS_MUST_CHECK;
/* Takes NULL, returns NULL. */
struct agent *agent_close(struct agent *agent);
