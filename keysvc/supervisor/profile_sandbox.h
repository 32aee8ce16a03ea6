/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_sandbox - the options of a profile that say what its module needs of the kernel
 *
 * `sandbox`, `read` and `write` may also stand in a token's section, which adds to the lists.
 */
#pragma once

#include "ipc/config.h"
#include "conf/conffile.h"

#define PROFILE_SANDBOX_OF_TOKEN                                                                   \
    CONFFILE_ONE("sandbox"), CONFFILE_LIST("read"), CONFFILE_LIST("write")
#define PROFILE_SANDBOX_OF_PROFILE                                                                 \
    PROFILE_SANDBOX_OF_TOKEN, CONFFILE_LIST("system-calls"), CONFFILE_LIST("sockets")

/* Mistakes are recorded. INTERNAL: no memory. */
ks_err profile_sandbox_of_token(cfg_t *section, struct config_profile *profile) KS_MUST_CHECK;
ks_err profile_sandbox_of_profile(cfg_t *root, struct config_profile *profile) KS_MUST_CHECK;
