/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - keysvcd.conf and the profiles it names, read into struct config (ipc/config.h)
 *
 * Everything that can be wrong with the files is found here, with file and line. Names become ids
 * here. Names under keysvc/ are the service's own (keysvc/audit signs the audit's checkpoints): no
 * `keys` or `allow` section may name them, though globs such as ** match them; front/policy.c keeps
 * clients from them.
 */
#pragma once

#include "ipc/config.h"

/*
 * Profiles are looked for as PROFILE-DIR/NAME.conf; a profile with a slash is a path. `as_root`:
 * our children will change their users, so the accounts must exist. BAD_REQUEST: `why` is
 * "FILE:LINE: what" of the first mistake; all mistakes are also logged as errors, one a line.
 */
ks_err config_load(const char *path, const char *profile_dir, bool as_root, struct config **out,
                   struct fault *why) KS_MUST_CHECK;

/* One mistake or warning, without a line break. */
typedef void config_teller(const char *text);

/*
 * The same for who looks at the files and starts no service: each mistake is given to `tell`, which
 * is never NULL, and none is logged.
 */
ks_err config_check(const char *path, const char *profile_dir, bool as_root, config_teller *tell,
                    struct config **out, struct fault *why) KS_MUST_CHECK;

/* Things that work and should not be done: readable PIN files, unit without user on old kernels, ...
 * `tell` NULL: as warnings on the log. */
void config_warn(const struct config *config, config_teller *tell);
