/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stores - the locks of the stores that our tokens use: what keeps a second keysvcd from them
 *
 * A token's first process takes the lock, since the folder may be closed to us, and hands it over
 * (CONTROL_STORE_LOCK); we hold it and do nothing else with it. Tokens may share a store, by the
 * same path: the lock lives from the first process of any of them until the last of them is gone.
 *
 *   stores_use() -> stores_held() -> stores_keep() ... -> stores_leave()
 */
#pragma once

#include "base/err.h"
#include "ipc/config.h"

struct stores;

ks_err stores_new(struct stores **out) KS_MUST_CHECK;
/* Takes NULL; closes what is left. */
struct stores *stores_free(struct stores *stores);

/* A token that has this store comes, or is gone. An empty path is none, and always fine. */
ks_err stores_use(struct stores *stores, const char *path) KS_MUST_CHECK;
void stores_leave(struct stores *stores, const char *path);

bool stores_held(const struct stores *stores, const char *path);

/* Takes `fd`. BAD_REQUEST: nobody uses such a store, its lock is there already, or this is no
 * folder; `fd` is closed. */
ks_err stores_keep(struct stores *stores, const char *path, int fd) KS_MUST_CHECK;
