/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_list - keysvc key list [GLOB]
 */
#include "client/cli/key_view.h"

static void
list_freep(struct ks_list **list)
{
    *list = ks_list_free(*list);
}

static int
show_table(struct cli *cli, struct ks_list *list)
{
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
        key_view_row(&table, key);
    }
    text = table_text(&table);
    if (!text)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    return output_text(cli, text);
}

static int
show_json(struct cli *cli, struct ks_list *list)
{
    json_t *keys = json_array();
    const struct ks_key *key;
    struct ks_error error;

    for (;;) {
        if (ks_list_next(list, &key, &error)) {
            json_decref(keys);
            return output_error(cli, &error);
        }
        if (!key)
            return output_json(cli, json_pack("{s:o}", "keys", keys));
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
                "GLOB: * stays in one part of the name, ** crosses slashes.",
        .max_positional = 1,
        .positional = &glob,
    };
    ks_auto(list_freep) struct ks_list *list = NULL;
    struct ks_client *client;
    struct ks_error error;

    cli_parse(cli, argc, argv, &arguments);
    client = cli_client(cli);
    if (!client)
        return cli->code;
    if (ks_list_new(client, glob, &list, &error))
        return output_error(cli, &error);
    return cli->json ? show_json(cli, list) : show_table(cli, list);
}
