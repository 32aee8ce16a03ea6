/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_view - tokens as rows and as JSON
 */
#include "client/cli/token_view.h"

void
token_view_heading(struct table *table)
{
    static const char *const HEADING[TOKEN_VIEW_COLUMNS] = {"TOKEN", "STATE",  "WORKERS",
                                                            "KEYS",  "QUEUED", "WHY"};

    for (size_t i = 0; i < TOKEN_VIEW_COLUMNS; i++)
        table_add(table, "%s", HEADING[i]);
}

void
token_view_row(struct table *table, const struct ks_token *token, bool administrator)
{
    table_add(table, "%s", token->name);
    table_add(table, "%s", token->state);
    table_add(table, "%u/%u", token->ready_workers, token->workers);
    if (administrator)
        table_add(table, "%u", token->keys);
    else
        table_add(table, "-");
    table_add(table, "%u", token->queued);
    table_add(table, "%s", token->text[0] ? token->text : "-");
}

json_t *
token_view_json(const struct ks_token *token)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:s}", "name", token->name,
                     "state", token->state, "text", token->text, "workers",
                     (json_int_t)token->workers, "ready_workers", (json_int_t)token->ready_workers,
                     "keys", (json_int_t)token->keys, "queued", (json_int_t)token->queued,
                     "profile", token->profile, "label", token->label, "model", token->model,
                     "serial", token->serial);
}

json_t *
token_view_json_all(const struct ks_status *status)
{
    json_t *tokens = json_array();

    for (size_t i = 0; i < status->n_tokens; i++)
        json_array_append_new(tokens, token_view_json(&status->tokens[i]));
    return tokens;
}

struct ks_status *
token_view_status(struct cli *cli)
{
    struct ks_client *client = cli_client(cli);
    struct ks_status *status;
    struct ks_error error;

    if (!client)
        return NULL;
    cli->code = (int)ks_status(client, &status, &error);
    if (!cli->code)
        return status;
    output_error(cli, &error);
    return NULL;
}

void
token_view_status_freep(struct ks_status **status)
{
    *status = ks_status_free(*status);
}
