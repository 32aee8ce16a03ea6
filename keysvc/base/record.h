/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - one line of an audit file, read strictly: exactly what chain.c writes and nothing else
 *
 *   {"seq":12,"time":"2026-11-22T00:18:16.123456Z","prev":"64 hex","event":"sign",...,
 *    "hash":"64 hex"}
 *
 * No spaces, no other order, no other spelling of a number, a text or an escape: whoever reads a
 * record in two ways could be shown two stories. Pure; a scanned record borrows from the line.
 */
#pragma once

#include "base/clock.h"
#include "base/crypto.h"
#include "base/digest.h"
#include "base/util.h"

#define RECORD_NAME_MAX 32 /* bytes of an event's or a member's name, [a-z_] and digits inside */
#define RECORD_TIME_LEN (CLOCK_TEXT_LEN - 1)

enum record_shape {
    RECORD_WHOLE,  /* a record, and nothing after it; its hash is not yet checked */
    RECORD_PREFIX, /* right so far, but it ends too early: what a torn write leaves */
    RECORD_BAD,    /* no record begins so */
};

struct record {
    uint64_t seq;
    const char *time; /* RECORD_TIME_LEN bytes */
    uint8_t prev[KS_SHA256_LEN];
    uint8_t hash[KS_SHA256_LEN];
    const char *event;
    size_t event_len;
    const char *members; /* ,"key":value... after the event and before the hash */
    size_t members_len;
    size_t hashed_len; /* bytes from the line's begin that the hash covers */
};

struct record_member {
    const char *key;
    size_t key_len;
    const char *value; /* a text's without its quotes, still escaped; or digits */
    size_t value_len;
    bool is_number;
};

/* `line` comes without its newline. Unless WHOLE, *stopped_at is where it stopped being a record.
 */
enum record_shape record_scan(const char *line, size_t len, struct record *out, size_t *stopped_at);

/* Could a write that was cut off by a crash have left this line? The begin of a record, and then
 * nothing or the zero bytes that a file system fills up with after a power cut. */
bool record_torn(const char *line, size_t len);

/* Is the hash in the record the hash of its bytes? */
bool record_hash_right(const struct record *record, const char *line, struct digest *digest);

bool record_is(const struct record *record, const char *event);

/* The next member; *cursor starts as NULL; false: there are no more. */
bool record_next(const struct record *record, const char **cursor, struct record_member *out);

/* The member with that key; false: none. */
bool record_find(const struct record *record, const char *key, struct record_member *out);

/* A number's value; false: not a number, or more than 64 bits. */
bool record_number(const struct record_member *member, uint64_t *out);

/* A text without its escapes and with a NUL; false: not a text, longer than cap - 1 bytes, or it
 * holds a NUL itself. */
bool record_text(const struct record_member *member, char *out, size_t cap);
