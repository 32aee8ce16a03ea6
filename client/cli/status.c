/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status - keysvc status
 */
#include <stdio.h>

#include "client/cli/token_view.h"

static int show_text(struct cli *cli, const struct ks_status *status);
static int show_json(struct cli *cli, const struct ks_status *status);

int
status_run(struct cli *cli, int argc, char **argv)
{
    const struct cli_arguments arguments = {
        .help = "Shows what the service and its tokens are doing, and who it says you are. "
                "Details of tokens are for administrators.",
    };
    ks_auto(token_view_status_freep) struct ks_status *status = NULL;

    cli_parse(cli, argc, argv, &arguments);
    status = token_view_status(cli);
    if (!status)
        return cli->code;
    return cli->json ? show_json(cli, status) : show_text(cli, status);
}

static int
show_json(struct cli *cli, const struct ks_status *status)
{
    char sha256[2 * KS_SHA256_LEN + 1];

    output_hex(status->configuration_sha256, KS_SHA256_LEN, sha256);
    return output_json(
        cli, json_pack("{s:s, s:I, s:I, s:I, s:s, s:{s:I, s:s, s:b}, s:o}", "version",
                       status->version, "generation", (json_int_t)status->generation, "uptime_ms",
                       (json_int_t)status->uptime_ms, "connections",
                       (json_int_t)status->connections, "configuration_sha256", sha256, "caller",
                       "uid", (json_int_t)status->uid, "unit", status->unit, "administrator",
                       status->administrator, "tokens", token_view_json_all(status)));
}

/* "3d 4h", "5m 6s": the two largest units. */
static void
uptime_text(uint64_t ms, char *out, size_t cap)
{
    uint64_t s = ms / 1000;

    if (s >= 86400)
        snprintf(out, cap, "%llud %lluh", (unsigned long long)(s / 86400),
                 (unsigned long long)(s / 3600 % 24));
    else if (s >= 3600)
        snprintf(out, cap, "%lluh %llum", (unsigned long long)(s / 3600),
                 (unsigned long long)(s / 60 % 60));
    else
        snprintf(out, cap, "%llum %llus", (unsigned long long)(s / 60),
                 (unsigned long long)(s % 60));
}

static int
show_text(struct cli *cli, const struct ks_status *status)
{
    ks_auto(table_deinit) struct table table = TABLE_INIT(TOKEN_VIEW_COLUMNS);
    ks_auto(freep) char *tokens = NULL;
    ks_auto(freep) char *text = NULL;
    char uptime[64];

    token_view_heading(&table);
    for (size_t i = 0; i < status->n_tokens; i++)
        token_view_row(&table, &status->tokens[i], status->administrator);
    tokens = table_text(&table);
    uptime_text(status->uptime_ms, uptime, sizeof(uptime));
    if (!tokens ||
        asprintf(&text,
                 "keysvcd %s, configuration %llu, up %s, connections: %u\n"
                 "you are uid %u%s%s%s\n\n%s",
                 status->version, (unsigned long long)status->generation, uptime,
                 status->connections, status->uid, status->unit[0] ? ", unit " : "", status->unit,
                 status->administrator ? ", an administrator" : "", tokens) < 0)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    return output_text(cli, text);
}
