/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener - accepting clients, asking the kernel who they are, counting them
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

struct config;
struct front;
struct listener;

/* Takes the listening sockets. BAD_REQUEST: one of them is no listening Unix socket. */
ks_err listener_new(struct front *front, const int *fds, size_t n_fds, struct listener **out,
                    struct fault *why) KS_MUST_CHECK;

/* Lowers max-connections to what the limit of descriptors leaves room for beside those of our own,
 * so that clients never keep us from the supervisor and the workers, and says so. */
void listener_limit(struct config *config);

/* Closes the sockets. */
struct listener *listener_free(struct listener *listener);

/* A descriptor has become free: a listener that waits for one tries again. Takes NULL. */
void listener_room(struct listener *listener);
