/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_retry - console retry: the last run once more, with those that failed
 */
#include <stdio.h>

#include "client/agent/console/work.h"

static int
say_nothing_failed(const struct console *console)
{
    if (console->json)
        puts("{\"agents\": [], \"summary\": {\"succeeded\": 0, \"failed\": 0}}");
    else
        puts("nothing failed in the last run");
    return KS_OK;
}

int
verb_retry(struct console *console, struct report *report)
{
    json_t *json = NULL;
    struct fault why = FAULT_INIT;
    ks_err err = confdir_read(console->dir, LAST_RUN_NAME, &json, &why);
    int code;

    if (err)
        return (int)report_fault(report, err, &why);
    if (!json)
        return (int)report_fail(report, KS_ERR_NOT_FOUND, "there was no run yet");
    code = (int)last_run_take(console, json, report);
    if (!code && console->n_words == 0)
        code = say_nothing_failed(console);
    else if (!code)
        code = console->verb->run(console, report);
    json_decref(json);
    return code;
}
