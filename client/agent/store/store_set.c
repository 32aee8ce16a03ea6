/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_set - reading and writing sets, and which of them stay
 */
#include "client/agent/store/store_set.h"

#include <openssl/sha.h>

#include "client/agent/certificate/chain.h"
#include "client/agent/store/store_sql.h"

static ks_err read_set(sqlite3_stmt *statement, struct identity_set *out);

ks_err
store_set_get(struct store *store, const char *identity, int64_t number, struct identity_set *out,
              struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = false;
    ks_err err = sql_prepare(store,
                             "SELECT number, kind, upload, key_name, key_version, key_type,"
                             " key_purpose, public_key, chain, made_us FROM certificate_set"
                             " WHERE identity = ?1 AND number = ?2",
                             &statement, why);

    *out = (struct identity_set){0};
    if (!err)
        err = sql_bind_text(store, statement, 1, identity, why);
    if (!err)
        err = sql_bind_int(store, statement, 2, number, why);
    if (!err)
        err = sql_step(store, statement, &row, why);
    if (err)
        return err;
    if (!row) {
        fault_set(why, "%s: there is no set %lld", identity, (long long)number);
        return KS_ERR_NOT_FOUND;
    }
    err = read_set(statement, out);
    if (err) {
        identity_set_deinit(out);
        fault_set(why, "%s: set %lld in the store is none of ours", identity, (long long)number);
    }
    return err;
}

static ks_err
read_set(sqlite3_stmt *statement, struct identity_set *out)
{
    const void *public_key = sqlite3_column_blob(statement, 7);
    size_t len = (size_t)sqlite3_column_bytes(statement, 7);

    out->number = sqlite3_column_int64(statement, 0);
    out->kind = (enum set_kind)sqlite3_column_int(statement, 1);
    out->key.version = (uint32_t)sqlite3_column_int64(statement, 4);
    out->key.type = (enum ks_key_type)sqlite3_column_int(statement, 5);
    out->key.purpose = (enum ks_purpose)sqlite3_column_int(statement, 6);
    out->made_us = sqlite3_column_int64(statement, 9);
    if (!sql_copy(statement, 2, out->upload, sizeof(out->upload)) ||
        !sql_copy(statement, 3, out->key.name, sizeof(out->key.name)) || len == 0 ||
        len > sizeof(out->key.public_key))
        return KS_ERR_INTERNAL;
    memcpy(out->key.public_key, public_key, len);
    out->key.public_key_len = len;
    SHA256(out->key.public_key, len, out->key.public_key_sha256);
    return chain_split(sqlite3_column_blob(statement, 8),
                       (size_t)sqlite3_column_bytes(statement, 8), &out->chain);
}

ks_err
store_set_put(struct store *store, const char *identity, const struct identity_set *set,
              struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_auto(buf_deinit) struct buf chain = BUF_INIT;
    const struct ks_key *key = &set->key;
    const struct {
        int place;
        int64_t value;
    } NUMBER[] = {{2, set->number},    {3, set->kind},         {6, key->version},
                  {7, (int)key->type}, {8, (int)key->purpose}, {11, set->made_us}};
    ks_err err = sql_prepare(store,
                             "INSERT INTO certificate_set (identity, number, kind, upload,"
                             " key_name, key_version, key_type, key_purpose, public_key, chain,"
                             " made_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                             &statement, why);

    if (!err)
        err = chain_join(set->chain, &chain);
    for (size_t i = 0; !err && i < ARRAY_LEN(NUMBER); i++)
        err = sql_bind_int(store, statement, NUMBER[i].place, NUMBER[i].value, why);
    if (!err)
        err = sql_bind_text(store, statement, 1, identity, why);
    if (!err)
        err = sql_bind_text(store, statement, 4, set->upload, why);
    if (!err)
        err = sql_bind_text(store, statement, 5, key->name, why);
    if (!err)
        err = sql_bind_blob(store, statement, 9, key->public_key, key->public_key_len, why);
    if (!err)
        err = sql_bind_blob(store, statement, 10, chain.data, chain.len, why);
    return err ? err : sql_run(store, statement, why);
}

ks_err
store_set_self_signed(struct store *store, const char *identity, int64_t *out, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = false;
    ks_err err = sql_prepare(
        store, "SELECT max(number) FROM certificate_set WHERE identity = ?1 AND kind = ?2",
        &statement, why);

    if (!err)
        err = sql_bind_text(store, statement, 1, identity, why);
    if (!err)
        err = sql_bind_int(store, statement, 2, SET_SELF_SIGNED, why);
    if (!err)
        err = sql_step(store, statement, &row, why);
    *out = !err && row ? sqlite3_column_int64(statement, 0) : 0; /* NULL is 0 */
    return err;
}

ks_err
store_set_prune(struct store *store, const char *identity, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_err err = sql_prepare(store,
                             "DELETE FROM certificate_set WHERE identity = ?1"
                             " AND number <> (SELECT current FROM identity WHERE name = ?1)"
                             " AND number IS NOT (SELECT previous FROM identity WHERE name = ?1)"
                             " AND number IS NOT (SELECT max(number) FROM certificate_set WHERE "
                             "identity = ?1 AND kind = ?2)",
                             &statement, why);

    if (!err)
        err = sql_bind_text(store, statement, 1, identity, why);
    if (!err)
        err = sql_bind_int(store, statement, 2, SET_SELF_SIGNED, why);
    return err ? err : sql_run(store, statement, why);
}

ks_err
store_set_numbers(struct store *store, const char *identity, int64_t out[STORE_SETS_MAX], size_t *n,
                  struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = true;
    ks_err err = sql_prepare(
        store, "SELECT number FROM certificate_set WHERE identity = ?1 ORDER BY number DESC",
        &statement, why);

    *n = 0;
    if (!err)
        err = sql_bind_text(store, statement, 1, identity, why);
    while (!err && *n < STORE_SETS_MAX) {
        err = sql_step(store, statement, &row, why);
        if (err || !row)
            break;
        out[(*n)++] = sqlite3_column_int64(statement, 0);
    }
    return err;
}
