/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_upload - reading, writing and removing uploads
 */
#include "client/agent/store/store_upload.h"

#include <openssl/sha.h>

#include "client/agent/certificate/chain.h"
#include "client/agent/store/store_sql.h"

static ks_err read_upload(sqlite3_stmt *statement, struct upload *out);

void
upload_deinit(struct upload *upload)
{
    ks_chain_free(upload->chain);
    *upload = (struct upload){0};
}

ks_err
store_upload_get(struct store *store, const char *name, struct upload *out, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = false;
    ks_err err = sql_prepare(store,
                             "SELECT name, key_name, key_version, key_type, key_purpose,"
                             " public_key, alias, chain, verifier, made_us, source_sha256"
                             " FROM upload"
                             " WHERE name = ?1",
                             &statement, why);

    *out = (struct upload){0};
    if (!err)
        err = sql_bind_text(store, statement, 1, name, why);
    if (!err)
        err = sql_step(store, statement, &row, why);
    if (err)
        return err;
    if (!row) {
        fault_set(why, "there is no certificate %s", name);
        return KS_ERR_NOT_FOUND;
    }
    err = read_upload(statement, out);
    if (err) {
        upload_deinit(out);
        fault_set(why, "%s: what the store has of it is none of ours", name);
    }
    return err;
}

static ks_err
read_upload(sqlite3_stmt *statement, struct upload *out)
{
    size_t key_len = (size_t)sqlite3_column_bytes(statement, 5);
    size_t verifier_len = (size_t)sqlite3_column_bytes(statement, 8);

    out->key.version = (uint32_t)sqlite3_column_int64(statement, 2);
    out->key.type = (enum ks_key_type)sqlite3_column_int(statement, 3);
    out->key.purpose = (enum ks_purpose)sqlite3_column_int(statement, 4);
    out->made_us = sqlite3_column_int64(statement, 9);
    if (!sql_copy(statement, 0, out->name, sizeof(out->name)) ||
        !sql_copy(statement, 1, out->key.name, sizeof(out->key.name)) ||
        !sql_copy(statement, 6, out->alias, sizeof(out->alias)) || key_len == 0 ||
        key_len > sizeof(out->key.public_key) || verifier_len == 0 ||
        verifier_len >= sizeof(out->verifier))
        return KS_ERR_INTERNAL;
    memcpy(out->key.public_key, sqlite3_column_blob(statement, 5), key_len);
    out->key.public_key_len = key_len;
    SHA256(out->key.public_key, key_len, out->key.public_key_sha256);
    memcpy(out->verifier, sqlite3_column_blob(statement, 8), verifier_len);
    if (sqlite3_column_bytes(statement, 10) == KS_SHA256_LEN)
        memcpy(out->source_sha256, sqlite3_column_blob(statement, 10), KS_SHA256_LEN);
    return chain_split(sqlite3_column_blob(statement, 7),
                       (size_t)sqlite3_column_bytes(statement, 7), &out->chain);
}

ks_err
store_upload_put(struct store *store, const struct upload *upload, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_auto(buf_deinit) struct buf chain = BUF_INIT;
    const struct ks_key *key = &upload->key;
    const struct {
        int place;
        int64_t value;
    } NUMBER[] = {
        {3, key->version}, {4, (int)key->type}, {5, (int)key->purpose}, {10, upload->made_us}};
    ks_err err = sql_prepare(store,
                             "INSERT OR REPLACE INTO upload (name, key_name, key_version, key_type,"
                             " key_purpose, public_key, alias, chain, verifier, made_us,"
                             " source_sha256)"
                             " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                             &statement, why);

    if (!err)
        err = chain_join(upload->chain, &chain);
    for (size_t i = 0; !err && i < ARRAY_LEN(NUMBER); i++)
        err = sql_bind_int(store, statement, NUMBER[i].place, NUMBER[i].value, why);
    if (!err)
        err = sql_bind_text(store, statement, 1, upload->name, why);
    if (!err)
        err = sql_bind_text(store, statement, 2, key->name, why);
    if (!err)
        err = sql_bind_blob(store, statement, 6, key->public_key, key->public_key_len, why);
    if (!err)
        err = sql_bind_text(store, statement, 7, upload->alias, why);
    if (!err)
        err = sql_bind_blob(store, statement, 8, chain.data, chain.len, why);
    if (!err)
        err = sql_bind_blob(store, statement, 9, upload->verifier, strlen(upload->verifier), why);
    if (!err)
        err = sql_bind_blob(store, statement, 11, upload->source_sha256, KS_SHA256_LEN, why);
    return err ? err : sql_run(store, statement, why);
}

ks_err
store_upload_delete(struct store *store, const char *name, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_err err = sql_prepare(store, "DELETE FROM upload WHERE name = ?1", &statement, why);

    if (!err)
        err = sql_bind_text(store, statement, 1, name, why);
    return err ? err : sql_run(store, statement, why);
}

ks_err
store_upload_names(struct store *store, struct strv *out, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = true;
    ks_err err = sql_prepare(store, "SELECT name FROM upload ORDER BY name", &statement, why);

    while (!err) {
        err = sql_step(store, statement, &row, why);
        if (err || !row)
            break;
        err = strv_add(out, sql_text(statement, 0));
    }
    return err;
}
