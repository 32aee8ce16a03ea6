/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_public - keysvc key public NAME
 */
#include "client/cli/output.h"
#include "client/cli/pem.h"

int
key_public_run(struct cli *cli, int argc, char **argv)
{
    const char *name;
    const struct cli_arguments arguments = {
        .usage = "NAME",
        .help = "Writes a key's public half as PEM (SubjectPublicKeyInfo).",
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
    if (ks_get(client, name, &key, &error))
        return output_error(cli, &error);
    if (key.public_key_len == 0)
        return output_fail(cli, KS_ERR_NO_KEY, "the token holds no public half of %s@%u", key.name,
                           key.version);
    pem = pem_text("PUBLIC KEY", key.public_key, key.public_key_len);
    if (!pem)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    if (cli->json)
        return output_json(cli, json_pack("{s:s, s:I, s:s}", "name", key.name, "version",
                                          (json_int_t)key.version, "public_key", pem));
    return output_text(cli, pem);
}
