/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orphan - ends a token process that keysvcd has left behind in a call that does not end
 *
 * Who is in no call sees the control socket close, and ends. Nobody but keysvcd ends one that hangs, and
 * where no process may be killed in C_Login (profile: kill-in-login) the death of keysvcd must not
 * kill either. So it is a signal that asks: a call may take as long as keysvcd would have let it, C_Login
 * as long as it likes, and what comes after it is bounded again.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "ipc/config.h"
#include "ipc/pulse.h"

/*
 * Once, by the thread that makes the calls, before the sandbox. `pulse` is looked at for as long as the
 * process lives; `process` is its name in the log. NO_SERVICE: keysvcd, at the other end of `control_fd`, is
 * gone already.
 */
ks_err orphan_watch(const struct pulse *pulse, const struct config_profile *profile,
                    const char *process, int control_fd, struct fault *why) KS_MUST_CHECK;

/* For who ends by himself, and has set himself a time. */
void orphan_forget(void);
