/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on the way, and processes and threads that share a key. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>

#include "provider_rig.h"

static struct rig rig;

static bool
signs(EVP_PKEY *key)
{
    uint8_t sig[KS_SIGNATURE_MAX_LEN];
    size_t len = rig_sign(&rig, key, "SHA256", NULL, "message", 7, 0, sig);

    return len > 0 && rig_verifies(&rig, "message", 7, sig, len);
}

static void
start(void)
{
    rig_start(&rig, KS_KEY_TYPE_EC_P256, "timeout = 10s");
}

static void
stop(void)
{
    rig_stop(&rig);
}

TestSuite(trouble, .init = start, .fini = stop, .timeout = 60);

Test(trouble, is_told_with_the_keys_name_and_a_hint)
{
    static const struct {
        ks_err err;
        const char *said;
    } ROWS[] = {{KS_ERR_DENIED, RIG_LABEL ": DENIED: the test"},
                {KS_ERR_NO_KEY, RIG_LABEL ": NO_KEY: "},
                {KS_ERR_KEY_CHANGED, RIG_LABEL ": KEY_CHANGED: "},
                {KS_ERR_PURPOSE, RIG_LABEL ": PURPOSE: "}};
    EVP_PKEY *key = rig_key(&rig);

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        const char *hint;
        int flags;

        rig.refuse = ROWS[i].err;
        cr_assert_not(signs(key));
        cr_assert_geq(ERR_GET_REASON(ERR_peek_error()), 10000, "a number of libssl's");
        ERR_peek_error_data(&hint, &flags);
        cr_assert(flags & ERR_TXT_STRING);
        cr_assert_str_eq(hint, "change the test");
        cr_assert(rig_said(ROWS[i].said));
    }
    rig.refuse = 0;
    cr_assert(signs(key));
    EVP_PKEY_free(key);
}

/* There are 64 reasons of their own; what comes after is told by class, with the text behind it. */
Test(trouble, is_told_however_much_there_was_before)
{
    static uint8_t digest[400];
    EVP_PKEY *key = rig_key(&rig);
    const char *reason = "", *text = "";

    for (size_t len = 65; len < 65 + 80; len++) {
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(rig.libctx, key, NULL);
        uint8_t sig[KS_SIGNATURE_MAX_LEN];
        size_t sig_len = sizeof(sig);

        ERR_clear_error();
        cr_assert_eq(EVP_PKEY_sign_init(context), 1);
        cr_assert_neq(EVP_PKEY_sign(context, sig, &sig_len, digest, len), 1);
        reason = ERR_reason_error_string(ERR_peek_error());
        ERR_peek_error_data(&text, NULL);
        cr_assert(strstr(reason, RIG_LABEL) || strstr(text, RIG_LABEL));
        EVP_PKEY_CTX_free(context);
    }
    cr_assert_str_eq(reason, "keysvc makes no such signature");
    cr_assert(strstr(text, RIG_LABEL ": 144 bytes"));
    ERR_clear_error();
    EVP_PKEY_free(key);
}

Test(provider, writes_to_standard_error_if_it_is_told_to)
{
    char line[1024] = "";
    int ends[2];
    EVP_PKEY *key;
    int real = dup(STDERR_FILENO);

    cr_assert_eq(pipe(ends), 0);
    rig_start(&rig, KS_KEY_TYPE_EC_P256, "errors = stderr");
    rig.refuse = KS_ERR_DENIED;
    key = rig_key(&rig);
    dup2(ends[1], STDERR_FILENO);
    cr_assert_not(signs(key));
    dup2(real, STDERR_FILENO);
    cr_assert_gt(read(ends[0], line, sizeof(line) - 1), 0);
    cr_assert_str_eq(line, "keysvc: " RIG_LABEL ": DENIED: the test wants it (change the test)\n");
    ERR_clear_error();
    close(ends[0]), close(ends[1]), close(real);
    EVP_PKEY_free(key);
    rig_stop(&rig);
}

/* Signs in vain with `fd` as standard error. */
static void
fail_into(int fd)
{
    int real = dup(STDERR_FILENO);
    EVP_PKEY *key = rig_key(&rig);
    bool signed_it;

    rig.refuse = KS_ERR_DENIED;
    dup2(fd, STDERR_FILENO);
    signed_it = signs(key);
    dup2(real, STDERR_FILENO);
    close(real);
    ERR_clear_error();
    EVP_PKEY_free(key);
    cr_assert_not(signed_it);
}

Test(provider, neither_ends_nor_stops_a_program_whose_standard_error_nobody_reads, .timeout = 60)
{
    int ends[2], full[2], sockets[2], real = dup(STDERR_FILENO);
    const char bytes[4096] = "";
    sigset_t pending;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    dup2(sockets[0], STDERR_FILENO);
    rig_start(&rig, KS_KEY_TYPE_EC_P256, "errors = stderr");
    dup2(real, STDERR_FILENO);

    cr_assert_eq(pipe(ends), 0);
    close(ends[0]);
    fail_into(ends[1]);

    /* Looks as if it could be written, and cannot. */
    cr_assert_eq(shutdown(sockets[0], SHUT_WR), 0);
    fail_into(sockets[0]);
    cr_assert_eq(sigpending(&pending), 0);
    cr_assert_not(sigismember(&pending, SIGPIPE));

    cr_assert_eq(pipe2(full, O_NONBLOCK), 0);
    while (write(full[1], bytes, sizeof(bytes)) > 0)
        ;
    cr_assert_eq(fcntl(full[1], F_SETFL, 0), 0);
    fail_into(full[1]);
    close(ends[1]), close(full[0]), close(full[1]), close(sockets[0]), close(sockets[1]);
    close(real);
    rig_stop(&rig);
}

static off_t
size_of(int fd)
{
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    return st.st_size;
}

Test(provider, writes_into_no_file_that_only_happens_to_be_number_two)
{
    FILE *first = tmpfile(), *database = tmpfile(), *log = tmpfile();
    int real = dup(STDERR_FILENO), sockets[2];
    char byte;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    dup2(fileno(first), STDERR_FILENO);
    rig_start(&rig, KS_KEY_TYPE_EC_P256, "errors = stderr");
    dup2(real, STDERR_FILENO);
    cr_assert_eq(fcntl(fileno(log), F_SETFL, O_APPEND), 0);

    fail_into(fileno(first));
    cr_assert_gt(size_of(fileno(first)), 0);
    fail_into(fileno(database));
    cr_assert_eq(size_of(fileno(database)), 0);
    fail_into(sockets[0]);
    cr_assert_lt(recv(sockets[1], &byte, 1, MSG_DONTWAIT), 0);
    fail_into(fileno(log));
    cr_assert_gt(size_of(fileno(log)), 0);
    fclose(first), fclose(database), fclose(log);
    close(sockets[0]), close(sockets[1]), close(real);
    rig_stop(&rig);
}

Test(provider, does_not_wait_longer_than_its_timeout, .timeout = 15)
{
    EVP_PKEY *key;

    rig_start(&rig, KS_KEY_TYPE_EC_P256, "timeout = 150ms");
    fake_server_hello(rig.server, FAKE_HELLO_SILENT);
    key = rig_key(&rig);
    cr_assert_not(signs(key));
    cr_assert(rig_said(RIG_LABEL ": DEADLINE"));
    EVP_PKEY_free(key);
    rig_stop(&rig);
}

Test(provider, says_where_nobody_answers)
{
    EVP_PKEY *key;

    rig_start(&rig, KS_KEY_TYPE_EC_P256, "socket = /proc/nonexistent/s\ntimeout = 100ms");
    key = rig_key(&rig);
    cr_assert_not(signs(key));
    cr_assert(rig_said(RIG_LABEL ": NO_SERVICE: /proc/nonexistent/s"));
    EVP_PKEY_free(key);
    rig_stop(&rig);
}

/* --- threads and processes --- */

#define N_SIGNERS 4
#define N_CHILDREN 10 /* the fake server takes 64 connections */

static atomic_bool done;

static void *
sign_until_done(void *context)
{
    bool right = true;

    for (int i = 0; i < 20 || !done; i++)
        right = signs(context) && right;
    return right ? context : NULL;
}

static void
start_signers(pthread_t threads[N_SIGNERS], EVP_PKEY *key)
{
    done = false;
    for (int i = 0; i < N_SIGNERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, sign_until_done, key), 0);
}

static void
expect_all_right(pthread_t threads[N_SIGNERS])
{
    void *result;

    done = true;
    for (int i = 0; i < N_SIGNERS; i++) {
        cr_assert_eq(pthread_join(threads[i], &result), 0);
        cr_assert(result);
    }
}

Test(trouble, is_none_for_threads_that_share_a_key)
{
    EVP_PKEY *key = rig_key(&rig);
    pthread_t threads[N_SIGNERS];

    start_signers(threads, key);
    expect_all_right(threads);
    cr_assert_eq(fake_server_connections(rig.server), 1);
    EVP_PKEY_free(key);
}

static int
exit_code(pid_t pid)
{
    int status;

    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

#ifndef __SANITIZE_ADDRESS__ /* its allocator may be locked by another thread when the child begins */
/* Each of them with a connection of its own: the old one speaks for its parent. */
Test(trouble, is_none_for_children_that_were_forked_during_signatures)
{
    EVP_PKEY *key = rig_key(&rig);
    pthread_t threads[N_SIGNERS];
    pid_t children[N_CHILDREN];

    /* What the program itself fetches from libcrypto for the first time takes locks that a child
     * would wait for in vain; from then on it only reads. */
    cr_assert(signs(key));
    start_signers(threads, key);
    for (int i = 0; i < N_CHILDREN; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            alarm(20);
            _exit(signs(key) && signs(key) ? 0 : 1);
        }
    }
    for (int i = 0; i < N_CHILDREN; i++)
        cr_expect_eq(exit_code(children[i]), 0);
    expect_all_right(threads);
    cr_assert_eq(fake_server_connections(rig.server), 1 + N_CHILDREN);
    EVP_PKEY_free(key);
}
#endif

Test(trouble, is_none_for_a_process_that_changes_its_user)
{
    EVP_PKEY *key;
    char *end;
    char folder[128];
    pid_t child;

    if (geteuid() != 0)
        cr_skip_test("only root can");
    key = rig_key(&rig);
    snprintf(folder, sizeof(folder), "%s", fake_server_path(rig.server));
    cr_assert_eq(chmod(folder, 0666), 0);
    end = strrchr(folder, '/');
    *end = '\0';
    cr_assert_eq(chmod(folder, 0755), 0);
    child = fork();
    if (child == 0) {
        alarm(20);
        _exit(signs(key) && seteuid(64811) == 0 && signs(key) && signs(key) ? 0 : 1);
    }
    cr_assert_eq(exit_code(child), 0);
    cr_assert_eq(fake_server_connections(rig.server), 2, "one for each user");
    EVP_PKEY_free(key);
}
