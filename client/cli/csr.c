/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csr - keysvc csr NAME --common-name N --alternative-names DNS:a,IP:b ...
 */
#include "client/cli/altname.h"
#include "client/cli/output.h"
#include "client/cli/pem.h"

enum {
    KEY_COMMON_NAME = 0x200,
    KEY_ORGANIZATION,
    KEY_ORGANIZATION_UNIT,
    KEY_COUNTRY,
    KEY_STATE,
    KEY_LOCALITY,
    KEY_EMAIL,
    KEY_ALTERNATIVE_NAMES,
    KEY_ALGORITHM,
    KEY_FORMAT,
};

static const struct argp_option OPTIONS[] = {
    {"common-name", KEY_COMMON_NAME, "NAME", 0, "CN", 1},
    {"organization", KEY_ORGANIZATION, "TEXT", 0, "O", 1},
    {"organization-unit", KEY_ORGANIZATION_UNIT, "TEXT", 0, "OU", 1},
    {"country", KEY_COUNTRY, "CC", 0, "C, two letters", 1},
    {"state", KEY_STATE, "TEXT", 0, "ST", 1},
    {"locality", KEY_LOCALITY, "TEXT", 0, "L", 1},
    {"email", KEY_EMAIL, "ADDRESS", 0, "emailAddress", 1},
    {"alternative-names", KEY_ALTERNATIVE_NAMES, "KIND:NAME,...", 0,
     "DNS:a,IP:b,EMAIL:c,URI:d; may be given again", 2},
    {"algorithm", KEY_ALGORITHM, "ALGORITHM", 0, "of the signature; by the key if not given", 3},
    {"format", KEY_FORMAT, "FORMAT", 0, "pem (the default) or der", 3},
    {0},
};

struct csr_options {
    struct cli *cli;
    struct ks_csr_request request;
    struct altname_list names;
    bool der;
};

static void
add_names(struct csr_options *options, const char *text)
{
    struct fault why = FAULT_INIT;
    ks_err err = altname_add(&options->names, text, &why);

    if (err)
        exit(output_fault(options->cli, err, &why));
}

static int
take_choice(int key, const char *value, struct csr_options *options)
{
    if (key == KEY_ALGORITHM) {
        options->request.algorithm = ks_algorithm_from_name(value);
        if (options->request.algorithm == KS_ALGORITHM_COUNT)
            cli_usage(options->cli, "--algorithm %s: no such algorithm", value);
        return 0;
    }
    options->der = strcmp(value, "der") == 0;
    if (!options->der && strcmp(value, "pem") != 0)
        cli_usage(options->cli, "--format %s: pem or der", value);
    return 0;
}

static int
take_option(int key, char *value, void *state)
{
    struct csr_options *options = state;
    struct ks_csr_request *request = &options->request;
    const struct {
        int key;
        const char **place;
    } texts[] = {
        {KEY_COMMON_NAME, &request->common_name},
        {KEY_ORGANIZATION, &request->organization},
        {KEY_ORGANIZATION_UNIT, &request->organization_unit},
        {KEY_COUNTRY, &request->country},
        {KEY_STATE, &request->state},
        {KEY_LOCALITY, &request->locality},
        {KEY_EMAIL, &request->email},
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].key != key)
            continue;
        *texts[i].place = value;
        return 0;
    }
    if (key == KEY_ALGORITHM || key == KEY_FORMAT)
        return take_choice(key, value, options);
    if (key != KEY_ALTERNATIVE_NAMES)
        return ARGP_ERR_UNKNOWN;
    add_names(options, value);
    return 0;
}

static int
show(struct cli *cli, const struct ks_key *key, const uint8_t *der, size_t der_len, bool as_der)
{
    ks_auto(freep) char *text = NULL;

    if (as_der && !cli->json)
        return output_bytes(cli, der, der_len);
    text = as_der ? pem_base64(der, der_len) : pem_text("CERTIFICATE REQUEST", der, der_len);
    if (!text)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    if (cli->json)
        return output_json(cli, json_pack("{s:s, s:I, s:s, s:s}", "name", key->name, "version",
                                          (json_int_t)key->version, "format",
                                          as_der ? "der" : "pem", "csr", text));
    return output_text(cli, text);
}

static int
run(struct cli *cli, const char *name, const struct csr_options *options)
{
    struct ks_client *client = cli_client(cli);
    ks_auto(freep) uint8_t *der = NULL;
    struct ks_error error;
    struct ks_key key;
    size_t der_len;

    if (!client)
        return cli->code;
    if (ks_get(client, name, &key, &error) ||
        ks_csr(client, &key, &options->request, &der, &der_len, &error))
        return output_error(cli, &error);
    return show(cli, &key, der, der_len, options->der);
}

int
csr_run(struct cli *cli, int argc, char **argv)
{
    const char *name;
    struct csr_options options = {.cli = cli};
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &options,
        .usage = "NAME",
        .help = "Makes a certificate signing request (PKCS#10) for the newest version of a key, or "
                "NAME@N. Its names must be among those that the key's class allows.",
        .min_positional = 1,
        .max_positional = 1,
        .positional = &name,
    };
    int code;

    cli_parse(cli, argc, argv, &arguments);
    options.request.alternative_names = options.names.names;
    options.request.n_alternative_names = options.names.n_names;
    code = run(cli, name, &options);
    altname_deinit(&options.names);
    return code;
}
