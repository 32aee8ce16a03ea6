/* SPDX-License-Identifier: Apache-2.0 */
/*
 * administer - initialising a token and changing its PIN: one child, no socket, no serving
 *
 * The PIN files are opened by us and passed; only the child, as the token's user, reads them. Done
 * outside of the running service: a change of PIN ends with the new file in the place of the old
 * one, which the service then notices.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "supervisor/supervisor.h"

enum administer_action {
    ADMINISTER_NONE = 0,
    ADMINISTER_INIT,
    ADMINISTER_CHANGE_PIN,
};

struct administer_request {
    enum administer_action action;
    const char *token;
    const char *so_pin_file; /* init: the new one; NULL: asked for */
    const char
        *old_so_pin_file;     /* init: the one the token has now; NULL: it has none, or the same */
    const char *pin_file;     /* NULL: the configured one */
    const char *new_pin_file; /* change-pin */
    bool force;
};

/* ADMINISTER_NONE: no such word. */
enum administer_action administer_action_from_name(const char *name);

/* Any error: nothing was started or nothing is known of its end, see `why`. OK: *exit_code is the
 * child's. */
ks_err administer_run(const struct supervisor_options *options,
                      const struct administer_request *request, int *exit_code,
                      struct fault *why) KS_MUST_CHECK;
