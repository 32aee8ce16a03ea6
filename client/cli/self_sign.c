/* SPDX-License-Identifier: Apache-2.0 */
/*
 * self_sign - keysvc self-sign NAME --common-name N --alternative-names DNS:a ... [--days N]
 */
#include "client/cli/get.h"
#include "client/cli/certview.h"
#include "client/cli/subject.h"

#define KEY_DAYS 0x200

static const struct argp_option OPTIONS[] = {
    SUBJECT_OPTIONS,
    {"days", KEY_DAYS, "N", 0, "how long it is valid: 1 to 3650; 365 if not given", 3},
    {0},
};

struct self_sign_options {
    struct subject subject;
    uint32_t days; /* 0: not given */
};

static int
take_option(int key, char *value, void *state)
{
    struct self_sign_options *options = state;

    if (key != KEY_DAYS)
        return subject_option(&options->subject, key, value);
    if (!cli_parse_number(value, KS_SELF_SIGN_MAX_DAYS, &options->days))
        cli_usage(options->subject.cli, "--days %s: not a number from 1 to %u", value,
                  KS_SELF_SIGN_MAX_DAYS);
    return 0;
}

static int
run(struct cli *cli, const char *name, const struct self_sign_options *options)
{
    struct ks_client *client = cli_client(cli);
    ks_auto(certview_chain_freep) struct ks_chain *chain = NULL;
    struct ks_error error;
    struct ks_key key;

    if (!client)
        return cli->code;
    if (get_for(client, name, "self-sign", &key, &error) ||
        ks_self_sign(client, &key, &options->subject.request, options->days, &chain, &error))
        return output_error(cli, &error);
    return certview_result(cli, &key, chain, options->subject.der);
}

int
self_sign_run(struct cli *cli, int argc, char **argv)
{
    const char *name;
    struct self_sign_options options = {.subject.cli = cli};
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &options,
        .usage = "NAME",
        .help = "Makes a certificate for the newest version of a key, or NAME@N, signed with the "
                "key itself; never that of a CA. Its names must be among those that the key's "
                "class allows. It is written, and not kept beside the key.",
        .min_positional = 1,
        .max_positional = 1,
        .positional = &name,
    };
    int code;

    cli_parse(cli, argc, argv, &arguments);
    subject_finish(&options.subject);
    code = run(cli, name, &options);
    subject_deinit(&options.subject);
    return code;
}
