/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkcs11_break - a real PKCS#11 module that breaks on purpose
 *
 * Forwards every function to another module (SoftHSM unless $PKCS11_BREAK_MODULE names one), counts
 * each call in $PKCS11_BREAK_DIR/calls and misbehaves as $PKCS11_BREAK_DIR/rules says (rules.h).
 * The rules are read again whenever that file changes, so a test breaks a token under a running
 * service. Without PKCS11_BREAK_DIR it only forwards.
 *
 * It waits on a futex, never in nanosleep: a service's system call filter that lets SoftHSM work
 * lets this work.
 */
#include <p11-kit/pkcs11.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/fakes/calls.h"
#include "tests/fakes/device.h"
#include "tests/fakes/lie.h"
#include "tests/fakes/rules.h"

#define DEFAULT_MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define RULES_TEXT_MAX 8192 /* bytes of the rules file that are read */
#define FOREVER_MS (1000ul * 60 * 60 * 24 * 365)

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out);
static bool start(void);
static struct rule enter(enum function function);
static void crash(const struct rule *rule);
static CK_RV leave(const struct rule *rule, CK_RV rv);
static void reread_rules(void);
static uint64_t read_seed(void);
static void wait_ms(unsigned long ms);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static CK_FUNCTION_LIST_PTR real;
static const char *folder;
static struct calls *calls;
static struct rules rules;
static struct stat rules_seen;

/* Whether the rule is to be obeyed instead of the real call. */
static bool
is_instead(const struct rule *rule)
{
    return rule->action == RULE_ANSWER && !rule->after;
}

#define DEVICE_ONLY(name, parameters, call)                                                        \
    static CK_RV own_##name parameters                                                             \
    {                                                                                              \
        return (void)rule, call;                                                                   \
    }
#define RULE const struct rule *rule
DEVICE_ONLY(C_Initialize, (RULE, void *args), device_initialize(args))
DEVICE_ONLY(C_Finalize, (RULE, void *reserved), device_finalize(reserved))
DEVICE_ONLY(C_GetSlotList, (RULE, CK_BBOOL with_token, CK_SLOT_ID *slots, CK_ULONG *n_slots),
            device_get_slot_list(with_token, slots, n_slots))
DEVICE_ONLY(C_GetSlotInfo, (RULE, CK_SLOT_ID slot, CK_SLOT_INFO *info),
            device_get_slot_info(slot, info))
DEVICE_ONLY(C_OpenSession,
            (RULE, CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
             CK_SESSION_HANDLE *session),
            device_open_session(slot, flags, application, notify, session))
DEVICE_ONLY(C_CloseSession, (RULE, CK_SESSION_HANDLE session), device_close_session(session))
DEVICE_ONLY(C_CloseAllSessions, (RULE, CK_SLOT_ID slot), device_close_all_sessions(slot))
DEVICE_ONLY(C_Login,
            (RULE, CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_BYTE *pin, CK_ULONG len),
            device_login(session, user, pin, len))
DEVICE_ONLY(C_InitPIN, (RULE, CK_SESSION_HANDLE session, CK_BYTE *pin, CK_ULONG len),
            device_init_pin(session, pin, len))
DEVICE_ONLY(C_SetPIN,
            (RULE, CK_SESSION_HANDLE session, CK_BYTE *old_pin, CK_ULONG old_len, CK_BYTE *pin,
             CK_ULONG pin_len),
            device_set_pin(session, old_pin, old_len, pin, pin_len))
#undef RULE
#undef DEVICE_ONLY

static CK_RV
own_C_GetTokenInfo(const struct rule *rule, CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    CK_RV rv = device_get_token_info(slot, info);

    if (rv == CKR_OK && rule->action == RULE_FLAGS)
        info->flags |= rule->value;
    return rv;
}

static CK_RV
own_C_GetAttributeValue(const struct rule *rule, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                        CK_ATTRIBUTE *attributes, CK_ULONG n_attributes)
{
    CK_RV rv = real->C_GetAttributeValue(session, object, attributes, n_attributes);

    if (rule->action == RULE_LIE)
        lie_about(attributes, n_attributes);
    return rv;
}

static CK_RV
own_C_Sign(const struct rule *rule, CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len,
           CK_BYTE *signature, CK_ULONG *signature_len)
{
    CK_RV rv = real->C_Sign(session, data, data_len, signature, signature_len);

    if (rv == CKR_OK && rule->action == RULE_WRONG && signature)
        signature[*signature_len / 2] ^= 1;
    return rv;
}

#define CHECK_MODULE CKR_OK
#define CHECK_SLOT device_slot()
#define CHECK_SESSION device_session(&session)
#define EACH(scope, name, parameters, call)                                                        \
    static CK_RV break_##name parameters                                                           \
    {                                                                                              \
        struct rule rule = enter(FUNCTION_##name);                                                 \
        CK_RV rv;                                                                                  \
                                                                                                   \
        if (is_instead(&rule))                                                                     \
            return rule.value;                                                                     \
        rv = CHECK_##scope;                                                                        \
        if (rv == CKR_OK)                                                                          \
            rv = call;                                                                             \
        return leave(&rule, rv);                                                                   \
    }
#define UNPACKED(...) __VA_ARGS__
#define FORWARD(scope, name, parameters, arguments)                                                \
    EACH(scope, name, parameters, real->name arguments)
#define OWN(scope, name, parameters, arguments)                                                    \
    EACH(scope, name, parameters, own_##name(&rule, UNPACKED arguments))
#include "tests/fakes/functions.h"
#undef FORWARD
#undef OWN

static CK_FUNCTION_LIST function_list = {
    .version = {2, 40},
    .C_GetFunctionList = C_GetFunctionList,
#define FORWARD(scope, name, parameters, arguments) .name = break_##name,
#define OWN FORWARD
#include "tests/fakes/functions.h"
#undef FORWARD
#undef OWN
};

__attribute__((visibility("default"))) CK_RV
C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out)
{
    bool started;

    if (!out)
        return CKR_ARGUMENTS_BAD;
    pthread_mutex_lock(&lock);
    started = real || start();
    pthread_mutex_unlock(&lock);
    *out = started ? &function_list : NULL;
    return started ? CKR_OK : CKR_GENERAL_ERROR;
}

static bool
start(void)
{
    const char *path = getenv("PKCS11_BREAK_MODULE");
    CK_C_GetFunctionList get_list = NULL;
    void *module;

    folder = getenv("PKCS11_BREAK_DIR");
    module = dlopen(path ? path : DEFAULT_MODULE, RTLD_NOW | RTLD_LOCAL);
    if (module)
        get_list = (CK_C_GetFunctionList)(uintptr_t)dlsym(module, "C_GetFunctionList");
    if (!get_list || get_list(&real) != CKR_OK) {
        fprintf(stderr, "pkcs11-break: %s\n", dlerror());
        return false;
    }
    calls = folder ? calls_open(folder) : NULL;
    if ((!folder || calls) && device_start(real, folder))
        return true;
    fprintf(stderr, "pkcs11-break: %s: %m\n", folder);
    calls = calls_close(calls);
    real = NULL;
    return false;
}

/* Counts the call, finds its rule and obeys what comes before the real call. */
static struct rule
enter(enum function function)
{
    struct rule none = {.action = RULE_NONE};
    const struct rule *found;
    struct rule rule;
    uint64_t count;

    if (!calls)
        return none;
    count = calls_count(calls, function);
    pthread_mutex_lock(&lock);
    reread_rules();
    device_obey(&rules.device);
    found = rules_find(&rules, (int)function, count);
    rule = found ? *found : none;
    pthread_mutex_unlock(&lock);

    if (rule.action == RULE_SLOW)
        wait_ms(rule.value);
    while (rule.action == RULE_HANG)
        wait_ms(FOREVER_MS);
    if (!rule.after)
        crash(&rule);
    return rule;
}

static CK_RV
leave(const struct rule *rule, CK_RV rv)
{
    if (rule->after)
        crash(rule);
    return rule->after && rule->action == RULE_ANSWER ? rule->value : rv;
}

static void
crash(const struct rule *rule)
{
    static volatile uintptr_t nowhere = sizeof(max_align_t);

    if (rule->action == RULE_ABORT)
        abort();
    if (rule->action != RULE_SEGV)
        return;
    (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer would report what is meant to happen */
    *(volatile char *)nowhere = 1;
}

/* A file that is gone, or is no rules file, means that nothing is broken any more; the latter is
 * said aloud. */
static void
reread_rules(void)
{
    char path[4096], text[RULES_TEXT_MAX];
    struct stat now;
    ssize_t len;
    unsigned line;
    int fd;

    snprintf(path, sizeof(path), "%s/rules", folder);
    if (stat(path, &now) != 0)
        memset(&now, 0, sizeof(now));
    if (now.st_ino == rules_seen.st_ino && now.st_size == rules_seen.st_size &&
        memcmp(&now.st_mtim, &rules_seen.st_mtim, sizeof(now.st_mtim)) == 0)
        return;
    rules_seen = now;
    memset(&rules, 0, sizeof(rules));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    len = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (len <= 0)
        return;
    text[len] = '\0';
    line = rules_parse(text, &rules);
    if (line) {
        fprintf(stderr, "pkcs11-break: %s:%u: not a rule\n", path, line);
        memset(&rules, 0, sizeof(rules));
    }
    rules.seed = read_seed();
}

static uint64_t
read_seed(void)
{
    const char *given = getenv("PKCS11_BREAK_SEED");
    char path[4096], text[32] = "1";
    FILE *file = NULL;

    if (given)
        return strtoull(given, NULL, 0);
    snprintf(path, sizeof(path), "%s/seed", folder);
    file = fopen(path, "re");
    if (!file)
        return 1;
    if (!fgets(text, sizeof(text), file))
        fprintf(stderr, "pkcs11-break: %s: no number\n", path);
    fclose(file);
    return strtoull(text, NULL, 0);
}

static void
wait_ms(unsigned long ms)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&mutex);
    while (pthread_cond_timedwait(&never, &mutex, &until) == 0)
        continue;
    pthread_mutex_unlock(&mutex);
}
