/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files - who may pass descriptors, how many, and how an import comes by its own
 *
 * Between passed.h, which finds a descriptor's frame, and the caller's account. A caller with no
 * rule that gives it `import` on any key, one who sends what is no sealed memfd, and one who has
 * too many already, make us hold nothing: their request is told so when it has been read.
 */
#pragma once

#include "front/passed.h"

struct call;
struct connection;
struct request;

/* After a read: takes what came with it. BAD_REQUEST: more than any request has. */
ks_err files_keep(struct connection *connection, struct passed_fds *fds, size_t len,
                  struct fault *why) KS_MUST_CHECK;

/* Gives the call what came with its request, charged until the call ends. BAD_REQUEST: nothing
 * did, another number than `n_wanted`, or no sealed memfds; BUSY. */
ks_err files_take(struct call *call, size_t n_wanted, struct fault *why) KS_MUST_CHECK;

/* The request has been dispatched: closes what came with it and was not taken. */
void files_settle(struct connection *connection, const struct request *request);

/* Closes all that waits. */
void files_clear(struct connection *connection);
