/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_doctor - keysvc-agent doctor [--json]
 */
#include <stdio.h>

#include "client/agent/command/command.h"
#include "client/agent/doctor/doctor.h"

/* Only if there is something to open: the doctor makes no folder and no store. */
static void
open_state(struct invocation *invocation, struct doctor *doctor)
{
    struct report report = REPORT_INIT;

    if (!doctor_state(doctor))
        return;
    if (command_open(invocation, &report))
        doctor_add(doctor, DOCTOR_WRONG, report.code, "state-dir", report.hint, "%s",
                   report.message);
    doctor->agent = invocation->agent;
}

static void
look(struct invocation *invocation, struct doctor *doctor)
{
    struct report report = REPORT_INIT;

    if (command_config(invocation, &report)) {
        doctor_add(doctor, DOCTOR_WRONG, report.code, "agent.conf", report.hint, "%s",
                   report.message);
        return;
    }
    doctor->config = invocation->config;
    doctor_add(doctor, DOCTOR_FINE, KS_OK, "agent.conf", "", "%s",
               doctor->config->path[0] ? doctor->config->path : "there is none; the defaults hold");
    open_state(invocation, doctor);
    doctor_service(doctor);
    if (doctor->agent)
        doctor_certificate(doctor);
    doctor_key(doctor);
    doctor_configured(doctor);
    doctor_clients(doctor);
    doctor_listener(doctor);
}

static void
show(const struct doctor *doctor, bool as_json, struct report *report)
{
    const struct doctor_finding *wrong = doctor_first_wrong(doctor);

    if (as_json && command_print_json(doctor_json(doctor), report))
        return;
    if (!as_json)
        doctor_print(doctor, stdout);
    if (report_stdout(report, false))
        return;
    if (wrong) {
        report_fail(report, wrong->class, "%s: %s", wrong->check, wrong->text);
        report_hint(report, "%s", wrong->mend);
    }
}

int
command_doctor(struct invocation *invocation, int argc, char **argv)
{
    ks_auto(doctor_deinit) struct doctor doctor = {.identity = invocation->identity};
    bool json = false;
    const struct command_arguments arguments = {
        .options = COMMAND_JSON,
        .option = command_json_option,
        .state = &json,
        .help = "Looks at agent.conf, the state folder, keysvcd and its rules, the key and the "
                "names it may have, the certificate, and who listens; says of each what is wrong "
                "and how to mend it. The exit code is 0 if nothing is wrong.",
    };
    struct report report = REPORT_INIT;

    command_parse(invocation, argc, argv, &arguments);
    doctor.identity = invocation->identity;
    if (strcmp(doctor.identity, IDENTITY_OF_LISTENER) != 0)
        snprintf(doctor.option, sizeof(doctor.option), " --identity %s", doctor.identity);
    look(invocation, &doctor);
    show(&doctor, json, &report);
    return command_end(invocation, &report);
}
