/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_replace - one option's value in a configuration file, exchanged without touching the rest
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

/*
 * Finds `option = VALUE`, once, outside of comments and texts, and puts `value` (without quotes or
 * backslashes) there. The new file has the old one's mode, owner and comments, and stands in its place at
 * once; the old bytes are overwritten with zeros if nobody else has a name for them. NOT_FOUND: the option
 * is not in it, or twice. INTERNAL: the disk or the rights; then the file is as before.
 */
ks_err conf_replace(const char *path, const char *option, const char *value,
                    struct fault *why) KS_MUST_CHECK;
