/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_token - keysvc-agent token create --name N --scope S [--expires 90d] | list [--json] | revoke ID
 */
#include <stdio.h>

#include "base/clock.h"
#include "client/agent/api_token.h"
#include "client/agent/command/command.h"

#define DAY_US (24ll * 60 * 60 * 1000 * 1000)
#define EXPIRES_MAX_DAYS 36500

enum {
    OPTION_NAME = 0x200,
    OPTION_SCOPE,
    OPTION_EXPIRES,
    OPTION_JSON,
};

struct options {
    struct invocation *invocation;
    const char *name;
    unsigned int scopes;
    int64_t expires_us; /* from now; 0: never */
    bool json;
};

static const struct argp_option OPTIONS[] = {
    {"name", OPTION_NAME, "NAME", 0, "create: for whom or what it is", 0},
    {"scope", OPTION_SCOPE, "SCOPE", 0,
     "create: \"certificate management\", or \"certificate reading\"; may be given again", 0},
    {"expires", OPTION_EXPIRES, "DAYS", 0, "create: 90d, 12h or never (the default)", 0},
    {"json", OPTION_JSON, NULL, 0, "list, create: as JSON", 0},
    {0},
};

/* "90d", "12h" */
static int64_t
duration(const struct invocation *invocation, const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    int64_t unit = strcmp(end, "d") == 0 ? DAY_US : strcmp(end, "h") == 0 ? DAY_US / 24 : 0;

    if (strcmp(text, "never") == 0)
        return 0;
    if (n <= 0 || n > EXPIRES_MAX_DAYS || unit == 0)
        command_usage(invocation,
                      "--expires %s: a number of days or hours, as 90d or 12h, or never", text);
    return n * unit;
}

static int
parse_option(int key, char *value, void *state)
{
    struct options *options = state;
    unsigned int scope;

    switch (key) {
    case OPTION_NAME:
        options->name = value;
        return 0;
    case OPTION_SCOPE:
        scope = scope_from_name(value);
        if (scope == 0)
            command_usage(options->invocation, "--scope %s: it is none of \"%s\" and \"%s\"", value,
                          scope_name(SCOPE_CERTIFICATES), scope_name(SCOPE_READ));
        options->scopes |= scope;
        return 0;
    case OPTION_EXPIRES:
        options->expires_us = duration(options->invocation, value);
        return 0;
    case OPTION_JSON:
        options->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* One that nobody has seen is of no use, but it would stay valid. */
static void
take_back(struct agent *agent, const char *text, struct report *report)
{
    struct report revoking = REPORT_INIT;
    char id[API_TOKEN_ID_LEN + 1];

    if (api_token_id(text, id) && api_token_revoke(agent, id, &revoking) == KS_OK)
        report_hint(report, "the token that was made is revoked again; send the next one to where "
                            "there is room");
    else
        report_hint(report, "revoke the token that was made: keysvc-agent token revoke %s", id);
}

static void
create(const struct options *options, struct agent *agent, struct report *report)
{
    int64_t expires_us = options->expires_us ? (int64_t)clock_wall_us() + options->expires_us : 0;
    char text[API_TOKEN_TEXT_LEN + 1];

    if (api_token_create(agent, options->name, options->scopes, expires_us, text, report))
        return;
    if (options->json)
        (void)command_print_json(json_pack("{s:s}", "token", text), report);
    else
        puts(text);
    if (report->code || report_stdout(report, false))
        take_back(agent, text, report);
    explicit_bzero(text, sizeof(text));
}

/* NULL for never. */
static json_t *
time_json(int64_t us)
{
    char text[CLOCK_TEXT_LEN];

    if (us == 0)
        return json_null();
    clock_text((uint64_t)us, text);
    return json_string(text);
}

static json_t *
token_json(const struct api_token *token)
{
    json_t *scopes = json_array();

    for (unsigned int bit = 1; bit != 0 && bit <= token->scopes; bit <<= 1) {
        if (token->scopes & bit)
            json_array_append_new(scopes, json_string(scope_name(bit)));
    }
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "id", token->id, "name", token->name,
                     "scopes", scopes, "made", time_json(token->made_us), "expires",
                     time_json(token->expires_us), "revoked", time_json(token->revoked_us), "used",
                     time_json(token->used_us));
}

static const char *
state_of(const struct api_token *token)
{
    if (token->revoked_us)
        return "revoked";
    return token->expires_us && token->expires_us <= (int64_t)clock_wall_us() ? "expired" : "valid";
}

static void
print_token(const struct api_token *token)
{
    char used[CLOCK_TEXT_LEN] = "never";

    if (token->used_us)
        clock_text((uint64_t)token->used_us, used);
    printf("%s  %-8s used %s  %s:", token->id, state_of(token), used, token->name);
    for (unsigned int bit = 1; bit != 0 && bit <= token->scopes; bit <<= 1) {
        if (token->scopes & bit)
            printf(" \"%s\"", scope_name(bit));
    }
    putchar('\n');
}

static void
list(const struct options *options, struct agent *agent, struct report *report)
{
    ks_auto(freep) struct api_token *tokens = NULL;
    json_t *json = options->json ? json_array() : NULL;
    size_t n = 0;

    if (api_token_list(agent, &tokens, &n, report)) {
        json_decref(json);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (options->json)
            json_array_append_new(json, token_json(&tokens[i]));
        else
            print_token(&tokens[i]);
    }
    if (options->json)
        command_print_json(json, report);
}

int
command_token(struct invocation *invocation, int argc, char **argv)
{
    const char *words[2] = {NULL, NULL};
    struct options options = {.invocation = invocation};
    const struct command_arguments arguments = {
        .options = OPTIONS,
        .option = parse_option,
        .state = &options,
        .usage = "create|list|revoke [ID]",
        .help =
            "Tokens of the REST interface. A new one is shown once, on standard output, and is not "
            "kept: only its hash is.",
        .min_positional = 1,
        .max_positional = 2,
        .positional = words,
    };
    struct report report = REPORT_INIT;
    bool makes, revokes;
    ks_err err;

    command_parse(invocation, argc, argv, &arguments);
    makes = strcmp(words[0], "create") == 0;
    revokes = strcmp(words[0], "revoke") == 0;
    if (!makes && !revokes && strcmp(words[0], "list") != 0)
        command_usage(invocation, "token %s: it is none of create, list and revoke", words[0]);
    if (!revokes != !words[1])
        command_usage(invocation, "token %s takes %s", words[0], revokes ? "an ID" : "no ID");
    if (makes && (!options.name || options.scopes == 0))
        command_usage(invocation, "token create needs --name and --scope");
    err = makes || revokes ? command_open_to_change(invocation, &report)
                           : command_open(invocation, &report);
    if (!err && makes)
        create(&options, invocation->agent, &report);
    else if (!err && revokes)
        (void)!api_token_revoke(invocation->agent, words[1], &report);
    else if (!err)
        list(&options, invocation->agent, &report);
    return command_end(invocation, &report);
}
