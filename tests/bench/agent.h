/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent - one connection to an ssh-agent, and signatures by one of its keys
 *
 * The agent's protocol as draft-miller-ssh-agent has it: a 4-byte length, a type, strings with
 * 4-byte lengths. One request is open at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_MAX_BLOB 2048

struct agent {
    int fd;
    bool is_rsa;
    uint8_t blob[AGENT_MAX_BLOB]; /* the public key, as the agent lists it */
    size_t blob_len;
};

/* Connects, and takes the agent's first key of that kind (P-256 or RSA). False: why is printed. */
bool agent_open(const char *path, bool is_rsa, struct agent *out);

/* False: the agent refused, or is gone. */
bool agent_sign(struct agent *agent, const uint8_t *data, size_t len);
