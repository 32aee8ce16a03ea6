/* SPDX-License-Identifier: Apache-2.0 */
/* What a program does behind a client's back: forks, another effective user, descriptors closed. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client_rig.h"

/* --- fork --- */

/* Signing "slow" is answered when another connection asks for something. */
static void
answer_slow_when_another_came(struct fake_server *server, const struct fake_request *request)
{
    struct fake_request *kept = fake_server_context(server);

    if (request->operation == SIGN && request->data_len > 1) {
        *kept = *request;
        return;
    }
    client_rig_answer(server, request);
    if (kept->id != 0 && kept->fd != request->fd) {
        fake_signature(kept, "slow", 4);
        kept->id = 0;
    }
}

static void *
sign_slowly(void *context)
{
    struct signer *signer = context;

    signer->right = client_rig_sign(signer->client, "slow", NULL) == KS_OK;
    return NULL;
}

Test(client, a_fork_in_the_middle_of_a_call_leaves_both_sides_working, .timeout = 60)
{
    struct fake_request kept = {.id = 0};
    struct fake_server *server = fake_server_start(NULL, answer_slow_when_another_came, &kept);
    struct signer signer = {.client = client_rig_new(server)};
    pthread_t thread;
    int status;
    pid_t pid;

    cr_assert_eq(client_rig_sign(signer.client, "a", NULL), KS_OK);
    pthread_create(&thread, NULL, sign_slowly, &signer);
    while (fake_server_requests(server, SIGN) < 2)
        usleep(1000);
    pid = fork();
    if (pid == 0) {
        ks_client_set_timeout(signer.client, 10000);
        _exit(client_rig_sign(signer.client, "c", NULL));
    }
    cr_assert_gt(pid, 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child: %x", (unsigned)status);
    pthread_join(thread, NULL);
    cr_assert(signer.right, "the parent's call had got no answer");
    cr_assert_eq(fake_server_connections(server), 2, "the child has a connection of its own");
    cr_assert_eq(client_rig_sign(signer.client, "a", NULL), KS_OK);
    ks_client_free(signer.client);
    fake_server_stop(server, true);
}

#ifndef __SANITIZE_ADDRESS__ /* its allocator may be locked by another thread when the child begins */
Test(client, forks_while_threads_sign_lose_nothing, .timeout = 120)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    struct signer signers[4];
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        signers[i] = (struct signer){.client = client, .number = i};
        pthread_create(&threads[i], NULL, client_rig_sign_often, &signers[i]);
    }
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
            ks_client_set_timeout(client, 20000);
            _exit(client_rig_sign(client, "c", NULL));
        }
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d: %x", i,
                  (unsigned)status);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        cr_assert(signers[i].right);
    }
    ks_client_free(client);
    fake_server_stop(server, true);
}
#endif

Test(client, another_effective_user_gets_another_connection)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);

    if (geteuid() != 0)
        cr_skip_test("needs root");
    cr_assert_eq(chmod(fake_server_path(server), 0666), 0);
    *strrchr((char *)(uintptr_t)fake_server_path(server), '/') = '\0';
    cr_assert_eq(chmod(fake_server_path(server), 0755), 0);
    ((char *)(uintptr_t)fake_server_path(server))[strlen(fake_server_path(server))] = '/';
    cr_assert_eq(client_rig_sign(client, "a", NULL), KS_OK);
    cr_assert_eq(seteuid(12345), 0);
    cr_assert_eq(client_rig_sign(client, "b", NULL), KS_OK);
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(fake_server_connections(server), 2);
    ks_client_free(client);
    fake_server_stop(server, true);
}

/* --- the descriptor, of which the program knows nothing --- */

/* The number that the next one gets, if nobody else opens any. */
static int
next_fd(void)
{
    int fd = dup(STDERR_FILENO);

    close(fd);
    return fd;
}

Test(client, writes_nothing_into_the_programs_file_that_took_its_number)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;
    FILE *file = tmpfile();
    int number = next_fd();
    struct stat st;

    cr_assert_eq(client_rig_sign(client, "one", &error), KS_OK);
    cr_assert_eq(fstat(number, &st), 0);
    cr_assert(S_ISSOCK(st.st_mode), "the test knows the number");

    cr_assert_eq(dup2(fileno(file), number), number);
    cr_assert_eq(client_rig_sign(client, "two", &error), KS_OK, "%s", error.message);
    cr_assert_eq(fake_server_connections(server), 2);
    cr_assert_eq(fstat(number, &st), 0, "it was not closed");
    cr_assert(S_ISREG(st.st_mode));
    cr_assert_eq(st.st_size, 0);

    ks_client_free(client);
    close(number);
    fclose(file);
    fake_server_stop(server, true);
}

Test(client, does_not_take_the_place_of_a_standard_descriptor)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    struct sockaddr_un peer = {.sun_path = ""};
    socklen_t len = sizeof(peer);
    struct ks_error error;

    close(STDIN_FILENO);
    cr_assert_eq(client_rig_sign(client, "one", &error), KS_OK, "%s", error.message);
    /* The server's end, which is of this process too, has a peer without a name. */
    (void)getpeername(STDIN_FILENO, (struct sockaddr *)&peer, &len);
    cr_assert_str_empty(peer.sun_path);

    ks_client_free(client);
    fake_server_stop(server, true);
}

/* --- forks in the middle --- */

static atomic_bool interrupt;
static _Atomic(uid_t) pretended; /* 0: who we are */

/* In place of libc's: the library asks while it holds a client's lock. */
uid_t
geteuid(void)
{
    if (atomic_exchange(&interrupt, false))
        raise(SIGUSR1);
    return pretended ? pretended : (uid_t)syscall(SYS_geteuid);
}

static struct ks_client *handlers_client;
static atomic_int handlers_child;

static void
fork_and_sign(int number)
{
    pid_t pid = fork();
    int status = -1;

    (void)number;
    if (pid == 0) {
        alarm(20);
        ks_client_set_timeout(handlers_client, 10000);
        _exit(client_rig_sign(handlers_client, "c", NULL));
    }
    if (waitpid(pid, &status, 0) == pid)
        handlers_child = status;
}

Test(client, a_handler_may_fork_while_its_thread_holds_a_lock, .timeout = 60)
{
    const struct sigaction action = {.sa_handler = fork_and_sign};
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_error error;

    handlers_client = client_rig_new(server);
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
    for (unsigned int round = 0; round < 2; round++) {
        cr_assert_eq(client_rig_sign(handlers_client, "a", &error), KS_OK, "%s", error.message);
        handlers_child = -1;
        interrupt = true;
        cr_assert_eq(client_rig_sign(handlers_client, "b", &error), KS_OK, "%s", error.message);
        cr_assert_eq(handlers_child, 0, "the child: %x", (unsigned)handlers_child);
        cr_assert_eq(fake_server_connections(server), 2 + round, "one for each process");
    }
    ks_client_free(handlers_client);
    fake_server_stop(server, true);
}

/* "slow" is answered when "z" comes. */
static void
answer_slow_when_told(struct fake_server *server, const struct fake_request *request)
{
    struct fake_request *kept = fake_server_context(server);

    if (request->data_len > 1) {
        *kept = *request;
        return;
    }
    client_rig_answer(server, request);
    if (request->data[0] == 'z')
        fake_signature(kept, "slow", 4);
}

static int
count_connections_to(const char *path)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++) {
        struct sockaddr_un peer = {.sun_path = ""};
        socklen_t len = sizeof(peer);

        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
            strcmp(peer.sun_path, path) == 0)
            n++;
    }
    return n;
}

Test(client, a_child_keeps_no_connection_of_a_user_that_its_parent_was_before, .timeout = 60)
{
    struct fake_request kept = {.id = 0};
    struct fake_server *server = fake_server_start(NULL, answer_slow_when_told, &kept);
    struct signer signer = {.client = client_rig_new(server)};
    pthread_t thread;
    int status;
    pid_t pid;

    pthread_create(&thread, NULL, sign_slowly, &signer);
    while (fake_server_requests(server, SIGN) < 1)
        usleep(1000);
    pretended = 12345;
    cr_assert_eq(client_rig_sign(signer.client, "b", NULL), KS_OK);
    cr_assert_eq(count_connections_to(fake_server_path(server)), 2, "the old one is in use");
    pid = fork();
    if (pid == 0)
        _exit(count_connections_to(fake_server_path(server)));
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 0, "%d are left", WEXITSTATUS(status));
    cr_assert_eq(client_rig_sign(signer.client, "z", NULL), KS_OK);
    pthread_join(thread, NULL);
    cr_assert(signer.right);
    ks_client_free(signer.client);
    fake_server_stop(server, true);
}
