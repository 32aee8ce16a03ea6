/* SPDX-License-Identifier: Apache-2.0 */
/*
 * off - in builds without a sandbox (option sandbox, sanitizers)
 */
#include "sandbox/sandbox.h"

struct sandbox {
    enum sandbox_kind kind;
};

ks_err
sandbox_new(enum sandbox_kind kind, struct sandbox **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return KS_ERR_INTERNAL;
    (*out)->kind = kind;
    return KS_OK;
}

struct sandbox *
sandbox_free(struct sandbox *sandbox)
{
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
    (void)sandbox;
    (void)rules;
    (void)n_rules;
}

void
sandbox_call(struct sandbox *sandbox, const char *call)
{
    (void)sandbox;
    (void)call;
}

void
sandbox_fcntl(struct sandbox *sandbox)
{
    (void)sandbox;
}

void
sandbox_expected(struct sandbox *sandbox, const struct sandbox_rule *rule, int error)
{
    (void)sandbox;
    (void)rule;
    (void)error;
}

void
sandbox_path(struct sandbox *sandbox, const char *path, enum sandbox_access access)
{
    (void)sandbox;
    (void)path;
    (void)access;
}

void
sandbox_close_files(struct sandbox *sandbox)
{
    (void)sandbox;
}

void
sandbox_restrict(struct sandbox *sandbox, enum sandbox_reach reach)
{
    (void)sandbox;
    (void)reach;
}

ks_err
sandbox_enter(struct sandbox *sandbox, struct sandbox_state *state, struct fault *why)
{
    (void)sandbox;
    (void)why;
    *state = (struct sandbox_state){0};
    return KS_OK;
}
