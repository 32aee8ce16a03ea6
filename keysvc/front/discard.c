/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discard - detached threads that close what waits, and end when nothing more comes
 */
#include "front/discard.h"

#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"

#define MAX_THREADS 64 /* that may sleep at once; what comes then waits, open, for one of them */
#define STUCK_MS 20    /* what has waited so long waits for threads that sleep: one more is made */
#define LINGER_S 2 /* a thread without work: making one for each client would cost more than it */
#define WARN_AFTER_MS 1000     /* since the last time that all threads were busy */
#define STACK_LEN (128 * 1024) /* bytes: it only closes */

struct handful {
    TAILQ_ENTRY(handful) in_waiting;
    uint64_t since_ms;
    size_t n_fds;
    int fds[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, handful) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static int n_threads, n_idle;
static uint64_t warned_ms;

static struct handful *handful_new(const int *fds, size_t n_fds);
static void handful_close(struct handful *handful);
static void warn_busy(void);
static bool start_thread(void);
static void *close_waiting(void *data);

void
discard(const int *fds, size_t n_fds)
{
    struct handful *handful = handful_new(fds, n_fds);
    bool idle;

    if (!handful) {
        for (size_t i = 0; i < n_fds; i++)
            close(fds[i]);
        return;
    }
    pthread_mutex_lock(&lock);
    TAILQ_INSERT_TAIL(&waiting, handful, in_waiting);
    idle = n_idle > 0;
    pthread_mutex_unlock(&lock);
    if (idle)
        pthread_cond_signal(&more);
    else
        discard_stuck();
}

/* Threads that are awake are no more than one as a rule: many would take the processor from the
 * loop, for whose sake they are. */
void
discard_stuck(void)
{
    const struct handful *first;
    bool stuck, wanted;

    pthread_mutex_lock(&lock);
    first = TAILQ_FIRST(&waiting);
    stuck = first && (n_threads == 0 || clock_mono_ms() - first->since_ms >= STUCK_MS);
    wanted = stuck && n_threads < MAX_THREADS;
    n_threads += wanted;
    pthread_mutex_unlock(&lock);
    /* Without any thread this one does it. */
    if (wanted && !start_thread())
        close_waiting(NULL);
    else if (stuck && !wanted)
        warn_busy();
}

static void
warn_busy(void)
{
    uint64_t now_ms = clock_mono_ms();

    if (warned_ms == 0 || now_ms - warned_ms >= WARN_AFTER_MS)
        log_warning("event=discard-busy consequence=\"what clients sent stays open for a while\"");
    warned_ms = now_ms;
}

static struct handful *
handful_new(const int *fds, size_t n_fds)
{
    struct handful *handful = malloc(sizeof(*handful) + n_fds * sizeof(*fds));

    if (!handful)
        return NULL;
    handful->since_ms = clock_mono_ms();
    handful->n_fds = n_fds;
    memcpy(handful->fds, fds, n_fds * sizeof(*fds));
    return handful;
}

static void
handful_close(struct handful *handful)
{
    for (size_t i = 0; i < handful->n_fds; i++)
        close(handful->fds[i]);
    free(handful);
}

void
discard_socket(int fd)
{
    int n_unread = 0;

    shutdown(fd, SHUT_RD); /* nothing comes after the look */
    if (ioctl(fd, FIONREAD, &n_unread) == 0 && n_unread == 0)
        close(fd);
    else
        discard(&fd, 1);
}

/* Signals are for the thread of the loop. */
static bool
start_thread(void)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    bool begun;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    begun = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
            pthread_attr_setstacksize(&attributes, STACK_LEN) == 0 &&
            pthread_create(&thread, &attributes, close_waiting, &waiting) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return begun;
}

/* With the lock held; NULL: nothing has come for a while, or this is the loop's own thread. */
static struct handful *
next_waiting(bool may_wait)
{
    struct timespec until;
    struct handful *handful;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LINGER_S;
    n_idle++;
    while (!(handful = TAILQ_FIRST(&waiting)) && may_wait)
        may_wait = pthread_cond_clockwait(&more, &lock, CLOCK_MONOTONIC, &until) == 0;
    n_idle--;
    if (handful)
        TAILQ_REMOVE(&waiting, handful, in_waiting);
    return handful;
}

/* `data` is NULL where the thread must not wait. */
static void *
close_waiting(void *data)
{
    struct handful *handful;

    for (;;) {
        pthread_mutex_lock(&lock);
        handful = next_waiting(data != NULL);
        if (!handful)
            n_threads--;
        pthread_mutex_unlock(&lock);
        if (!handful)
            return NULL;
        handful_close(handful);
    }
}
