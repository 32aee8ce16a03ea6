/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_server - threads, and frames with the descriptors beside them
 */
#include "fake_server.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake_wire.h"
#include "proto/wire/frame.h"

#define MAX_CONNECTIONS 64

struct connection {
    struct fake_server *server;
    int fd;
    pthread_t thread;
};

struct fake_server {
    char folder[64];
    struct sockaddr_un address;
    int listener;
    fake_handler handler;
    void *context;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    enum fake_hello hello;
    char program[FAKE_PROGRAM_MAX];
    bool stopping;
    unsigned int n_connections;
    unsigned int n_requests[FAKE_N_OPERATIONS];
    struct connection connections[MAX_CONNECTIONS];
    struct fake_server *next; /* of those that were not stopped */
    pid_t owner;
};

static struct fake_server *running;

static void forget(const struct fake_server *server);
static void *serve(void *context);
static void *accept_all(void *context);

struct fake_server *
fake_server_start(const char *path, fake_handler handler, void *context)
{
    struct fake_server *server = calloc(1, sizeof(*server));
    int done;

    assert(server);
    server->handler = handler;
    server->context = context;
    server->address.sun_family = AF_UNIX;
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->stopped, NULL);
    if (!path) {
        strcpy(server->folder, "/tmp/keysvc-test-XXXXXX");
        assert(mkdtemp(server->folder));
    }
    snprintf(server->address.sun_path, sizeof(server->address.sun_path), "%s%s",
             path ? path : server->folder, path ? "" : "/s");
    unlink(server->address.sun_path);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    done = bind(server->listener, (struct sockaddr *)&server->address, sizeof(server->address));
    assert(done == 0);
    done = listen(server->listener, MAX_CONNECTIONS);
    assert(done == 0);
    done = pthread_create(&server->thread, NULL, accept_all, server);
    assert(done == 0);
    server->owner = getpid();
    server->next = running;
    running = server;
    return server;
}

static void
forget(const struct fake_server *server)
{
    struct fake_server **at = &running;

    while (*at && *at != server)
        at = &(*at)->next;
    if (*at)
        *at = server->next;
}

static void
remove_socket(struct fake_server *server)
{
    unlink(server->address.sun_path);
    *strrchr(server->address.sun_path, '/') = '\0';
    rmdir(server->address.sun_path);
}

/* A test that fails stops no server, and still leaves no file. */
static void __attribute__((destructor)) remove_running(void)
{
    for (struct fake_server *server = running; server; server = server->next) {
        if (server->owner == getpid())
            remove_socket(server);
    }
}

static void *
accept_all(void *context)
{
    struct fake_server *server = context;

    for (;;) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        struct connection *connection;

        pthread_mutex_lock(&server->lock);
        if (fd < 0 || server->stopping || server->n_connections == MAX_CONNECTIONS) {
            pthread_mutex_unlock(&server->lock);
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        connection = &server->connections[server->n_connections++];
        connection->server = server;
        connection->fd = fd;
        pthread_create(&connection->thread, NULL, serve, connection);
        pthread_mutex_unlock(&server->lock);
    }
}

void
fake_server_stop(struct fake_server *server, bool remove)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->stopped);
    for (unsigned int i = 0; i < server->n_connections; i++)
        shutdown(server->connections[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    for (unsigned int i = 0; i < server->n_connections; i++) {
        pthread_join(server->connections[i].thread, NULL);
        close(server->connections[i].fd);
    }
    if (remove)
        remove_socket(server);
    forget(server);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->stopped);
    free(server);
}

const char *
fake_server_path(const struct fake_server *server)
{
    return server->address.sun_path;
}

void *
fake_server_context(const struct fake_server *server)
{
    return server->context;
}

void
fake_server_hello(struct fake_server *server, enum fake_hello hello)
{
    pthread_mutex_lock(&server->lock);
    server->hello = hello;
    pthread_mutex_unlock(&server->lock);
}

unsigned int
fake_server_connections(struct fake_server *server)
{
    unsigned int n;

    pthread_mutex_lock(&server->lock);
    n = server->n_connections;
    pthread_mutex_unlock(&server->lock);
    return n;
}

unsigned int
fake_server_requests(struct fake_server *server, int operation)
{
    unsigned int n;

    pthread_mutex_lock(&server->lock);
    n = server->n_requests[operation];
    pthread_mutex_unlock(&server->lock);
    return n;
}

/* --- reading --- */

/* Of one frame. */
struct beside {
    int fds[FAKE_MAX_FDS];
    size_t n_fds;
};

static void
beside_close(struct beside *beside)
{
    for (size_t i = 0; i < beside->n_fds; i++)
        close(beside->fds[i]);
    beside->n_fds = 0;
}

static void
take_fds(struct msghdr *message, struct beside *beside)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        size_t len = c->cmsg_len - CMSG_LEN(0);

        assert(c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS);
        assert(beside->n_fds + len / sizeof(int) <= FAKE_MAX_FDS);
        memcpy(beside->fds + beside->n_fds, CMSG_DATA(c), len);
        beside->n_fds += len / sizeof(int);
    }
}

static bool
read_exactly(int fd, uint8_t *data, size_t len, struct beside *beside)
{
    while (len > 0) {
        struct iovec part = {.iov_base = data, .iov_len = len};
        union {
            struct cmsghdr align;
            char room[CMSG_SPACE(FAKE_MAX_FDS * sizeof(int))];
        } control;
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

        if (n <= 0)
            return false;
        assert(!(message.msg_flags & MSG_CTRUNC));
        take_fds(&message, beside);
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Descriptors come with the first byte of a frame or not at all. */
static bool
read_frame(int fd, uint8_t **body, size_t *len, struct beside *beside)
{
    uint8_t header[FRAME_HEADER_LEN];
    size_t with_first_byte;

    if (!read_exactly(fd, header, 1, beside))
        return false;
    with_first_byte = beside->n_fds;
    if (!read_exactly(fd, header + 1, sizeof(header) - 1, beside))
        return false;
    *len = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    assert(*len <= FRAME_MAX_LEN);
    *body = malloc(*len + 1);
    assert(*body);
    if (!read_exactly(fd, *body, *len, beside)) {
        free(*body);
        return false;
    }
    assert(beside->n_fds == with_first_byte);
    return true;
}

static Keysvc__V1__Request *
read_request(int fd, struct beside *beside)
{
    Keysvc__V1__Request *request;
    uint8_t *body;
    size_t len;

    if (!read_frame(fd, &body, &len, beside))
        return NULL;
    request = keysvc__v1__request__unpack(NULL, len, body);
    free(body);
    assert(request && request->id != 0 && request->deadline_ms != 0);
    return request;
}

static void
note_program(struct fake_server *server, const char *program)
{
    pthread_mutex_lock(&server->lock);
    snprintf(server->program, sizeof(server->program), "%s", program);
    pthread_mutex_unlock(&server->lock);
}

void
fake_server_program(struct fake_server *server, char out[static FAKE_PROGRAM_MAX])
{
    pthread_mutex_lock(&server->lock);
    memcpy(out, server->program, FAKE_PROGRAM_MAX);
    pthread_mutex_unlock(&server->lock);
}

static bool
say_hello(struct fake_server *server, int fd, uint64_t id)
{
    Keysvc__V1__Response response = KEYSVC__V1__RESPONSE__INIT;
    Keysvc__V1__Hello hello = KEYSVC__V1__HELLO__INIT;
    Keysvc__V1__Error error = KEYSVC__V1__ERROR__INIT;
    enum fake_hello wanted;

    pthread_mutex_lock(&server->lock);
    wanted = server->hello;
    if (wanted == FAKE_HELLO_DROPPED)
        server->hello = FAKE_HELLO_ANSWERED;
    pthread_mutex_unlock(&server->lock);
    if (wanted == FAKE_HELLO_SILENT)
        return true;
    if (wanted == FAKE_HELLO_DROPPED)
        return false;
    response.id = id;
    response.result_case = KEYSVC__V1__RESPONSE__RESULT_HELLO;
    response.hello = &hello;
    hello.protocol_version = wanted == FAKE_HELLO_OTHER_VERSION ? 7 : 1;
    if (wanted == FAKE_HELLO_REFUSED) {
        response.id = 0;
        response.result_case = KEYSVC__V1__RESPONSE__RESULT_ERROR;
        response.error = &error;
        error.code = 11;
        error.message = (char *)(uintptr_t) "too many connections";
        error.retryable = true;
    }
    fake_send(fd, &response, false);
    return wanted != FAKE_HELLO_REFUSED;
}

static void
take_key(struct fake_request *flat, const char *name, uint32_t version,
         const ProtobufCBinaryData *sha256)
{
    flat->name = name;
    flat->version = version;
    flat->sha256_first = sha256->len == 32 ? sha256->data[0] : -1;
}

static void
take_csr(struct fake_request *flat, const Keysvc__V1__CsrRequest *csr)
{
    take_key(flat, csr->name, csr->version, &csr->public_key_sha256);
    flat->common_name = csr->common_name;
    flat->challenge_password = csr->challenge_password;
    flat->n_alternatives = csr->n_alternative_names;
}

static void
take_import(struct fake_request *flat, const Keysvc__V1__ImportRequest *import)
{
    flat->name = import->name;
    flat->version = import->from_version;
    flat->format = (int)import->format;
    flat->has_password = import->has_password;
    flat->select = import->select;
    flat->keep_certificates = import->certificates;
}

static void
take_put(struct fake_request *flat, const Keysvc__V1__CertificatePutRequest *put)
{
    take_key(flat, put->name, put->version, &put->public_key_sha256);
    flat->n_certificates = put->chain->n_certificates;
    for (size_t i = 0; i < put->chain->n_certificates; i++)
        flat->certificates_len += put->chain->certificates[i].len;
}

static void
flatten(const Keysvc__V1__Request *request, struct fake_request *flat)
{
    switch (request->operation_case) {
    case KEYSVC__V1__REQUEST__OPERATION_SIGN:
        flat->data = request->sign->data.data;
        flat->data_len = request->sign->data.len;
        flat->prehashed = (int)request->sign->prehashed;
        flat->version = request->sign->version;
        flat->name = request->sign->name;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_GET:
        flat->name = request->get->name;
        flat->version = request->get->version;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_GENERATE:
        flat->name = request->generate->name;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_ROTATE:
        flat->name = request->rotate->name;
        flat->version = request->rotate->from_version;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_LIST:
        flat->name = request->list->after_name;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_CSR:
        take_csr(flat, request->csr);
        break;
    case KEYSVC__V1__REQUEST__OPERATION_SELF_SIGN:
        take_csr(flat, request->self_sign->request);
        flat->days = request->self_sign->days;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_IMPORT:
        take_import(flat, request->import);
        break;
    case KEYSVC__V1__REQUEST__OPERATION_DESTROY:
        take_key(flat, request->destroy->name, request->destroy->version,
                 &request->destroy->public_key_sha256);
        break;
    case KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_PUT:
        take_put(flat, request->certificate_put);
        break;
    case KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_GET:
        take_key(flat, request->certificate_get->name, request->certificate_get->version,
                 &request->certificate_get->public_key_sha256);
        break;
    case KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_DELETE:
        take_key(flat, request->certificate_delete->name, request->certificate_delete->version,
                 &request->certificate_delete->public_key_sha256);
        break;
    case KEYSVC__V1__REQUEST__OPERATION_TOKEN_INFO:
        flat->name = request->token_info->token;
        break;
    default:
        break;
    }
}

static void
handle(struct fake_server *server, int fd, const Keysvc__V1__Request *request,
       const struct beside *beside)
{
    struct fake_request flat = {.fd = fd,
                                .id = request->id,
                                .operation = (int)request->operation_case,
                                .n_fds = beside->n_fds};

    memcpy(flat.fds, beside->fds, sizeof(flat.fds));
    flatten(request, &flat);
    pthread_mutex_lock(&server->lock);
    server->n_requests[flat.operation]++;
    pthread_mutex_unlock(&server->lock);
    server->handler(server, &flat);
}

/* A thread that ends has locks of libcrypto's and of the allocator's, and a child that a test forks meanwhile
 * would wait for them in vain: none ends before its server. */
static void
wait_for_stop(struct fake_server *server)
{
    pthread_mutex_lock(&server->lock);
    while (!server->stopping)
        pthread_cond_wait(&server->stopped, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

static void *
serve(void *context)
{
    struct connection *connection = context;
    struct beside beside = {.n_fds = 0};
    Keysvc__V1__Request *request;
    bool going = true;

    while (going && (request = read_request(connection->fd, &beside))) {
        if (request->operation_case == KEYSVC__V1__REQUEST__OPERATION_HELLO) {
            note_program(connection->server, request->hello->program);
            going = say_hello(connection->server, connection->fd, request->id);
        } else {
            handle(connection->server, connection->fd, request, &beside);
        }
        beside_close(&beside);
        keysvc__v1__request__free_unpacked(request, NULL);
    }
    beside_close(&beside);
    shutdown(connection->fd, SHUT_RDWR);
    wait_for_stop(connection->server);
    return NULL;
}
