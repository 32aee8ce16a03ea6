/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status - keysvc status, once or with --watch
 */
#include "client/cli/status_view.h"
#include "client/cli/status_watch.h"

#define WATCH_MS 2000    /* when --watch does not say how often */
#define WATCH_MIN_MS 100 /* a look costs the service two requests */

enum { KEY_WATCH = 'w' };

static int show_text(struct cli *cli, const struct ks_status *status);
static int show_json(struct cli *cli, const struct ks_status *status);

static const struct argp_option OPTIONS[] = {
    {"watch", KEY_WATCH, "SECONDS", OPTION_ARG_OPTIONAL,
     "look again and again, every 2 seconds if not said otherwise, until interrupted; "
     "administrators see rates",
     0},
    {0},
};

struct wishes {
    bool watch;
    const char *period;
};

static int
take_option(int key, char *value, void *state)
{
    struct wishes *wishes = state;

    if (key != KEY_WATCH)
        return ARGP_ERR_UNKNOWN;
    wishes->watch = true;
    wishes->period = value;
    return 0;
}

static int
watch(struct cli *cli, const char *period)
{
    uint32_t period_ms = WATCH_MS;

    if (cli->json || cli->out_file)
        cli_usage(cli, "--watch goes with neither --json nor --out-file; see keysvc metrics");
    if (period && (!cli_parse_time(period, &period_ms) || period_ms < WATCH_MIN_MS))
        cli_usage(cli, "--watch %s: not a time from 100ms to 10m", period);
    return status_watch(cli, period_ms);
}

int
status_run(struct cli *cli, int argc, char **argv)
{
    struct wishes wishes = {0};
    const char *period; /* behind --watch as a word of its own */
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &wishes,
        .usage = "[SECONDS]",
        .help = "Shows what the service and its tokens are doing, and who it says you are. "
                "Details of tokens are for administrators.",
        .max_positional = 1,
        .positional = &period,
    };
    ks_auto(token_view_status_freep) struct ks_status *status = NULL;

    cli_parse(cli, argc, argv, &arguments);
    cli->subject = NULL;
    if (period && (!wishes.watch || wishes.period))
        cli_usage(cli, "%s: one argument too many", period);
    if (wishes.watch)
        return watch(cli, wishes.period ? wishes.period : period);
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
        cli,
        json_pack("{s:s, s:I, s:I, s:I, s:s, s:{s:I, s:s, s:b}, s:{s:s, s:s}, s:o, s:o}", "version",
                  status->version, "generation", (json_int_t)status->generation, "uptime_ms",
                  (json_int_t)status->uptime_ms, "connections", (json_int_t)status->connections,
                  "configuration_sha256", sha256, "caller", "uid", (json_int_t)status->uid, "unit",
                  status->unit, "administrator", status->administrator, "sandbox", "keysvcd",
                  status->keysvcd_sandbox, "front", status->front_sandbox, "tokens",
                  token_view_json_all(status), "groups", token_view_json_groups(status)));
}

static int
show_text(struct cli *cli, const struct ks_status *status)
{
    ks_auto(freep) char *text = status_view_text(status);

    if (!text)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    return output_text(cli, text);
}
