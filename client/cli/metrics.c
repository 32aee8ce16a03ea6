/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics - keysvc metrics
 */
#include "client/cli/metrics_view.h"

void
metrics_freep(struct ks_metrics **metrics)
{
    *metrics = ks_metrics_free(*metrics);
}

int
metrics_run(struct cli *cli, int argc, char **argv)
{
    const struct cli_arguments arguments = {
        .help = "What the service has counted, in the text form of Prometheus, or with --json as "
                "one object. For administrators. keysvc serves no HTTP: give the result to "
                "node_exporter's textfile collector.",
    };
    ks_auto(metrics_freep) struct ks_metrics *metrics = NULL;
    ks_auto(freep) char *text = NULL;
    struct ks_client *client;
    struct ks_error error;

    cli_parse(cli, argc, argv, &arguments);
    client = cli_client(cli);
    if (!client)
        return cli->code;
    if (ks_metrics(client, &metrics, &error))
        return output_error(cli, &error);
    if (cli->json)
        return output_json(cli, metrics_view_json(metrics));
    text = metrics_view_text(metrics);
    if (!text)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    return output_text(cli, text);
}
