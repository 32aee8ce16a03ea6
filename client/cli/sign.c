/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign - keysvc sign NAME --in FILE [--algorithm A] [--prehashed HASH]
 */
#include "base/buf.h"
#include "base/file.h"
#include "client/cli/get.h"
#include "client/cli/output.h"
#include "client/cli/pem.h"

#define INPUT_MAX                                                                                  \
    ((size_t)1024 * 1024 *                                                                         \
     1024) /* bytes held in memory; larger files: --prehashed                \
                                  */

enum {
    KEY_IN = 0x200,
    KEY_ALGORITHM,
    KEY_PREHASHED,
};

struct sign_options {
    const char *in, *algorithm, *prehashed;
};

static const struct argp_option OPTIONS[] = {
    {"in", KEY_IN, "FILE", 0, "what to sign; - is standard input", 0},
    {"algorithm", KEY_ALGORITHM, "ALGORITHM", 0,
     "ecdsa-sha256, rsa-pss-sha384, ...; if not given, by the key: ECDSA with the hash of the "
     "curve's size, RSA PKCS#1 with SHA-256, Ed25519",
     0},
    {"prehashed", KEY_PREHASHED, "HASH", 0,
     "FILE holds the digest by sha256, sha384 or sha512; for keys of purpose sign", 0},
    {0},
};

static int
take_option(int key, char *value, void *state)
{
    struct sign_options *options = state;

    switch (key) {
    case KEY_IN:
        options->in = value;
        return 0;
    case KEY_ALGORITHM:
        options->algorithm = value;
        return 0;
    case KEY_PREHASHED:
        options->prehashed = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int
show_json(struct cli *cli, const struct ks_key *key, enum ks_algorithm used,
          const uint8_t *signature, size_t len)
{
    ks_auto(freep) char *text = pem_base64(signature, len);

    if (!text)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    return output_json(cli, json_pack("{s:s, s:I, s:s, s:s}", "name", key->name, "version",
                                      (json_int_t)key->version, "algorithm",
                                      ks_algorithm_name(used), "signature", text));
}

static int
sign_file(struct cli *cli, const char *name, const struct sign_options *options,
          enum ks_algorithm algorithm, enum ks_hash prehashed)
{
    ks_auto(buf_deinit) struct buf data = {.max = INPUT_MAX};
    struct ks_client *client = cli_client(cli);
    struct fault why = FAULT_INIT;
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    enum ks_algorithm used;
    struct ks_error error;
    struct ks_key key;
    size_t len;
    ks_err err;

    if (!client)
        return cli->code;
    err = file_read(options->in, &data, &why);
    if (err) {
        fault_prefix(&why, "--in");
        return output_fault(cli, err, &why);
    }
    if (get_for(client, name, "sign", &key, &error) ||
        ks_sign(client, &key, algorithm, prehashed, data.data, data.len, signature, &len, &used,
                &error))
        return output_error(cli, &error);
    if (cli->json)
        return show_json(cli, &key, used, signature, len);
    return output_bytes(cli, signature, len);
}

int
sign_run(struct cli *cli, int argc, char **argv)
{
    const char *name;
    struct sign_options options = {0};
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &options,
        .usage = "NAME",
        .help = "Signs a file with the newest version of a key, or NAME@N. The result is the "
                "binary signature, as openssl takes it; with --json it is in base64.",
        .min_positional = 1,
        .max_positional = 1,
        .positional = &name,
    };
    enum ks_algorithm algorithm = KS_ALGORITHM_DEFAULT;
    enum ks_hash prehashed = KS_HASH_NONE;

    cli_parse(cli, argc, argv, &arguments);
    if (!options.in)
        cli_usage(cli, "--in FILE is missing");
    if (options.algorithm)
        algorithm = ks_algorithm_from_name(options.algorithm);
    if (algorithm == KS_ALGORITHM_COUNT)
        cli_usage(cli, "--algorithm %s: no such algorithm", options.algorithm);
    if (options.prehashed)
        prehashed = ks_hash_from_name(options.prehashed);
    if (prehashed == KS_HASH_COUNT)
        cli_usage(cli, "--prehashed %s: no such hash", options.prehashed);
    if (!cli->json && !cli->out_file && isatty(STDOUT_FILENO))
        cli_usage(cli, "the signature is binary; name a file with --out-file");
    return sign_file(cli, name, &options, algorithm, prehashed);
}
