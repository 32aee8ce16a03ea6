/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_show - keysvc token show TOKEN
 *
 * The service's own view comes first and always; what the token says of itself needs a token that
 * answers and a caller who administers, and if it does not come the reason stands in its place.
 */
#include "client/cli/token_facts.h"
#include "client/cli/token_view.h"

/* What is known of one token. */
struct shown {
    const struct ks_token *token;
    struct ks_token_info *info; /* NULL: not to be had */
    bool asked;
    struct ks_error error; /* asked, and why there is none */
};

static void
add_token_rows(struct table *table, const struct ks_token *token, bool administrator)
{
    const struct {
        const char *name, *value;
    } rows[] = {
        {"token", token->name},      {"state", token->state}, {"why", token->text},
        {"profile", token->profile}, {"label", token->label}, {"model", token->model},
        {"serial", token->serial},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        table_add(table, "%s", rows[i].name);
        table_add(table, "%s", rows[i].value[0] ? rows[i].value : "-");
    }
    table_add(table, "workers");
    table_add(table, "%u of %u ready", token->ready_workers, token->workers);
    table_add(table, "keys");
    if (administrator)
        table_add(table, "%u", token->keys);
    else
        table_add(table, "-");
    table_add(table, "queued");
    table_add(table, "%u", token->queued);
}

static int
show_text(struct cli *cli, const struct shown *shown)
{
    ks_auto(table_deinit) struct table facts = TABLE_INIT(2);
    ks_auto(table_deinit) struct table mechanisms = TABLE_INIT(TOKEN_FACTS_MECHANISM_COLUMNS);
    ks_auto(freep) char *facts_text = NULL;
    ks_auto(freep) char *mechanisms_text = NULL;
    ks_auto(freep) char *text = NULL;

    add_token_rows(&facts, shown->token, shown->asked);
    if (shown->info) {
        token_facts_rows(&facts, shown->info);
        token_facts_mechanisms(&mechanisms, shown->info);
    } else if (shown->asked) {
        table_add(&facts, "the token says");
        table_add(&facts, "nothing: %s: %s", ks_err_name(shown->error.code), shown->error.message);
    }
    facts_text = table_text(&facts);
    mechanisms_text = table_text(&mechanisms);
    if (!facts_text || !mechanisms_text ||
        asprintf(&text, "%s%s%s", facts_text, mechanisms_text[0] ? "\n" : "", mechanisms_text) < 0)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    return output_text(cli, text);
}

static int
show_json(struct cli *cli, const struct shown *shown)
{
    json_t *object = token_view_json(shown->token);

    if (shown->info)
        json_object_set_new(object, "info", token_facts_json(shown->info));
    else
        json_object_set_new(object, "info", json_null());
    if (!shown->info && shown->asked)
        json_object_update_new(object, output_error_object(&shown->error));
    return output_json(cli, object);
}

static const struct ks_token *
find(const struct ks_status *status, const char *name)
{
    for (size_t i = 0; i < status->n_tokens; i++) {
        if (strcmp(status->tokens[i].name, name) == 0)
            return &status->tokens[i];
    }
    return NULL;
}

int
token_show_run(struct cli *cli, int argc, char **argv)
{
    const char *name;
    const struct cli_arguments arguments = {
        .usage = "TOKEN",
        .help = "Shows one token, by its name in keysvcd.conf: its state, and for administrators "
                "what the token says of itself (PINs, sessions, memory, mechanisms) and what its "
                "profile says it cannot do.",
        .min_positional = 1,
        .max_positional = 1,
        .positional = &name,
    };
    ks_auto(token_view_status_freep) struct ks_status *status = NULL;
    ks_auto(token_facts_freep) struct ks_token_info *info = NULL;
    struct shown shown = {0};

    cli_parse(cli, argc, argv, &arguments);
    status = token_view_status(cli);
    if (!status)
        return cli->code;
    shown.token = find(status, name);
    if (!shown.token)
        return output_fail(cli, KS_ERR_BAD_REQUEST,
                           "no token has this name; see keysvc token list");
    shown.asked = status->administrator;
    if (shown.asked && ks_token_info(cli->client, name, &info, &shown.error))
        info = NULL;
    shown.info = info;
    return cli->json ? show_json(cli, &shown) : show_text(cli, &shown);
}
