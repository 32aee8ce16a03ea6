/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confscan - a file's text is looked over before libconfuse reads it: comments become spaces, and
 * what would confuse it, or what it would drop silently, is refused
 */
#pragma once

#include "conf/conffile.h"

/* In place; lines stay where they are. BAD_REQUEST: mistakes of `file` have been recorded. */
ks_err confscan_make_plain(struct conffile *file, const struct conffile_mistakes *mistakes,
                           char *text) KS_MUST_CHECK;
