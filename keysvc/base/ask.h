/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask - a question on the terminal whose answer is not shown
 *
 * For commands: it sets signal handlers while it waits.
 */
#pragma once

#include "base/fault.h"
#include "base/secret.h"

/*
 * Asks "PROMPT: " without echo. *out is NULL where there is no terminal, or an empty line was typed. A
 * signal ends the program as if nobody had caught it, after the echo is back. USAGE: no line came.
 */
ks_err ask_secret(const char *prompt, struct secret **out, struct fault *why) KS_MUST_CHECK;
