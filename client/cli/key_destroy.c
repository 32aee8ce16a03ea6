/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_destroy - keysvc key destroy NAME@N --yes
 *
 * The key is looked at first, so that exactly this one is destroyed and not what may have taken its
 * place meanwhile. Of a version that is not listed a public half or certificates may be left on the
 * token, by an import or a destruction that was broken off: these go too.
 */
#include <stdio.h>

#include "base/keyname.h"
#include "client/cli/get.h"
#include "client/cli/output.h"

#define KEY_YES 0x200

static int
take_option(int key, char *value, void *state)
{
    bool *yes = state;

    (void)value;
    if (key != KEY_YES)
        return ARGP_ERR_UNKNOWN;
    *yes = true;
    return 0;
}

/* What a bare name will mean afterwards. */
static const char *
consequence(const struct ks_key *key)
{
    bool is_newest = true;

    for (size_t i = 0; i < key->n_versions; i++) {
        if (key->versions[i] > key->version)
            is_newest = false;
    }
    if (!is_newest)
        return "newer versions stay";
    return key->n_versions > 1 ? "it is the newest version, older ones stay"
                               : "it is the only version";
}

static int
say_what_it_would_do(const struct cli *cli, const struct ks_key *key)
{
    struct ks_error error = {.code = KS_ERR_USAGE};
    char sha256[2 * KS_SHA256_LEN + 1];

    output_hex(key->public_key_sha256, KS_SHA256_LEN, sha256);
    snprintf(error.message, sizeof(error.message),
             "this would destroy %s@%u on token %s for ever: a key of type %s, public key SHA-256 "
             "%s, and the certificates beside it; %s",
             key->name, key->version, key->token, ks_key_type_name(key->type), sha256,
             consequence(key));
    snprintf(error.hint, sizeof(error.hint), "give the same command with --yes to do it");
    return output_error(cli, &error);
}

static int
refuse_unlisted(const struct cli *cli, const char *label)
{
    struct ks_error error = {.code = KS_ERR_NO_KEY};

    snprintf(
        error.message, sizeof(error.message),
        "no such key is listed; with --yes what a broken-off import or destruction left under the "
        "label %s is removed",
        label);
    snprintf(error.hint, sizeof(error.hint), "see keysvc key list");
    return output_error(cli, &error);
}

/* The service uses neither of two keys with one label, and chooses none to be destroyed. */
static int
refuse_ambiguous(const struct cli *cli, const struct ks_key *key)
{
    struct ks_error error = {.code = KS_ERR_AMBIGUOUS_KEY};

    snprintf(error.message, sizeof(error.message),
             "two private keys on token %s carry the label %s@%u; neither is destroyed", key->token,
             key->name, key->version);
    snprintf(error.hint, sizeof(error.hint),
             "tell them apart by their IDs and remove or rename one with the token's own tool "
             "(pkcs11-tool --list-objects --type privkey, then --delete-object --id), then "
             "keysvc token rescan %s",
             key->token);
    return output_error(cli, &error);
}

static int
destroy(struct cli *cli, struct ks_client *client, const char *label, bool yes)
{
    struct ks_error error;
    struct ks_key key;
    ks_err err = get_for(client, label, "destroy", &key, &error);

    if (err && err != KS_ERR_NO_KEY)
        return output_error(cli, &error);
    if (err && !yes)
        return refuse_unlisted(cli, label);
    if (err) {
        memset(&key, 0, sizeof(key));
        (void)keyname_split(label, strlen(label), false, key.name, &key.version);
    }
    if (key.ambiguous)
        return refuse_ambiguous(cli, &key);
    if (!yes)
        return say_what_it_would_do(cli, &key);
    if (ks_destroy(client, &key, &error))
        return output_error(cli, &error);
    return output_done(cli,
                       json_pack("{s:b, s:s, s:I}", "done", true, "name", key.name, "version",
                                 (json_int_t)key.version),
                       "%s@%u was destroyed\n", key.name, key.version);
}

int
key_destroy_run(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"yes", KEY_YES, NULL, 0, "do it; without this the key is only shown", 0},
        {0},
    };
    const char *label;
    bool yes = false;
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &yes,
        .usage = "NAME@N",
        .help = "Removes one version of a key from its token, for ever: the private key, its "
                "public half and the certificates beside it.",
        .min_positional = 1,
        .max_positional = 1,
        .positional = &label,
    };
    char name[KEYNAME_MAX + 1];
    struct ks_client *client;
    uint32_t version;

    cli_parse(cli, argc, argv, &arguments);
    if (!keyname_split(label, strlen(label), false, name, &version))
        cli_usage(cli, "which version? name one, as in web/shop@1");
    client = cli_client(cli);
    if (!client)
        return cli->code;
    return destroy(cli, client, label, yes);
}
