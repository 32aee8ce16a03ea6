/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_switch_crash - a switch that is killed, or finds the disk full, at each of its steps
 *
 * fakes/stop_at.c ends agent-switch at its n-th step, for each n until it comes to its end. Whatever
 * happens: the files show one set, the old one or the new one; the next agent_open() shows the same in
 * files and store, leaves nothing over, and can switch again.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "agent_rig.h"

#define STEPS_MIN 30u /* a switch has more; with fewer the fake was not there */
#define WRITES_MIN 12u
#define STEPS_MAX 500u
#define SETS_BEFORE 4 /* so that one is pruned */

static char top[256], base[300], state[300], said[300];

static void
copy_state(const char *from, const char *to)
{
    char command[1000];

    snprintf(command, sizeof(command), "rm -rf '%s' && cp -a '%s' '%s'", to, from, to);
    cr_assert(system(command) == 0);
}

static void
make_state(void)
{
    struct report report = REPORT_INIT;
    struct rig rig;

    rig_make_folder(top, sizeof(top));
    snprintf(base, sizeof(base), "%s/base", top);
    snprintf(state, sizeof(state), "%s/state", top);
    snprintf(said, sizeof(said), "%s/said", top);
    rig_open(&rig, base);
    rig_identity(&rig);
    for (uint32_t version = 2; version <= SETS_BEFORE; version++)
        cr_assert(rig_switch(&rig, SET_ISSUED, version, &report) == KS_OK, "%s", report.message);
    rig_close(&rig);
}

static void
remove_state(void)
{
    rig_remove_folder(top);
}

TestSuite(switch_crash, .init = make_state, .fini = remove_state, .timeout = 300);

/* How the process ended. */
static int
run_switch(const char *way, unsigned int n)
{
    char number[16];
    int status;
    pid_t pid;

    snprintf(number, sizeof(number), "%u", n);
    pid = fork();
    if (pid == 0) {
        setenv("LD_PRELOAD", STOP_AT, 1);
        setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", 1);
        setenv("KEYSVC_STOP_AT", number, 1);
        setenv("KEYSVC_STOP_AS", way, 1);
        if (!freopen(said, "w", stdout) || !freopen(said, "a", stderr))
            _exit(126);
        execl(AGENT_SWITCH, AGENT_SWITCH, state, "9", NULL);
        _exit(127);
    }
    cr_assert(waitpid(pid, &status, 0) == pid);
    return status;
}

/* The set that stands; what was killed is put in order by this. */
static int64_t
look(const char *way, unsigned int n)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};
    struct report report = REPORT_INIT;
    int64_t before = rig_files(state), number;
    size_t extra, n_sets;
    struct rig rig;

    cr_assert(before == SETS_BEFORE || before == SETS_BEFORE + 1, "%s %u: files of set %lld", way,
              n, (long long)before);
    rig_open(&rig, state);
    cr_assert(identity_current(rig.agent, RIG_IDENTITY, &set, &report) == KS_OK);
    number = set.number;
    cr_assert(number == SETS_BEFORE || number == SETS_BEFORE + 1);
    cr_assert(rig_files(state) == number, "%s %u: files and store differ", way, n);
    cr_assert(set.key.version == (number == SETS_BEFORE ? SETS_BEFORE : 9));
    n_sets = rig_n_sets(state, &extra);
    cr_assert(n_sets == 3 && extra == 0, "%s %u: %zu sets, %zu left over", way, n, n_sets, extra);
    cr_assert(rig_switch(&rig, SET_ISSUED, 10, &report) == KS_OK, "%s %u: %s", way, n,
              report.message);
    cr_assert(rig_files(state) > number);
    rig_close(&rig);
    return number;
}

/* Returns how many steps there are. */
static unsigned int
at_each_step(const char *way, unsigned int *n_old, unsigned int *n_new)
{
    *n_old = *n_new = 0;
    for (unsigned int n = 1; n < STEPS_MAX; n++) {
        int status;

        copy_state(base, state);
        status = run_switch(way, n);
        if (WIFEXITED(status)) {
            cr_assert(WEXITSTATUS(status) == 0, "%s %u: %d", way, n, WEXITSTATUS(status));
            cr_assert(look(way, n) == SETS_BEFORE + 1);
            return n - 1;
        }
        cr_assert(WTERMSIG(status) == SIGKILL, "%s %u: signal %d", way, n, WTERMSIG(status));
        (*(look(way, n) == SETS_BEFORE ? n_old : n_new))++;
    }
    cr_assert(false, "it does not end");
    return 0;
}

Test(switch_crash, shows_the_old_set_or_the_new_one_wherever_it_is_killed)
{
    unsigned int n_old, n_new, n = at_each_step("kill", &n_old, &n_new);

    cr_assert(n >= STEPS_MIN, "%u steps", n);
    cr_assert(n_old > 0 && n_new > 0);
}

Test(switch_crash, shows_the_old_set_or_the_new_one_wherever_a_write_is_torn)
{
    unsigned int n_old, n_new, n = at_each_step("torn", &n_old, &n_new);

    cr_assert(n >= WRITES_MIN, "%u writes", n);
    cr_assert(n_old > 0 && n_new > 0);
}

/* A failure that was said is one that changed nothing. */
Test(switch_crash, changes_nothing_and_says_so_wherever_the_disk_is_full)
{
    unsigned int n_failed = 0;

    for (unsigned int n = 1; n < STEPS_MAX; n++) {
        bool failed;
        int status;

        copy_state(base, state);
        status = run_switch("full", n);
        cr_assert(WIFEXITED(status), "full %u: %d", n, status);
        failed = WEXITSTATUS(status) != 0;
        n_failed += failed;
        if (failed) {
            char command[400];

            cr_assert(WEXITSTATUS(status) == KS_ERR_INTERNAL);
            snprintf(command, sizeof(command), "grep -q 'free space' '%s'", said);
            cr_assert(system(command) == 0, "full %u: nothing about the space", n);
            cr_assert(rig_files(state) == SETS_BEFORE);
        }
        cr_assert(look("full", n) == (failed ? SETS_BEFORE : SETS_BEFORE + 1), "full %u", n);
        if (!failed && n > STEPS_MIN)
            break;
    }
    cr_assert(n_failed > 5, "%u failures", n_failed);
}
