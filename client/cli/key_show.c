/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_show - keysvc key show NAME
 */
#include "client/cli/key_view.h"

int
key_show_run(struct cli *cli, int argc, char **argv)
{
    const char *name;
    const struct cli_arguments arguments = {
        .usage = "NAME",
        .help = "Shows one key: NAME is its newest version, NAME@N that one.",
        .min_positional = 1,
        .max_positional = 1,
        .positional = &name,
    };
    struct ks_client *client;
    struct ks_error error;
    struct ks_key key;

    cli_parse(cli, argc, argv, &arguments);
    client = cli_client(cli);
    if (!client)
        return cli->code;
    if (ks_get(client, name, &key, &error))
        return output_error(cli, &error);
    return key_view_result(cli, &key);
}
