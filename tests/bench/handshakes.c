/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handshakes - full TLS 1.3 handshakes a second with a server of this machine
 *
 *   handshakes PORT PROCESSES SECONDS
 *
 * Each process makes one connection after the other, resumes nothing, and waits until the server has
 * ended it: a handshake counts only when both sides have done theirs. Certificates are not judged,
 * since it is the server that is measured. Prints one JSON object.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/util.h"

#define MAX_PROCESSES 64

struct shared {
    _Atomic bool stop;
    struct {
        uint64_t n_done, n_failed;
    } clients[MAX_PROCESSES];
};

static void load(uint16_t port, struct shared *shared, unsigned int client);
static bool handshake(SSL_CTX *tls, uint16_t port);

static double
now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
    uint16_t port = argc == 4 ? (uint16_t)atoi(argv[1]) : 0;
    unsigned int n_processes = argc == 4 ? (unsigned int)atoi(argv[2]) : 0;
    unsigned int seconds = argc == 4 ? (unsigned int)atoi(argv[3]) : 0;
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t n_done = 0, n_failed = 0;
    double began = now_s(), took;

    if (port == 0 || n_processes == 0 || n_processes > MAX_PROCESSES || seconds == 0 ||
        shared == MAP_FAILED) {
        fprintf(stderr, "usage: handshakes PORT PROCESSES SECONDS\n");
        return 2;
    }
    for (unsigned int i = 0; i < n_processes; i++) {
        if (fork() == 0)
            load(port, shared, i);
    }
    sleep(seconds);
    shared->stop = true;
    while (wait(NULL) > 0)
        ;
    took = now_s() - began;
    for (unsigned int i = 0; i < n_processes; i++) {
        n_done += shared->clients[i].n_done;
        n_failed += shared->clients[i].n_failed;
    }
    printf("{\"handshakes\": %llu, \"failed\": %llu, \"per_second\": %.1f}\n",
           (unsigned long long)n_done, (unsigned long long)n_failed, (double)n_done / took);
    return 0;
}

/* One process; does not return. */
static void
load(uint16_t port, struct shared *shared, unsigned int client)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

    /* The server may have closed what we still write to. */
    signal(SIGPIPE, SIG_IGN);
    if (!tls || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1)
        _exit(1);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    while (!shared->stop) {
        if (handshake(tls, port))
            shared->clients[client].n_done++;
        else
            shared->clients[client].n_failed++;
    }
    _exit(0);
}

static bool
exchange(SSL *ssl)
{
    char byte;

    if (SSL_connect(ssl) != 1 || SSL_shutdown(ssl) < 0)
        return false;
    /* Session tickets, if any, and the server's own end. */
    while (SSL_read(ssl, &byte, sizeof(byte)) > 0)
        ;
    return true;
}

static bool
handshake(SSL_CTX *tls, uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    SSL *ssl = SSL_new(tls);
    bool done = false;

    if (fd >= 0 && ssl && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 && SSL_set_fd(ssl, fd) == 1)
        done = exchange(ssl);
    SSL_free(ssl);
    if (fd >= 0)
        close(fd);
    return done;
}
