/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - what PKCS#11 has no words for: the library's errors as a CK_RV and one line for people
 *
 * $KEYSVC_PKCS11_LOG says where the line goes: "stderr" (also if it is not set), "syslog" or
 * "none". It is not read in set-user-ID programs. The same line is not written again within
 * REPORT_QUIET_MS, since programs try again and ask for each key. Writing waits for nobody and ends
 * no program: a line that nobody reads, or that finds no room, is lost. Control characters are not
 * written.
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include "client/lib/keysvc.h"

#define REPORT_QUIET_MS 10000u /* for a line that was just written */

/* The CK_RV for an outcome; KS_OK is CKR_OK. */
CK_RV report_code(ks_err err);

/* Writes the line "keysvc-pkcs11: LABEL: MESSAGE; HINT" and gives the CK_RV. `label` NULL: about no
 * key. */
CK_RV report(const char *label, ks_err err, const struct ks_error *error);

/* For what the library has no error for. */
void report_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* C_Initialize: remembers which file standard error is. Descriptor 2 may be another one later, and a
 * program's database: a file that is not only appended to gets no line unless it is that one. */
void report_began(void);

/* In the child of a fork: whoever held the lock is gone. */
void report_forked(void);
