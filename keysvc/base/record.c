/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - the scanner behind the header's grammar
 *
 * Each scan_ function moves the cursor over one element. It returns false where the line ends
 * (cursor->at == cursor->end: a prefix) or where it differs (bad).
 */
#include "base/record.h"

#include "base/hex.h"

struct cursor {
    const char *at;
    const char *end;
};

static bool scan_head(struct cursor *cursor, struct record *out);
static bool scan_members(struct cursor *cursor, struct record *out);
static bool scan_member(struct cursor *cursor, struct record_member *out);
static bool scan_hash(struct cursor *cursor, const char *line, struct record *out);

enum record_shape
record_scan(const char *line, size_t len, struct record *out, size_t *stopped_at)
{
    struct cursor cursor = {line, line + len};
    bool whole;

    memset(out, 0, sizeof(*out));
    whole = scan_head(&cursor, out) && scan_members(&cursor, out) && scan_hash(&cursor, line, out);
    *stopped_at = (size_t)(cursor.at - line);
    if (whole)
        return cursor.at == cursor.end ? RECORD_WHOLE : RECORD_BAD;
    return cursor.at == cursor.end ? RECORD_PREFIX : RECORD_BAD;
}

static bool
scan_literal(struct cursor *cursor, const char *text)
{
    for (; *text; text++, cursor->at++)
        if (cursor->at == cursor->end || *cursor->at != *text)
            return false;
    return true;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A decimal without leading zeros that fits 64 bits. */
static bool
scan_number(struct cursor *cursor, uint64_t *out)
{
    const char *start = cursor->at;
    uint64_t value = 0;

    while (cursor->at != cursor->end && is_digit(*cursor->at)) {
        if (cursor->at != start && *start == '0')
            return false;
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*cursor->at - '0'), &value))
            return false;
        cursor->at++;
    }
    *out = value;
    /* At the line's end more digits could have followed. */
    return cursor->at != start && cursor->at != cursor->end;
}

/* Letters and digits as in the pattern: 0 stands for any digit. */
static bool
scan_time(struct cursor *cursor)
{
    static const char pattern[] = "0000-00-00T00:00:00.000000Z";

    for (const char *p = pattern; *p; p++, cursor->at++) {
        if (cursor->at == cursor->end)
            return false;
        if (*p == '0' ? !is_digit(*cursor->at) : *cursor->at != *p)
            return false;
    }
    return true;
}

static bool
scan_digest(struct cursor *cursor, uint8_t out[static KS_SHA256_LEN])
{
    const char *start = cursor->at;

    while (cursor->at != cursor->end && cursor->at - start < 2 * KS_SHA256_LEN) {
        if (!is_digit(*cursor->at) && (*cursor->at < 'a' || *cursor->at > 'f'))
            return false;
        cursor->at++;
    }
    return cursor->at - start == 2 * KS_SHA256_LEN && hex_parse(start, out, KS_SHA256_LEN);
}

/* An event's or a member's name, up to its closing quote. */
static bool
scan_name(struct cursor *cursor, size_t *len)
{
    const char *start = cursor->at;

    while (cursor->at != cursor->end && *cursor->at != '"') {
        char c = *cursor->at;

        if ((c < 'a' || c > 'z') && c != '_' && (!is_digit(c) || cursor->at == start))
            return false;
        if (cursor->at - start == RECORD_NAME_MAX)
            return false;
        cursor->at++;
    }
    *len = (size_t)(cursor->at - start);
    return cursor->at != cursor->end && *len > 0;
}

static bool
scan_head(struct cursor *cursor, struct record *out)
{
    if (!scan_literal(cursor, "{\"seq\":") || !scan_number(cursor, &out->seq))
        return false;
    if (!scan_literal(cursor, ",\"time\":\""))
        return false;
    out->time = cursor->at;
    if (!scan_time(cursor))
        return false;
    if (!scan_literal(cursor, "\",\"prev\":\"") || !scan_digest(cursor, out->prev))
        return false;
    if (!scan_literal(cursor, "\",\"event\":\""))
        return false;
    out->event = cursor->at;
    return scan_name(cursor, &out->event_len) && scan_literal(cursor, "\"");
}

/* Stops at the member named hash, which is the last of every record. */
static bool
scan_members(struct cursor *cursor, struct record *out)
{
    static const char hash_begin[] = ",\"hash\":";
    struct record_member member;

    out->members = cursor->at;
    while ((size_t)(cursor->end - cursor->at) < sizeof(hash_begin) - 1 ||
           memcmp(cursor->at, hash_begin, sizeof(hash_begin) - 1) != 0) {
        if (!scan_member(cursor, &member))
            return false;
    }
    out->members_len = (size_t)(cursor->at - out->members);
    return true;
}

/* The two-digit rest of an escape for a byte that could not stand for itself. */
static bool
scan_escape(struct cursor *cursor)
{
    uint8_t byte;

    if (cursor->at != cursor->end && (*cursor->at == '"' || *cursor->at == '\\')) {
        cursor->at++;
        return true;
    }
    if (!scan_literal(cursor, "u00"))
        return false;
    if (cursor->end - cursor->at < 2) {
        cursor->at = cursor->end;
        return false;
    }
    if (!hex_parse(cursor->at, &byte, 1) || (byte >= 0x20 && byte < 0x7f))
        return false;
    cursor->at += 2;
    return true;
}

/* Up to and with the closing quote. */
static bool
scan_text(struct cursor *cursor)
{
    while (cursor->at != cursor->end) {
        unsigned char c = (unsigned char)*cursor->at;

        if (c < 0x20 || c >= 0x7f)
            return false;
        cursor->at++;
        if (c == '"')
            return true;
        if (c == '\\' && !scan_escape(cursor))
            return false;
    }
    return false;
}

static bool
scan_member(struct cursor *cursor, struct record_member *out)
{
    uint64_t number;

    if (!scan_literal(cursor, ",\""))
        return false;
    out->key = cursor->at;
    if (!scan_name(cursor, &out->key_len) || !scan_literal(cursor, "\":"))
        return false;
    if (cursor->at == cursor->end)
        return false;
    out->is_number = *cursor->at != '"';
    if (out->is_number) {
        out->value = cursor->at;
        if (!scan_number(cursor, &number))
            return false;
        out->value_len = (size_t)(cursor->at - out->value);
        return true;
    }
    cursor->at++;
    out->value = cursor->at;
    if (!scan_text(cursor))
        return false;
    out->value_len = (size_t)(cursor->at - 1 - out->value);
    return true;
}

static bool
scan_hash(struct cursor *cursor, const char *line, struct record *out)
{
    out->hashed_len = (size_t)(cursor->at - line);
    return scan_literal(cursor, ",\"hash\":\"") && scan_digest(cursor, out->hash) &&
           scan_literal(cursor, "\"}");
}

bool
record_torn(const char *line, size_t len)
{
    enum record_shape shape;
    struct record record;
    size_t zeros, at;

    shape = record_scan(line, len, &record, &zeros);
    if (shape != RECORD_BAD)
        return shape == RECORD_PREFIX;
    for (at = zeros; at < len && line[at] == '\0'; at++)
        ;
    /* A whole record with a zero byte in its newline's place was not torn. */
    return at == len && record_scan(line, zeros, &record, &at) == RECORD_PREFIX;
}

bool
record_hash_right(const struct record *record, const char *line, struct digest *digest)
{
    uint8_t hash[KS_SHA256_LEN];

    return digest_sum(digest, line, record->hashed_len, hash) &&
           memcmp(hash, record->hash, sizeof(hash)) == 0;
}

bool
record_is(const struct record *record, const char *event)
{
    return strlen(event) == record->event_len &&
           memcmp(record->event, event, record->event_len) == 0;
}

bool
record_next(const struct record *record, const char **cursor, struct record_member *out)
{
    struct cursor at = {*cursor ? *cursor : record->members, record->members + record->members_len};

    /* scan_number looks at the byte behind the number, which is there: the hash follows. */
    if (at.at == at.end)
        return false;
    at.end += 1;
    if (!scan_member(&at, out))
        return false;
    *cursor = at.at;
    return true;
}

bool
record_find(const struct record *record, const char *key, struct record_member *out)
{
    const char *cursor = NULL;

    while (record_next(record, &cursor, out))
        if (strlen(key) == out->key_len && memcmp(key, out->key, out->key_len) == 0)
            return true;
    return false;
}

bool
record_number(const struct record_member *member, uint64_t *out)
{
    uint64_t value = 0;

    if (!member->is_number)
        return false;
    for (size_t i = 0; i < member->value_len; i++)
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(member->value[i] - '0'), &value))
            return false;
    *out = value;
    return true;
}

bool
record_text(const struct record_member *member, char *out, size_t cap)
{
    size_t len = 0;

    if (member->is_number)
        return false;
    for (size_t i = 0; i < member->value_len; i++) {
        uint8_t byte = (uint8_t)member->value[i];

        if (byte == '\\' && member->value[i + 1] == 'u') {
            if (!hex_parse(member->value + i + 4, &byte, 1))
                return false;
            i += 5;
        } else if (byte == '\\') {
            i++;
            byte = (uint8_t)member->value[i];
        }
        if (byte == '\0' || len + 1 >= cap)
            return false;
        out[len++] = (char)byte;
    }
    if (len >= cap)
        return false;
    out[len] = '\0';
    return true;
}
