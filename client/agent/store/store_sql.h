/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_sql - statements, for the files store_*.c only
 *
 *     ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
 *     ks_err err = sql_prepare(store, "SELECT number FROM certificate_set WHERE identity = ?1", &statement, why);
 *
 *     if (!err)
 *         err = sql_bind_text(store, statement, 1, name, why);
 *     if (!err)
 *         err = sql_step(store, statement, &row, why);       -> a row, or none any more
 *     number = sqlite3_column_int64(statement, 0);
 *
 * SQLite's failures become BUSY (another holds the store), EXISTS (a constraint), else INTERNAL, and
 * `why` has its words.
 */
#pragma once

#include <sqlite3.h>

#include "client/agent/store/store.h"

void sql_finalizep(sqlite3_stmt **statement);

ks_err sql_prepare(struct store *store, const char *text, sqlite3_stmt **out,
                   struct fault *why) KS_MUST_CHECK;
/* The value is copied; NULL binds NULL. Places count from 1. */
ks_err sql_bind_text(struct store *store, sqlite3_stmt *statement, int place, const char *text,
                     struct fault *why) KS_MUST_CHECK;
ks_err sql_bind_blob(struct store *store, sqlite3_stmt *statement, int place, const void *data,
                     size_t len, struct fault *why) KS_MUST_CHECK;
ks_err sql_bind_int(struct store *store, sqlite3_stmt *statement, int place, int64_t value,
                    struct fault *why) KS_MUST_CHECK;
/* *row: there is one to read. */
ks_err sql_step(struct store *store, sqlite3_stmt *statement, bool *row,
                struct fault *why) KS_MUST_CHECK;
/* To its end, for what gives no rows. */
ks_err sql_run(struct store *store, sqlite3_stmt *statement, struct fault *why) KS_MUST_CHECK;
/* Rows that the last statement changed. */
int sql_n_changed(struct store *store);
/* "" for NULL. Valid until the next step. */
const char *sql_text(sqlite3_stmt *statement, int column);
/* False: it does not fit. */
bool sql_copy(sqlite3_stmt *statement, int column, char *out, size_t cap);
