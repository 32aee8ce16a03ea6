/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <stdio.h>

#include "base/chain.h"
#include "base/digest.h"
#include "base/hex.h"
#include "base/verify.h"

#include "sample.h"

/* That every byte counts is shown without the sanitizer, which looks for other errors and costs
 * several times as much. */
#ifdef __SANITIZE_ADDRESS__
#define STEP 7
#else
#define STEP 1
#endif

static uint64_t
line_of(const struct sample *sample, size_t at)
{
    uint64_t line = 1;

    for (size_t i = 0; i < at; i++)
        line += sample->text[i] == '\n';
    return line;
}

Test(verify, a_whole_file_is_whole)
{
    struct sample sample = sample_new();
    struct fault why = FAULT_INIT;
    struct verify_result result;

    cr_assert_eq(sample_check(&sample, sample.text, sample.len, &result, &why), KS_OK,
                 "line %llu: %s", (unsigned long long)result.bad_line, why.text);
    cr_assert_eq(result.n_records, 18);
    cr_assert_eq(result.first_seq, 1);
    cr_assert_eq(result.last_seq, 18);
    cr_assert_eq(result.n_checkpoints, 1);
    cr_assert_eq(result.n_unproven, 0);
    cr_assert_eq(result.last_signed_seq, 18);
    cr_assert_eq(result.n_torn, 1);
    cr_assert_not(result.torn_end);
    cr_assert_eq(result.n_open_intents, 1);
    cr_assert_eq(result.open_intents[0], 13);
    cr_assert_eq(result.bad_line, 0);
    sample_deinit(&sample);
}

Test(verify, names_the_line_whose_byte_was_flipped, .timeout = 300)
{
    static const uint8_t flips[] = {0x01, 0x02, 0x20, 0x80};
    struct sample sample = sample_new();
    struct fault why = FAULT_INIT;
    struct verify_result result;

    for (size_t at = 0; at < sample.len; at += STEP) {
        uint64_t line = line_of(&sample, at);
        char original = sample.text[at];

        /* Besides fixed bits, the flips to a newline and to a zero byte; each byte sees two of the
         * six, since each look takes a quarter of a millisecond. */
        for (size_t i = at % 3; i < ARRAY_LEN(flips) + 2; i += 3) {
            char flipped = i < ARRAY_LEN(flips)    ? (char)(original ^ (char)flips[i])
                           : i == ARRAY_LEN(flips) ? '\n'
                                                   : '\0';

            if (flipped == original)
                continue;
            sample.text[at] = flipped;
            cr_assert_eq(sample_check(&sample, sample.text, sample.len, &result, &why),
                         KS_ERR_BAD_REQUEST, "byte %zu, flip %zu was not seen", at, i);
            /* A torn line and the record that describes it are wrong together. */
            if (line == sample.torn_line || line == sample.torn_line + 1)
                cr_assert(result.bad_line == sample.torn_line ||
                              result.bad_line == sample.torn_line + 1,
                          "byte %zu of line %llu: named %llu", at, (unsigned long long)line,
                          (unsigned long long)result.bad_line);
            else
                cr_assert_eq(result.bad_line, line, "byte %zu of line %llu: named %llu (%s)", at,
                             (unsigned long long)line, (unsigned long long)result.bad_line,
                             why.text);
            cr_assert(why.text[0]);
        }
        sample.text[at] = original;
    }
    sample_deinit(&sample);
}

/* The lines in this order; SIZE_MAX ends. */
static char *
arranged(const struct sample *sample, const size_t *order, size_t *len)
{
    char *text = calloc(2, sample->len); /* room for lines that stand twice */

    *len = 0;
    for (; *order != SIZE_MAX; order++) {
        memcpy(text + *len, sample->lines[*order], sample->line_len[*order]);
        *len += sample->line_len[*order];
    }
    return text;
}

Test(verify, names_the_place_where_a_record_was_cut_out)
{
    struct sample sample = sample_new();
    struct fault why = FAULT_INIT;

    for (size_t cut = 0; cut < sample.n_lines; cut++) {
        size_t order[MAX_LINES], n = 0, len;
        struct verify_result result;
        char *text;

        for (size_t i = 0; i < sample.n_lines; i++)
            if (i != cut)
                order[n++] = i;
        order[n] = SIZE_MAX;
        text = arranged(&sample, order, &len);
        cr_assert_eq(sample_check(&sample, text, len, &result, &why), KS_ERR_BAD_REQUEST,
                     "line %zu was cut out", cut + 1);
        /* The record now in its place; around the torn line, which the record after it proves, one
         * of the two. */
        if (cut + 2 == sample.torn_line || cut == sample.torn_line)
            cr_assert(result.bad_line >= cut && result.bad_line <= cut + 2);
        else
            cr_assert_eq(result.bad_line, cut + 1, "%zu cut, named %llu: %s", cut + 1,
                         (unsigned long long)result.bad_line, why.text);
        free(text);
    }
    sample_deinit(&sample);
}

Test(verify, names_the_first_of_two_records_that_were_swapped)
{
    struct sample sample = sample_new();
    struct fault why = FAULT_INIT;

    for (size_t a = 0; a < sample.n_lines; a++) {
        for (size_t b = a + 1; b < sample.n_lines; b++) {
            size_t order[MAX_LINES], len;
            struct verify_result result;
            char *text;

            for (size_t i = 0; i < sample.n_lines; i++)
                order[i] = i == a ? b : i == b ? a : i;
            order[sample.n_lines] = SIZE_MAX;
            text = arranged(&sample, order, &len);
            cr_assert_eq(sample_check(&sample, text, len, &result, &why), KS_ERR_BAD_REQUEST,
                         "lines %zu and %zu were swapped", a + 1, b + 1);
            cr_assert(result.bad_line == a + 1 || (a == sample.torn_line && result.bad_line == a),
                      "%zu and %zu swapped, named %llu: %s", a + 1, b + 1,
                      (unsigned long long)result.bad_line, why.text);
            free(text);
        }
    }
    sample_deinit(&sample);
}

Test(verify, names_a_cut_at_the_end_back_to_the_last_checkpoint)
{
    struct sample sample = sample_new();
    struct fault why = FAULT_INIT;
    struct verify_result result;

    /* Any number of bytes, also all of them. */
    for (size_t len = 0; len < sample.len - 1; len++) {
        cr_assert_eq(sample_check(&sample, sample.text, len, &result, &why), KS_ERR_BAD_REQUEST,
                     "%zu bytes left", len);
        cr_assert(result.bad_line >= 1 && result.bad_line <= sample.n_lines + 1);
    }
    /* Nothing but the newline is lost: all records are there. */
    cr_assert_eq(sample_check(&sample, sample.text, sample.len - 1, &result, &why), KS_OK);
    cr_assert(result.torn_end);
    sample_deinit(&sample);
}

Test(verify, names_records_that_were_doubled_or_put_in)
{
    struct sample sample = sample_new();
    struct fault why = FAULT_INIT;

    for (size_t twice = 0; twice < sample.n_lines; twice++) {
        size_t order[MAX_LINES], n = 0, len;
        struct verify_result result;
        char *text;

        for (size_t i = 0; i < sample.n_lines; i++) {
            order[n++] = i;
            if (i == twice)
                order[n++] = i;
        }
        order[n] = SIZE_MAX;
        text = arranged(&sample, order, &len);
        cr_assert_eq(sample_check(&sample, text, len, &result, &why), KS_ERR_BAD_REQUEST,
                     "line %zu twice", twice + 1);
        free(text);
    }
    sample_deinit(&sample);
}

Test(verify, a_chain_written_anew_is_not_the_one_in_the_checkpoint)
{
    struct sample sample = sample_new(), other = sample_new();
    struct fault why = FAULT_INIT;
    struct verify_result result;

    cr_assert_eq(sample_check(&sample, other.text, other.len, &result, &why), KS_ERR_BAD_REQUEST);
    /* Its checkpoint is by another key: nothing of it is proven, and the one outside differs. */
    cr_assert_eq(result.n_checkpoints, 0);
    cr_assert_eq(result.n_unproven, 1);
    cr_assert_eq(result.bad_line, other.n_lines);
    sample_deinit(&sample);
    sample_deinit(&other);
}

Test(verify, a_checkpoint_kept_outside_must_be_signed_and_of_this_chain)
{
    struct sample sample = sample_new();
    struct fault why = FAULT_INIT;
    struct verify_result result;
    char *end = sample.last_checkpoint + strlen(sample.last_checkpoint) - 1;

    *end = *end == '0' ? '1' : '0';
    cr_assert_eq(sample_check(&sample, sample.text, sample.len, &result, &why), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, "not signed"), "%s", why.text);
    cr_assert_eq(result.bad_line, 0);
    strcpy(sample.last_checkpoint, "rubbish 00");
    cr_assert_eq(sample_check(&sample, sample.text, sample.len, &result, &why), KS_ERR_BAD_REQUEST);
    free(sample.last_checkpoint);
    sample.last_checkpoint = NULL;
    cr_assert_eq(sample_check(&sample, sample.text, sample.len, &result, &why), KS_OK);
    cr_assert_eq(result.last_signed_seq, 10);
    sample_deinit(&sample);
}

/* A chain of one checkpoint after one record, whose text `make` has made wrong. */
static ks_err
check_checkpoint_text(const char *text_format, const char *signature_override,
                      struct verify_result *result)
{
    struct sample sample = {0};
    struct fault why = FAULT_INIT;
    int fd = sample_fd();
    struct chain *chain = sample_chain(fd, "main-1");
    char text[CHAIN_CHECKPOINT_MAX], hash_text[CHAIN_HASH_TEXT_LEN + 1], *signature;
    uint8_t hash[KS_SHA256_LEN], sha256[KS_SHA256_LEN];
    uint64_t seq;
    ks_err err;

    sample_key(&sample.pkey, &sample.key);
    sample_event(chain, "start");
    sample_flush(chain);
    chain_head(chain, &seq, hash);
    hex_text(hash_text, hash, sizeof(hash));
    snprintf(text, sizeof(text), text_format, hash_text);
    signature = sample_signed_hex(sample.pkey, text);
    sample_key_sha256(&sample.key, sha256);
    chain_begin(chain, "checkpoint");
    chain_text(chain, "text", text);
    chain_text(chain, "signature", signature_override ? signature_override : signature);
    chain_hex(chain, "key", sha256, sizeof(sha256));
    chain_end(chain);
    sample_flush(chain);
    chain_free(chain);
    sample_take(&sample, fd);
    err = sample_check(&sample, sample.text, sample.len, result, &why);
    free(signature);
    sample_deinit(&sample);
    close(fd);
    return err;
}

#define TIME_PART " time=2026-11-22T00:18:16.123456Z"

Test(verify, checkpoints_are_read_to_the_byte)
{
    static const char *const wrong[] = {
        "keysvc-audit-checkpoint:2 chain=main-1 seq=1 hash=%s" TIME_PART,
        "keysvc-audit-checkpoint:1 chain=main-2 seq=1 hash=%s" TIME_PART,
        "keysvc-audit-checkpoint:1 chain=main-1 seq=01 hash=%s" TIME_PART,
        "keysvc-audit-checkpoint:1 chain=main-1 seq=2 hash=%s" TIME_PART,
        "keysvc-audit-checkpoint:1 chain=main-1 seq=0 hash=%s" TIME_PART,
        "keysvc-audit-checkpoint:1 chain=main-1 seq= hash=%s" TIME_PART,
        "keysvc-audit-checkpoint:1 chain= seq=1 hash=%s" TIME_PART,
        "keysvc-audit-checkpoint:1 chain=main-1 seq=1 hash=0%s" TIME_PART,
        "keysvc-audit-checkpoint:1 chain=main-1 seq=1 hash=%s",
        "keysvc-audit-checkpoint:1 chain=main-1 seq=1 hash=%s" TIME_PART " ",
        "",
    };
    struct verify_result result;

    cr_assert_eq(
        check_checkpoint_text("keysvc-audit-checkpoint:1 chain=main-1 seq=1 hash=%s" TIME_PART,
                              NULL, &result),
        KS_OK);
    cr_assert_eq(result.n_checkpoints, 1);
    cr_assert_eq(result.last_signed_seq, 1);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        cr_assert_eq(check_checkpoint_text(wrong[i], NULL, &result), KS_ERR_BAD_REQUEST, "%s",
                     wrong[i]);
        cr_assert_eq(result.bad_line, 2);
    }
}

Test(verify, a_wrong_signature_is_named)
{
    static const char *const wrong[] = {"", "00", "3006020101020101", "zz", "000"};
    struct verify_result result;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        cr_assert_eq(
            check_checkpoint_text("keysvc-audit-checkpoint:1 chain=main-1 seq=1 hash=%s" TIME_PART,
                                  wrong[i], &result),
            KS_ERR_BAD_REQUEST, "%s", wrong[i]);
        cr_assert_eq(result.bad_line, 2);
        cr_assert_eq(result.last_signed_seq, 0);
    }
}
