/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harness - the real front in a thread, between a scripted supervisor, scripted workers and clients
 *
 * The test plays everybody else: it holds the other ends of the socketpairs and speaks on them when
 * it wants to. Everybody may do everything with web/... and sign/..., and administer; other keys
 * are allowed to nobody. harness_prepare() -> [change h->config] -> harness_start() -> ... ->
 * harness_stop()
 */
#pragma once

#include <criterion/criterion.h>

#include "ipc/channel.h"
#include "ipc/control.h"
#include "ipc/job.h"
#include "proto/keysvc.pb-c.h"

#define HARNESS_WAIT_MS 20000 /* a bound for what should come at once */

struct harness {
    char dir[64];
    char socket_path[96], audit_path[96];
    struct config *config;
    struct channel *supervisor; /* the supervisor's end */
    int control_fd;             /* the front's */
    int listening_fd;
    int audit_fd;
    unsigned long thread;
    ks_err result; /* of front_run, after harness_stop */
};

void harness_prepare(struct harness *h);
/* Before the start: one more token, with one worker, in no group. */
void harness_add_token(struct harness *h, const char *name);
void harness_start(struct harness *h);
/* Says STOP and waits. */
void harness_stop(struct harness *h);
/* Waits for the front to end by itself, and cleans up. */
void harness_join(struct harness *h);

/* The supervisor's words. */
void harness_send(struct harness *h, enum control_message type, const struct buf *body);
void harness_expect(struct harness *h, enum control_message type, struct message *message);
void harness_state(struct harness *h, uint32_t worker, enum token_state state, const char *text);
/* The worker's end. It says nothing yet. */
struct channel *harness_worker(struct harness *h, uint32_t index);
/* Of a token that is not `main`. */
void harness_state_of(struct harness *h, const char *token, uint32_t worker, enum token_state state,
                      const char *text);
struct channel *harness_worker_of(struct harness *h, const char *token, uint32_t index);

/* The worker's words. `keys` is NULL-terminated: labels. A key's public half is its label. */
void worker_list(struct channel *worker, const char *const *keys);
void worker_key(struct channel *worker, const char *label, enum job_key_state state);
/* News of one that may sign checkpoints, if its version is 1. */
#define WORKER_AUDIT_KEY_LEN 91
void worker_audit_key(struct channel *worker, uint32_t version);
/* Lists that one, and nothing else. */
void worker_list_audit_key(struct channel *worker);
/* Waits for a job; the storage holds its texts. Its descriptors are the caller's to close. */
void worker_take(struct channel *worker, struct buf *storage, struct job *job);
/* Waits for a job of this kind; returns its id. */
uint64_t worker_take_id(struct channel *worker, enum job_operation operation);
void worker_answer(struct channel *worker, uint64_t id, ks_err err, const char *data);
/* A listing's end is seen by the front: asks status until every token is ready, with so many keys. */
void harness_settled(struct harness *h, size_t n_keys);

/* A client. */
int client_connect(struct harness *h); /* without Hello */
int client_hello(struct harness *h);   /* and with it */
void client_send(int fd, const Keysvc__V1__Request *request);
void client_send_bytes(int fd, const void *data, size_t len);
/* In one message, with descriptors beside the first byte. */
void client_send_files(int fd, const void *data, size_t len, const int *files, size_t n_files);
/* The request's frame, to be freed. */
uint8_t *client_pack(const Keysvc__V1__Request *request, size_t *len);
/* NULL: the connection was closed. */
Keysvc__V1__Response *client_receive(int fd);
void response_free(Keysvc__V1__Response *response);
void client_send_sign(int fd, uint64_t id, const char *label, uint32_t deadline_ms);
void client_send_get(int fd, uint64_t id, const char *name, uint32_t version);
void client_send_generate(int fd, uint64_t id, const char *name);
void client_send_generate_in(int fd, uint64_t id, const char *name, uint32_t deadline_ms);
void client_send_status(int fd, uint64_t id);
Keysvc__V1__Response *client_ask_metrics(int fd, uint64_t id);
/* Receives one answer, wants this id and this error (0: none). */
void client_expect(int fd, uint64_t id, ks_err err);
/* Wants the end of the connection, after anything else that is said. */
void client_expect_end(int fd);

/* How often this text stands in the audit file. */
size_t harness_count_audit(struct harness *h, const char *text);
