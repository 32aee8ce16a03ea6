/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parent - a token process's conversation with the supervisor (ipc/control.h)
 *
 * What the supervisor sends at times of its own choosing (configuration, a front, an audit file,
 * stop) is kept here until the serving loop takes it between two batches: nothing changes under a
 * job, not even while a login waits for the supervisor's word. An error of any call but the login's
 * denial means that there is nobody left to trust: exit.
 */
#pragma once

#include "ipc/channel.h"
#include "ipc/control.h"

struct parent;

/* Takes `fd` and proves that it is a connected Unix stream socket. BAD_REQUEST if it is not. */
ks_err parent_new(int fd, struct parent **out, struct fault *why) KS_MUST_CHECK;
struct parent *parent_free(struct parent *parent);
void parent_freep(struct parent **parent);
int parent_fd(const struct parent *parent);

/* Waits for SETUP and exactly `n_fds` descriptors, or one more if it says has_before; they are the
 * caller's. */
ks_err parent_setup(struct parent *parent, struct control_setup *setup, int *fds, size_t n_fds,
                    struct fault *why) KS_MUST_CHECK;

/* Waits for leave to initialise the module; *store_held: the supervisor has the lock of the token's
 * store already. BUSY: told to stop instead. */
ks_err parent_start(struct parent *parent, bool *store_held, struct fault *why) KS_MUST_CHECK;

/* Hands over the lock of the store (token/store.h); the caller keeps its descriptor, and closes it:
 * the lock then lives and ends with the supervisor. */
ks_err parent_store_lock(struct parent *parent, int fd, struct fault *why) KS_MUST_CHECK;

/* A slot's broker (token/slot.h). LOGIN_BLOCKED: denied; INTERNAL: denied since the supervisor could not
 * write down that it is tried, which may pass. */
ks_err parent_ask_login(struct parent *parent, int *pin_fd, struct fault *why) KS_MUST_CHECK;
void parent_tell_login(struct parent *parent, ks_err result, const struct fault *why);

/* Reads what is there. NO_SERVICE: the supervisor is gone; BAD_REQUEST: nonsense. */
ks_err parent_read(struct parent *parent, struct fault *why) KS_MUST_CHECK;

/* The newest that came, now the caller's; NULL or -1: nothing new. */
struct config *parent_take_config(struct parent *parent);
int parent_take_front(struct parent *parent);
int parent_take_audit(struct parent *parent);
/* Once after AUDIT_GONE that no AUDIT has followed yet. */
bool parent_take_audit_gone(struct parent *parent);
bool parent_is_stopping(const struct parent *parent);

ks_err parent_ready(struct parent *parent, const struct control_state *state) KS_MUST_CHECK;
ks_err parent_state(struct parent *parent, const struct control_state *state) KS_MUST_CHECK;
ks_err parent_config_done(struct parent *parent, uint64_t generation) KS_MUST_CHECK;
ks_err parent_checkpoint(struct parent *parent,
                         const struct control_checkpoint *checkpoint) KS_MUST_CHECK;
