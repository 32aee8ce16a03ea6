/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module_rig - the module between a program and a fake service, whose keys are real ones in software
 *
 *     static struct rig *rig;
 *     rig = rig_start();          the service, with web/shop@1, web/shop@2, sign/rsa@1, sign/ed@1
 *     handle = rig_session();     C_Initialize and a session
 *     rig_stop(rig);
 *
 * A list is also answered with more keys, `n_many` of them: many/00000@1 and so on, all one EC key.
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include <openssl/evp.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "client/lib/keysvc.h"
#include "fake_server.h"

#define RIG_KEYS 4
#define RIG_SIGNED_MAX (1024 * 1024)

enum {
    RIG_LIST = 12,
    RIG_GET = 13,
    RIG_SIGN = 16,
    RIG_CERTIFICATE_GET = 26,
};

struct rig_key {
    const char *name;
    uint32_t version;
    enum ks_key_type type;
    enum ks_purpose purpose;
    EVP_PKEY *key;
    uint8_t der[KS_PUBLIC_KEY_MAX_LEN];
    int der_len;
    uint8_t sha256[32];
    bool certified; /* a certificate and its issuer, which all share, are beside it */
    bool hidden;    /* from lists */
};

struct rig {
    struct fake_server *server;
    struct rig_key keys[RIG_KEYS];
    EVP_PKEY *authority;
    uint8_t *issuer;
    int issuer_len;
    unsigned int n_many;
    /* Changed by tests between calls. */
    unsigned int fail[32]; /* by operation: a ks_err, or 0 */
    bool retryable;
    const void *signature; /* given instead of a good one */
    size_t signature_len;
    bool hold_lists; /* lists wait for a post of `go` each */
    sem_t go;
    bool defer_gets; /* a get waits for rig_end_get, and nothing else with it */
    struct fake_request deferred;
    atomic_bool is_deferred;
    /* What was to be signed last. */
    uint8_t data[RIG_SIGNED_MAX];
    size_t data_len;
    int prehashed;
};

struct rig *rig_start(void);
void rig_stop(struct rig *rig);

/* Answers the deferred get: there is no such key. */
void rig_end_get(struct rig *rig);

/* A certificate with a serial number and, if not NULL, a comment inside. *der: OPENSSL_free. */
int rig_certificate(const char *subject, const char *issuer, EVP_PKEY *key, EVP_PKEY *signer,
                    const char *comment, uint8_t **der);

/* Of the function list, as programs have it. */
extern CK_FUNCTION_LIST *p11;

CK_SESSION_HANDLE rig_session(void);

/* The one object of that class and label; CK_INVALID_HANDLE: none. */
CK_OBJECT_HANDLE rig_find(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *label);

/* How many match a template. */
CK_ULONG rig_count(CK_SESSION_HANDLE session, CK_ATTRIBUTE *wanted, CK_ULONG n);
