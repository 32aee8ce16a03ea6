/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harness - everybody the front talks to
 */
#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "base/clock.h"
#include "front/front.h"
#include "proto/wire/frame.h"

static void
set_class(struct config_class *class, const char *glob, enum ks_purpose purpose)
{
    text_copy(class->glob, sizeof(class->glob), glob);
    text_copy(class->token, sizeof(class->token), "main");
    class->type = KS_KEY_TYPE_EC_P256;
    class->purpose = purpose;
}

void
harness_prepare(struct harness *h)
{
    struct config *config = calloc(1, sizeof(*config));

    memset(h, 0, sizeof(*h));
    h->config = config;
    config->generation = 1;
    config->limits = (struct config_limits){
        .max_connections = 100,
        .max_connections_per_caller = 50,
        .max_requests_per_caller = 1000,
        .max_bytes_per_caller = 16 * 1024 * 1024,
        .max_queue = 100,
        .reserved = 4,
        .handshake_timeout_ms = 10000,
        .frame_timeout_ms = 10000,
    };
    config->audit_checkpoint_s = 0;
    config->n_tokens = 1;
    config->tokens = calloc(1, sizeof(*config->tokens));
    text_copy(config->tokens[0].name, sizeof(config->tokens[0].name), "main");
    config->tokens[0].profile.workers = 2;
    config->n_classes = 2;
    config->classes = calloc(2, sizeof(*config->classes));
    set_class(&config->classes[0], "web/**", KS_PURPOSE_TLS_SERVER);
    set_class(&config->classes[1], "secret/**", KS_PURPOSE_SIGN);
    config->n_rules = 1;
    config->rules = calloc(1, sizeof(*config->rules));
    text_copy(config->rules[0].name, sizeof(config->rules[0].name), "everybody");
    cr_assert_eq(strv_add(&config->rules[0].keys, "web/**"), KS_OK);
    config->rules[0].operations = OPERATION_ALL | OPERATION_ADMINISTER;
}

static void *
run(void *data)
{
    struct harness *h = data;
    struct fault why = FAULT_INIT;
    struct front *front = NULL;

    h->result = front_new(h->control_fd, &front, &why);
    if (!h->result)
        h->result = front_run(front);
    front_free(front);
    return NULL;
}

void
harness_add_token(struct harness *h, const char *name)
{
    struct config *config = h->config;
    struct config_token *token;

    config->tokens = reallocarray(config->tokens, config->n_tokens + 1, sizeof(*config->tokens));
    cr_assert_not_null(config->tokens);
    token = &config->tokens[config->n_tokens++];
    memset(token, 0, sizeof(*token));
    text_copy(token->name, sizeof(token->name), name);
    token->profile.workers = 1;
}

void
harness_start(struct harness *h)
{
    struct control_setup setup = {.config = h->config};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    pthread_t thread;
    int ends[2], fds[2];

    text_copy(h->dir, sizeof(h->dir), "/tmp/keysvc-front-XXXXXX");
    cr_assert_not_null(mkdtemp(h->dir));
    snprintf(h->socket_path, sizeof(h->socket_path), "%s/s", h->dir);
    snprintf(h->audit_path, sizeof(h->audit_path), "%s/front.log", h->dir);
    h->audit_fd = open(h->audit_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    h->listening_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    text_copy(address.sun_path, sizeof(address.sun_path), h->socket_path);
    cr_assert_eq(bind(h->listening_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(h->listening_fd, 128), 0);
    cr_assert_eq(channel_pair(ends), KS_OK);
    cr_assert_eq(channel_new(ends[0], CHANNEL_MAX_CONFIG, &h->supervisor), KS_OK);
    h->control_fd = ends[1];
    control_setup_pack(&body, &setup);
    fds[0] = h->audit_fd;
    fds[1] = h->listening_fd;
    cr_assert_eq(channel_send(h->supervisor, CONTROL_SETUP, &body, fds, 2, HARNESS_WAIT_MS), KS_OK);
    cr_assert_eq(pthread_create(&thread, NULL, run, h), 0);
    h->thread = thread;
    harness_expect(h, CONTROL_READY, &message);
}

void
harness_join(struct harness *h)
{
    pthread_join(h->thread, NULL);
    h->supervisor = channel_free(h->supervisor);
    close(h->listening_fd);
    close(h->audit_fd);
    unlink(h->socket_path);
    unlink(h->audit_path);
    rmdir(h->dir);
    h->config = config_free(h->config);
}

void
harness_stop(struct harness *h)
{
    harness_send(h, CONTROL_STOP, NULL);
    harness_join(h);
    cr_assert_eq(h->result, KS_OK);
}

void
harness_send(struct harness *h, enum control_message type, const struct buf *body)
{
    cr_assert_eq(channel_send(h->supervisor, type, body, NULL, 0, HARNESS_WAIT_MS), KS_OK);
}

void
harness_expect(struct harness *h, enum control_message type, struct message *message)
{
    cr_assert_eq(channel_receive(h->supervisor, message, HARNESS_WAIT_MS), KS_OK);
    cr_assert_eq(message->type, type);
}

void
harness_state(struct harness *h, uint32_t worker, enum token_state state, const char *text)
{
    harness_state_of(h, "main", worker, state, text);
}

void
harness_state_of(struct harness *h, const char *token, uint32_t worker, enum token_state state,
                 const char *text)
{
    struct control_state said = {.worker_index = worker, .state = state};
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    text_copy(said.token, sizeof(said.token), token);
    text_copy(said.text, sizeof(said.text), text);
    control_state_pack(&body, &said);
    harness_send(h, CONTROL_STATE, &body);
}

struct channel *
harness_worker(struct harness *h, uint32_t index)
{
    return harness_worker_of(h, "main", index);
}

struct channel *
harness_worker_of(struct harness *h, const char *token, uint32_t index)
{
    struct control_worker said = {.worker_index = index};
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct channel *worker;
    int ends[2];

    cr_assert_eq(channel_pair(ends), KS_OK);
    cr_assert_eq(channel_new(ends[0], CHANNEL_MAX_BODY, &worker), KS_OK);
    text_copy(said.token, sizeof(said.token), token);
    harness_state_of(h, token, index, TOKEN_STATE_READY, "");
    control_worker_pack(&body, &said);
    cr_assert_eq(channel_send(h->supervisor, CONTROL_WORKER, &body, &ends[1], 1, HARNESS_WAIT_MS),
                 KS_OK);
    close(ends[1]);
    return worker;
}

static void
send_key(struct channel *worker, const struct job_key *key)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    job_key_pack(&body, key);
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_DIRECTORY_KEY, &body, NULL, 0, HARNESS_WAIT_MS),
                 KS_OK);
}

void
worker_key(struct channel *worker, const char *label, enum job_key_state state)
{
    struct job_key key = {.state = state, .type = KS_KEY_TYPE_EC_P256};

    cr_assert(keyname_split(label, strlen(label), false, key.name, &key.version));
    key.public_key_len = strlen(label);
    memcpy(key.public_key, label, key.public_key_len);
    send_key(worker, &key);
}

void
worker_audit_key(struct channel *worker, uint32_t version)
{
    /* What a P-256 key begins with; the point is `version` over and over. */
    static const uint8_t start[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
    struct job_key key = {.version = version,
                          .state = JOB_KEY_USABLE,
                          .type = KS_KEY_TYPE_EC_P256,
                          .public_key_len = WORKER_AUDIT_KEY_LEN};

    text_copy(key.name, sizeof(key.name), KEYNAME_AUDIT);
    memset(key.public_key, (int)version, key.public_key_len);
    memcpy(key.public_key, start, sizeof(start));
    send_key(worker, &key);
}

void
worker_list_audit_key(struct channel *worker)
{
    static const char *const nothing[] = {NULL};

    worker_list(worker, nothing);
    worker_audit_key(worker, 1);
}

void
worker_list(struct channel *worker, const char *const *keys)
{
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_DIRECTORY_BEGIN, NULL, NULL, 0, HARNESS_WAIT_MS),
                 KS_OK);
    for (; *keys; keys++)
        worker_key(worker, *keys, JOB_KEY_USABLE);
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_DIRECTORY_END, NULL, NULL, 0, HARNESS_WAIT_MS),
                 KS_OK);
}

void
harness_settled(struct harness *h, size_t n_keys)
{
    uint64_t end_ms = clock_mono_ms() + HARNESS_WAIT_MS;
    int fd = client_hello(h);
    bool there = false;

    while (!there && clock_mono_ms() < end_ms) {
        Keysvc__V1__Response *response;
        size_t n_told = 0;
        bool ready = true;

        client_send_status(fd, 1);
        response = client_receive(fd);
        cr_assert_not_null(response);
        cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_STATUS);
        for (size_t i = 0; i < response->status->n_tokens; i++) {
            n_told += response->status->tokens[i]->keys;
            ready = ready && response->status->tokens[i]->ready_workers > 0;
        }
        there = ready && n_told == n_keys;
        response_free(response);
        if (!there)
            usleep(10000); /* status has a rate */
    }
    cr_assert(there);
    close(fd);
}

void
worker_take(struct channel *worker, struct buf *storage, struct job *job)
{
    struct message message = MESSAGE_INIT;
    static uint8_t kept[CHANNEL_MAX_BODY]; /* what a job borrows */

    cr_assert_eq(channel_receive(worker, &message, HARNESS_WAIT_MS), KS_OK);
    cr_assert_eq(message.type, JOB_MESSAGE_JOB);
    memcpy(kept, message.body, message.len);
    cr_assert_eq(job_unpack(kept, message.len, storage, job), KS_OK);
    cr_assert_leq(message.n_fds, ARRAY_LEN(job->fds));
    job->n_fds = message.n_fds;
    memcpy(job->fds, message.fds, message.n_fds * sizeof(*job->fds));
}

uint64_t
worker_take_id(struct channel *worker, enum job_operation operation)
{
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;
    uint64_t id;

    worker_take(worker, &storage, &job);
    cr_assert_eq(job.operation, operation, "operation %d", (int)job.operation);
    id = job.id;
    job_deinit(&job);
    return id;
}

void
worker_answer(struct channel *worker, uint64_t id, ks_err err, const char *data)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct job_reply reply = {.id = id, .err = err, .algorithm = KS_ALGORITHM_ECDSA_SHA256};

    reply.data = (const uint8_t *)data;
    reply.data_len = data ? strlen(data) : 0;
    job_reply_pack(&body, &reply);
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_REPLY, &body, NULL, 0, HARNESS_WAIT_MS), KS_OK);
}

int
client_connect(struct harness *h)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    text_copy(address.sun_path, sizeof(address.sun_path), h->socket_path);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

int
client_hello(struct harness *h)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__Hello hello = KEYSVC__V1__HELLO__INIT;
    int fd = client_connect(h);

    hello.protocol_version = 1;
    hello.program = (char *)"test";
    request.id = UINT64_MAX;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_HELLO;
    request.hello = &hello;
    client_send(fd, &request);
    client_expect(fd, UINT64_MAX, KS_OK);
    return fd;
}

void
client_send_bytes(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

        if (n < 0)
            return; /* the front may have hung up: the answer tells */
        at += n;
        len -= (size_t)n;
    }
}

void
client_send_files(int fd, const void *data, size_t len, const int *files, size_t n_files)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 253)];
    } control = {0};
    struct iovec vector = {.iov_base = (void *)data, .iov_len = len};
    struct msghdr header = {.msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = CMSG_SPACE(sizeof(int) * n_files)};

    control.align = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                     .cmsg_type = SCM_RIGHTS,
                                     .cmsg_len = CMSG_LEN(sizeof(int) * n_files)};
    memcpy(CMSG_DATA(&control.align), files, sizeof(int) * n_files);
    cr_assert_eq(sendmsg(fd, &header, MSG_NOSIGNAL), (ssize_t)len);
}

uint8_t *
client_pack(const Keysvc__V1__Request *request, size_t *len)
{
    size_t body_len = keysvc__v1__request__get_packed_size(request);
    uint8_t *data = malloc(FRAME_HEADER_LEN + body_len);

    frame_header(data, body_len);
    keysvc__v1__request__pack(request, data + FRAME_HEADER_LEN);
    *len = FRAME_HEADER_LEN + body_len;
    return data;
}

void
client_send(int fd, const Keysvc__V1__Request *request)
{
    size_t len;
    uint8_t *data = client_pack(request, &len);

    client_send_bytes(fd, data, len);
    free(data);
}

static bool
receive_all(int fd, uint8_t *data, size_t len)
{
    while (len > 0) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ssize_t n;

        cr_assert_eq(poll(&ready, 1, HARNESS_WAIT_MS), 1, "no answer in time");
        n = recv(fd, data, len, 0);
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

Keysvc__V1__Response *
client_receive(int fd)
{
    Keysvc__V1__Response *response;
    uint8_t header[FRAME_HEADER_LEN], *data;
    size_t len;

    if (!receive_all(fd, header, sizeof(header)))
        return NULL;
    len = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    cr_assert_leq(len, FRAME_MAX_LEN);
    data = malloc(len);
    cr_assert(receive_all(fd, data, len));
    response = keysvc__v1__response__unpack(NULL, len, data);
    free(data);
    cr_assert_not_null(response);
    return response;
}

void
response_free(Keysvc__V1__Response *response)
{
    if (response)
        keysvc__v1__response__free_unpacked(response, NULL);
}

void
client_send_sign(int fd, uint64_t id, const char *label, uint32_t deadline_ms)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__SignRequest sign = KEYSVC__V1__SIGN_REQUEST__INIT;
    char name[KEYNAME_MAX + 1];
    uint8_t hash[KS_SHA256_LEN];

    cr_assert(keyname_split(label, strlen(label), true, name, &sign.version));
    SHA256((const uint8_t *)label, strlen(label), hash);
    sign.name = name;
    sign.public_key_sha256 = (ProtobufCBinaryData){sizeof(hash), hash};
    sign.data = (ProtobufCBinaryData){5, (uint8_t *)"hello"};
    request.id = id;
    request.deadline_ms = deadline_ms;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_SIGN;
    request.sign = &sign;
    client_send(fd, &request);
}

void
client_send_get(int fd, uint64_t id, const char *name, uint32_t version)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__GetRequest get = KEYSVC__V1__GET_REQUEST__INIT;

    get.name = (char *)name;
    get.version = version;
    request.id = id;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_GET;
    request.get = &get;
    client_send(fd, &request);
}

void
client_send_generate(int fd, uint64_t id, const char *name)
{
    client_send_generate_in(fd, id, name, 0);
}

void
client_send_generate_in(int fd, uint64_t id, const char *name, uint32_t deadline_ms)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__GenerateRequest generate = KEYSVC__V1__GENERATE_REQUEST__INIT;

    generate.name = (char *)name;
    request.id = id;
    request.deadline_ms = deadline_ms;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_GENERATE;
    request.generate = &generate;
    client_send(fd, &request);
}

void
client_send_status(int fd, uint64_t id)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__StatusRequest status = KEYSVC__V1__STATUS_REQUEST__INIT;

    request.id = id;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_STATUS;
    request.status = &status;
    client_send(fd, &request);
}

Keysvc__V1__Response *
client_ask_metrics(int fd, uint64_t id)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__MetricsRequest metrics = KEYSVC__V1__METRICS_REQUEST__INIT;

    request.id = id;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_METRICS;
    request.metrics = &metrics;
    client_send(fd, &request);
    return client_receive(fd);
}

void
client_expect(int fd, uint64_t id, ks_err err)
{
    Keysvc__V1__Response *response = client_receive(fd);
    ks_err got = KS_OK;

    cr_assert_not_null(response, "the connection was closed");
    if (response->result_case == KEYSVC__V1__RESPONSE__RESULT_ERROR)
        got = (ks_err)response->error->code;
    cr_assert_eq(response->id, id, "answer %llu instead of %llu", (unsigned long long)response->id,
                 (unsigned long long)id);
    cr_assert_eq(got, err, "%s instead of %s: %s", err_info(got)->name, err_info(err)->name,
                 got ? response->error->message : "");
    response_free(response);
}

void
client_expect_end(int fd)
{
    Keysvc__V1__Response *response;

    while ((response = client_receive(fd)))
        response_free(response);
    close(fd);
}

size_t
harness_count_audit(struct harness *h, const char *text)
{
    FILE *file = fopen(h->audit_path, "re");
    char line[8192];
    size_t n = 0;

    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file))
        n += strstr(line, text) != NULL;
    fclose(file);
    return n;
}
