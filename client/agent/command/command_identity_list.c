/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_identity_list - keysvc-agent identity-list
 */
#include <stdio.h>

#include "client/agent/command/command.h"
#include "client/agent/identity/identity.h"
#include "client/agent/store/store_identity.h"

static ks_err
print_names(struct agent *agent, bool json, struct report *report)
{
    ks_auto(strv_deinit) struct strv names = STRV_INIT;
    struct fault why = FAULT_INIT;
    json_t *list;
    ks_err err = store_identity_names(agent->store, &names, &why);

    if (err)
        return report_fault(report, err, &why);
    list = json_array();
    for (size_t i = 0; i < names.n_items; i++) {
        if (json)
            json_array_append_new(list, json_string(names.items[i]));
        else
            puts(names.items[i]);
    }
    if (json)
        return command_print_json(list, report);
    json_decref(list);
    return report_stdout(report, false);
}

int
command_identity_list(struct invocation *invocation, int argc, char **argv)
{
    bool json = false;
    const struct command_arguments arguments = {
        .options = COMMAND_JSON,
        .option = command_json_option,
        .state = &json,
        .help = "The names of the identities.",
    };
    struct report report = REPORT_INIT;

    command_parse(invocation, argc, argv, &arguments);
    if (command_open(invocation, &report) == KS_OK)
        (void)print_names(invocation->agent, json, &report);
    return command_end(invocation, &report);
}
