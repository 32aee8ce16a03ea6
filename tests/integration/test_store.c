/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store - a token process and the files of its token: kills at any moment, a second master
 *
 * How many kills: KEYSVC_KILLS, or 1,000, or fewer where the build is instrumented. The moments come
 * from a seed that is printed; KEYSVC_SEED repeats them.
 */
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "ipc/pulse.h"
#include "token_rig.h"

#define KILLS 1000
#define KILLS_INSTRUMENTED 60
#define IN_LOGIN_OF_10 7 /* so many of ten kills are aimed at C_Login, the others at all of it */

static struct rig *rig;

static void
set_up(void)
{
    rig = rig_new();
    rig_store(rig);
}

static void
tear_down(void)
{
    rig = rig_free(rig);
}

TestSuite(store, .init = set_up, .fini = tear_down, .timeout = 900);

/* The one file of this kind below the token's folder. */
static void
token_file(const char *name, char *out, size_t cap)
{
    char pattern[200];
    glob_t found;

    snprintf(pattern, sizeof(pattern), "%s/tokens/*/%s", rig->folder, name);
    cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "%s", pattern);
    cr_assert_eq(found.gl_pathc, 1);
    cr_assert(text_copy(out, cap, found.gl_pathv[0]));
    globfree(&found);
}

static bool
is_empty(const char *name)
{
    struct stat status;
    char path[256];

    token_file(name, path, sizeof(path));
    cr_assert_eq(stat(path, &status), 0);
    return status.st_size == 0;
}

static void
make_empty(const char *name)
{
    char path[256];

    token_file(name, path, sizeof(path));
    cr_assert_eq(truncate(path, 0), 0);
}

static bool
same_bytes(const char *a, const char *b)
{
    char path_a[256], path_b[256], command[600];

    token_file(a, path_a, sizeof(path_a));
    token_file(b, path_b, sizeof(path_b));
    snprintf(command, sizeof(command), "cmp -s '%s' '%s'", path_a, path_b);
    return system(command) == 0;
}

static bool
signs(const char *name)
{
    struct job job = rig_job_for(rig, JOB_SIGN, name, 1);
    const struct job_key *key = rig_key(rig, name, 1);
    static const uint8_t text[] = "what is signed";
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct job_reply reply;
    const unsigned char *at;
    EVP_PKEY *pkey;
    bool good;

    cr_assert(key, "%s is not in the directory", name);
    at = key->public_key;
    pkey = d2i_PUBKEY(NULL, &at, (long)key->public_key_len);
    job.sign = (struct job_sign){
        .algorithm = KS_ALGORITHM_DEFAULT, .data = text, .data_len = sizeof(text)};
    reply = rig_job(rig, &job);
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    good = pkey && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pkey) == 1 &&
           EVP_DigestVerify(context, reply.data, reply.data_len, text, sizeof(text)) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pkey);
    return good;
}

static void
start_with_key(const char *name)
{
    struct job_reply reply;

    cr_assert(rig_start(rig));
    rig_front(rig);
    reply = rig_generate(rig, name);
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
}

Test(store, the_first_process_hands_over_the_lock_and_keeps_no_copy_of_it)
{
    int other;

    cr_assert(rig_start(rig));
    cr_assert_geq(rig->store_lock, 0);
    other = open(rig->token.store, O_RDONLY | O_DIRECTORY);
    cr_assert_lt(flock(other, LOCK_EX | LOCK_NB), 0);
    /* It is ours now: when we let go it is free, though the process lives. */
    close(rig->store_lock);
    rig->store_lock = -1;
    cr_assert_eq(flock(other, LOCK_EX | LOCK_NB), 0);
    close(other);
    cr_assert_eq(rig_stop(rig), 0);
}

/* As another process of this store; to be closed. */
static int
hold_gate(void)
{
    char path[200];
    int fd;

    rig_path(rig, "tokens/.keysvc-gate", path, sizeof(path));
    fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_eq(flock(fd, LOCK_EX | LOCK_NB), 0, "%s", path);
    return fd;
}

static void
wait_for_phase(enum pulse_phase phase)
{
    uint64_t end_ms = clock_mono_ms() + RIG_TIMEOUT_MS;

    while (atomic_load(&rig->pulse->phase) != phase) {
        cr_assert_lt(clock_mono_ms(), end_ms);
        usleep(1000);
    }
}

/* It has come to the gate, and does not go through. */
static void
expect_at_gate(void)
{
    wait_for_phase(PULSE_GATE);
    usleep(200000);
    cr_assert_eq(atomic_load(&rig->pulse->phase), PULSE_GATE);
}

Test(store, a_process_that_waits_for_the_gate_shows_it)
{
    struct job job = {.operation = JOB_GENERATE, .name = "doc/a"};
    struct job_reply reply;
    int gate;

    cr_assert(rig_start(rig));
    rig_front(rig);
    gate = hold_gate();
    rig_send(rig, &job);
    expect_at_gate();
    close(gate);
    reply = rig_receive(rig);
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    wait_for_phase(PULSE_IDLE);
    cr_assert_eq(rig_stop(rig), 0);
}

Test(store, what_a_reload_adopts_is_listed_inside_of_the_gate)
{
    struct config_key section = {.name = "doc/a", .uri = "pkcs11:object=somebody%27s"};
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    uint16_t type = 0;
    int gate;

    cr_assert(rig_start(rig));
    rig_front(rig);
    gate = hold_gate();
    rig->config.keys = &section;
    rig->config.n_keys = 1;
    rig->config.generation = 2;
    config_pack(&body, &rig->config);
    cr_assert_eq(channel_send(rig->control, CONTROL_CONFIG, &body, NULL, 0, RIG_TIMEOUT_MS), KS_OK);
    expect_at_gate();
    close(gate);
    while (type != CONTROL_CONFIG_DONE)
        cr_assert_eq(rig_control(rig, &type), KS_OK);
    gate = hold_gate();
    close(gate);
    cr_assert_eq(rig_stop(rig), 0);
}

Test(store, a_process_whose_store_somebody_else_has_says_so_and_touches_no_token)
{
    int other = open(rig->token.store, O_RDONLY | O_DIRECTORY);

    cr_assert_eq(flock(other, LOCK_EX | LOCK_NB), 0);
    cr_assert_not(rig_start(rig));
    cr_assert_eq(rig_wait(rig), CONTROL_EXIT_NO_TOKEN);
    cr_assert_eq(rig->state.state, TOKEN_STATE_ABSENT);
    cr_assert(strstr(rig->state.text, "used by another keysvcd"), "%s", rig->state.text);
    cr_assert_eq(rig->n_logins_wanted, 0);
    close(other);
}

Test(store, an_emptied_token_file_is_put_back_and_its_keys_sign)
{
    start_with_key("doc/a");
    cr_assert(same_bytes("token.object", "token.object.keysvc-copy"));
    cr_assert_eq(rig_kill(rig), -1);
    make_empty("token.object");
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert(signs("doc/a"));
    cr_assert_eq(rig_stop(rig), 0);
}

Test(store, without_a_copy_an_emptied_token_is_absent)
{
    char path[256];

    start_with_key("doc/a");
    cr_assert_eq(rig_kill(rig), -1);
    make_empty("token.object");
    token_file("token.object.keysvc-copy", path, sizeof(path));
    cr_assert_eq(unlink(path), 0);
    cr_assert_not(rig_start(rig));
    cr_assert_eq(rig_wait(rig), CONTROL_EXIT_NO_TOKEN);
}

Test(store, the_first_copy_is_made_with_the_token_and_renewed_with_its_pin)
{
    static const char *const init[] = {"init", "--force", NULL};
    static const char *const change[] = {"change-pin", NULL};

    cr_assert_eq(rig_administer(rig, init, RIG_SO_PIN, RIG_PIN), 0);
    cr_assert(same_bytes("token.object", "token.object.keysvc-copy"));
    start_with_key("doc/a");
    cr_assert_eq(rig_kill(rig), -1);
    cr_assert_eq(rig_administer(rig, change, RIG_PIN, "567890"), 0);
    cr_assert(same_bytes("token.object", "token.object.keysvc-copy"));
    make_empty("token.object");
    rig_pin(rig, "567890");
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert(signs("doc/a"));
    cr_assert_eq(rig_stop(rig), 0);
}

Test(store, a_token_that_is_made_anew_over_its_copy_is_the_new_one)
{
    static const char *const init[] = {"init", "--force", NULL};

    start_with_key("doc/a");
    cr_assert_eq(rig_kill(rig), -1);
    cr_assert_eq(rig_administer(rig, init, RIG_SO_PIN, "other-pin"), 0);
    cr_assert(same_bytes("token.object", "token.object.keysvc-copy"));
    rig_pin(rig, "other-pin");
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_null(rig_key(rig, "doc/a", 1));
    cr_assert_eq(rig_stop(rig), 0);
}

/* ---------------------------------------------------------------- kills */

static volatile pid_t victim;

static void
on_alarm(int number)
{
    (void)number;
    kill(victim, SIGKILL);
}

static void
kill_after(uint64_t us)
{
    const struct itimerval when = {
        .it_value = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000 + 1)}};

    victim = rig->pid;
    cr_assert_eq(setitimer(ITIMER_REAL, &when, NULL), 0);
}

static void
kill_no_more(void)
{
    const struct itimerval never = {.it_value = {0, 0}};

    setitimer(ITIMER_REAL, &never, NULL);
}

static uint64_t
now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

struct times {
    uint64_t start_us; /* from its start to READY */
    uint64_t login_us; /* from LOGIN_GO to LOGIN_RESULT */
};

/* How long a start takes here when nobody kills it. */
static struct times
measure(void)
{
    struct times times = {0, 0};
    uint64_t began = now_us(), asked = 0;
    uint16_t type = 0;

    rig_launch(rig);
    while (type != CONTROL_READY) {
        cr_assert_eq(rig_control(rig, &type), KS_OK, "%s", rig->state.text);
        if (type == CONTROL_LOGIN_WANTED)
            asked = now_us();
        if (type == CONTROL_LOGIN_RESULT)
            times.login_us = now_us() - asked;
    }
    times.start_us = now_us() - began;
    rig_kill(rig);
    return times;
}

/* One start and one kill. False: it ended by itself, and so has found something wrong. */
static bool
start_and_kill(const struct times *times, bool in_login, uint64_t random)
{
    uint16_t type = 0;
    int code;

    rig_launch(rig);
    if (!in_login)
        kill_after(random % (times->start_us + times->start_us / 10));
    while (type != CONTROL_READY && rig_control(rig, &type) == KS_OK) {
        if (in_login && type == CONTROL_LOGIN_WANTED)
            kill_after(random % (times->login_us + times->login_us / 10));
    }
    if (type == CONTROL_READY) {
        kill_no_more();
        return rig_kill(rig) == -1;
    }
    code = rig_kill(rig);
    kill_no_more();
    return code == -1;
}

static size_t
number_from(const char *name, size_t fallback)
{
    const char *text = getenv(name);

    return text && text[0] ? strtoul(text, NULL, 10) : fallback;
}

Test(store, kills_at_random_moments_of_the_start_cost_no_token)
{
    size_t n = number_from("KEYSVC_KILLS", getenv("KEYSVC_SANITIZED") ? KILLS_INSTRUMENTED : KILLS);
    unsigned int seed = (unsigned int)number_from("KEYSVC_SEED", (size_t)now_us() & 0xffffff);
    size_t n_emptied = 0, n_in_login = 0;
    uint64_t began_ms = clock_mono_ms();
    struct times times;
    uint16_t rounds[3];

    signal(SIGALRM, on_alarm);
    signal(SIGPIPE, SIG_IGN);
    start_with_key("doc/a");
    cr_assert_eq(rig_kill(rig), -1);
    times = measure();
    memcpy(rounds, &(uint64_t){seed}, sizeof(rounds));
    for (size_t i = 0; i < n; i++) {
        bool in_login = nrand48(rounds) % 10 < IN_LOGIN_OF_10;

        n_in_login += in_login;
        cr_assert(start_and_kill(&times, in_login, (uint64_t)nrand48(rounds)),
                  "kill %zu of seed %u: the process found no token: %s", i, seed, rig->state.text);
        n_emptied += is_empty("token.object");
    }
    fprintf(stderr,
            "%zu kills in %llu ms, %zu aimed at C_Login (%llu us of %llu): the token was empty and "
            "put back %zu times; KEYSVC_SEED=%u\n",
            n, (unsigned long long)(clock_mono_ms() - began_ms), n_in_login,
            (unsigned long long)times.login_us, (unsigned long long)times.start_us, n_emptied,
            seed);
    cr_assert(rig_start(rig), "%s", rig->state.text);
    rig_front(rig);
    cr_assert(signs("doc/a"));
    cr_assert_eq(rig_stop(rig), 0);
}
