/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_server - threads, frames and canned answers
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

#include "proto/keysvc.pb-c.h"
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
    enum fake_hello hello;
    bool stopping;
    unsigned int n_connections;
    unsigned int n_requests[FAKE_N_OPERATIONS];
    struct connection connections[MAX_CONNECTIONS];
};

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
    return server;
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
    if (remove) {
        unlink(server->address.sun_path);
        *strrchr(server->address.sun_path, '/') = '\0';
        rmdir(server->address.sun_path);
    }
    pthread_mutex_destroy(&server->lock);
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

static bool
read_exactly(int fd, uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, data, len, 0);

        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static Keysvc__V1__Request *
read_request(int fd)
{
    uint8_t header[FRAME_HEADER_LEN];
    Keysvc__V1__Request *request;
    uint8_t *body;
    size_t len;

    if (!read_exactly(fd, header, sizeof(header)))
        return NULL;
    len = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    assert(len <= FRAME_MAX_LEN);
    body = malloc(len + 1);
    assert(body);
    if (!read_exactly(fd, body, len)) {
        free(body);
        return NULL;
    }
    request = keysvc__v1__request__unpack(NULL, len, body);
    free(body);
    assert(request && request->id != 0 && request->deadline_ms != 0);
    return request;
}

static void
send_response(int fd, const Keysvc__V1__Response *response, bool in_bytes)
{
    size_t len = keysvc__v1__response__get_packed_size(response);
    uint8_t *frame = malloc(FRAME_HEADER_LEN + len);

    assert(frame);
    frame_header(frame, len);
    keysvc__v1__response__pack(response, frame + FRAME_HEADER_LEN);
    len += FRAME_HEADER_LEN;
    for (size_t i = 0; in_bytes && i < len; i++)
        (void)!send(fd, frame + i, 1, MSG_NOSIGNAL);
    if (!in_bytes)
        (void)!send(fd, frame, len, MSG_NOSIGNAL);
    free(frame);
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
    send_response(fd, &response, false);
    return wanted != FAKE_HELLO_REFUSED;
}

static void
handle(struct fake_server *server, int fd, const Keysvc__V1__Request *request)
{
    struct fake_request flat = {
        .fd = fd, .id = request->id, .operation = (int)request->operation_case};

    switch (request->operation_case) {
    case KEYSVC__V1__REQUEST__OPERATION_SIGN:
        flat.data = request->sign->data.data;
        flat.data_len = request->sign->data.len;
        flat.prehashed = (int)request->sign->prehashed;
        flat.version = request->sign->version;
        flat.name = request->sign->name;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_GET:
        flat.name = request->get->name;
        flat.version = request->get->version;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_GENERATE:
        flat.name = request->generate->name;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_LIST:
        flat.name = request->list->after_name;
        break;
    default:
        break;
    }
    pthread_mutex_lock(&server->lock);
    server->n_requests[flat.operation]++;
    pthread_mutex_unlock(&server->lock);
    server->handler(server, &flat);
}

static void *
serve(void *context)
{
    struct connection *connection = context;
    Keysvc__V1__Request *request;
    bool going = true;

    while (going && (request = read_request(connection->fd))) {
        if (request->operation_case == KEYSVC__V1__REQUEST__OPERATION_HELLO)
            going = say_hello(connection->server, connection->fd, request->id);
        else
            handle(connection->server, connection->fd, request);
        keysvc__v1__request__free_unpacked(request, NULL);
    }
    shutdown(connection->fd, SHUT_RDWR);
    return NULL;
}

/* --- answers --- */

static Keysvc__V1__Response
answer_to(const struct fake_request *request)
{
    Keysvc__V1__Response response = KEYSVC__V1__RESPONSE__INIT;

    response.id = request->id;
    response.result_case = (Keysvc__V1__Response__ResultCase)request->operation;
    return response;
}

static void
fill_key(Keysvc__V1__Key *key, const char *name, uint32_t version)
{
    static uint8_t sha256[32] = {1, 2, 3};
    static uint8_t public_key[91] = {0x30, 0x59};
    static uint32_t versions[2] = {1, 2};

    keysvc__v1__key__init(key);
    key->name = (char *)(uintptr_t)name;
    key->version = version;
    key->type = KEYSVC__V1__KEY_TYPE__EC_P256;
    key->purpose = KEYSVC__V1__PURPOSE__SIGN;
    key->token = (char *)(uintptr_t) "main";
    key->class_ = (char *)(uintptr_t) "web/**";
    key->public_key_sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    key->public_key = (ProtobufCBinaryData){sizeof(public_key), public_key};
    key->versions = versions;
    key->n_versions = 2;
}

void
fake_key(const struct fake_request *request, const char *name, uint32_t version)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__Key key;

    fill_key(&key, name, version);
    response.get = &key;
    send_response(request->fd, &response, false);
}

static void
send_signature(const struct fake_request *request, const void *data, size_t len, bool in_bytes)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__SignReply reply = KEYSVC__V1__SIGN_REPLY__INIT;

    reply.signature = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
    reply.algorithm = KEYSVC__V1__ALGORITHM__ECDSA_SHA256;
    response.sign = &reply;
    send_response(request->fd, &response, in_bytes);
}

void
fake_signature(const struct fake_request *request, const void *data, size_t len)
{
    send_signature(request, data, len, false);
}

void
fake_signature_in_bytes(const struct fake_request *request, const void *data, size_t len)
{
    send_signature(request, data, len, true);
}

void
fake_error(const struct fake_request *request, unsigned int code, bool retryable)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__Error error = KEYSVC__V1__ERROR__INIT;

    error.code = code;
    error.message = (char *)(uintptr_t) "the test\nwants it";
    error.hint = (char *)(uintptr_t) "change the test";
    error.retryable = retryable;
    response.result_case = KEYSVC__V1__RESPONSE__RESULT_ERROR;
    response.error = &error;
    send_response(request->fd, &response, false);
}

void
fake_keys(const struct fake_request *request, const char *const *names, size_t n_names, bool more)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__ListReply reply = KEYSVC__V1__LIST_REPLY__INIT;
    Keysvc__V1__Key keys[8], *pointers[8];

    for (size_t i = 0; i < n_names; i++) {
        fill_key(&keys[i], names[i], 1);
        pointers[i] = &keys[i];
    }
    reply.keys = pointers;
    reply.n_keys = n_names;
    reply.more = more;
    response.list = &reply;
    send_response(request->fd, &response, false);
}

void
fake_status(const struct fake_request *request)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__StatusReply reply = KEYSVC__V1__STATUS_REPLY__INIT;
    Keysvc__V1__Token token = KEYSVC__V1__TOKEN__INIT, *tokens[1] = {&token};

    token.name = (char *)(uintptr_t) "main";
    token.state = (char *)(uintptr_t) "login-blocked";
    token.text = (char *)(uintptr_t) "a login\033[31m failed";
    token.workers = 2;
    reply.version = (char *)(uintptr_t) "0.1.0";
    reply.generation = 3;
    reply.uid = 1000;
    reply.unit = (char *)(uintptr_t) "nginx.service";
    reply.administrator = true;
    reply.tokens = tokens;
    reply.n_tokens = 1;
    response.status = &reply;
    send_response(request->fd, &response, false);
}

void
fake_csr(const struct fake_request *request)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__CsrReply reply = KEYSVC__V1__CSR_REPLY__INIT;
    static uint8_t der[3] = {0x30, 0x01, 0x00};

    reply.csr = (ProtobufCBinaryData){sizeof(der), der};
    response.csr = &reply;
    send_response(request->fd, &response, false);
}

void
fake_explanation(const struct fake_request *request)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__ExplainReply reply = KEYSVC__V1__EXPLAIN_REPLY__INIT;
    char *reasons[2] = {(char *)(uintptr_t) "rule nginx: does not list operation csr",
                        (char *)(uintptr_t) "rule admins: not in group"};

    reply.class_ = (char *)(uintptr_t) "web/**";
    reply.missing = (char *)(uintptr_t) "allow x {\n  user = {me}\n}";
    reply.reasons = reasons;
    reply.n_reasons = 2;
    response.explain = &reply;
    send_response(request->fd, &response, false);
}

void
fake_done(const struct fake_request *request)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__Done done = KEYSVC__V1__DONE__INIT;

    response.reload = &done;
    send_response(request->fd, &response, false);
}

void
fake_raw(const struct fake_request *request, const void *data, size_t len)
{
    (void)!send(request->fd, data, len, MSG_NOSIGNAL);
}
