/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire - the messages a raw client needs, as bytes; the generated types go no further
 */
#pragma once

#include "base/buf.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/keyname.h"
#include "proto/wire/arena.h"
#include "tests/load/message.h"
#include "tests/load/tally.h"

struct wire_key {
    char name[KEYNAME_MAX + 1];
    uint32_t version;
    enum ks_key_type type;
    uint8_t sha256[KS_SHA256_LEN];
    uint8_t public_key[KS_PUBLIC_KEY_MAX_LEN];
    size_t public_key_len;
};

enum wire_kind {
    WIRE_ERROR,
    WIRE_HELLO,
    WIRE_KEY,
    WIRE_SIGNATURE,
    WIRE_OTHER,
};

/* Borrowed from the arena: until the next wire_read. */
struct wire_answer {
    uint64_t id;
    enum wire_kind kind;
    ks_err err;
    bool retryable;
    const char *said;
    const uint8_t *signature;
    size_t signature_len;
    struct wire_key key;
};

/* Appends one frame. */
void wire_hello(struct buf *out, uint64_t id);
void wire_get(struct buf *out, uint64_t id, const char *name, uint32_t version);
void wire_sign(struct buf *out, uint64_t id, uint32_t deadline_ms, const struct wire_key *key,
               const struct message *message, enum ks_hash prehashed);

/* The body of one frame; false: it is no answer. */
bool wire_read(struct arena *arena, const uint8_t *frame, size_t len, struct wire_answer *out);

/* Connects; *fd is the caller's. False: nobody answers. For the start only; it waits. */
bool wire_dial(const char *socket, int *fd);

/* One key over a connection of its own; false has been told on standard error. */
bool wire_fetch_key(const char *socket, const char *label, struct wire_key *out);
