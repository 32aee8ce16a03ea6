/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_switch - opens an agent and makes a new set current, for tests that end it in between
 *
 *     agent-switch STATE VERSION [TIMES]
 */
#include <stdio.h>

#include "agent_rig.h"
#include "base/log.h"

int
main(int argc, char **argv)
{
    struct report report = REPORT_INIT;
    int times = argc > 3 ? atoi(argv[3]) : 1;
    struct rig rig = {0};
    ks_err err;

    if (argc < 3)
        return KS_ERR_USAGE;
    log_init("switch", LOG_LEVEL_ERROR);
    text_copy(rig.config.state_dir, sizeof(rig.config.state_dir), argv[1]);
    snprintf(rig.config.socket, sizeof(rig.config.socket), "/nowhere/keysvc.sock");
    err = agent_open(&rig.config, "switch", &rig.agent, &report);
    for (int i = 0; !err && i < times; i++)
        err = rig_switch(&rig, SET_ISSUED, (uint32_t)(atoi(argv[2]) + i), &report);
    rig_close(&rig);
    if (err)
        report_print(&report, stdout);
    return (int)err;
}
