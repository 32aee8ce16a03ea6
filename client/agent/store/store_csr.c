/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_csr - adding, listing and removing pending requests
 */
#include "client/agent/store/store_csr.h"

#include "client/agent/store/store_sql.h"

static ks_err forget_oldest(struct store *store, const char *identity, struct fault *why);

ks_err
store_csr_add(struct store *store, const char *identity, const struct csr_row *row, const void *der,
              size_t der_len, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_err err =
        sql_prepare(store,
                    "INSERT INTO csr (identity, key_name, key_version, subject, der, who, made_us)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    &statement, why);

    if (!err)
        err = sql_bind_text(store, statement, 1, identity, why);
    if (!err)
        err = sql_bind_text(store, statement, 2, row->key_name, why);
    if (!err)
        err = sql_bind_int(store, statement, 3, row->key_version, why);
    if (!err)
        err = sql_bind_text(store, statement, 4, row->subject, why);
    if (!err)
        err = sql_bind_blob(store, statement, 5, der, der_len, why);
    if (!err)
        err = sql_bind_text(store, statement, 6, row->who, why);
    if (!err)
        err = sql_bind_int(store, statement, 7, row->made_us, why);
    if (!err)
        err = sql_run(store, statement, why);
    return err ? err : forget_oldest(store, identity, why);
}

static ks_err
forget_oldest(struct store *store, const char *identity, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_err err = sql_prepare(store,
                             "DELETE FROM csr WHERE identity = ?1 AND id NOT IN (SELECT id FROM csr"
                             " WHERE identity = ?1 ORDER BY id DESC LIMIT ?2)",
                             &statement, why);

    if (!err)
        err = sql_bind_text(store, statement, 1, identity, why);
    if (!err)
        err = sql_bind_int(store, statement, 2, STORE_CSR_MAX, why);
    return err ? err : sql_run(store, statement, why);
}

ks_err
store_csr_list(struct store *store, const char *identity, struct csr_row out[STORE_CSR_MAX],
               size_t *n, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = true;
    ks_err err = sql_prepare(store,
                             "SELECT key_name, key_version, subject, who, made_us, id FROM csr"
                             " WHERE identity = ?1 ORDER BY id DESC",
                             &statement, why);

    *n = 0;
    if (!err)
        err = sql_bind_text(store, statement, 1, identity, why);
    while (!err && *n < STORE_CSR_MAX) {
        struct csr_row *next = &out[*n];

        err = sql_step(store, statement, &row, why);
        if (err || !row)
            break;
        snprintf(next->key_name, sizeof(next->key_name), "%s", sql_text(statement, 0));
        next->key_version = (uint32_t)sqlite3_column_int64(statement, 1);
        snprintf(next->subject, sizeof(next->subject), "%s", sql_text(statement, 2));
        snprintf(next->who, sizeof(next->who), "%s", sql_text(statement, 3));
        next->made_us = sqlite3_column_int64(statement, 4);
        next->id = sqlite3_column_int64(statement, 5);
        (*n)++;
    }
    return err;
}

ks_err
store_csr_der(struct store *store, int64_t id, uint8_t **der, size_t *len, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = false;
    ks_err err = sql_prepare(store, "SELECT der FROM csr WHERE id = ?1", &statement, why);

    if (!err)
        err = sql_bind_int(store, statement, 1, id, why);
    if (!err)
        err = sql_step(store, statement, &row, why);
    if (err)
        return err;
    if (!row) {
        fault_set(why, "a pending request was settled just now");
        return KS_ERR_NOT_FOUND;
    }
    *len = (size_t)sqlite3_column_bytes(statement, 0);
    *der = malloc(*len + 1);
    if (!*der)
        return KS_ERR_INTERNAL;
    memcpy(*der, *len > 0 ? sqlite3_column_blob(statement, 0) : "", *len);
    return KS_OK;
}

ks_err
store_csr_settle(struct store *store, const char *identity, const struct ks_key *key,
                 struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_err err = sql_prepare(
        store, "DELETE FROM csr WHERE identity = ?1 AND key_name = ?2 AND key_version = ?3",
        &statement, why);

    if (!err)
        err = sql_bind_text(store, statement, 1, identity, why);
    if (!err)
        err = sql_bind_text(store, statement, 2, key->name, why);
    if (!err)
        err = sql_bind_int(store, statement, 3, key->version, why);
    return err ? err : sql_run(store, statement, why);
}

ks_err
store_csr_prune(struct store *store, const char *identity, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_err err = sql_prepare(
        store,
        "DELETE FROM csr WHERE identity = ?1 AND NOT EXISTS (SELECT 1 FROM certificate_set AS one"
        " WHERE one.identity = csr.identity AND one.key_name = csr.key_name"
        " AND one.key_version = csr.key_version) AND csr.key_version <="
        " (SELECT max(key_version) FROM history WHERE history.identity = csr.identity"
        " AND history.key_name = csr.key_name)",
        &statement, why);

    if (!err)
        err = sql_bind_text(store, statement, 1, identity, why);
    return err ? err : sql_run(store, statement, why);
}
