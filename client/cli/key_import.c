/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_import - keysvc key import NAME (--pkcs12 F | --pkcs8 F) [--password-file F]
 *
 * File and password are held in locked memory, handed to the library, and wiped.
 */
#include <stdio.h>

#include "base/ask.h"
#include "base/keyname.h"
#include "client/cli/key_view.h"
#include "client/cli/password.h"
#include "client/cli/secretfile.h"

enum {
    KEY_PKCS12 = 0x200,
    KEY_PKCS8,
    KEY_PASSWORD_FILE,
    KEY_SELECT,
    KEY_FROM,
    KEY_NO_CERTIFICATES,
};

static const struct argp_option OPTIONS[] = {
    {"pkcs12", KEY_PKCS12, "FILE", 0, "a PKCS#12 file (.p12, .pfx); - is standard input", 1},
    {"pkcs8", KEY_PKCS8, "FILE", 0, "a PKCS#8 file, plain or encrypted, DER or PEM", 1},
    {"password-file", KEY_PASSWORD_FILE, "FILE", 0,
     "holds the file's password; else it is asked for on a terminal, and there is none elsewhere",
     2},
    {"select", KEY_SELECT, "WHICH", 0,
     "if the file holds several keys: the friendly name, or the local key ID in hex", 3},
    {"from", KEY_FROM, "N", 0, "make version N + 1 of a key whose newest is N", 3},
    {"no-certificates", KEY_NO_CERTIFICATES, NULL, 0,
     "leave out the certificates that the file holds with the key", 3},
    {0},
};

struct import_options {
    struct cli *cli;
    const char *pkcs12, *pkcs8, *password_file, *select;
    uint32_t from;
    bool no_certificates;
};

static int
take_option(int key, char *value, void *state)
{
    struct import_options *options = state;

    switch (key) {
    case KEY_PKCS12:
        options->pkcs12 = value;
        return 0;
    case KEY_PKCS8:
        options->pkcs8 = value;
        return 0;
    case KEY_PASSWORD_FILE:
        options->password_file = value;
        return 0;
    case KEY_SELECT:
        options->select = value;
        return 0;
    case KEY_FROM:
        if (!cli_parse_number(value, KEYNAME_VERSION_MAX - 1, &options->from))
            cli_usage(options->cli, "--from %s: not a version", value);
        return 0;
    case KEY_NO_CERTIFICATES:
        options->no_certificates = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* *out NULL: none. */
static ks_err
get_password(const struct import_options *options, const char *path, struct secret **out,
             struct fault *why)
{
    bool piped = strcmp(path, "-") == 0;
    char prompt[128];

    ks_err err;

    if (options->password_file) {
        err = password_whole(options->cli, options->password_file, out, why);
        if (err)
            fault_prefix(why, "--password-file");
        return err;
    }
    *out = NULL;
    if (!isatty(piped ? STDERR_FILENO : STDIN_FILENO))
        return KS_OK;
    snprintf(prompt, sizeof(prompt), "Password of %.80s (nothing: it has none)",
             piped ? "standard input" : path);
    return ask_secret(prompt, out, why);
}

/* The client is there already: nothing is read that nobody can take. */
static int
import(struct cli *cli, struct ks_client *client, const char *name,
       const struct import_options *options)
{
    const char *path = options->pkcs12 ? options->pkcs12 : options->pkcs8;
    ks_auto(secretfile_deinit) struct secretfile file = {0};
    ks_auto(secret_freep) struct secret *password = NULL;
    struct ks_import_request request = {
        .format = options->pkcs12 ? KS_IMPORT_PKCS12 : KS_IMPORT_PKCS8,
        .select = options->select,
        .from_version = options->from,
        .certificates = !options->no_certificates,
    };
    struct fault why = FAULT_INIT;
    struct ks_imported *imported;
    struct ks_error error;
    ks_err err;
    int code;

    err = secretfile_read(path, KS_IMPORT_MAX_LEN, &file, &why);
    if (!err && file.len == 0) {
        fault_set(&why, "%s is empty", path);
        err = KS_ERR_USAGE;
    }
    if (err)
        fault_prefix(&why, "%s", options->pkcs12 ? "--pkcs12" : "--pkcs8");
    if (!err)
        err = get_password(options, path, &password, &why);
    if (err)
        return output_fault(cli, err, &why);
    request.data = file.data;
    request.len = file.len;
    request.password = password ? password->text : NULL;
    if (ks_import_all(client, name, &request, &imported, &error))
        return output_error(cli, &error);
    output_changed(cli);
    code = key_view_imported(cli, imported);
    ks_imported_free(imported);
    return code;
}

int
key_import_run(struct cli *cli, int argc, char **argv)
{
    const char *name;
    struct import_options options = {.cli = cli};
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &options,
        .usage = "NAME",
        .help = "Brings a private key from a file onto its class's token, as version 1 of a new "
                "name, and shows it. It never leaves the token again; the file is yours to "
                "destroy.",
        .min_positional = 1,
        .max_positional = 1,
        .positional = &name,
    };
    struct ks_client *client;
    const char *path;

    cli_parse(cli, argc, argv, &arguments);
    if (!options.pkcs12 == !options.pkcs8)
        cli_usage(cli, "one of --pkcs12 FILE and --pkcs8 FILE is needed");
    path = options.pkcs12 ? options.pkcs12 : options.pkcs8;
    if (options.password_file && strcmp(path, "-") == 0 && strcmp(options.password_file, "-") == 0)
        cli_usage(cli, "only one of the key and its password can come from standard input");
    client = cli_client(cli);
    if (!client)
        return cli->code;
    return import(cli, client, name, &options);
}
