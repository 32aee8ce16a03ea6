/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_generate - keysvc key generate NAME [--type TYPE]
 */
#include "client/cli/key_view.h"

#define KEY_TYPE 0x200

static int
take_option(int key, char *value, void *state)
{
    const char **type = state;

    if (key != KEY_TYPE)
        return ARGP_ERR_UNKNOWN;
    *type = value;
    return 0;
}

int
key_generate_run(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"type", KEY_TYPE, "TYPE", 0,
         "ec-p256, ec-p384, ec-p521, ed25519, rsa-2048, rsa-3072 or rsa-4096; as the key's class "
         "says if not given",
         0},
        {0},
    };
    const char *name, *type_name = NULL;
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &type_name,
        .usage = "NAME",
        .help = "Makes a new key on its class's token and shows it. It never leaves the token.",
        .min_positional = 1,
        .max_positional = 1,
        .positional = &name,
    };
    enum ks_key_type type = KS_KEY_TYPE_ANY;
    struct ks_client *client;
    struct ks_error error;
    struct ks_key key;

    cli_parse(cli, argc, argv, &arguments);
    if (type_name)
        type = ks_key_type_from_name(type_name);
    if (type == KS_KEY_TYPE_COUNT)
        cli_usage(cli, "--type %s: no such key type", type_name);
    client = cli_client(cli);
    if (!client)
        return cli->code;
    if (ks_generate(client, name, type, &key, &error))
        return output_error(cli, &error);
    output_changed(cli);
    return key_view_result(cli, &key);
}
