/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_rig - an agent on a state folder of its own, and sets with keys that are on no token
 *
 * For what needs no keysvcd: the store, the files, a switch. Failures abort.
 */
#pragma once

#include "client/agent/identity/identity.h"

#define RIG_IDENTITY "shop"

struct rig {
    struct agent_config config;
    struct agent *agent;
};

/* A folder below $TMPDIR. */
void rig_make_folder(char *out, size_t cap);
void rig_remove_folder(const char *folder);

void rig_open(struct rig *rig, const char *state_dir);
void rig_close(struct rig *rig);

/* A certificate by a key of its own, "rig/shop@VERSION"; identity_set_deinit. */
void rig_set(struct identity_set *out, enum set_kind kind, uint32_t version);
/* RIG_IDENTITY with a self-signed set, number 1, of version 1. */
void rig_identity(struct rig *rig);
/* Makes such a set the current one. */
ks_err rig_switch(struct rig *rig, enum set_kind kind, uint32_t version, struct report *report);

/*
 * What the files show now, as a program would read them, through one descriptor: the set's number. 0:
 * there is none; -1: they are not of one set.
 */
int64_t rig_files(const char *state_dir);
/* As entries of the folder `sets`; `extra`: names in it or beside it that are none of ours. */
size_t rig_n_sets(const char *state_dir, size_t *extra);
