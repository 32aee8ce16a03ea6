/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module - libkeysvc-pkcs11.so: keys on this host's tokens, for every program that speaks PKCS#11
 */
#include "client/pkcs11/module.h"

#include <pthread.h>
#include <stdio.h>

#include <openssl/crypto.h>

#include "base/clock.h"
#include "client/pkcs11/answer.h"
#include "client/pkcs11/certificates.h"
#include "client/pkcs11/directory.h"
#include "client/pkcs11/report.h"
#include "client/pkcs11/session.h"

/* The one name by which programs find a module. */
KS_API CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list);

#define SECOND_NS 1000000000
#define WAIT_MOMENT_MS 100

enum state {
    STATE_NONE,
    STATE_CHANGING, /* in C_Initialize or C_Finalize */
    STATE_RUNNING,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static enum state state;
static pid_t owner; /* who called C_Initialize */
static unsigned int n_calls;
static struct module module;

/* A child frees no context of libcrypto's: that takes a lock of all contexts, which a thread of its parent's may
 * have had when it was forked, such as one that was ending. Its own waits for its next C_Initialize; what
 * came from its parent stays as it is, where whoever looks for leaks finds it. */
struct libcrypto {
    OSSL_LIB_CTX *context;
    struct hashes hashes;
};
static bool forked;
static struct libcrypto own, parents;

static void register_fork(void);
static CK_RV check_arguments(const CK_C_INITIALIZE_ARGS *arguments);
static bool take_down(void);
static CK_RV fill(struct module *out);
static bool fill_libcrypto(struct module *out);
static void clear(struct module *old);

/* --- calls and the lock --- */

CK_RV
module_enter(struct module **out)
{
    CK_RV rv = CKR_CRYPTOKI_NOT_INITIALIZED;

    pthread_mutex_lock(&lock);
    if (state == STATE_RUNNING) {
        n_calls++;
        *out = &module;
        rv = CKR_OK;
    }
    pthread_mutex_unlock(&lock);
    return rv;
}

void
module_leave(struct module **entered)
{
    if (!*entered)
        return;
    pthread_mutex_lock(&lock);
    n_calls--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void
module_lock(void)
{
    pthread_mutex_lock(&lock);
}

void
module_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void
module_wait(void)
{
    pthread_cond_wait(&changed, &lock);
}

void
module_wake(void)
{
    pthread_cond_broadcast(&changed);
}

/* --- fork --- */

/* Only this thread is left: what others were at is nobody's any more. */
static void
fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&changed, NULL);
    report_forked();
    forked = true;
    if (own.context) {
        parents = own;
        own = (struct libcrypto){NULL};
    }
    n_calls = 0;
    if (state == STATE_CHANGING) {
        state = STATE_NONE;
        memset(&module, 0, sizeof(module));
    }
    if (state == STATE_NONE)
        return;
    sessions_forked(module.sessions);
    directory_forked(module.directory);
}

static void
register_fork(void)
{
    pthread_atfork(module_lock, module_unlock, fork_child);
}

/* --- initialise and finalise --- */

CK_RV
C_Initialize(void *arguments)
{
    struct module fresh = {NULL};
    CK_RV rv;

    rv = check_arguments(arguments);
    if (rv)
        return rv;
    pthread_once(&fork_once, register_fork);

    module_lock();
    while (state == STATE_CHANGING)
        module_wait();
    if (state == STATE_RUNNING && owner == getpid()) {
        module_unlock();
        return CKR_CRYPTOKI_ALREADY_INITIALIZED;
    }
    /* In a child, other threads may have gone on with what came from the parent. */
    if (!take_down())
        return CKR_FUNCTION_FAILED;
    report_began();
    rv = fill(&fresh);

    module_lock();
    module = fresh;
    owner = getpid();
    state = rv ? STATE_NONE : STATE_RUNNING;
    module_wake();
    module_unlock();
    return rv;
}

/* Our locks are the system's: a program that has only its own cannot have them used. */
static CK_RV
check_arguments(const CK_C_INITIALIZE_ARGS *arguments)
{
    unsigned int n_functions;

    if (!arguments)
        return CKR_OK;
    n_functions = (arguments->CreateMutex != NULL) + (arguments->DestroyMutex != NULL) +
                  (arguments->LockMutex != NULL) + (arguments->UnlockMutex != NULL);
    if (arguments->pReserved || (n_functions != 0 && n_functions != 4))
        return CKR_ARGUMENTS_BAD;
    if (n_functions == 4 && !(arguments->flags & CKF_OS_LOCKING_OK))
        return CKR_CANT_LOCK;
    return CKR_OK;
}

/* By the clock that nobody sets: of the other one a moment may last a year. */
static struct timespec
in_ms(unsigned int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / SECOND_NS;
    until.tv_nsec %= SECOND_NS;
    return until;
}

/* With the lock held, and given up meanwhile; for a moment, and then the clock is asked. */
static void
wait_a_moment(void)
{
    struct timespec until = in_ms(WAIT_MOMENT_MS);

    pthread_cond_clockwait(&changed, &lock, CLOCK_MONOTONIC, &until);
}

/* With the lock held, and gives it up: whoever comes waits for the state after STATE_CHANGING.
 * False: calls did not come back in time, as one that this very thread is in (a signal's handler
 * that calls exit()). They go on with what they have. */
static bool
take_down(void)
{
    uint64_t end_ms = clock_mono_ms() + MODULE_LEAVE_MS;
    enum state before = state;
    struct module old;

    state = STATE_CHANGING;
    while (n_calls > 0 && clock_mono_ms() < end_ms)
        wait_a_moment();
    if (n_calls > 0) {
        state = before;
        module_wake();
        module_unlock();
        return false;
    }
    old = module;
    memset(&module, 0, sizeof(module));
    module_unlock();
    clear(&old);
    return true;
}

/* For C_Finalize, whose thread may be in the middle of another call, even with the lock, or of
 * C_Initialize. */
static bool
lock_in_time(void)
{
    uint64_t end_ms = clock_mono_ms() + MODULE_LEAVE_MS;
    struct timespec until = in_ms(MODULE_LEAVE_MS);

    if (pthread_mutex_clocklock(&lock, CLOCK_MONOTONIC, &until) != 0)
        return false;
    while (state == STATE_CHANGING && clock_mono_ms() < end_ms)
        wait_a_moment();
    if (state != STATE_CHANGING)
        return true;
    module_unlock();
    return false;
}

/* Speaks to nobody: a program starts while the service is down. */
static CK_RV
fill(struct module *out)
{
    struct ks_error error;
    ks_err err;

    err = ks_client_new(NULL, &out->client, &error);
    if (err) {
        out->client = NULL;
        return report(NULL, err, &error);
    }
    ks_client_set_timeout(out->client, MODULE_TIMEOUT_MS);
    out->directory = directory_new();
    out->sessions = sessions_new();
    out->certificates = certificate_pool_new();
    if (!out->directory || !out->sessions || !out->certificates) {
        clear(out);
        return CKR_HOST_MEMORY;
    }
    if (!fill_libcrypto(out)) {
        report_text("libcrypto has no SHA-1, SHA-256, SHA-384 or SHA-512");
        clear(out);
        return CKR_GENERAL_ERROR;
    }
    return CKR_OK;
}

static bool
fill_libcrypto(struct module *out)
{
    if (own.context) {
        out->libcrypto = own.context;
        out->hashes = own.hashes;
        own = (struct libcrypto){NULL};
        return true;
    }
    out->libcrypto = OSSL_LIB_CTX_new();
    if (out->libcrypto && hashes_init(&out->hashes, out->libcrypto))
        return true;
    if (!forked) {
        hashes_deinit(&out->hashes);
        OSSL_LIB_CTX_free(out->libcrypto);
    }
    out->libcrypto = NULL;
    return false;
}

static void
clear_libcrypto(struct module *old)
{
    if (forked && old->libcrypto) {
        *(owner == getpid() ? &own : &parents) = (struct libcrypto){old->libcrypto, old->hashes};
        return;
    }
    hashes_deinit(&old->hashes);
    OSSL_LIB_CTX_free(old->libcrypto);
}

static void
clear(struct module *old)
{
    old->sessions = sessions_free(old->sessions);
    old->directory = directory_free(old->directory);
    old->certificates = certificate_pool_free(old->certificates);
    clear_libcrypto(old);
    old->client = ks_client_free(old->client);
    memset(old, 0, sizeof(*old));
}

CK_RV
C_Finalize(void *reserved)
{
    if (reserved)
        return CKR_ARGUMENTS_BAD;
    if (!lock_in_time())
        return CKR_FUNCTION_FAILED;
    if (state != STATE_RUNNING) {
        module_unlock();
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    }
    if (!take_down())
        return CKR_FUNCTION_FAILED;

    module_lock();
    state = STATE_NONE;
    module_wake();
    module_unlock();
    return CKR_OK;
}

CK_RV
C_GetInfo(CK_INFO *info)
{
    ks_auto(module_leave) struct module *entered = NULL;
    unsigned int major = 0, minor = 0;
    CK_RV rv;

    rv = module_enter(&entered);
    if (rv)
        return rv;
    if (!info)
        return CKR_ARGUMENTS_BAD;
    memset(info, 0, sizeof(*info));
    info->cryptokiVersion = (CK_VERSION){CRYPTOKI_VERSION_MAJOR, CRYPTOKI_VERSION_MINOR};
    answer_text(info->manufacturerID, sizeof(info->manufacturerID), "keysvc");
    answer_text(info->libraryDescription, sizeof(info->libraryDescription), "keys of keysvcd");
    if (sscanf(ks_version(), "%3u.%3u", &major, &minor) == 2)
        info->libraryVersion = (CK_VERSION){(unsigned char)major, (unsigned char)minor};
    return CKR_OK;
}

/* --- the list --- */

static CK_FUNCTION_LIST function_list = {
    .version = {CRYPTOKI_VERSION_MAJOR, CRYPTOKI_VERSION_MINOR},
    .C_Initialize = C_Initialize,
    .C_Finalize = C_Finalize,
    .C_GetInfo = C_GetInfo,
    .C_GetFunctionList = C_GetFunctionList,
    .C_GetSlotList = C_GetSlotList,
    .C_GetSlotInfo = C_GetSlotInfo,
    .C_GetTokenInfo = C_GetTokenInfo,
    .C_GetMechanismList = C_GetMechanismList,
    .C_GetMechanismInfo = C_GetMechanismInfo,
    .C_InitToken = C_InitToken,
    .C_InitPIN = C_InitPIN,
    .C_SetPIN = C_SetPIN,
    .C_OpenSession = C_OpenSession,
    .C_CloseSession = C_CloseSession,
    .C_CloseAllSessions = C_CloseAllSessions,
    .C_GetSessionInfo = C_GetSessionInfo,
    .C_GetOperationState = C_GetOperationState,
    .C_SetOperationState = C_SetOperationState,
    .C_Login = C_Login,
    .C_Logout = C_Logout,
    .C_CreateObject = C_CreateObject,
    .C_CopyObject = C_CopyObject,
    .C_DestroyObject = C_DestroyObject,
    .C_GetObjectSize = C_GetObjectSize,
    .C_GetAttributeValue = C_GetAttributeValue,
    .C_SetAttributeValue = C_SetAttributeValue,
    .C_FindObjectsInit = C_FindObjectsInit,
    .C_FindObjects = C_FindObjects,
    .C_FindObjectsFinal = C_FindObjectsFinal,
    .C_EncryptInit = C_EncryptInit,
    .C_Encrypt = C_Encrypt,
    .C_EncryptUpdate = C_EncryptUpdate,
    .C_EncryptFinal = C_EncryptFinal,
    .C_DecryptInit = C_DecryptInit,
    .C_Decrypt = C_Decrypt,
    .C_DecryptUpdate = C_DecryptUpdate,
    .C_DecryptFinal = C_DecryptFinal,
    .C_DigestInit = C_DigestInit,
    .C_Digest = C_Digest,
    .C_DigestUpdate = C_DigestUpdate,
    .C_DigestKey = C_DigestKey,
    .C_DigestFinal = C_DigestFinal,
    .C_SignInit = C_SignInit,
    .C_Sign = C_Sign,
    .C_SignUpdate = C_SignUpdate,
    .C_SignFinal = C_SignFinal,
    .C_SignRecoverInit = C_SignRecoverInit,
    .C_SignRecover = C_SignRecover,
    .C_VerifyInit = C_VerifyInit,
    .C_Verify = C_Verify,
    .C_VerifyUpdate = C_VerifyUpdate,
    .C_VerifyFinal = C_VerifyFinal,
    .C_VerifyRecoverInit = C_VerifyRecoverInit,
    .C_VerifyRecover = C_VerifyRecover,
    .C_DigestEncryptUpdate = C_DigestEncryptUpdate,
    .C_DecryptDigestUpdate = C_DecryptDigestUpdate,
    .C_SignEncryptUpdate = C_SignEncryptUpdate,
    .C_DecryptVerifyUpdate = C_DecryptVerifyUpdate,
    .C_GenerateKey = C_GenerateKey,
    .C_GenerateKeyPair = C_GenerateKeyPair,
    .C_WrapKey = C_WrapKey,
    .C_UnwrapKey = C_UnwrapKey,
    .C_DeriveKey = C_DeriveKey,
    .C_SeedRandom = C_SeedRandom,
    .C_GenerateRandom = C_GenerateRandom,
    .C_GetFunctionStatus = C_GetFunctionStatus,
    .C_CancelFunction = C_CancelFunction,
    .C_WaitForSlotEvent = C_WaitForSlotEvent,
};

CK_RV
C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    if (!list)
        return CKR_ARGUMENTS_BAD;
    *list = &function_list;
    return CKR_OK;
}
