/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage_supervisor - the supervisor as a program of its own, so that the leak checker sees all of
 * it
 *
 * keysvcd itself forbids tracing, which the leak checker needs. Argument: the stage's folder.
 */
#include <stdio.h>

#include "base/log.h"
#include "supervisor/supervisor.h"

int
main(int argc, char **argv)
{
    struct supervisor_options options = {0};
    struct fault why = FAULT_INIT;
    char config[256];
    ks_err err;

    if (argc != 2)
        return KS_ERR_USAGE;
    snprintf(config, sizeof(config), "%s/keysvcd.conf", argv[1]);
    options.config_path = config;
    options.profile_dir = options.libexec_dir = argv[1];
    log_init("keysvcd", LOG_LEVEL_DEBUG);
    err = supervisor_run(&options, &why);
    if (err)
        log_error("error=\"%s\"", why.text);
    return (int)err;
}
