/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_identity - reading and writing rows of identities
 */
#include "client/agent/store/store_identity.h"

#include "client/agent/store/store_sql.h"

ks_err
store_identity_get(struct store *store, const char *name, struct identity_row *out,
                   struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = false;
    ks_err err = sql_prepare(store,
                             "SELECT name, key, current, previous, next_number, made_us"
                             " FROM identity WHERE name = ?1",
                             &statement, why);

    if (!err)
        err = sql_bind_text(store, statement, 1, name, why);
    if (!err)
        err = sql_step(store, statement, &row, why);
    if (err)
        return err;
    if (!row) {
        fault_set(why, "there is no identity %s", name);
        fault_hint(why,
                   "keysvc-agent identity-list shows those that are there; the first start of "
                   "keysvc-agent run makes \"%s\"",
                   IDENTITY_OF_LISTENER);
        return KS_ERR_NOT_FOUND;
    }
    *out = (struct identity_row){
        .current = sqlite3_column_int64(statement, 2),
        .previous = sqlite3_column_int64(statement, 3), /* NULL is 0 */
        .next_number = sqlite3_column_int64(statement, 4),
        .made_us = sqlite3_column_int64(statement, 5),
    };
    if (!sql_copy(statement, 0, out->name, sizeof(out->name)) ||
        !sql_copy(statement, 1, out->key, sizeof(out->key))) {
        fault_set(why, "identity %s: the store's row is none of ours", name);
        return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

ks_err
store_identity_put(struct store *store, const struct identity_row *row, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_err err = sql_prepare(
        store,
        "INSERT INTO identity (name, key, current, previous, next_number, made_us)"
        " VALUES (?1, ?2, ?3, nullif(?4, 0), ?5, ?6)"
        " ON CONFLICT (name) DO UPDATE SET key = ?2, current = ?3, previous = nullif(?4, 0),"
        " next_number = ?5",
        &statement, why);

    if (!err)
        err = sql_bind_text(store, statement, 1, row->name, why);
    if (!err)
        err = sql_bind_text(store, statement, 2, row->key, why);
    if (!err)
        err = sql_bind_int(store, statement, 3, row->current, why);
    if (!err)
        err = sql_bind_int(store, statement, 4, row->previous, why);
    if (!err)
        err = sql_bind_int(store, statement, 5, row->next_number, why);
    if (!err)
        err = sql_bind_int(store, statement, 6, row->made_us, why);
    return err ? err : sql_run(store, statement, why);
}

ks_err
store_identity_names(struct store *store, struct strv *out, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = true;
    ks_err err = sql_prepare(store, "SELECT name FROM identity ORDER BY name", &statement, why);

    while (!err) {
        err = sql_step(store, statement, &row, why);
        if (err || !row)
            break;
        err = strv_add(out, sql_text(statement, 0));
    }
    return err;
}
