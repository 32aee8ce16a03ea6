/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module - what lies between C_Initialize and C_Finalize, and the one lock over it
 *
 * The lock is held for moments only and never over a call to libkeysvc: that may take seconds, and
 * around a fork the library takes its own locks. What is slow marks its place instead (a session
 * that is busy, a directory that is being read) and others wait with module_wait().
 *
 * Fork: the child goes on with the handles it has, whether it calls C_Initialize again, as the
 * standard wants, or not. C_Initialize in a child throws away what came from the parent.
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include <openssl/types.h>

#include "client/pkcs11/hash.h"

#define MODULE_TIMEOUT_MS 15000u /* each call to the service: ssh and browsers wait no longer */
#define MODULE_LEAVE_MS (MODULE_TIMEOUT_MS + 2000u) /* C_Finalize, for calls that are running */

struct certificate_pool;
struct directory;
struct session_table;

struct module {
    struct ks_client *client;
    struct directory *directory;
    struct session_table *sessions;
    /* Apart from the program's: its configuration may name providers and properties that verify
     * and digest otherwise, or our own provider. */
    OSSL_LIB_CTX *libcrypto;
    struct hashes hashes;
    struct certificate_pool *certificates;
};

/* Counts a call, so that C_Finalize waits for it. CKR_CRYPTOKI_NOT_INITIALIZED. */
CK_RV module_enter(struct module **out) KS_MUST_CHECK;

/* For ks_auto; NULL inside: nothing was entered. */
void module_leave(struct module **module);

void module_lock(void);
void module_unlock(void);

/* With the lock held, and given up meanwhile: until somebody calls module_wake. */
void module_wait(void);

/* With the lock held. */
void module_wake(void);
