/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_rotate - keysvc key rotate NAME --from N
 */
#include "client/cli/key_view.h"

#include "base/keyname.h"

#define KEY_FROM 0x200

static int
take_option(int key, char *value, void *state)
{
    const char **from = state;

    if (key != KEY_FROM)
        return ARGP_ERR_UNKNOWN;
    *from = value;
    return 0;
}

int
key_rotate_run(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"from", KEY_FROM, "N", 0, "the newest version, as far as you know; N + 1 is made", 0},
        {0},
    };
    const char *name, *from = NULL;
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &from,
        .usage = "NAME",
        .help = "Makes the next version of a key and shows it. Programs go on with the version "
                "that their reference names.",
        .min_positional = 1,
        .max_positional = 1,
        .positional = &name,
    };
    struct ks_client *client;
    struct ks_error error;
    struct ks_key key;
    uint32_t version;

    cli_parse(cli, argc, argv, &arguments);
    if (!from)
        cli_usage(cli, "--from N is missing");
    if (!cli_parse_number(from, KEYNAME_VERSION_MAX - 1, &version))
        cli_usage(cli, "--from %s: not a version", from);
    client = cli_client(cli);
    if (!client)
        return cli->code;
    if (ks_rotate(client, name, version, &key, &error))
        return output_error(cli, &error);
    output_changed(cli);
    return key_view_result(cli, &key);
}
