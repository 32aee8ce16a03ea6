/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor - the event loop of keysvcd: starts all, wires all, and ends all
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

struct supervisor_options {
    const char *config_path;
    const char *profile_dir;
    const char *libexec_dir;
    bool debug;
};

/*
 * Runs until SIGTERM or SIGINT and a clean end. BAD_REQUEST: the configuration, or a passed
 * descriptor; BUSY: another keysvcd is running; INTERNAL: `why` says what could not be had.
 */
ks_err supervisor_run(const struct supervisor_options *options, struct fault *why) KS_MUST_CHECK;
