/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - a filter of libseccomp's and the Landlock rules beside it
 *
 * The filter is a tree, not a list: with a hundred calls the last one would be found late. Calls
 * that are allowed whatever their arguments cost next to nothing: the kernel remembers them.
 */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>

#include "sandbox/landlock.h"
#include "sandbox/refused.h"

#define OPTIMIZE_AS_TREE 2

struct path {
    char *path;
    enum sandbox_access access;
};

struct sandbox {
    enum sandbox_kind kind;
    scmp_filter_ctx filter;
    int rc; /* of libseccomp, the first that is not 0 */
    const char *failed_call;
    struct path *paths;
    size_t n_paths;
    uint64_t handled;
    unsigned int reach;
    bool no_memory;
};

static void add_rule(struct sandbox *sandbox, const struct sandbox_rule *rule, uint32_t action);
static ks_err enter_files(const struct sandbox *sandbox, struct sandbox_state *state,
                          struct fault *why);
static ks_err enter_calls(const struct sandbox *sandbox, struct fault *why);

ks_err
sandbox_new(enum sandbox_kind kind, struct sandbox **out)
{
    ks_auto(sandbox_freep) struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
    const uint32_t otherwise = kind == SANDBOX_ALLOWS ? SCMP_ACT_TRAP : SCMP_ACT_ALLOW;

    if (!sandbox)
        return KS_ERR_INTERNAL;
    sandbox->kind = kind;
    sandbox->filter = seccomp_init(otherwise);
    if (!sandbox->filter ||
        seccomp_attr_set(sandbox->filter, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_AS_TREE) != 0)
        return KS_ERR_INTERNAL;
    /* Where there is no such action (valgrind) the thread alone is killed. */
    (void)seccomp_attr_set(sandbox->filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    *out = ks_steal(&sandbox);
    return KS_OK;
}

struct sandbox *
sandbox_free(struct sandbox *sandbox)
{
    if (!sandbox)
        return NULL;
    for (size_t i = 0; i < sandbox->n_paths; i++)
        free(sandbox->paths[i].path);
    free(sandbox->paths);
    seccomp_release(sandbox->filter);
    free(sandbox);
    return NULL;
}

void
sandbox_freep(struct sandbox **sandbox)
{
    *sandbox = sandbox_free(*sandbox);
}

void
sandbox_calls(struct sandbox *sandbox, const struct sandbox_rule *rules, size_t n_rules)
{
    const uint32_t action =
        sandbox->kind == SANDBOX_ALLOWS ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM);

    for (size_t i = 0; i < n_rules; i++)
        add_rule(sandbox, &rules[i], action);
}

void
sandbox_call(struct sandbox *sandbox, const char *call)
{
    const struct sandbox_rule rule = {.call = call};

    sandbox_calls(sandbox, &rule, 1);
}

void
sandbox_fcntl(struct sandbox *sandbox)
{
    static const unsigned int commands[] = {
        F_DUPFD,      F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,     F_GETFL,     F_SETFL,
        F_GETLK,      F_SETLK,         F_SETLKW,    F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW,
        F_GETPIPE_SZ, F_SETPIPE_SZ,    F_ADD_SEALS, F_GET_SEALS,
    };

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const struct sandbox_rule rule = {"fcntl", 1, SANDBOX_INT, commands[i]};

        sandbox_calls(sandbox, &rule, 1);
    }
}

void
sandbox_expected(struct sandbox *sandbox, const struct sandbox_rule *rule, int error)
{
    add_rule(sandbox, rule, SCMP_ACT_ERRNO((uint16_t)error));
}

static void
add_rule(struct sandbox *sandbox, const struct sandbox_rule *rule, uint32_t action)
{
    const struct scmp_arg_cmp is =
        SCMP_CMP(rule->argument, SCMP_CMP_MASKED_EQ, rule->mask, rule->value);
    int call = seccomp_syscall_resolve_name(rule->call);
    int rc;

    if (call == __NR_SCMP_ERROR)
        return;
    rc = seccomp_rule_add_array(sandbox->filter, action, call, rule->mask != 0, &is);
    if (rc == 0 || rc == -EEXIST || sandbox->rc != 0)
        return;
    sandbox->rc = rc;
    sandbox->failed_call = rule->call;
}

void
sandbox_path(struct sandbox *sandbox, const char *path, enum sandbox_access access)
{
    struct path *grown = realloc(sandbox->paths, (sandbox->n_paths + 1) * sizeof(*sandbox->paths));
    char *copy = strdup(path);

    if (grown)
        sandbox->paths = grown;
    if (!grown || !copy) {
        free(copy);
        sandbox->no_memory = true;
        return;
    }
    sandbox->paths[sandbox->n_paths++] = (struct path){copy, access};
    sandbox->handled |= access == SANDBOX_EXECUTE ? landlock_rights(access) : landlock_all();
}

void
sandbox_close_files(struct sandbox *sandbox)
{
    sandbox->handled = landlock_all();
}

void
sandbox_restrict(struct sandbox *sandbox, enum sandbox_reach reach)
{
    sandbox->reach |= reach;
}

/* Files first: the filter has no place for Landlock's own calls. */
ks_err
sandbox_enter(struct sandbox *sandbox, struct sandbox_state *state, struct fault *why)
{
    ks_err err = KS_OK;

    *state = (struct sandbox_state){0};
    if (sandbox->no_memory) {
        fault_set(why, "no memory for the sandbox");
        return KS_ERR_INTERNAL;
    }
    if (sandbox->rc != 0) {
        errno = -sandbox->rc;
        fault_set(why, "the filter takes no rule for the system call %s: %m", sandbox->failed_call);
        return KS_ERR_INTERNAL;
    }
    if (sandbox->kind == SANDBOX_ALLOWS)
        err = refused_watch(why);
    if (!err)
        err = enter_files(sandbox, state, why);
    if (!err)
        err = enter_calls(sandbox, why);
    state->calls = !err;
    return err;
}

static ks_err
enter_files(const struct sandbox *sandbox, struct sandbox_state *state, struct fault *why)
{
    struct landlock landlock;
    ks_err err = landlock_open(&landlock, sandbox->handled, sandbox->reach, why);

    for (size_t i = 0; !err && i < sandbox->n_paths; i++)
        err = landlock_allow(&landlock, sandbox->paths[i].path,
                             landlock_rights(sandbox->paths[i].access), why);
    if (!err)
        err = landlock_enter(&landlock, why);
    state->abi = landlock.abi;
    state->files = !err && landlock.ruleset >= 0 && landlock.handled != 0;
    closep(&landlock.ruleset);
    return err;
}

static ks_err
enter_calls(const struct sandbox *sandbox, struct fault *why)
{
    int rc = seccomp_load(sandbox->filter);

    if (rc == 0)
        return KS_OK;
    errno = -rc;
    fault_set(why, "cannot install the filter of system calls: %m");
    return KS_ERR_INTERNAL;
}
