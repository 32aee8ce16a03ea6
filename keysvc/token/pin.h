/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pin - a PIN from a descriptor or a person, straight into locked memory
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "base/secret.h"

#define PIN_MAX 255 /* bytes; PKCS#11 tokens allow 4 to 255 */

/*
 * The whole of a file, by pread (workers share one file description and with it one offset), less
 * one newline at its end. BAD_REQUEST: not 1 to PIN_MAX bytes.
 */
ks_err pin_read(int fd, struct secret **out, struct fault *why) KS_MUST_CHECK;

/*
 * From the descriptor unless it is empty; else from the terminal without echo (`twice`: it is a new
 * one, ask again), or one line of standard input if there is no terminal.
 */
ks_err pin_get(int fd, const char *prompt, bool twice, struct secret **out,
               struct fault *why) KS_MUST_CHECK;
