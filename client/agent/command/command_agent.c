/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_agent - configuration and agent for one command, as the user to whom the state belongs
 *
 * Root may call every command, but never works as root on the agent's files: it becomes their owner
 * first. So there is no file that the agent cannot read later, keysvcd decides by the agent's user,
 * and what is parsed (certificates from outside) is parsed without root's rights.
 */
#include "client/agent/command/command.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#define MAX_GROUPS 1024 /* of an account */

static ks_err take_options(struct invocation *invocation, struct report *report);
static ks_err become_owner(const char *state_dir, struct report *report);
static void name_of_caller(char out[static AGENT_WHO_MAX]);

ks_err
command_config(struct invocation *invocation, struct report *report)
{
    struct fault why = FAULT_INIT;
    ks_err err;

    if (invocation->config)
        return KS_OK;
    err = config_load(invocation->config_path, &invocation->config, &why);
    if (err)
        return report_fault(report, err, &why);
    err = take_options(invocation, report);
    if (!err)
        err = become_owner(invocation->config->state_dir, report);
    if (err)
        return err;
    err = config_set_user(invocation->config, geteuid(), &why);
    return err ? report_fault(report, err, &why) : KS_OK;
}

static ks_err
take_options(struct invocation *invocation, struct report *report)
{
    struct agent_config *config = invocation->config;

    if (invocation->state_dir &&
        !text_copy(config->state_dir, sizeof(config->state_dir), invocation->state_dir))
        return report_fail(report, KS_ERR_USAGE, "--state-dir: the path is too long");
    if (invocation->socket &&
        !text_copy(config->socket, sizeof(config->socket), invocation->socket))
        return report_fail(report, KS_ERR_USAGE, "--socket: the path is too long");
    return KS_OK;
}

/* The folder's group, if he is in it: what is written there is for that. Else his first one, as when he
 * logs in. Of a number without an account there is only the folder's. */
static bool
take_groups(const struct passwd *account, gid_t of_folder)
{
    gid_t groups[MAX_GROUPS], group = account ? account->pw_gid : of_folder;
    int n = account ? MAX_GROUPS : 0;

    errno = E2BIG;
    if (account && getgrouplist(account->pw_name, account->pw_gid, groups, &n) < 0)
        return false;
    for (int i = 0; i < n; i++) {
        if (groups[i] == of_folder && of_folder != 0)
            group = of_folder;
    }
    return setgroups((size_t)n, groups) == 0 && setresgid(group, group, group) == 0;
}

/* A folder that is not there yet is made by whoever calls. */
static ks_err
become_owner(const char *state_dir, struct report *report)
{
    const struct passwd *account;
    struct stat st;

    if (geteuid() != 0 || stat(state_dir, &st) != 0 || st.st_uid == 0)
        return KS_OK;
    account = getpwuid(st.st_uid);
    if (!account && st.st_gid == 0) {
        report_fail(report, KS_ERR_USAGE,
                    "%s belongs to user %u, who has no account, and to root's group", state_dir,
                    st.st_uid);
        report_hint(report, "give it a group of its own: chgrp GROUP %s", state_dir);
        return KS_ERR_USAGE;
    }
    if (!take_groups(account, st.st_gid) || setresuid(st.st_uid, st.st_uid, st.st_uid))
        return report_fail(report, KS_ERR_INTERNAL, "cannot become user %u, to whom %s belongs: %s",
                           st.st_uid, state_dir, strerror(errno));
    return KS_OK;
}

ks_err
command_open(struct invocation *invocation, struct report *report)
{
    char who[AGENT_WHO_MAX];
    ks_err err;

    name_of_caller(who);
    err = command_config(invocation, report);
    if (err)
        return err;
    return agent_open(invocation->config, who, &invocation->agent, report);
}

ks_err
command_open_to_change(struct invocation *invocation, struct report *report)
{
    signal(SIGPIPE, SIG_IGN);
    return command_open(invocation, report);
}

/* By the kernel's word; what stands in the environment is no evidence. */
static void
name_of_caller(char out[static AGENT_WHO_MAX])
{
    const struct passwd *account = getpwuid(getuid());

    if (account)
        snprintf(out, AGENT_WHO_MAX, "%s", account->pw_name);
    else
        snprintf(out, AGENT_WHO_MAX, "%u", getuid());
}

void
command_changed(struct invocation *invocation)
{
    invocation->changed = true;
}

int
command_end(struct invocation *invocation, struct report *report)
{
    invocation->agent = agent_close(invocation->agent);
    invocation->config = config_free(invocation->config);
    if (!report->code)
        (void)report_stdout(report, invocation->changed);
    if (report->code)
        report_print(report, stderr);
    return (int)report->code;
}
