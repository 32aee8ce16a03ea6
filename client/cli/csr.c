/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csr - keysvc csr NAME --common-name N --alternative-names DNS:a,IP:b ...
 */
#include "client/cli/get.h"
#include "client/cli/output.h"
#include "client/cli/password.h"
#include "client/cli/pem.h"
#include "client/cli/subject.h"

#define KEY_CHALLENGE_PASSWORD_FILE 0x200

static const struct argp_option OPTIONS[] = {
    SUBJECT_OPTIONS,
    {"challenge-password-file", KEY_CHALLENGE_PASSWORD_FILE, "FILE", 0,
     "its first line is the challenge password, which stands in the request for all to read", 3},
    {0},
};

struct csr_options {
    struct subject subject;
    const char *password_file;
};

static int
take_option(int key, char *value, void *state)
{
    struct csr_options *options = state;

    if (key != KEY_CHALLENGE_PASSWORD_FILE)
        return subject_option(&options->subject, key, value);
    options->password_file = value;
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
run(struct cli *cli, const char *name, const struct subject *subject)
{
    struct ks_client *client = cli_client(cli);
    ks_auto(freep) uint8_t *der = NULL;
    struct ks_error error;
    struct ks_key key;
    size_t der_len;

    if (!client)
        return cli->code;
    if (get_for(client, name, "csr", &key, &error) ||
        ks_csr(client, &key, &subject->request, &der, &der_len, &error))
        return output_error(cli, &error);
    return show(cli, &key, der, der_len, subject->der);
}

int
csr_run(struct cli *cli, int argc, char **argv)
{
    const char *name;
    struct csr_options options = {.subject.cli = cli};
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
    ks_auto(secret_freep) struct secret *password = NULL;
    struct fault why = FAULT_INIT;
    ks_err err = KS_OK;
    int code;

    cli_parse(cli, argc, argv, &arguments);
    subject_finish(&options.subject);
    if (options.password_file)
        err = password_first_line(cli, options.password_file, &password, &why);
    if (err)
        fault_prefix(&why, "--challenge-password-file");
    if (password)
        options.subject.request.challenge_password = password->text;
    code = err ? output_fault(cli, err, &why) : run(cli, name, &options.subject);
    subject_deinit(&options.subject);
    return code;
}
