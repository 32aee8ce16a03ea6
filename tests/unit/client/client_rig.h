/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_rig - a client of the fake server, and what the two usually say
 */
#pragma once

#include <stdbool.h>

#include "client/lib/keysvc.h"
#include "fake_server.h"

enum {
    LIST = 12,
    GET = 13,
    GENERATE = 14,
    ROTATE = 15,
    SIGN = 16,
    RELOAD = 19,
    RETRY_LOGIN = 20,
};

#define N_THREADS 8
#define N_ROUNDS 20

struct signer {
    struct ks_client *client;
    int number;
    bool right;
};

struct ks_client *client_rig_new(const struct fake_server *server);

struct ks_key client_rig_key(void);

ks_err client_rig_sign(struct ks_client *client, const char *text, struct ks_error *error);

/* A fake_handler: each request is answered well. */
void client_rig_answer(struct fake_server *server, const struct fake_request *request);

/* A thread on a `struct signer`: N_ROUNDS signatures, each its own answer. */
void *client_rig_sign_often(void *context);
