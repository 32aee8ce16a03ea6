/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token - keysvc token list, retry-login, rescan
 */
#include "client/cli/token_view.h"

int
token_list_run(struct cli *cli, int argc, char **argv)
{
    const struct cli_arguments arguments = {
        .help = "Lists the tokens, the groups they are in, and their states."};
    ks_auto(token_view_status_freep) struct ks_status *status = NULL;
    ks_auto(freep) char *text = NULL;

    cli_parse(cli, argc, argv, &arguments);
    status = token_view_status(cli);
    if (!status)
        return cli->code;
    if (cli->json)
        return output_json(cli, json_pack("{s:o, s:o}", "tokens", token_view_json_all(status),
                                          "groups", token_view_json_groups(status)));
    text = token_view_text(status);
    if (!text)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    return output_text(cli, text);
}

/* The arguments of retry-login and rescan; NULL: reported; return cli->code. */
static struct ks_client *
parse_token(struct cli *cli, int argc, char **argv, const char *help, const char **name)
{
    const struct cli_arguments arguments = {
        .usage = "TOKEN",
        .help = help,
        .min_positional = 1,
        .max_positional = 1,
        .positional = name,
    };

    cli_parse(cli, argc, argv, &arguments);
    return cli_client(cli);
}

static int
say_done(struct cli *cli, const char *name, const char *done)
{
    return output_done(cli, json_pack("{s:b, s:s}", "done", true, "token", name), "token %s: %s\n",
                       name, done);
}

/* No process of it waits for a login. */
static bool
is_logged_in(const struct ks_status *status, const char *name)
{
    for (size_t i = 0; i < status->n_tokens; i++) {
        const struct ks_token *token = &status->tokens[i];

        if (strcmp(token->name, name) == 0)
            return strcmp(token->state, "ready") == 0 && token->ready_workers == token->workers;
    }
    return false;
}

int
token_retry_login_run(struct cli *cli, int argc, char **argv)
{
    static const char help[] = "Allows one more login to a token after a failed one. It costs one "
                               "try of the PIN: look at the PIN file or credential first.";
    ks_auto(token_view_status_freep) struct ks_status *status = NULL;
    struct ks_client *client;
    struct ks_error error;
    const char *name;

    client = parse_token(cli, argc, argv, help, &name);
    if (!client)
        return cli->code;
    /* Before: afterwards it may be ready by the very login that was allowed. */
    status = token_view_status(cli);
    if (!status)
        return cli->code;
    if (ks_retry_login(client, name, &error))
        return output_error(cli, &error);
    return say_done(cli, name,
                    is_logged_in(status, name)
                        ? "it is logged in; no login is tried"
                        : "one more login is allowed; see keysvc token list");
}

int
token_rescan_run(struct cli *cli, int argc, char **argv)
{
    struct ks_client *client;
    struct ks_error error;
    const char *name;

    client =
        parse_token(cli, argc, argv, "Finds the keys that other tools made or removed.", &name);
    if (!client)
        return cli->code;
    if (ks_rescan(client, name, &error))
        return output_error(cli, &error);
    return say_done(cli, name, "searched again");
}
