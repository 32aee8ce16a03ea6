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

/* retry-login and rescan: one call that is done or not. */
static int
run_done(struct cli *cli, int argc, char **argv, const char *help, const char *done,
         ks_err (*call)(struct ks_client *, const char *, struct ks_error *))
{
    const char *name;
    const struct cli_arguments arguments = {
        .usage = "TOKEN",
        .help = help,
        .min_positional = 1,
        .max_positional = 1,
        .positional = &name,
    };
    struct ks_client *client;
    struct ks_error error;

    cli_parse(cli, argc, argv, &arguments);
    client = cli_client(cli);
    if (!client)
        return cli->code;
    if (call(client, name, &error))
        return output_error(cli, &error);
    return output_done(cli, json_pack("{s:b, s:s}", "done", true, "token", name), "token %s: %s\n",
                       name, done);
}

int
token_retry_login_run(struct cli *cli, int argc, char **argv)
{
    return run_done(cli, argc, argv,
                    "Allows one more login to a token after a failed one. It costs one try of the "
                    "PIN: look at the PIN file or credential first.",
                    "a login is being tried; see keysvc token list", ks_retry_login);
}

int
token_rescan_run(struct cli *cli, int argc, char **argv)
{
    return run_done(cli, argc, argv, "Finds the keys that other tools made or removed.",
                    "searched again", ks_rescan);
}
