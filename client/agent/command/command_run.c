/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_run - `keysvc-agent run`: the service
 */
#include "client/agent/command/command.h"

#include "base/log.h"
#include "client/agent/serve/run.h"

static ks_err refuse_root(const struct invocation *invocation, struct report *report);

int
command_run(struct invocation *invocation, int argc, char **argv)
{
    static const struct command_arguments ARGUMENTS = {
        .help = "Serves HTTPS until it is told to end.\v"
                "At first start it makes a key and a self-signed certificate. Started by root it "
                "becomes the user to whom the state folder belongs.",
    };
    struct report report = REPORT_INIT;
    ks_err err;

    command_parse(invocation, argc, argv, &ARGUMENTS);
    log_init("keysvc-agent", LOG_LEVEL_INFO);
    err = command_config(invocation, &report);
    if (!err)
        err = refuse_root(invocation, &report);
    if (!err)
        err = command_open(invocation, &report);
    if (!err)
        err = run_agent(invocation->agent, &report);
    (void)err; /* it stands in the report as well */
    return command_end(invocation, &report);
}

/* command_config() has become the state folder's owner, if there was one to become. */
static ks_err
refuse_root(const struct invocation *invocation, struct report *report)
{
    ks_err err;

    if (geteuid() != 0)
        return KS_OK;
    err = report_fail(report, KS_ERR_USAGE, "the agent does not run as root");
    report_hint(report, "give %s to the agent's own user, whom it then becomes: chown USER: %s",
                invocation->config->state_dir, invocation->config->state_dir);
    return err;
}
