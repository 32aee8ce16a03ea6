/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy - keysvc policy explain [--user U] [--group G] [--unit X] --key K --operation O
 *
 * The exit code is 0 if it is allowed and DENIED if not; the explanation is the result in both
 * cases.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>

#include "client/cli/output.h"

#define MAX_GROUPS 1024 /* of one user; getgrouplist() and --group together */

enum {
    KEY_USER = 0x200,
    KEY_GROUP,
    KEY_UNIT,
    KEY_KEY,
    KEY_OPERATION,
};

static const struct argp_option OPTIONS[] = {
    {"user", KEY_USER, "USER", 0, "a name or number; yourself if not given", 0},
    {"group", KEY_GROUP, "GROUP", 0, "and this group beside the user's own; may be given again", 0},
    {"unit", KEY_UNIT, "UNIT", 0, "in this systemd unit", 0},
    {"key", KEY_KEY, "KEY", 0, "the key's name", 0},
    {"operation", KEY_OPERATION, "OPERATION", 0,
     "get, sign, csr, self-sign, certificate, generate, rotate, import, destroy, administer", 0},
    {0},
};

struct explain_options {
    struct cli *cli;
    struct ks_explain_request request;
    gid_t groups[MAX_GROUPS];
    int n_groups; /* by --group, first in `groups` */
    char user[64];
};

static bool
parse_id(const char *text, uint32_t *out)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || number >= UINT32_MAX)
        return false;
    *out = (uint32_t)number;
    return true;
}

static void
add_group(struct explain_options *options, const char *text)
{
    const struct group *group = getgrnam(text);
    uint32_t gid;

    if (!group && !parse_id(text, &gid))
        cli_usage(options->cli, "--group %s: no such group", text);
    if (options->n_groups == MAX_GROUPS)
        cli_usage(options->cli, "--group: more than %d", MAX_GROUPS);
    options->groups[options->n_groups++] = group ? group->gr_gid : gid;
}

/* The account with that name or number; a number without an account stands for itself. */
static void
set_user(struct explain_options *options, const char *text)
{
    const struct passwd *account = getpwnam(text);
    uint32_t uid;

    options->request.for_other = true;
    if (!account && !parse_id(text, &uid))
        cli_usage(options->cli, "--user %s: no such user", text);
    if (!account)
        account = getpwuid(uid);
    options->request.uid = account ? account->pw_uid : uid;
    if (account && text_copy(options->user, sizeof(options->user), account->pw_name))
        options->request.user = options->user;
}

static int
take_option(int key, char *value, void *state)
{
    struct explain_options *options = state;

    switch (key) {
    case KEY_USER:
        set_user(options, value);
        return 0;
    case KEY_GROUP:
        add_group(options, value);
        return 0;
    case KEY_UNIT:
        options->request.unit = value;
        return 0;
    case KEY_KEY:
        options->request.key = value;
        return 0;
    case KEY_OPERATION:
        options->request.operation = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void
add_users_groups(struct explain_options *options)
{
    const struct passwd *account = options->request.user ? getpwnam(options->request.user) : NULL;
    int n = MAX_GROUPS - options->n_groups;

    if (account && getgrouplist(account->pw_name, account->pw_gid,
                                options->groups + options->n_groups, &n) < 0)
        cli_usage(options->cli, "%s is in more than %d groups", account->pw_name, MAX_GROUPS);
    options->request.gids = options->groups;
    options->request.n_gids = (size_t)options->n_groups + (account ? (size_t)n : 0);
}

static int
show_json(struct cli *cli, const struct ks_explanation *answer)
{
    json_t *reasons = json_array();

    for (size_t i = 0; i < answer->n_reasons; i++)
        json_array_append_new(reasons, json_string(answer->reasons[i]));
    return output_json(cli, json_pack("{s:b, s:s, s:s, s:s, s:o}", "allowed", answer->allowed,
                                      "rule", answer->rule, "class", answer->class_glob, "missing",
                                      answer->missing, "reasons", reasons));
}

static int
show_text(struct cli *cli, const struct ks_explanation *answer)
{
    ks_auto(freep) char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    if (answer->allowed)
        fprintf(out, "allowed by rule %s\n", answer->rule);
    else
        fputs("denied: no rule allows it\n", out);
    fprintf(out, "class of the key: %s\n",
            answer->class_glob[0] ? answer->class_glob : "none: nobody can use it");
    for (size_t i = 0; i < answer->n_reasons; i++)
        fprintf(out, "  %s\n", answer->reasons[i]);
    if (!answer->allowed && answer->missing[0])
        fprintf(out, "a rule that would allow it, for keysvcd.conf:\n  %s\n", answer->missing);
    if (fclose(out) != 0)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    return output_text(cli, text);
}

int
policy_explain_run(struct cli *cli, int argc, char **argv)
{
    struct explain_options options = {.cli = cli};
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &options,
        .help = "Says whether a rule allows an operation on a key, which one, and if none does, "
                "what each lacks and which rule is missing. About others only administrators may "
                "ask. The exit code is 0 if it is allowed, 3 if not.",
    };
    struct ks_client *client;
    struct ks_explanation *answer;
    struct ks_error error;
    int code;

    cli_parse(cli, argc, argv, &arguments);
    if (!options.request.operation)
        cli_usage(cli, "--operation is missing");
    if (!options.request.key && strcmp(options.request.operation, "administer") != 0)
        cli_usage(cli, "--key is missing");
    if (!options.request.for_other && (options.n_groups > 0 || options.request.unit))
        cli_usage(cli,
                  "--group and --unit need --user: about yourself the service asks the kernel");
    add_users_groups(&options);
    cli->subject = options.request.key;
    client = cli_client(cli);
    if (!client)
        return cli->code;
    if (ks_explain(client, &options.request, &answer, &error))
        return output_error(cli, &error);
    code = cli->json ? show_json(cli, answer) : show_text(cli, answer);
    if (!code && !answer->allowed)
        code = KS_ERR_DENIED;
    ks_explanation_free(answer);
    return code;
}
