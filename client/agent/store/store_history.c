/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_history - adding to the history and reading it
 */
#include "client/agent/store/store_history.h"

#include "client/agent/store/store_sql.h"

ks_err
store_history_add(struct store *store, const char *identity, const struct history_row *row,
                  struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    const struct {
        int place;
        const char *text;
    } TEXT[] = {{1, identity},      {3, row->who},     {4, row->action},
                {7, row->key_name}, {9, row->subject}, {10, row->sha256}};
    const struct {
        int place;
        int64_t value;
    } NUMBER[] = {{2, row->at_us}, {5, row->number}, {6, row->kind}, {8, row->key_version}};
    ks_err err = sql_prepare(
        store,
        "INSERT INTO history (identity, at_us, who, action, number, kind, key_name, key_version,"
        " subject, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        &statement, why);

    for (size_t i = 0; !err && i < ARRAY_LEN(TEXT); i++)
        err = sql_bind_text(store, statement, TEXT[i].place, TEXT[i].text, why);
    for (size_t i = 0; !err && i < ARRAY_LEN(NUMBER); i++)
        err = sql_bind_int(store, statement, NUMBER[i].place, NUMBER[i].value, why);
    return err ? err : sql_run(store, statement, why);
}

static void
read_row(sqlite3_stmt *statement, struct history_row *row)
{
    row->at_us = sqlite3_column_int64(statement, 0);
    snprintf(row->who, sizeof(row->who), "%s", sql_text(statement, 1));
    snprintf(row->action, sizeof(row->action), "%s", sql_text(statement, 2));
    row->number = sqlite3_column_int64(statement, 3);
    row->kind = (enum set_kind)sqlite3_column_int(statement, 4);
    snprintf(row->key_name, sizeof(row->key_name), "%s", sql_text(statement, 5));
    row->key_version = (uint32_t)sqlite3_column_int64(statement, 6);
    snprintf(row->subject, sizeof(row->subject), "%s", sql_text(statement, 7));
    snprintf(row->sha256, sizeof(row->sha256), "%s", sql_text(statement, 8));
}

ks_err
store_history_list(struct store *store, const char *identity, size_t max, struct history_row **out,
                   size_t *n, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_auto(freep) struct history_row *rows = calloc(max, sizeof(*rows));
    bool row = true;
    ks_err err = rows ? sql_prepare(store,
                                    "SELECT at_us, who, action, number, kind, key_name,"
                                    " key_version, subject, sha256 FROM history"
                                    " WHERE identity = ?1 ORDER BY id DESC",
                                    &statement, why)
                      : KS_ERR_INTERNAL;

    *n = 0;
    if (!err)
        err = sql_bind_text(store, statement, 1, identity, why);
    while (!err && *n < max) {
        err = sql_step(store, statement, &row, why);
        if (err || !row)
            break;
        read_row(statement, &rows[(*n)++]);
    }
    if (!err)
        *out = ks_steal(&rows);
    return err;
}

ks_err
store_history_version(struct store *store, const char *identity, const char *key_name,
                      uint32_t *out, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = false;
    ks_err err = sql_prepare(
        store, "SELECT max(key_version) FROM history WHERE identity = ?1 AND key_name = ?2",
        &statement, why);

    if (!err)
        err = sql_bind_text(store, statement, 1, identity, why);
    if (!err)
        err = sql_bind_text(store, statement, 2, key_name, why);
    if (!err)
        err = sql_step(store, statement, &row, why);
    *out = !err && row ? (uint32_t)sqlite3_column_int64(statement, 0) : 0;
    return err;
}
