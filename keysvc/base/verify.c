/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - a chain's files, line by line
 *
 * Each line is a whole record, or what a cut-off write left (a torn region, one line or more, that
 * the next record closes), or an alteration. Nothing is repaired or guessed.
 */
#include "base/verify.h"

#include <assert.h>
#include <stdarg.h>

#include "base/buf.h"
#include "base/checkpoint.h"
#include "base/digest.h"
#include "base/hex.h"
#include "base/intents.h"
#include "base/record.h"

#define FIRST_HISTORY 64

struct verify {
    struct digest *digest;
    struct checkpoint_keys *keys;
    size_t n_keys;
    char name[CHAIN_NAME_MAX + 1]; /* empty: not yet known */
    bool has_outside;
    struct checkpoint outside;

    struct verify_result result;
    bool altered;

    uint64_t line, offset; /* of the line looked at */
    bool starts;           /* only the chain's own records yet, in a file that continues another */
    bool any_record_in_file;
    uint64_t file_first_seq; /* of the file that is read */
    bool in_region;
    bool line_closed; /* the line looked at ends with a newline */
    struct buf region;
    uint64_t region_line, region_offset;

    uint64_t seq; /* of the last record */
    uint8_t hash[KS_SHA256_LEN];
    uint8_t first_prev[KS_SHA256_LEN];
    uint8_t (*history)[KS_SHA256_LEN]; /* of the last VERIFY_CHECKPOINT_WINDOW records */
    size_t history_cap;

    struct intents intents;
};

static ks_err load_outside(struct verify *verify, const char *line, struct fault *why);
static ks_err add_line(struct verify *verify, const char *line, size_t len, struct fault *why);
static ks_err add_torn(struct verify *verify, const char *line, size_t len, struct fault *why);
static ks_err close_region(struct verify *verify, const struct record *record, struct fault *why);
static ks_err accept(struct verify *verify, const struct record *record, struct fault *why);
static ks_err check_place(struct verify *verify, const struct record *record, struct fault *why);
static ks_err check_begin(struct verify *verify, const struct record *record, struct fault *why);
static ks_err check_outside(struct verify *verify, uint64_t seq,
                            const uint8_t hash[static KS_SHA256_LEN], struct fault *why);
static ks_err check_checkpoint(struct verify *verify, const struct record *record,
                               struct fault *why);
static ks_err remember(struct verify *verify, const struct record *record, struct fault *why);

ks_err
verify_new(const char *chain_name, const struct verify_options *options, struct verify **out,
           struct fault *why)
{
    ks_auto(verify_freep) struct verify *verify = calloc(1, sizeof(*verify));
    ks_err err;

    if (!verify || digest_new(&verify->digest) != KS_OK) {
        fault_set(why, "no memory, or no SHA-256");
        return KS_ERR_INTERNAL;
    }
    verify->region.max = CHAIN_TORN_MAX;
    if (chain_name && !text_copy(verify->name, sizeof(verify->name), chain_name)) {
        fault_set(why, "no chain has a name this long");
        return KS_ERR_BAD_REQUEST;
    }
    verify->n_keys = options->n_keys;
    err = checkpoint_keys_new(options->keys, options->n_keys, &verify->keys, why);
    if (err)
        return err;
    if (options->last_checkpoint) {
        err = load_outside(verify, options->last_checkpoint, why);
        if (err)
            return err;
    }
    *out = ks_steal(&verify);
    return KS_OK;
}

struct verify *
verify_free(struct verify *verify)
{
    if (!verify)
        return NULL;
    digest_free(verify->digest);
    checkpoint_keys_free(verify->keys);
    buf_deinit(&verify->region);
    free(verify->history);
    intents_deinit(&verify->intents);
    free(verify);
    return NULL;
}

void
verify_freep(struct verify **verify)
{
    *verify = verify_free(*verify);
}

void
verify_result(const struct verify *verify, struct verify_result *out)
{
    *out = verify->result;
    out->n_open_intents = intents_open(&verify->intents, out->open_intents, VERIFY_NAMED_INTENTS);
}

ks_err
verify_file(FILE *file, const char *chain_name, const struct verify_options *options,
            struct verify_result *result, struct fault *why)
{
    ks_auto(verify_freep) struct verify *verify = NULL;
    ks_err err;

    memset(result, 0, sizeof(*result));
    err = verify_new(chain_name, options, &verify, why);
    if (err)
        return err;
    err = verify_add(verify, file, why);
    if (!err)
        err = verify_end(verify, why);
    verify_result(verify, result);
    return err;
}

/* "TEXT SIGNATUREHEX" */
static ks_err
load_outside(struct verify *verify, const char *line, struct fault *why)
{
    const char *space = strrchr(line, ' ');
    char text[CHAIN_CHECKPOINT_MAX];
    size_t len = space ? (size_t)(space - line) : 0;

    if (!space || len >= sizeof(text)) {
        fault_set(why, "the checkpoint kept outside is no checkpoint");
        return KS_ERR_BAD_REQUEST;
    }
    memcpy(text, line, len);
    text[len] = '\0';
    if (!checkpoint_parse(text, &verify->outside)) {
        fault_set(why, "the checkpoint kept outside is no checkpoint");
        return KS_ERR_BAD_REQUEST;
    }
    if (verify->name[0] && strcmp(verify->name, verify->outside.chain) != 0) {
        fault_set(why, "the checkpoint kept outside is of chain %s", verify->outside.chain);
        return KS_ERR_BAD_REQUEST;
    }
    if (verify->n_keys > 0 && !checkpoint_signed(verify->keys, NULL, text, space + 1)) {
        fault_set(why, "the checkpoint kept outside is not signed by the audit key");
        return KS_ERR_BAD_REQUEST;
    }
    text_copy(verify->name, sizeof(verify->name), verify->outside.chain);
    verify->has_outside = true;
    return KS_OK;
}

static ks_err altered_at(struct verify *verify, uint64_t line, uint64_t offset, struct fault *why,
                         const char *format, ...) KS_PRINTF(5, 6);

static ks_err
altered_at(struct verify *verify, uint64_t line, uint64_t offset, struct fault *why,
           const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fault_set(why, "%s", text);
    verify->result.bad_line = line;
    verify->result.bad_offset = offset;
    verify->altered = true;
    return KS_ERR_BAD_REQUEST;
}

/* At the line looked at. */
#define altered(verify, why, ...)                                                                  \
    altered_at((verify), (verify)->line, (verify)->offset, (why), __VA_ARGS__)

enum read { READ_LINE, READ_END, READ_LONG, READ_FAILED };

/* One line without its newline. */
static enum read
read_line(struct verify *verify, FILE *file, struct buf *line)
{
    int c;

    line->len = 0;
    verify->line_closed = false;
    while ((c = getc_unlocked(file)) != EOF) {
        if (c == '\n') {
            verify->line_closed = true;
            return READ_LINE;
        }
        if (line->len == line->cap && !buf_reserve(line, 1))
            return READ_LONG;
        line->data[line->len++] = (uint8_t)c;
    }
    if (ferror(file))
        return READ_FAILED;
    return line->len > 0 ? READ_LINE : READ_END;
}

static ks_err
end_of_file(struct verify *verify, struct fault *why)
{
    if (verify->in_region && verify->line_closed)
        return altered_at(verify, verify->region_line, verify->region_offset, why,
                          "not a whole record, and no record says that it was torn");
    if (verify->starts)
        return altered_at(verify, 1, 0, why, "the records before this one are missing");
    verify->result.torn_end = !verify->line_closed;
    return KS_OK;
}

ks_err
verify_add(struct verify *verify, FILE *file, struct fault *why)
{
    ks_auto(buf_deinit) struct buf line = {.max = CHAIN_TORN_MAX};
    bool last_closed = true;
    ks_err err;

    assert(!verify->altered);
    verify->line = verify->offset = 0;
    verify->any_record_in_file = verify->starts = verify->in_region = false;
    verify->result.torn_end = false;
    verify->region.len = 0;
    for (;;) {
        enum read got = read_line(verify, file, &line);

        if (got == READ_FAILED) {
            fault_set(why, "cannot be read");
            return KS_ERR_INTERNAL;
        }
        if (got == READ_END)
            break;
        verify->line++;
        if (got == READ_LONG)
            return altered(verify, why, "a line longer than any record");
        last_closed = verify->line_closed;
        err = add_line(verify, line.len ? (const char *)line.data : "", line.len, why);
        if (err)
            return err;
        verify->offset += line.len + 1;
    }
    verify->line_closed = last_closed;
    return end_of_file(verify, why);
}

ks_err
verify_end(struct verify *verify, struct fault *why)
{
    if (!verify->has_outside || verify->outside.seq <= verify->seq)
        return KS_OK;
    return altered_at(verify, verify->line + 1, verify->offset, why,
                      "the end is missing after record %llu: the checkpoint kept outside names "
                      "record %llu",
                      (unsigned long long)verify->seq, (unsigned long long)verify->outside.seq);
}

static ks_err
add_line(struct verify *verify, const char *line, size_t len, struct fault *why)
{
    struct record record;
    size_t stopped_at;

    if (len < CHAIN_RECORD_MAX && record_scan(line, len, &record, &stopped_at) == RECORD_WHOLE) {
        if (!record_hash_right(&record, line, verify->digest))
            return altered(verify, why, "record altered: its hash is not that of its bytes");
        return verify->in_region ? close_region(verify, &record, why)
                                 : accept(verify, &record, why);
    }
    if (record_torn(line, len))
        return add_torn(verify, line, len, why);
    /* A byte that became a newline made two lines of one: the first is the place. */
    if (verify->in_region)
        return altered_at(
            verify, verify->region_line, verify->region_offset, why,
            "not a whole record, and the line after it does not say that it was torn");
    return altered(verify, why, "not a record: byte %zu of the line differs from any",
                   stopped_at + 1);
}

static ks_err
add_torn(struct verify *verify, const char *line, size_t len, struct fault *why)
{
    if (!verify->in_region) {
        verify->in_region = true;
        verify->region.len = 0;
        verify->region_line = verify->line;
        verify->region_offset = verify->offset;
    } else {
        buf_append(&verify->region, "\n", 1);
    }
    buf_append(&verify->region, line, len);
    if (verify->region.failed)
        return altered_at(verify, verify->region_line, verify->region_offset, why,
                          "not a whole record, nor a torn one");
    return KS_OK;
}

static bool
member_is_hash(const struct record *record, const char *key,
               const uint8_t hash[static KS_SHA256_LEN])
{
    struct record_member member;
    uint8_t value[KS_SHA256_LEN];

    return record_find(record, key, &member) && !member.is_number &&
           member.value_len == CHAIN_HASH_TEXT_LEN &&
           hex_parse(member.value, value, sizeof(value)) && memcmp(value, hash, sizeof(value)) == 0;
}

/* The record after a torn region must describe it to the byte. */
static ks_err
close_region(struct verify *verify, const struct record *record, struct fault *why)
{
    struct record_member member;
    uint8_t hash[KS_SHA256_LEN];
    uint64_t length;

    if (!record_is(record, "torn"))
        return altered_at(verify, verify->region_line, verify->region_offset, why,
                          "not a whole record, and the record after it does not say that it was "
                          "torn");
    if (!digest_sum(verify->digest, verify->region.data, verify->region.len, hash))
        return KS_ERR_INTERNAL;
    if (!record_find(record, "length", &member) || !record_number(&member, &length) ||
        length != verify->region.len || !member_is_hash(record, "sha256", hash))
        return altered_at(verify, verify->region_line, verify->region_offset, why,
                          "not the torn line that the record after it describes");
    verify->in_region = false;
    verify->result.n_torn++;
    return accept(verify, record, why);
}

static ks_err
accept(struct verify *verify, const struct record *record, struct fault *why)
{
    ks_err err;

    if (record_is(record, "torn") && verify->region.len == 0)
        return altered(verify, why, "record %llu closes a torn line that is not there",
                       (unsigned long long)record->seq);
    verify->region.len = 0;
    err = check_place(verify, record, why);
    if (err)
        return err;
    err = check_begin(verify, record, why);
    if (err)
        return err;
    err = check_outside(verify, record->seq, record->hash, why);
    if (err)
        return err;
    if (record_is(record, "checkpoint")) {
        err = check_checkpoint(verify, record, why);
        if (err)
            return err;
    }
    intents_count(&verify->intents, record);
    return remember(verify, record, why);
}

/* Number and hash of the record before. */
static ks_err
check_place(struct verify *verify, const struct record *record, struct fault *why)
{
    static const uint8_t zeros[KS_SHA256_LEN];
    const unsigned long long seq = record->seq, expected = verify->seq + 1;

    if (verify->result.n_records == 0) {
        if (seq == 0 || (seq == 1 && memcmp(record->prev, zeros, sizeof(zeros)) != 0))
            return altered(verify, why, "record %llu cannot begin a chain", seq);
        /* Else a forged file that says it continues another would never meet the checkpoint. */
        if (verify->has_outside && verify->outside.seq < seq - 1)
            return altered(verify, why,
                           "the records up to %llu, which the checkpoint kept outside names, are "
                           "missing before record %llu",
                           (unsigned long long)verify->outside.seq, seq);
        memcpy(verify->first_prev, record->prev, KS_SHA256_LEN);
        verify->seq = seq - 1;
        verify->result.first_seq = seq;
        return check_outside(verify, seq - 1, record->prev, why);
    }
    if (seq > expected)
        return altered(verify, why, "record %llu stands where record %llu belongs: %llu missing",
                       seq, expected, seq - expected);
    if (seq < expected)
        return altered(verify, why, "record %llu stands where record %llu belongs", seq, expected);
    if (memcmp(record->prev, verify->hash, KS_SHA256_LEN) != 0)
        return altered(verify, why, "record %llu does not follow the record before it", seq);
    return KS_OK;
}

/* A file begins with record 1, or says that it continues another. */
static ks_err
check_begin(struct verify *verify, const struct record *record, struct fault *why)
{
    const unsigned long long seq = record->seq;
    bool continued = record_is(record, "continued");
    struct record_member lost;

    if (!verify->any_record_in_file) {
        verify->starts = record->seq > 1;
        verify->file_first_seq = record->seq;
    }
    verify->any_record_in_file = true;
    if (continued && !verify->starts)
        return altered(verify, why, "record %llu begins a file and stands inside one", seq);
    if (verify->starts && !continued && !record_is(record, "torn") &&
        !record_is(record, "unwritable"))
        return altered(verify, why, "the records before record %llu are missing", seq);
    if (continued)
        verify->starts = false;
    if (continued && record_find(record, "lost", &lost) &&
        verify->file_first_seq == verify->result.first_seq)
        return altered(
            verify, why,
            "the records up to %llu are lost: their file was removed or cut while it was "
            "written",
            (unsigned long long)verify->file_first_seq - 1);
    return KS_OK;
}

static ks_err
check_outside(struct verify *verify, uint64_t seq, const uint8_t hash[static KS_SHA256_LEN],
              struct fault *why)
{
    if (!verify->has_outside || seq != verify->outside.seq)
        return KS_OK;
    if (memcmp(hash, verify->outside.hash, KS_SHA256_LEN) != 0)
        return altered(verify, why,
                       "record %llu is not the one that the checkpoint kept outside "
                       "names: the chain was written anew",
                       (unsigned long long)seq);
    if (verify->n_keys > 0)
        verify->result.last_signed_seq = seq;
    return KS_OK;
}

/* NULL: too far back, or before the first file. */
static const uint8_t *
hash_of(const struct verify *verify, uint64_t seq)
{
    uint64_t first = verify->result.first_seq;

    if (seq == first - 1)
        return verify->first_prev;
    if (seq < first || seq > verify->seq || verify->seq - seq >= VERIFY_CHECKPOINT_WINDOW)
        return NULL;
    return verify->history[(seq - first) % VERIFY_CHECKPOINT_WINDOW];
}

static ks_err
check_checkpoint(struct verify *verify, const struct record *record, struct fault *why)
{
    char text[CHAIN_CHECKPOINT_MAX], signature[2 * CHECKPOINT_SIGNATURE_MAX + 1];
    struct record_member text_member, signature_member, key_member;
    uint8_t key[KS_SHA256_LEN];
    struct checkpoint checkpoint;
    const uint8_t *hash;

    if (!record_find(record, "text", &text_member) ||
        !record_text(&text_member, text, sizeof(text)) || !checkpoint_parse(text, &checkpoint) ||
        !record_find(record, "signature", &signature_member) ||
        !record_text(&signature_member, signature, sizeof(signature)) ||
        !record_find(record, "key", &key_member) || key_member.is_number ||
        key_member.value_len != CHAIN_HASH_TEXT_LEN ||
        !hex_parse(key_member.value, key, sizeof(key)) || checkpoint.seq > verify->seq)
        return altered(verify, why, "record %llu is no checkpoint",
                       (unsigned long long)record->seq);
    if (!verify->name[0])
        text_copy(verify->name, sizeof(verify->name), checkpoint.chain);
    if (strcmp(verify->name, checkpoint.chain) != 0)
        return altered(verify, why, "record %llu is a checkpoint of chain %s",
                       (unsigned long long)record->seq, checkpoint.chain);
    hash = hash_of(verify, checkpoint.seq);
    if (hash && memcmp(hash, checkpoint.hash, KS_SHA256_LEN) != 0)
        return altered(verify, why, "record %llu is not the one that checkpoint %llu signs",
                       (unsigned long long)checkpoint.seq, (unsigned long long)record->seq);
    if (!hash || !checkpoint_keys_have(verify->keys, key)) {
        verify->result.n_unproven++;
        return KS_OK;
    }
    if (!checkpoint_signed(verify->keys, key, text, signature))
        return altered(verify, why, "the signature of checkpoint %llu is wrong",
                       (unsigned long long)record->seq);
    verify->result.n_checkpoints++;
    if (checkpoint.seq > verify->result.last_signed_seq)
        verify->result.last_signed_seq = checkpoint.seq;
    return KS_OK;
}

static ks_err
remember(struct verify *verify, const struct record *record, struct fault *why)
{
    size_t at = (record->seq - verify->result.first_seq) % VERIFY_CHECKPOINT_WINDOW;

    if (at >= verify->history_cap) {
        size_t cap = verify->history_cap ? 2 * verify->history_cap : FIRST_HISTORY;
        void *grown = realloc(verify->history, cap * sizeof(*verify->history));

        if (!grown) {
            fault_set(why, "no memory");
            return KS_ERR_INTERNAL;
        }
        verify->history = grown;
        verify->history_cap = cap;
    }
    memcpy(verify->history[at], record->hash, KS_SHA256_LEN);
    verify->seq = record->seq;
    memcpy(verify->hash, record->hash, KS_SHA256_LEN);
    verify->result.last_seq = record->seq;
    verify->result.n_records++;
    return KS_OK;
}
