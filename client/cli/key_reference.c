/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_reference - keysvc key reference NAME
 */
#include "client/cli/output.h"

int
key_reference_run(struct cli *cli, int argc, char **argv)
{
    const char *name;
    const struct cli_arguments arguments = {
        .usage = "NAME",
        .help = "Writes a reference to a key: a PEM file without a secret that programs load where "
                "they expect a private key. It names one version, the newest if none is said.",
        .min_positional = 1,
        .max_positional = 1,
        .positional = &name,
    };
    ks_auto(freep) char *pem = NULL;
    struct ks_client *client;
    struct ks_error error;
    struct ks_key key;

    cli_parse(cli, argc, argv, &arguments);
    client = cli_client(cli);
    if (!client)
        return cli->code;
    if (ks_get(client, name, &key, &error) || ks_reference_encode(&key, &pem, &error))
        return output_error(cli, &error);
    if (cli->json)
        return output_json(cli, json_pack("{s:s, s:I, s:s}", "name", key.name, "version",
                                          (json_int_t)key.version, "reference", pem));
    return output_text(cli, pem);
}
