/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_view - tokens and groups of them as rows and as JSON
 */
#include "client/cli/token_view.h"

#include <stdio.h>

#define TOKEN_COLUMNS 6
#define GROUP_COLUMNS 7

static void add_heading(struct table *table);
static void add_row(struct table *table, const struct ks_token *token, bool administrator);
static char *groups_text(const struct ks_status *status);

char *
token_view_text(const struct ks_status *status)
{
    ks_auto(table_deinit) struct table table = TABLE_INIT(TOKEN_COLUMNS);
    ks_auto(freep) char *tokens = NULL;
    ks_auto(freep) char *groups = NULL;
    char *text = NULL;

    add_heading(&table);
    for (size_t i = 0; i < status->n_tokens; i++)
        add_row(&table, &status->tokens[i], status->administrator);
    tokens = table_text(&table);
    if (status->n_groups == 0 || !tokens)
        return ks_steal(&tokens);
    groups = groups_text(status);
    if (!groups || asprintf(&text, "%s\n%s", tokens, groups) < 0)
        return NULL;
    return text;
}

static void
add_heading(struct table *table)
{
    static const char *const HEADING[TOKEN_COLUMNS] = {"TOKEN", "STATE",  "WORKERS",
                                                       "KEYS",  "QUEUED", "WHY"};

    for (size_t i = 0; i < TOKEN_COLUMNS; i++)
        table_add(table, "%s", HEADING[i]);
}

static void
add_row(struct table *table, const struct ks_token *token, bool administrator)
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

static const char *
health(const struct ks_group *group)
{
    if (group->ready_tokens == 0)
        return "lost";
    return group->ready_tokens < group->n_tokens ? "degraded" : "ready";
}

static char *
groups_text(const struct ks_status *status)
{
    static const char *const HEADING[GROUP_COLUMNS] = {"GROUP",  "STATE",     "READY", "KEYS",
                                                       "ON ALL", "DIFFERENT", "TOKENS"};
    ks_auto(table_deinit) struct table table = TABLE_INIT(GROUP_COLUMNS);

    for (size_t i = 0; i < GROUP_COLUMNS; i++)
        table_add(&table, "%s", HEADING[i]);
    for (size_t i = 0; i < status->n_groups; i++) {
        const struct ks_group *group = &status->groups[i];
        ks_auto(freep) char *tokens = NULL;
        size_t len;
        FILE *out = open_memstream(&tokens, &len);

        for (size_t j = 0; out && j < group->n_tokens; j++)
            fprintf(out, "%s%s", j > 0 ? "," : "", group->tokens[j]);
        if (out)
            fclose(out);
        table_add(&table, "%s", group->name);
        table_add(&table, "%s", health(group));
        table_add(&table, "%u/%zu", group->ready_tokens, group->n_tokens);
        table_add(&table, "%u", group->keys);
        table_add(&table, "%u", group->keys_everywhere);
        table_add(&table, "%u", group->keys_differing);
        table_add(&table, "%s", tokens ? tokens : "");
    }
    return table_text(&table);
}

json_t *
token_view_json(const struct ks_token *token)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "name",
                     token->name, "state", token->state, "text", token->text, "workers",
                     (json_int_t)token->workers, "ready_workers", (json_int_t)token->ready_workers,
                     "keys", (json_int_t)token->keys, "queued", (json_int_t)token->queued,
                     "profile", token->profile, "label", token->label, "model", token->model,
                     "serial", token->serial, "group", token->group, "sandbox", token->sandbox);
}

json_t *
token_view_json_all(const struct ks_status *status)
{
    json_t *tokens = json_array();

    for (size_t i = 0; i < status->n_tokens; i++)
        json_array_append_new(tokens, token_view_json(&status->tokens[i]));
    return tokens;
}

json_t *
token_view_json_groups(const struct ks_status *status)
{
    json_t *groups = json_array();

    for (size_t i = 0; i < status->n_groups; i++) {
        const struct ks_group *group = &status->groups[i];
        json_t *tokens = json_array();

        for (size_t j = 0; j < group->n_tokens; j++)
            json_array_append_new(tokens, json_string(group->tokens[j]));
        json_array_append_new(
            groups, json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I}", "name", group->name, "state",
                              health(group), "tokens", tokens, "ready_tokens",
                              (json_int_t)group->ready_tokens, "keys", (json_int_t)group->keys,
                              "keys_everywhere", (json_int_t)group->keys_everywhere,
                              "keys_differing", (json_int_t)group->keys_differing));
    }
    return groups;
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
