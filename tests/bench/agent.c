/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent - requests and answers of the ssh-agent protocol
 */
#include "tests/bench/agent.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUEST_IDENTITIES 11
#define IDENTITIES_ANSWER 12
#define SIGN_REQUEST 13
#define SIGN_RESPONSE 14
#define FLAG_RSA_SHA2_256 2
#define HEADER_LEN 4
#define MAX_MESSAGE (64 * 1024)

static bool ask(const struct agent *agent, const uint8_t *request, size_t len, uint8_t *answer,
                size_t *answer_len);
static bool take_key(const uint8_t *list, size_t len, struct agent *agent);
static size_t put_string(uint8_t *out, const void *data, size_t len);

bool
agent_open(const char *path, bool is_rsa, struct agent *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const uint8_t request[] = {REQUEST_IDENTITIES};
    static uint8_t answer[MAX_MESSAGE];
    size_t len;

    *out = (struct agent){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .is_rsa = is_rsa};
    if (strlen(path) >= sizeof(address.sun_path))
        return false;
    memcpy(address.sun_path, path, strlen(path));
    if (connect(out->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        perror(path);
        return false;
    }
    if (!ask(out, request, sizeof(request), answer, &len) || answer[0] != IDENTITIES_ANSWER ||
        !take_key(answer, len, out)) {
        fprintf(stderr, "%s: the agent has no such key\n", path);
        return false;
    }
    return true;
}

bool
agent_sign(struct agent *agent, const uint8_t *data, size_t len)
{
    const uint32_t flags = htobe32(agent->is_rsa ? FLAG_RSA_SHA2_256 : 0);
    uint8_t request[AGENT_MAX_BLOB + 256] = {SIGN_REQUEST}, answer[AGENT_MAX_BLOB];
    size_t at = 1, answer_len = sizeof(answer);

    if (len > 128)
        return false;
    at += put_string(request + at, agent->blob, agent->blob_len);
    at += put_string(request + at, data, len);
    memcpy(request + at, &flags, sizeof(flags));
    at += sizeof(flags);
    return ask(agent, request, at, answer, &answer_len) && answer[0] == SIGN_RESPONSE;
}

static bool
receive(int fd, uint8_t *out, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, out, len, 0);

        if (n <= 0)
            return false;
        out += n;
        len -= (size_t)n;
    }
    return true;
}

/* *answer_len is what came; the room is MAX_MESSAGE for a list and AGENT_MAX_BLOB for a signature,
 * which is much shorter. */
static bool
ask(const struct agent *agent, const uint8_t *request, size_t len, uint8_t *answer,
    size_t *answer_len)
{
    size_t room = request[0] == REQUEST_IDENTITIES ? MAX_MESSAGE : AGENT_MAX_BLOB;
    uint8_t message[HEADER_LEN + AGENT_MAX_BLOB + 256];
    uint32_t be_len;
    size_t message_len = put_string(message, request, len);

    if (send(agent->fd, message, message_len, MSG_NOSIGNAL) != (ssize_t)message_len ||
        !receive(agent->fd, (uint8_t *)&be_len, sizeof(be_len)))
        return false;
    *answer_len = be32toh(be_len);
    return *answer_len > 0 && *answer_len <= room && receive(agent->fd, answer, *answer_len);
}

static size_t
put_string(uint8_t *out, const void *data, size_t len)
{
    uint32_t be_len = htobe32((uint32_t)len);

    memcpy(out, &be_len, sizeof(be_len));
    memcpy(out + sizeof(be_len), data, len);
    return sizeof(be_len) + len;
}

/* The next string of a list; NULL: it ends too early. */
static const uint8_t *
next_string(const uint8_t **at, const uint8_t *end, size_t *len)
{
    const uint8_t *string;
    uint32_t be_len;

    if (end - *at < (ptrdiff_t)sizeof(be_len))
        return NULL;
    memcpy(&be_len, *at, sizeof(be_len));
    *len = be32toh(be_len);
    string = *at + sizeof(be_len);
    if ((size_t)(end - string) < *len)
        return NULL;
    *at = string + *len;
    return string;
}

static bool
take_key(const uint8_t *list, size_t len, struct agent *agent)
{
    const char *wanted = agent->is_rsa ? "ssh-rsa" : "ecdsa-sha2-nistp256";
    const uint8_t *at = list + 1 + sizeof(uint32_t), *end = list + len;

    while (at < end) {
        size_t blob_len, comment_len, type_len;
        const uint8_t *blob = next_string(&at, end, &blob_len);
        const uint8_t *inner = blob, *type;

        if (!blob || !next_string(&at, end, &comment_len))
            return false;
        type = next_string(&inner, blob + blob_len, &type_len);
        if (!type || type_len != strlen(wanted) || memcmp(type, wanted, type_len) != 0 ||
            blob_len > sizeof(agent->blob))
            continue;
        memcpy(agent->blob, blob, blob_len);
        agent->blob_len = blob_len;
        return true;
    }
    return false;
}
