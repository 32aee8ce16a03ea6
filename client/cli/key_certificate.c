/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_certificate - keysvc key certificate NAME put --in F | get [--format pem|der] | delete
 */
#include "base/file.h"
#include "client/cli/get.h"
#include "client/cli/certfile.h"
#include "client/cli/certview.h"

enum {
    KEY_IN = 0x200,
    KEY_FORMAT,
};

struct certificate_options {
    const char *in, *format;
};

static int put(struct cli *cli, struct ks_client *client, const struct ks_key *key,
               const struct certificate_options *options);
static int get(struct cli *cli, struct ks_client *client, const struct ks_key *key,
               const struct certificate_options *options);
static int remove_all(struct cli *cli, struct ks_client *client, const struct ks_key *key,
                      const struct certificate_options *options);

static const struct certificate_act {
    const char *name;
    int (*run)(struct cli *cli, struct ks_client *client, const struct ks_key *key,
               const struct certificate_options *options);
    bool takes_in, takes_format;
} ACT[] = {
    {"put", put, true, false},
    {"get", get, false, true},
    {"delete", remove_all, false, false},
};

static const struct argp_option OPTIONS[] = {
    {"in", KEY_IN, "FILE", 0,
     "put: the certificates, PEM in order (the key's own, its issuer, ...) or one in DER; - is "
     "standard input",
     0},
    {"format", KEY_FORMAT, "FORMAT", 0,
     "get: pem (the default, the chain) or der (the key's own certificate only)", 0},
    {0},
};

static int
take_option(int key, char *value, void *state)
{
    struct certificate_options *options = state;

    switch (key) {
    case KEY_IN:
        options->in = value;
        return 0;
    case KEY_FORMAT:
        options->format = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct certificate_act *
find_act(struct cli *cli, const char *name, const struct certificate_options *options)
{
    const struct certificate_act *act = NULL;

    for (size_t i = 0; i < ARRAY_LEN(ACT); i++) {
        if (strcmp(ACT[i].name, name) == 0)
            act = &ACT[i];
    }
    if (!act)
        cli_usage(cli, "%s: put, get or delete", name);
    if (act->takes_in && !options->in)
        cli_usage(cli, "--in FILE is missing");
    if ((options->in && !act->takes_in) || (options->format && !act->takes_format))
        cli_usage(cli, "%s: takes no --%s", name, options->in && !act->takes_in ? "in" : "format");
    if (options->format && strcmp(options->format, "pem") != 0 &&
        strcmp(options->format, "der") != 0)
        cli_usage(cli, "--format %s: pem or der", options->format);
    return act;
}

int
key_certificate_run(struct cli *cli, int argc, char **argv)
{
    const char *words[2];
    struct certificate_options options = {0};
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &options,
        .usage = "NAME put|get|delete",
        .help = "Keeps certificates beside a key on its token: the key's own and those of its "
                "issuers. `put` replaces what is there; the first certificate must be for this "
                "key. NAME is the newest version, NAME@N that one.",
        .min_positional = 2,
        .max_positional = 2,
        .positional = words,
    };
    const struct certificate_act *act;
    struct ks_client *client;
    struct ks_error error;
    struct ks_key key;

    cli_parse(cli, argc, argv, &arguments);
    act = find_act(cli, words[1], &options);
    client = cli_client(cli);
    if (!client)
        return cli->code;
    if (get_for(client, words[0], "certificate", &key, &error))
        return output_error(cli, &error);
    return act->run(cli, client, &key, &options);
}

static json_t *
done(const struct ks_key *key)
{
    return json_pack("{s:b, s:s, s:I}", "done", true, "name", key->name, "version",
                     (json_int_t)key->version);
}

static int
put(struct cli *cli, struct ks_client *client, const struct ks_key *key,
    const struct certificate_options *options)
{
    ks_auto(buf_deinit) struct buf data = {.max = CERTFILE_MAX};
    ks_auto(certfile_deinit) struct certfile file = {0};
    struct fault why = FAULT_INIT;
    struct ks_error error;
    ks_err err;

    err = file_read(options->in, &data, &why);
    if (!err)
        err = certfile_parse(options->in, &data, &file, &why);
    if (err) {
        fault_prefix(&why, "--in");
        return output_fault(cli, err, &why);
    }
    if (ks_certificate_put(client, key, file.certificates, file.n_certificates, &error))
        return output_error(cli, &error);
    return output_done(cli, done(key), "beside %s@%u: %zu %s\n", key->name, key->version,
                       file.n_certificates,
                       file.n_certificates == 1 ? "certificate" : "certificates");
}

static int
get(struct cli *cli, struct ks_client *client, const struct ks_key *key,
    const struct certificate_options *options)
{
    ks_auto(certview_chain_freep) struct ks_chain *chain = NULL;
    struct ks_error error;

    if (ks_certificate_get(client, key, &chain, &error))
        return output_error(cli, &error);
    return certview_result(cli, key, chain, options->format && strcmp(options->format, "der") == 0);
}

static int
remove_all(struct cli *cli, struct ks_client *client, const struct ks_key *key,
           const struct certificate_options *options)
{
    struct ks_error error;

    (void)options;
    if (ks_certificate_delete(client, key, &error))
        return output_error(cli, &error);
    return output_done(cli, done(key), "beside %s@%u: no certificates any more\n", key->name,
                       key->version);
}
