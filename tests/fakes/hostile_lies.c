/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile_lies - messages that a worker which was taken over sends to the front and to keysvcd
 *
 * Sent over copies of the process's own sockets, in the format that both speak.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/control.h"
#include "ipc/job.h"
#include "tests/fakes/hostile.h"

#define SEND_TIMEOUT_MS 5000
#define FIRST_FD (CONTROL_FD + 1)
#define LAST_FD 99
#define UNASKED 4711 /* no request has this id */

/* SubjectPublicKeyInfo of P-256's base point: a key whose private half is the number 1. */
static const uint8_t known_key[] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1,
    0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d,
    0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe,
    0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b,
    0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
};

/* The socket to the front: the newest one that is not keysvcd's. */
static int
front_fd(void)
{
    for (int fd = LAST_FD; fd >= FIRST_FD; fd--) {
        int domain = 0;
        socklen_t len = sizeof(domain);

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX)
            return fd;
    }
    return -1;
}

static int
say(int fd, uint16_t type, const struct buf *body)
{
    ks_auto(channel_freep) struct channel *channel = NULL;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, LAST_FD + 2);

    if (copy < 0)
        return errno;
    if (channel_new(copy, CHANNEL_MAX_BODY, &channel) != KS_OK ||
        channel_send(channel, type, body, NULL, 0, SEND_TIMEOUT_MS) != KS_OK)
        return EPIPE;
    return 0;
}

static int
say_bytes(int fd, const void *bytes, size_t len)
{
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : EPIPE;
}

/* `label`: NAME@VERSION */
static int
say_key(const char *label, enum job_key_state state)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct job_key key = {.state = state, .type = KS_KEY_TYPE_EC_P256};

    if (sscanf(label, "%127[^@]@%u", key.name, &key.version) != 2)
        return EINVAL;
    key.public_key_len = sizeof(known_key);
    memcpy(key.public_key, known_key, sizeof(known_key));
    job_key_pack(&body, &key);
    return say(front_fd(), JOB_MESSAGE_DIRECTORY_KEY, &body);
}

/* "That key is mine, and this is its public half." */
static int
claim_key(const char *label)
{
    return say_key(label, JOB_KEY_USABLE);
}

static int
deny_key(const char *label)
{
    return say_key(label, JOB_KEY_GONE);
}

static int
answer_unasked(const char *on)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct job_reply reply = {.id = UNASKED, .data = known_key, .data_len = sizeof(known_key)};

    (void)on;
    job_reply_pack(&body, &reply);
    return say(front_fd(), JOB_MESSAGE_REPLY, &body);
}

static int
ask_the_front(const char *on)
{
    (void)on;
    return say(front_fd(), JOB_MESSAGE_JOB, NULL);
}

static int
noise_to_the_front(const char *on)
{
    (void)on;
    return say_bytes(front_fd(), "\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9);
}

static int
noise_to_keysvcd(const char *on)
{
    (void)on;
    return say_bytes(CONTROL_FD, "\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9);
}

/* "I am the other token's process, and it has failed." */
static int
state_of_another(const char *token)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct control_state state = {.worker_index = 1, .state = TOKEN_STATE_FAILED};

    if (!text_copy(state.token, sizeof(state.token), token))
        return EINVAL;
    control_state_pack(&body, &state);
    return say(CONTROL_FD, CONTROL_STATE, &body);
}

static int
administer(const char *token)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct control_admin admin = {.cookie = 1, .action = CONTROL_ADMIN_RETRY_LOGIN};

    if (!text_copy(admin.token, sizeof(admin.token), token))
        return EINVAL;
    control_admin_pack(&body, &admin);
    return say(CONTROL_FD, CONTROL_ADMIN, &body);
}

/* clang-format off */
static const struct {
    const char *word;
    hostile_attempt lie;
} lies[] = {
    {"claim-key",        claim_key},
    {"deny-key",         deny_key},
    {"answer-unasked",   answer_unasked},
    {"ask-front",        ask_the_front},
    {"noise-front",      noise_to_the_front},
    {"noise-keysvcd",    noise_to_keysvcd},
    {"state-of-another", state_of_another},
    {"administer",       administer},
};
/* clang-format on */

hostile_attempt
hostile_lie_find(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        if (strcmp(lies[i].word, word) == 0)
            return lies[i].lie;
    }
    return NULL;
}
