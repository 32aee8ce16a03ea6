/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load - many clients at once, and what became of their requests
 *
 * Makes the shared tally, forks the client processes, lets all go at the same moment, stops them
 * when the time is over and reports. The clients themselves are in library.c and protocol.c.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "tests/load/run.h"

#define POLL_NS 1000000 /* of the parent, which has nothing else to do */
#define THREAD_STACK_LEN (256 * 1024)

static volatile sig_atomic_t interrupted;

static bool make_shared(struct run *run);
static bool start_processes(const struct run *run);
static bool wait_ready(const struct run *run);
static void wait_time(const struct run *run);
static bool reap(const struct run *run, unsigned int *n_gone, int options);
static void nap(void);

static void
on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

int
main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct run run;
    unsigned int n_gone = 0;
    bool good;

    run_parse(&run, argc, argv);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (!make_shared(&run)) {
        fprintf(stderr, "load: no memory\n");
        return 1;
    }
    good = start_processes(&run) && wait_ready(&run);
    if (good)
        wait_time(&run);
    run.control->stop = true;
    run.control->go = true;
    while (n_gone < run.n_processes)
        good = reap(&run, &n_gone, 0) && good;
    if (good)
        report_print(&run);
    return good ? 0 : 1;
}

static bool
make_shared(struct run *run)
{
    size_t n_seconds = run->timeline ? (size_t)run->seconds + 1 : 0;

    run->control = mmap(NULL, sizeof(*run->control), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run->control == MAP_FAILED)
        return false;
    run->tally = tally_new(run->count, n_seconds);
    return run->tally != NULL;
}

/* A child never returns from here; it ends when we do, however that comes. */
static bool
start_processes(const struct run *run)
{
    pid_t parent = getpid();

    for (unsigned int i = 0; i < run->n_processes; i++) {
        pid_t pid = fork();
        bool good;

        if (pid < 0) {
            perror("load: fork");
            exit(1); /* those before die with us */
        }
        if (pid > 0)
            continue;
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        good =
            run->raw ? protocol_run(run, i * run->n_threads) : library_run(run, i * run->n_threads);
        fflush(stderr);
        _exit(good ? 0 : 1);
    }
    return true;
}

/* A process that cannot begin has ended: nobody has to wait for the others then. */
static bool
wait_ready(const struct run *run)
{
    while (run->control->n_ready < run->n_processes * run->n_threads) {
        siginfo_t info = {0};

        if (interrupted)
            return false;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0)
            return false;
        nap();
    }
    return true;
}

static void
wait_time(const struct run *run)
{
    uint64_t begun_us = clock_mono_us();
    uint64_t end_us = begun_us + (uint64_t)(run->seconds * 1e6);
    siginfo_t info = {0};

    tally_begin(run->tally, begun_us);
    run->control->go = true;
    while (!interrupted && clock_mono_us() < end_us && run->tally->asked < run->count) {
        nap();
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0)
            break;
    }
    /* The last of a counted run are still being answered. */
    if (run->count == TALLY_NO_LIMIT)
        tally_end(run->tally, clock_mono_us());
}

static bool
reap(const struct run *run, unsigned int *n_gone, int options)
{
    int status = 0;

    if (waitpid(-1, &status, options) <= 0)
        return true;
    (*n_gone)++;
    if (*n_gone == run->n_processes && run->tally->ended_us == 0)
        tally_end(run->tally, clock_mono_us());
    if (WIFSIGNALED(status))
        fprintf(stderr, "load: a client process ended by signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
}
