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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/fakes/calls.h"
#include "tests/fakes/rules.h"

#define DEFAULT_MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define RULES_TEXT_MAX 8192 /* bytes of the rules file that are read */
#define FOREVER_MS (1000ul * 60 * 60 * 24 * 365)

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out);
static bool start(void);
static struct rule enter(enum function function);
static CK_RV leave(const struct rule *rule, CK_RV rv);
static void reread_rules(void);
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

#define OWN(name)
#define FORWARD(name, parameters, arguments)                                                       \
    static CK_RV break_##name parameters                                                           \
    {                                                                                              \
        struct rule rule = enter(FUNCTION_##name);                                                 \
                                                                                                   \
        return is_instead(&rule) ? rule.value : leave(&rule, real->name arguments);                \
    }
#include "tests/fakes/functions.h"
#undef FORWARD
#undef OWN

static CK_RV
break_C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
    struct rule rule = enter(FUNCTION_C_GetTokenInfo);
    CK_RV rv;

    if (is_instead(&rule))
        return rule.value;
    rv = real->C_GetTokenInfo(slot, info);
    if (rv == CKR_OK && rule.action == RULE_FLAGS)
        info->flags |= rule.value;
    return leave(&rule, rv);
}

static CK_RV
break_C_Sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR signature,
             CK_ULONG_PTR signature_len)
{
    struct rule rule = enter(FUNCTION_C_Sign);
    CK_RV rv;

    if (is_instead(&rule))
        return rule.value;
    rv = real->C_Sign(session, data, data_len, signature, signature_len);
    if (rv == CKR_OK && rule.action == RULE_WRONG && signature)
        signature[*signature_len / 2] ^= 1;
    return leave(&rule, rv);
}

static CK_FUNCTION_LIST function_list = {
    .version = {2, 40},
    .C_GetFunctionList = C_GetFunctionList,
#define OWN(name) .name = break_##name,
#define FORWARD(name, parameters, arguments) .name = break_##name,
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
    if (!folder)
        return true;
    calls = calls_open(folder);
    if (!calls)
        fprintf(stderr, "pkcs11-break: %s/calls: %m\n", folder);
    return calls != NULL;
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
    found = rules_find(&rules, (int)function, count);
    rule = found ? *found : none;
    pthread_mutex_unlock(&lock);

    if (rule.action == RULE_SLOW)
        wait_ms(rule.value);
    while (rule.action == RULE_HANG)
        wait_ms(FOREVER_MS);
    if (rule.action == RULE_ABORT && !rule.after)
        abort();
    return rule;
}

static CK_RV
leave(const struct rule *rule, CK_RV rv)
{
    if (rule->after && rule->action == RULE_ABORT)
        abort();
    return rule->after && rule->action == RULE_ANSWER ? rule->value : rv;
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
