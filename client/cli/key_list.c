/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_list - keysvc key list [GLOB]
 */
#include <stdio.h>

#include "client/cli/key_view.h"
#include "client/cli/token_view.h"

/* Tokens of which a key was listed: what they hold is known, also while they are away. */
struct seen {
    char (*tokens)[sizeof(((struct ks_key *)NULL)->token)];
    size_t n_tokens;
};

static void
list_freep(struct ks_list **list)
{
    *list = ks_list_free(*list);
}

static bool
has_seen(const struct seen *seen, const char *token)
{
    for (size_t i = 0; i < seen->n_tokens; i++) {
        if (strcmp(seen->tokens[i], token) == 0)
            return true;
    }
    return false;
}

static void
see_token(struct seen *seen, const char *token)
{
    void *grown;

    if (has_seen(seen, token))
        return;
    grown = reallocarray(seen->tokens, seen->n_tokens + 1, sizeof(*seen->tokens));
    if (!grown)
        return; /* the token is said to be unknown, which is no worse than saying nothing */
    seen->tokens = grown;
    text_copy(seen->tokens[seen->n_tokens++], sizeof(*seen->tokens), token);
}

static void
see(struct seen *seen, const struct ks_key *key)
{
    see_token(seen, key->token);
    for (size_t i = 0; i < key->n_tokens; i++)
        see_token(seen, key->tokens[i]);
}

static void
seen_deinit(struct seen *seen)
{
    free(seen->tokens);
}

/*
 * A token that has not been ready since keysvcd started: its keys are missing from every list. How many
 * are known is told to administrators only, so that for others it is one that may be so.
 */
static bool
is_unknown(const struct seen *seen, const struct ks_token *token)
{
    return strcmp(token->state, "ready") != 0 && token->keys == 0 && !has_seen(seen, token->name);
}

static void
warn_of_unknown(const struct seen *seen, const struct ks_status *status)
{
    for (size_t i = 0; status && i < status->n_tokens; i++) {
        const struct ks_token *token = &status->tokens[i];

        if (!is_unknown(seen, token))
            continue;
        if (status->administrator)
            fprintf(stderr, "keysvc: the keys of token %s are not known: it is %s%s%s\n",
                    token->name, token->state, token->text[0] ? ": " : "", token->text);
        else
            fprintf(stderr, "keysvc: keys of token %s may be missing here: it is %s\n", token->name,
                    token->state);
    }
}

static json_t *
unknown_json(const struct seen *seen, const struct ks_status *status)
{
    json_t *unknown = json_array();

    for (size_t i = 0; status && i < status->n_tokens; i++) {
        const struct ks_token *token = &status->tokens[i];

        if (is_unknown(seen, token))
            json_array_append_new(unknown, json_pack("{s:s, s:s, s:s}", "name", token->name,
                                                     "state", token->state, "text", token->text));
    }
    return unknown;
}

static int
show_table(struct cli *cli, struct ks_list *list, const struct ks_status *status)
{
    ks_auto(seen_deinit) struct seen seen = {0};
    ks_auto(table_deinit) struct table table = TABLE_INIT(KEY_VIEW_COLUMNS);
    ks_auto(freep) char *text = NULL;
    const struct ks_key *key;
    struct ks_error error;

    key_view_heading(&table);
    for (;;) {
        if (ks_list_next(list, &key, &error))
            return output_error(cli, &error);
        if (!key)
            break;
        see(&seen, key);
        key_view_row(&table, key);
    }
    text = table_text(&table);
    if (!text)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    warn_of_unknown(&seen, status);
    return output_text(cli, text);
}

static int
show_json(struct cli *cli, struct ks_list *list, const struct ks_status *status)
{
    ks_auto(seen_deinit) struct seen seen = {0};
    json_t *keys = json_array();
    const struct ks_key *key;
    struct ks_error error;

    for (;;) {
        if (ks_list_next(list, &key, &error)) {
            json_decref(keys);
            return output_error(cli, &error);
        }
        if (!key)
            return output_json(cli, json_pack("{s:o, s:o}", "keys", keys, "unknown_tokens",
                                              unknown_json(&seen, status)));
        see(&seen, key);
        json_array_append_new(keys, key_view_json(key));
    }
}

int
key_list_run(struct cli *cli, int argc, char **argv)
{
    const char *glob;
    const struct cli_arguments arguments = {
        .usage = "[GLOB]",
        .help = "Lists the versions of all keys that you may see, or of those whose names match "
                "GLOB: * stays in one part of the name, ** crosses slashes. Tokens whose keys are "
                "not known are named on standard error.",
        .max_positional = 1,
        .positional = &glob,
    };
    ks_auto(list_freep) struct ks_list *list = NULL;
    ks_auto(token_view_status_freep) struct ks_status *status = NULL;
    struct ks_error error;

    cli_parse(cli, argc, argv, &arguments);
    /* Before the list: what becomes ready meanwhile is called unknown, not overlooked. */
    status = token_view_status(cli);
    if (!status)
        return cli->code;
    if (ks_list_new(cli->client, glob, &list, &error))
        return output_error(cli, &error);
    return cli->json ? show_json(cli, list, status) : show_table(cli, list, status);
}
