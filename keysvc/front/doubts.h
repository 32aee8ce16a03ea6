/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doubts - key versions of which nobody knows whether they exist
 *
 * A first worker that died, or that answers OUTCOME_UNKNOWN itself, may have made or destroyed what it
 * was asked to; the directory shows what it told last. Until its successor, or it, has told all keys
 * anew, nothing is said of such a version: who looks after OUTCOME_UNKNOWN, as he is told to, would be
 * told the past. (A job that is still worked on for a caller whose time is over is the worker's to
 * know: route_may_change.)
 */
#pragma once

#include "base/keyname.h"
#include "ipc/config.h"

struct doubts;

struct doubts *doubts_new(void); /* NULL: no memory */
struct doubts *doubts_free(struct doubts *doubts);

/* Without memory, or beyond a bound that no worker reaches, it is not kept. */
void doubts_add(struct doubts *doubts, const char *token, const char *name, uint32_t version);

/* The token has told its keys, or is configured no more. */
void doubts_settle(struct doubts *doubts, const char *token);

/* Version 0: any of this name. The token; NULL: there is no doubt. Valid until the next change. */
const char *doubts_find(const struct doubts *doubts, const char *name, uint32_t version);
