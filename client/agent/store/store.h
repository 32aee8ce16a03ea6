/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - what the agent knows, in one SQLite file, STATE/agent.db: durable at each commit
 *
 * One connection each thread. Several processes work on one store (the running agent, commands): what
 * changes it begins with store_begin(), which waits up to 10 s for another's transaction, else BUSY. A
 * process that is killed in a transaction has changed nothing. Tables: store_schema.c; what is done
 * with them: store_identity.c, store_set.c, store_history.c, store_csr.c, store_upload.c,
 * store_api_token.c, through store_sql.h.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

struct store;

/* Opens it, and makes it if it is not there, mode 0600. UNSUPPORTED: of a later version of the
 * program; INTERNAL: the disk, the folder's rights or the file. */
ks_err store_open(const char *path, struct store **out, struct fault *why) KS_MUST_CHECK;
/* Takes NULL, returns NULL; an open transaction is undone. */
struct store *store_close(struct store *store);

/*
 *   err = store_begin(store, why);
 *   if (!err) err = ...
 *   return store_end(store, err, why);
 *
 * store_end() commits if `err` is OK, and else undoes it and returns `err`; a commit that fails undoes it too.
 * OUTCOME_UNKNOWN: the disk failed in the commit, and again when that was to be undone.
 */
ks_err store_begin(struct store *store, struct fault *why) KS_MUST_CHECK;
ks_err store_end(struct store *store, ks_err err, struct fault *why) KS_MUST_CHECK;
