/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire - requests packed, answers unpacked
 */
#include "tests/load/wire.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/clock.h"
#include "proto/keysvc.pb-c.h"
#include "proto/wire/frame.h"

#define FETCH_TIMEOUT_S 10

static void append(struct buf *out, const Keysvc__V1__Request *request);
static void take_key(const Keysvc__V1__Key *from, struct wire_key *out);
static bool fetch_key(const char *socket_path, const char *name, uint32_t version,
                      struct wire_key *out, char said[static 256]);
static bool receive(int fd, struct arena *arena, struct wire_answer *out);

void
wire_hello(struct buf *out, uint64_t id)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__Hello hello = KEYSVC__V1__HELLO__INIT;
    char program[] = "load";

    hello.protocol_version = 1;
    hello.program = program;
    request.id = id;
    request.deadline_ms = FETCH_TIMEOUT_S * 1000;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_HELLO;
    request.hello = &hello;
    append(out, &request);
}

void
wire_get(struct buf *out, uint64_t id, const char *name, uint32_t version)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__GetRequest get = KEYSVC__V1__GET_REQUEST__INIT;

    get.name = (char *)(uintptr_t)name;
    get.version = version;
    request.id = id;
    request.deadline_ms = FETCH_TIMEOUT_S * 1000;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_GET;
    request.get = &get;
    append(out, &request);
}

void
wire_sign(struct buf *out, uint64_t id, uint32_t deadline_ms, const struct wire_key *key,
          const struct message *message, enum ks_hash prehashed)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__SignRequest sign = KEYSVC__V1__SIGN_REQUEST__INIT;

    sign.name = (char *)(uintptr_t)key->name;
    sign.version = key->version;
    sign.public_key_sha256.data = (uint8_t *)(uintptr_t)key->sha256;
    sign.public_key_sha256.len = sizeof(key->sha256);
    sign.data.data = (uint8_t *)(uintptr_t)message->data;
    sign.data.len = message->len;
    sign.prehashed = (Keysvc__V1__Hash)prehashed; /* crypto.h: the numbers are the wire's */
    request.id = id;
    request.deadline_ms = deadline_ms;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_SIGN;
    request.sign = &sign;
    append(out, &request);
}

static void
append(struct buf *out, const Keysvc__V1__Request *request)
{
    size_t len = keysvc__v1__request__get_packed_size(request);
    uint8_t *at = buf_reserve(out, FRAME_HEADER_LEN + len);

    if (!at)
        return;
    frame_header(at, len);
    keysvc__v1__request__pack(request, at + FRAME_HEADER_LEN);
    out->len += FRAME_HEADER_LEN + len;
}

bool
wire_read(struct arena *arena, const uint8_t *frame, size_t len, struct wire_answer *out)
{
    const Keysvc__V1__Response *response;

    arena_start(arena, arena_budget(len));
    response = keysvc__v1__response__unpack(arena_allocator(arena), len, frame);
    if (!response)
        return false;
    *out = (struct wire_answer){.id = response->id, .kind = WIRE_OTHER};
    switch (response->result_case) {
    case KEYSVC__V1__RESPONSE__RESULT_ERROR:
        out->kind = WIRE_ERROR;
        out->err = (ks_err)response->error->code;
        out->retryable = response->error->retryable;
        out->said = response->error->message;
        break;
    case KEYSVC__V1__RESPONSE__RESULT_HELLO:
        out->kind = WIRE_HELLO;
        break;
    case KEYSVC__V1__RESPONSE__RESULT_GET:
        out->kind = WIRE_KEY;
        take_key(response->get, &out->key);
        break;
    case KEYSVC__V1__RESPONSE__RESULT_SIGN:
        out->kind = WIRE_SIGNATURE;
        out->signature = response->sign->signature.data;
        out->signature_len = response->sign->signature.len;
        break;
    default:
        break;
    }
    return true;
}

/* What does not fit stays empty, and no request can be made with it. */
static void
take_key(const Keysvc__V1__Key *from, struct wire_key *out)
{
    (void)text_copy(out->name, sizeof(out->name), from->name);
    out->version = from->version;
    out->type = (enum ks_key_type)from->type;
    if (from->public_key_sha256.len == sizeof(out->sha256))
        memcpy(out->sha256, from->public_key_sha256.data, sizeof(out->sha256));
    if (from->public_key.len > sizeof(out->public_key))
        return;
    memcpy(out->public_key, from->public_key.data, from->public_key.len);
    out->public_key_len = from->public_key.len;
}

bool
wire_dial(const char *socket_path, int *fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = FETCH_TIMEOUT_S};
    ks_auto(closep) int dialled = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (dialled < 0 || !text_copy(address.sun_path, sizeof(address.sun_path), socket_path))
        return false;
    if (setsockopt(dialled, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
        connect(dialled, (struct sockaddr *)&address, sizeof(address)) < 0)
        return false;
    *fd = ks_steal_fd(&dialled);
    return true;
}

/* The service may be in trouble already, as in a soak: what may be asked again is. */
bool
wire_fetch_key(const char *socket_path, const char *label, struct wire_key *out)
{
    uint64_t end_ms = clock_mono_ms() + FETCH_TIMEOUT_S * 1000;
    char name[KEYNAME_MAX + 1], said[256];
    uint32_t version;

    if (!keyname_split(label, strlen(label), true, name, &version)) {
        fprintf(stderr, "load: %s: no name of a key\n", label);
        return false;
    }
    while (!fetch_key(socket_path, name, version, out, said)) {
        if (said[0] || clock_mono_ms() > end_ms) {
            fprintf(stderr, "load: %s: %s\n", label, said[0] ? said : "no answer that makes sense");
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    return true;
}

/* False: `said` is why, or empty if it may be asked again. */
static bool
fetch_key(const char *socket_path, const char *name, uint32_t version, struct wire_key *out,
          char said[static 256])
{
    ks_auto(arena_freep) struct arena *arena = NULL;
    ks_auto(buf_deinit) struct buf frames = BUF_INIT;
    ks_auto(closep) int fd = -1;
    struct wire_answer answer;

    said[0] = '\0';
    if (arena_new(&arena) != KS_OK || !wire_dial(socket_path, &fd)) {
        snprintf(said, 256, "nobody answers at %s", socket_path);
        return false;
    }
    wire_hello(&frames, 1);
    wire_get(&frames, 2, name, version);
    if (frames.failed || send(fd, frames.data, frames.len, MSG_NOSIGNAL) != (ssize_t)frames.len ||
        !receive(fd, arena, &answer) || answer.kind != WIRE_HELLO || !receive(fd, arena, &answer))
        return false;
    if (answer.kind == WIRE_ERROR && !answer.retryable)
        snprintf(said, 256, "%s", answer.said);
    if (answer.kind != WIRE_KEY || answer.key.public_key_len == 0)
        return false;
    *out = answer.key;
    return true;
}

static bool
receive(int fd, struct arena *arena, struct wire_answer *out)
{
    uint8_t header[FRAME_HEADER_LEN], frame[4096];
    size_t len;

    if (recv(fd, header, sizeof(header), MSG_WAITALL) != sizeof(header))
        return false;
    len = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    return len > 0 && len <= sizeof(frame) && recv(fd, frame, len, MSG_WAITALL) == (ssize_t)len &&
           wire_read(arena, frame, len, out);
}
