/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload - keysvc reload
 */
#include "client/cli/output.h"

int
reload_run(struct cli *cli, int argc, char **argv)
{
    const struct cli_arguments arguments = {
        .help = "Has keysvcd read its configuration again. A file with mistakes changes nothing, "
                "and the first of them is the error.",
    };
    struct ks_client *client;
    struct ks_error error;

    cli_parse(cli, argc, argv, &arguments);
    client = cli_client(cli);
    if (!client)
        return cli->code;
    if (ks_reload(client, &error))
        return output_error(cli, &error);
    return output_done(cli, json_pack("{s:b}", "done", true), "the configuration was read again\n");
}
