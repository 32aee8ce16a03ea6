/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain - gathering records, writing them, and going on after a write that failed
 *
 * On the path of every signature, so a record is put together by hand in one reserved piece of
 * memory. Two heads: `seq` and `hash` of the last gathered record, `file_seq` and `file_hash` of
 * the last whole record in the file. A failed write moves the first back to the second.
 *
 *   file:     ... record \n  tail             tail: what a cut-off write left, usually nothing
 *   pending:  \n torn-record \n record \n     the newline first if the file needs one
 */
#include "base/chain.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/chain_private.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/hex.h"
#include "base/record.h"

#define CUT_MARK "[cut]"
#define CUT_MEMBER ",\"cut\":1"
#define HASH_MEMBER ",\"hash\":\""
#define RECORD_END "\"}\n"
#define LITERAL_LEN(text) (sizeof(text) - 1)
/* Kept free in every record, so that it can always be ended. */
#define END_RESERVE                                                                                \
    (LITERAL_LEN(CUT_MEMBER) + LITERAL_LEN(HASH_MEMBER) + CHAIN_HASH_TEXT_LEN +                    \
     LITERAL_LEN(RECORD_END))
#define NUMBER_MAX 20 /* digits of 64 bits */

static ks_err write_pending(struct chain *chain, struct fault *why);
static size_t settle(struct chain *chain, size_t written);

struct chain *
chain_free(struct chain *chain)
{
    if (!chain)
        return NULL;
    if (chain->fd >= 0)
        close(chain->fd);
    digest_free(chain->digest);
    buf_deinit(&chain->pending);
    buf_deinit(&chain->tail);
    free(chain);
    return NULL;
}

void
chain_freep(struct chain **chain)
{
    *chain = chain_free(*chain);
}

/* Gathering. */

static size_t
room_left(const struct chain *chain)
{
    return CHAIN_RECORD_MAX - END_RESERVE - chain->record_len;
}

/* The caller has asked room_left(), or spends the reserve. */
static void
put(struct chain *chain, const void *data, size_t len)
{
    assert(chain->record_len + len <= CHAIN_RECORD_MAX);
    if (chain->pending.failed)
        return;
    memcpy(chain->pending.data + chain->pending.len + chain->record_len, data, len);
    chain->record_len += len;
}

static void
put_number(struct chain *chain, uint64_t number)
{
    char digits[NUMBER_MAX];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    put(chain, digits + at, sizeof(digits) - at);
}

/* Formatting a date costs more than hashing the record; it changes once a second. */
static void
put_time(struct chain *chain)
{
    uint64_t now_us = clock_wall_us();
    uint64_t fraction = now_us % 1000000;
    char *text = chain->second_text;

    if (now_us / 1000000 != chain->second) {
        clock_text(now_us, text);
        chain->second = now_us / 1000000;
    }
    for (size_t i = RECORD_TIME_LEN - 2; text[i] != '.'; i--, fraction /= 10)
        text[i] = (char)('0' + fraction % 10);
    put(chain, text, RECORD_TIME_LEN);
}

static void
put_hash(struct chain *chain, const uint8_t hash[static KS_SHA256_LEN])
{
    char text[CHAIN_HASH_TEXT_LEN];

    hex_put(text, hash, KS_SHA256_LEN);
    put(chain, text, sizeof(text));
}

/* Asked for each member of each record: strspn() would build its table of letters each time. */
static bool
key_valid(const char *key)
{
    size_t len = 0;

    for (; key[len] != '\0'; len++) {
        char c = key[len];

        if ((c < 'a' || c > 'z') && c != '_' && (c < '0' || c > '9' || len == 0))
            return false;
    }
    return len > 0 && len <= RECORD_NAME_MAX && strcmp(key, "hash") != 0;
}

void
chain_begin(struct chain *chain, const char *event)
{
    assert(!chain->in_record && key_valid(event));
    chain->in_record = true;
    chain->cut = false;
    chain->record_len = 0;
    if (chain->pending.failed || !buf_reserve(&chain->pending, CHAIN_RECORD_MAX))
        return;
    put(chain, "{\"seq\":", LITERAL_LEN("{\"seq\":"));
    put_number(chain, chain->seq + 1);
    put(chain, ",\"time\":\"", LITERAL_LEN(",\"time\":\""));
    put_time(chain);
    put(chain, "\",\"prev\":\"", LITERAL_LEN("\",\"prev\":\""));
    put_hash(chain, chain->hash);
    put(chain, "\",\"event\":\"", LITERAL_LEN("\",\"event\":\""));
    put(chain, event, strlen(event));
    put(chain, "\"", 1);
}

/* `,"key":` if at least `need` bytes fit behind it; otherwise the member is left out and marked. */
static bool
put_key(struct chain *chain, const char *key, size_t need)
{
    size_t len = strlen(key);

    assert(chain->in_record && key_valid(key));
    if (room_left(chain) < len + LITERAL_LEN(",\"\":") + need) {
        chain->cut = true;
        return false;
    }
    put(chain, ",\"", 2);
    put(chain, key, len);
    put(chain, "\":", 2);
    return true;
}

/* Bytes that stand for `c` inside a text. */
static size_t
escape(uint8_t c, char out[static 6])
{
    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    if (c >= 0x20 && c < 0x7f) {
        out[0] = (char)c;
        return 1;
    }
    memcpy(out, "\\u00", 4);
    hex_put(out + 4, &c, 1);
    return 6;
}

/* How much of the text fits, and whether that is all of it. */
static bool
fit_text(const char *text, size_t room, size_t *n_bytes)
{
    size_t len = 0, fits_with_mark = 0;
    char escaped[6];

    for (size_t i = 0; text[i]; i++) {
        len += escape((uint8_t)text[i], escaped);
        if (len > room) {
            *n_bytes = fits_with_mark;
            return false;
        }
        if (len + LITERAL_LEN(CUT_MARK) <= room)
            fits_with_mark = i + 1;
        *n_bytes = i + 1;
    }
    return true;
}

void
chain_text(struct chain *chain, const char *key, const char *text)
{
    size_t room, n_bytes = 0;
    char escaped[6];
    bool whole;

    if (!put_key(chain, key, LITERAL_LEN("\"\"") + LITERAL_LEN(CUT_MARK)))
        return;
    room = room_left(chain) - LITERAL_LEN("\"\"");
    whole = fit_text(text, room < CHAIN_TEXT_MAX ? room : CHAIN_TEXT_MAX, &n_bytes);
    put(chain, "\"", 1);
    for (size_t i = 0; i < n_bytes; i++)
        put(chain, escaped, escape((uint8_t)text[i], escaped));
    if (!whole) {
        put(chain, CUT_MARK, LITERAL_LEN(CUT_MARK));
        chain->cut = true;
    }
    put(chain, "\"", 1);
}

void
chain_number(struct chain *chain, const char *key, uint64_t number)
{
    if (put_key(chain, key, NUMBER_MAX))
        put_number(chain, number);
}

void
chain_hex(struct chain *chain, const char *key, const uint8_t *data, size_t len)
{
    size_t room, n, fits = len;
    char digits[2 * KS_SHA256_LEN];

    if (!put_key(chain, key, LITERAL_LEN("\"\"") + LITERAL_LEN(CUT_MARK)))
        return;
    room = room_left(chain) - LITERAL_LEN("\"\"");
    if (room > CHAIN_TEXT_MAX)
        room = CHAIN_TEXT_MAX;
    if (len > room / 2)
        fits = (room - LITERAL_LEN(CUT_MARK)) / 2;
    put(chain, "\"", 1);
    for (size_t i = 0; i < fits; i += n) {
        n = fits - i < KS_SHA256_LEN ? fits - i : KS_SHA256_LEN;
        hex_put(digits, data + i, n);
        put(chain, digits, 2 * n);
    }
    if (fits < len) {
        put(chain, CUT_MARK, LITERAL_LEN(CUT_MARK));
        chain->cut = true;
    }
    put(chain, "\"", 1);
}

void
chain_end(struct chain *chain)
{
    struct buf *pending = &chain->pending;
    uint8_t hash[KS_SHA256_LEN];

    assert(chain->in_record);
    chain->in_record = false;
    chain->n_gathered++;
    if (pending->failed)
        return;
    if (chain->cut)
        put(chain, CUT_MEMBER, LITERAL_LEN(CUT_MEMBER));
    if (!digest_sum(chain->digest, pending->data + pending->len, chain->record_len, hash)) {
        pending->failed = true;
        return;
    }
    put(chain, HASH_MEMBER, LITERAL_LEN(HASH_MEMBER));
    put_hash(chain, hash);
    put(chain, RECORD_END, LITERAL_LEN(RECORD_END));
    pending->len += chain->record_len;
    chain->seq++;
    memcpy(chain->hash, hash, sizeof(hash));
}

/* What must stand before anything else after a failure; in this order, which settle's caller
 * relies on: torn or unwritable, then continued. */
static void
gather_own(struct chain *chain)
{
    uint8_t hash[KS_SHA256_LEN];

    if (chain->tail.len > 0 || chain->failed) {
        chain_begin(chain, chain->tail.len > 0 ? "torn" : "unwritable");
        if (chain->tail.len > 0) {
            if (!digest_sum(chain->digest, chain->tail.data, chain->tail.len, hash))
                chain->pending.failed = true;
            chain_number(chain, "length", chain->tail.len);
            chain_hex(chain, "sha256", hash, sizeof(hash));
        }
        if (chain->failed)
            chain_number(chain, "withdrawn", chain->withdrawn);
        chain_end(chain);
    }
    if (chain->continues) {
        chain_begin(chain, "continued");
        if (chain->lost)
            chain_number(chain, "lost", 1);
        chain_end(chain);
    }
    chain->n_gathered = 0;
}

void
chain_restart(struct chain *chain)
{
    chain->pending.len = 0;
    chain->pending.failed = false;
    chain->seq = chain->file_seq;
    memcpy(chain->hash, chain->file_hash, KS_SHA256_LEN);
    chain->lead = chain->tail.len > 0 || chain->needs_newline;
    buf_append(&chain->pending, "\n", chain->lead);
    gather_own(chain);
}

/* Flushing. */

/* Without its last name the file is gone when we close it; what was cut out of it is gone now. */
bool
chain_lost(const struct chain *chain, const char **how)
{
    struct stat status;

    if (fstat(chain->fd, &status) < 0)
        return false;
    *how = status.st_nlink == 0 ? "was removed" : "was cut from outside";
    return (chain->named && status.st_nlink == 0) || (uint64_t)status.st_size < chain->size;
}

/* Is what is written a record that somebody will find? */
static bool
may_write(const struct chain *chain, struct fault *why)
{
    const char *how = chain->blocked;

    if (how[0] == '\0' && !chain_lost(chain, &how))
        return true;
    fault_set(why, "audit file %s: %s", chain->name, how);
    fault_hint(
        why,
        "if something stands under its name, keep it as evidence and move it away: keysvcd makes a "
        "new file within a second, and the chain goes on in it");
    return false;
}

void
chain_block(struct chain *chain, const char *reason)
{
    snprintf(chain->blocked, sizeof(chain->blocked), "%.127s", reason);
}

static bool
sync_file(const struct chain *chain, struct fault *why)
{
    if (fdatasync(chain->fd) == 0)
        return true;
    fault_set(why, "audit file %s: fdatasync: %s", chain->name, strerror(errno));
    return false;
}

ks_err
chain_flush(struct chain *chain, bool sync, struct fault *why)
{
    uint64_t n_gathered = chain->n_gathered;
    ks_err err;

    assert(!chain->in_record);
    if (chain->pending.len > 0 || chain->pending.failed) {
        err = write_pending(chain, why);
        if (err)
            return err;
    }
    if (!sync || !chain->dirty)
        return KS_OK;
    if (!may_write(chain, why) || !sync_file(chain, why)) {
        chain->failed = true;
        chain->withdrawn += n_gathered;
        chain_restart(chain);
        return KS_ERR_AUDIT_UNWRITABLE;
    }
    chain->dirty = false;
    return KS_OK;
}

/* Goes on after a short write only to learn why it was short. */
static size_t
write_all(int fd, const struct buf *data, int *error)
{
    size_t written = 0;

    while (written < data->len) {
        ssize_t n = write(fd, data->data + written, data->len - written);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            *error = n < 0 ? errno : ENOSPC;
            return written;
        }
        written += (size_t)n;
    }
    return written;
}

static ks_err
write_pending(struct chain *chain, struct fault *why)
{
    bool told = chain->failed; /* pending begins with our own record of the failure before */
    bool gathered = !chain->pending.failed && !chain->tail.failed;
    bool may = may_write(chain, why);
    size_t written = 0, n_whole;
    int error = ENOMEM;

    if (gathered && may)
        written = write_all(chain->fd, &chain->pending, &error);
    chain->size += written;
    chain->dirty = chain->dirty || written > 0;
    if (gathered && written == chain->pending.len) {
        chain->file_seq = chain->seq;
        memcpy(chain->file_hash, chain->hash, KS_SHA256_LEN);
        chain->tail.len = 0;
        chain->needs_newline = chain->continues = chain->lost = chain->failed = false;
        chain->withdrawn = 0;
        chain_restart(chain);
        return KS_OK;
    }
    if (may)
        fault_set(why, "audit file %s: cannot be written: %s", chain->name, strerror(error));
    n_whole = settle(chain, written);
    if (told && n_whole > 0)
        chain->withdrawn = 0;
    chain->withdrawn += chain->n_gathered;
    chain->failed = true;
    chain_restart(chain);
    return KS_ERR_AUDIT_UNWRITABLE;
}

/* A line of pending stands in the file. */
static void
settle_line(struct chain *chain, const char *line, size_t len)
{
    struct record record;
    size_t stopped_at;

    if (record_scan(line, len, &record, &stopped_at) != RECORD_WHOLE)
        abort();
    chain->file_seq = record.seq;
    memcpy(chain->file_hash, record.hash, KS_SHA256_LEN);
    if (record_is(&record, "continued"))
        chain->continues = chain->lost = false;
}

/*
 * The first `written` bytes of pending are in the file. Moves the file's head over the whole
 * records among them, keeps the rest as the tail to close; returns the number of whole records.
 */
static size_t
settle(struct chain *chain, size_t written)
{
    const char *text = (const char *)chain->pending.data, *newline;
    size_t start = chain->lead, n_whole = 0, stopped_at;
    struct record record;
    bool only_newline_missing;

    if (written == 0)
        return 0;
    while (start < written && (newline = memchr(text + start, '\n', written - start))) {
        settle_line(chain, text + start, (size_t)(newline - text) - start);
        start = (size_t)(newline - text) + 1;
        n_whole++;
    }
    only_newline_missing = start < written && record_scan(text + start, written - start, &record,
                                                          &stopped_at) == RECORD_WHOLE;
    if (only_newline_missing) {
        settle_line(chain, text + start, written - start);
        n_whole++;
        start = written;
    }
    if (n_whole > 0)
        chain->tail.len = 0;
    else if (!chain->needs_newline)
        start = 0; /* the newline before our bytes is now part of what has to be closed */
    chain->needs_newline = only_newline_missing;
    buf_append(&chain->tail, text + start, written - start);
    return n_whole;
}

/* Asking. */

size_t
chain_pending(const struct chain *chain)
{
    return chain->pending.len;
}

bool
chain_failed(const struct chain *chain)
{
    return chain->failed;
}

bool
chain_dirty(const struct chain *chain)
{
    return chain->dirty;
}

void
chain_head(const struct chain *chain, uint64_t *seq, uint8_t hash[static KS_SHA256_LEN])
{
    *seq = chain->file_seq;
    memcpy(hash, chain->file_hash, KS_SHA256_LEN);
}

void
chain_checkpoint_text(const struct chain *chain, char out[static CHAIN_CHECKPOINT_MAX])
{
    char hash[CHAIN_HASH_TEXT_LEN + 1], now[CLOCK_TEXT_LEN];

    hex_text(hash, chain->file_hash, KS_SHA256_LEN);
    clock_text(clock_wall_us(), now);
    snprintf(out, CHAIN_CHECKPOINT_MAX, CHAIN_CHECKPOINT_PREFIX "chain=%s seq=%llu hash=%s time=%s",
             chain->name, (unsigned long long)chain->file_seq, hash, now);
}
