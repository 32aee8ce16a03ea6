/* SPDX-License-Identifier: Apache-2.0 */
/*
 * break_rig - a SoftHSM token of a test's own, a session and a key, all through the module that breaks
 *
 *   TestSuite(x, .init = rig_begin, .fini = rig_end, .timeout = 60);
 *
 * One in a process: criterion has one for each test. A call that fails ends the test.
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include <stdint.h>

#include "tests/fakes/calls.h"

#define RIG_SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"

extern struct break_rig {
    char folder[32]; /* the module's, and SoftHSM's */
    CK_FUNCTION_LIST_PTR p11;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE private_key, public_key;
} rig;
extern CK_BYTE rig_label[3];
extern CK_BYTE rig_digest[32]; /* what is signed */

void rig_begin(void);
void rig_end(void);

/* The functions of a module. */
CK_FUNCTION_LIST_PTR rig_load(const char *path);

/* A file of the folder at once, as "rules" has to come. */
void rig_write(const char *name, const char *text);

/* A folder in it ("": itself) becomes one of a SoftHSM of its own. */
void rig_softhsm(const char *name);

/* A P-256 key called k@1, by the rig's session. */
void rig_generate(void);

/* What the module answers. */
CK_RV rig_open_session(CK_SESSION_HANDLE *out);
CK_RV rig_login(CK_SESSION_HANDLE in, const char *pin);
CK_RV rig_sign(CK_BYTE signature[static 64]);
CK_RV rig_verify(CK_FUNCTION_LIST_PTR list, CK_SESSION_HANDLE in, CK_OBJECT_HANDLE key,
                 CK_BYTE *signature);

/* How often a function was called. */
uint64_t rig_counted(enum function function);

/* Reaps a child that signs once; the status, or -1 if it was still at it after the time. */
int rig_sign_in_child(unsigned wait_ms);
