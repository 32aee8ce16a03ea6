/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_api_token - adding, reading and revoking tokens
 */
#include "client/agent/store/store_api_token.h"

#include <stdio.h>

#include "client/agent/store/store_sql.h"

#define COLUMNS "id, name, hash, scopes, made_us, expires_us, revoked_us, used_us"
#define SCOPES_MAX 256u

static ks_err read_token(sqlite3_stmt *statement, struct api_token *out, struct fault *why);
static ks_err no_such_token(const char *id, struct fault *why);

/* One a line. */
static void
scopes_text(unsigned int scopes, char out[static SCOPES_MAX])
{
    size_t len = 0;

    out[0] = '\0';
    for (unsigned int bit = 1; bit != 0 && bit <= scopes; bit <<= 1) {
        if (scopes & bit)
            len += (size_t)snprintf(out + len, SCOPES_MAX - len, "%s\n", scope_name(bit));
    }
}

/* A scope that this program does not know gives nothing. */
static unsigned int
scopes_parse(const char *text)
{
    unsigned int scopes = 0;

    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        char name[SCOPES_MAX];

        if (len < sizeof(name)) {
            memcpy(name, text, len);
            name[len] = '\0';
            scopes |= scope_from_name(name);
        }
        text += len + (text[len] != '\0');
    }
    return scopes;
}

ks_err
store_api_token_add(struct store *store, const struct api_token *token, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    char scopes[SCOPES_MAX];
    ks_err err = sql_prepare(store,
                             "INSERT INTO api_token (id, name, hash, scopes, made_us, expires_us)"
                             " VALUES (?1, ?2, ?3, ?4, ?5, nullif(?6, 0))",
                             &statement, why);

    scopes_text(token->scopes, scopes);
    if (!err)
        err = sql_bind_text(store, statement, 1, token->id, why);
    if (!err)
        err = sql_bind_text(store, statement, 2, token->name, why);
    if (!err)
        err = sql_bind_blob(store, statement, 3, token->hash, sizeof(token->hash), why);
    if (!err)
        err = sql_bind_text(store, statement, 4, scopes, why);
    if (!err)
        err = sql_bind_int(store, statement, 5, token->made_us, why);
    if (!err)
        err = sql_bind_int(store, statement, 6, token->expires_us, why);
    return err ? err : sql_run(store, statement, why);
}

ks_err
store_api_token_get(struct store *store, const char *id, struct api_token *out, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = false;
    ks_err err =
        sql_prepare(store, "SELECT " COLUMNS " FROM api_token WHERE id = ?1", &statement, why);

    if (!err)
        err = sql_bind_text(store, statement, 1, id, why);
    if (!err)
        err = sql_step(store, statement, &row, why);
    if (err)
        return err;
    return row ? read_token(statement, out, why) : no_such_token(id, why);
}

static ks_err
no_such_token(const char *id, struct fault *why)
{
    fault_set(why, "there is no token with the ID %s", id);
    fault_hint(why, "keysvc-agent token list shows the IDs");
    return KS_ERR_NOT_FOUND;
}

static ks_err
read_token(sqlite3_stmt *statement, struct api_token *out, struct fault *why)
{
    *out = (struct api_token){0};
    if (!sql_copy(statement, 0, out->id, sizeof(out->id)) ||
        !sql_copy(statement, 1, out->name, sizeof(out->name)) ||
        sqlite3_column_bytes(statement, 2) != KS_SHA256_LEN) {
        fault_set(why, "a token in the store is none of ours");
        return KS_ERR_INTERNAL;
    }
    memcpy(out->hash, sqlite3_column_blob(statement, 2), KS_SHA256_LEN);
    out->scopes = scopes_parse(sql_text(statement, 3));
    out->made_us = sqlite3_column_int64(statement, 4);
    out->expires_us = sqlite3_column_int64(statement, 5); /* NULL is 0 */
    out->revoked_us = sqlite3_column_int64(statement, 6);
    out->used_us = sqlite3_column_int64(statement, 7);
    return KS_OK;
}

ks_err
store_api_token_list(struct store *store, struct api_token **out, size_t *n, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_auto(freep) struct api_token *list = NULL;
    bool row = true;
    ks_err err = sql_prepare(store, "SELECT " COLUMNS " FROM api_token ORDER BY made_us, id",
                             &statement, why);

    *n = 0;
    while (!err) {
        struct api_token *more;

        err = sql_step(store, statement, &row, why);
        if (err || !row)
            break;
        more = reallocarray(list, *n + 1, sizeof(*list));
        if (!more)
            return KS_ERR_INTERNAL;
        list = more;
        err = read_token(statement, &list[(*n)++], why);
    }
    if (!err)
        *out = ks_steal(&list);
    return err;
}

static ks_err
set_time(struct store *store, const char *text, const char *id, int64_t at_us, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_err err = sql_prepare(store, text, &statement, why);

    if (!err)
        err = sql_bind_text(store, statement, 1, id, why);
    if (!err)
        err = sql_bind_int(store, statement, 2, at_us, why);
    if (!err)
        err = sql_run(store, statement, why);
    if (!err && sql_n_changed(store) == 0)
        err = no_such_token(id, why);
    return err;
}

ks_err
store_api_token_revoke(struct store *store, const char *id, int64_t at_us, struct fault *why)
{
    return set_time(store,
                    "UPDATE api_token SET revoked_us = coalesce(revoked_us, ?2) WHERE id = ?1", id,
                    at_us, why);
}

ks_err
store_api_token_used(struct store *store, const char *id, int64_t at_us, struct fault *why)
{
    return set_time(store, "UPDATE api_token SET used_us = ?2 WHERE id = ?1", id, at_us, why);
}
