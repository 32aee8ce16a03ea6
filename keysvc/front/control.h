/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - the front's conversation with the supervisor (ipc/control.h)
 *
 * The supervisor is more trusted than we are: when it has gone, or says what makes no sense, there
 * is nobody left to trust and the front ends.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "front/call.h"
#include "ipc/channel.h"
#include "ipc/control.h"

#define CONTROL_MAX_SOCKETS (CHANNEL_MAX_FDS - 2) /* listening sockets in SETUP */

struct control;

struct control_start {
    struct control_setup setup;
    int audit_fd;
    int before_fd; /* the file that the audit goes on from; -1: none */
    int sockets[CONTROL_MAX_SOCKETS];
    size_t n_sockets;
};

/* Takes `fd` and waits for SETUP. On success what is in `start` is the caller's. */
ks_err control_new(struct front *front, int fd, struct control **out, struct control_start *start,
                   struct fault *why) KS_MUST_CHECK;
struct control *control_free(struct control *control);

/* Everything of SETUP is in place: says READY and listens. */
ks_err control_ready(struct control *control, uint64_t generation) KS_MUST_CHECK;

/* Stages the call, asks the supervisor, answers with its result. The call's subject names the
 * token.
 */
void control_ask(struct control *control, struct call *call, enum control_admin_action action);

void control_send_checkpoint(struct control *control, const struct control_checkpoint *checkpoint);

/* It talked nonsense and was hung up on: to be restarted. */
void control_send_worker_bad(struct control *control, const char *token, uint32_t worker_index);

/* The end of a turn. */
void control_flush(struct control *control);

/* NO_SERVICE or BAD_REQUEST once the supervisor cannot be trusted any more. */
ks_err control_broken(const struct control *control);
