/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/chain.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/hex.h"
#include "base/record.h"
#include "base/verify.h"

#include "place.h"

Test(chain, writes_records_as_documented)
{
    static const char begin[] = "{\"seq\":1,\"time\":\"";
    struct place place = place_new();
    struct chain *chain = place_chain(&place);
    uint8_t digest[3] = {0x00, 0xab, 0xff};
    char *text, *second;

    chain_begin(chain, "start");
    chain_number(chain, "pid", UINT64_MAX);
    chain_number(chain, "zero", 0);
    chain_text(chain, "note", "a \"b\" \\ \n\x01\x7f\xc3\xa9");
    chain_hex(chain, "digest", digest, sizeof(digest));
    chain_text(chain, "empty", "");
    chain_end(chain);
    place_gather(chain, 7);
    cr_assert(chain_pending(chain) > 0);
    place_flush(chain);
    cr_assert_eq(chain_pending(chain), 0);
    cr_assert_eq(place_head(chain), 2);

    text = place_text(&place);
    cr_assert_eq(strncmp(text, begin, sizeof(begin) - 1), 0, "%s", text);
    cr_assert_not_null(strstr(text,
                              "Z\",\"prev\":\"00000000000000000000000000000000000000000000000"
                              "00000000000000000\",\"event\":\"start\","
                              "\"pid\":18446744073709551615,\"zero\":0,"
                              "\"note\":\"a \\\"b\\\" \\\\ \\u000a\\u0001\\u007f\\u00c3\\u00a9\","
                              "\"digest\":\"00abff\",\"empty\":\"\",\"hash\":\""),
                       "%s", text);
    second = strchr(text, '\n') + 1;
    /* prev is the hash that ends the line before. */
    cr_assert_eq(strncmp(strstr(second, "\"prev\":\"") + 8, second - 3 - 64, 64), 0, "%s", text);
    place_verify(&place, KS_OK);
    free(text);
    chain_free(chain);
    close(place.fd);
}

Test(chain, hash_is_sha256_of_the_bytes_before_it)
{
    struct place place = place_new();
    struct chain *chain = place_chain(&place);
    struct digest *digest;
    uint8_t hash[KS_SHA256_LEN], stated[KS_SHA256_LEN];
    char *text, *at;

    place_gather(chain, 1);
    place_flush(chain);
    text = place_text(&place);
    at = strstr(text, ",\"hash\":\"");
    cr_assert_not_null(at);
    cr_assert_eq(digest_new(&digest), KS_OK);
    cr_assert(digest_sum(digest, text, (size_t)(at - text), hash));
    cr_assert(hex_parse(at + 9, stated, sizeof(stated)));
    cr_assert_arr_eq(hash, stated, sizeof(hash));
    digest_free(digest);
    free(text);
    chain_free(chain);
    close(place.fd);
}

Test(chain, goes_on_where_the_file_ends)
{
    struct place place = place_new();

    for (uint64_t i = 1; i <= 3; i++) {
        struct chain *chain = place_chain(&place);

        cr_assert_eq(place_head(chain), i - 1);
        place_gather(chain, i);
        place_flush(chain);
        chain_free(chain);
    }
    cr_assert_eq(place_verify(&place, KS_OK).n_records, 3);
    close(place.fd);
}

Test(chain, cuts_and_marks_what_does_not_fit_a_record)
{
    struct place place = place_new();
    struct chain *chain = place_chain(&place);
    char *text, *end, longest[5000];
    uint8_t bytes[2500] = {0};

    memset(longest, '\n', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    chain_begin(chain, "refused");
    for (int i = 0; i < 4; i++)
        chain_text(chain, "subject", longest);
    chain_hex(chain, "digest", bytes, sizeof(bytes));
    for (int i = 0; i < 100; i++)
        chain_number(chain, "number", UINT64_MAX);
    chain_end(chain);
    place_flush(chain);
    text = place_text(&place);
    end = strchr(text, '\n');
    cr_assert(end && end - text < CHAIN_RECORD_MAX);
    cr_assert_not_null(strstr(text, "\\u000a[cut]\""));
    cr_assert_not_null(strstr(text, ",\"cut\":1,\"hash\":\""));
    place_verify(&place, KS_OK);
    free(text);
    chain_free(chain);
    close(place.fd);
}

/* A crash cuts the last write at any byte; what was whole before it stays. */
Test(chain, closes_a_line_torn_at_any_byte, .timeout = 60)
{
    struct place whole = place_new();
    struct chain *chain = place_chain(&whole);
    size_t first_len, len;
    char *text;

    place_gather(chain, 1);
    place_flush(chain);
    place_gather(chain, 2);
    place_flush(chain);
    chain_free(chain);
    text = place_text(&whole);
    first_len = (size_t)(strchr(text, '\n') + 1 - text);
    len = strlen(text);
    for (size_t cut = 1; cut < len; cut++) {
        struct place place = place_new();
        struct verify_result result;
        bool record_missing = cut < first_len - 1 || (cut >= first_len && cut < len - 1);
        uint64_t n_whole = cut < first_len - 1 ? 0 : cut < len - 1 ? 1 : 2;
        bool torn = record_missing && cut != first_len;

        place_append(&place, text, cut);
        result = place_verify(&place, KS_OK);
        cr_assert_eq(result.torn_end, cut != first_len, "cut at %zu", cut);
        chain = place_chain(&place);
        cr_assert_eq(place_head(chain), n_whole, "cut at %zu", cut);
        place_gather(chain, 3);
        place_flush(chain);
        chain_free(chain);
        result = place_verify(&place, KS_OK);
        cr_assert_eq(result.n_torn, torn, "cut at %zu", cut);
        cr_assert_eq(result.n_records, n_whole + torn + 1, "cut at %zu", cut);
        cr_assert_not(result.torn_end);
        close(place.fd);
    }
    free(text);
    close(whole.fd);
}

Test(chain, closes_a_torn_line_filled_up_with_zeros)
{
    struct place place = place_new();
    struct chain *chain = place_chain(&place);
    char zeros[20000] = {0};

    place_gather(chain, 1);
    place_flush(chain);
    chain_free(chain);
    place_append(&place, "{\"seq\":2,\"ti", 12);
    place_append(&place, zeros, sizeof(zeros));
    chain = place_chain(&place);
    cr_assert_eq(place_head(chain), 1);
    place_gather(chain, 2);
    place_flush(chain);
    chain_free(chain);
    cr_assert_eq(place_verify(&place, KS_OK).n_torn, 1);
    close(place.fd);
}

/* The write that closes a torn line may itself be cut off. */
Test(chain, closes_a_line_whose_closing_was_torn)
{
    struct place place = place_new();
    struct chain *chain = place_chain(&place);

    place_gather(chain, 1);
    place_flush(chain);
    chain_free(chain);
    place_append(&place, "{\"seq\":2,\"ti\n{\"seq\":2,\"time\":\"20", 33);
    chain = place_chain(&place);
    cr_assert_eq(place_head(chain), 1);
    place_flush(chain);
    cr_assert_eq(place_head(chain), 2);
    chain_free(chain);
    cr_assert_eq(place_verify(&place, KS_OK).n_torn, 1);
    close(place.fd);
}

Test(chain, refuses_a_file_whose_end_is_no_record)
{
    static const char *const ends[] = {"rubbish\n", "rubbish", "{\"seq\":2,\"time\":\"2026\"}\n",
                                       "{}\n", "\x00x"};

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct place place = place_new();
        struct chain *chain = place_chain(&place);
        struct fault why = FAULT_INIT;

        place_gather(chain, 1);
        place_flush(chain);
        chain_free(chain);
        place_append(&place, ends[i], strlen(ends[i]) + (i == 4 ? 2 : 0));
        cr_assert_eq(chain_open(place_open(&place), "main-1", &chain, &why), KS_ERR_BAD_REQUEST,
                     "%s", ends[i]);
        cr_assert(why.text[0] && why.hint[0]);
        close(place.fd);
    }
}

Test(chain, refuses_a_last_record_that_was_altered)
{
    struct place place = place_new();
    struct chain *chain = place_chain(&place);
    struct fault why = FAULT_INIT;
    char *text;

    place_gather(chain, 41);
    place_flush(chain);
    chain_free(chain);
    text = place_text(&place);
    cr_assert_eq(pwrite(place.fd, "2", 1, strstr(text, ":41,") + 2 - text), 1);
    cr_assert_eq(chain_open(place_open(&place), "main-1", &chain, &why), KS_ERR_BAD_REQUEST);
    free(text);
    close(place.fd);
}

Test(chain, refuses_what_is_no_file_to_append_to)
{
    struct fault why = FAULT_INIT;
    struct chain *chain;
    int pipes[2];

    cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
    cr_assert_eq(chain_open(pipes[1], "main-1", &chain, &why), KS_ERR_AUDIT_UNWRITABLE);
    close(pipes[0]);
    cr_assert_eq(chain_open(memfd_create("audit", MFD_CLOEXEC), "a b", &chain, &why),
                 KS_ERR_BAD_REQUEST);
}

/* By this process, ever. */
static uint64_t
bytes_read(void)
{
    FILE *file = fopen("/proc/self/io", "re");
    unsigned long long n = 0;

    cr_assert_not_null(file);
    cr_assert_eq(fscanf(file, "rchar: %llu", &n), 1);
    fclose(file);
    return n;
}

Test(chain, opens_a_big_file_from_its_end)
{
    struct place place = place_new();
    struct chain *chain = place_chain(&place);
    uint64_t before;

    for (uint64_t i = 0; i < 20000; i++) {
        place_gather(chain, i);
        if (i % 100 == 99)
            place_flush(chain);
    }
    chain_free(chain);
    before = bytes_read();
    chain = place_chain(&place);
    cr_assert(bytes_read() - before < 64 * 1024);
    cr_assert_eq(place_head(chain), 20000);
    chain_free(chain);
    cr_assert_eq(place_verify(&place, KS_OK).last_seq, 20000);
    close(place.fd);
}

Test(chain, continues_another_file_after_a_rotation)
{
    struct place old = place_new(), new = place_new();
    struct chain *chain = place_chain(&old), *next;
    struct fault why = FAULT_INIT;
    struct chain_past past;
    char *text;

    place_gather(chain, 1);
    place_flush(chain);
    chain_past(chain, &past);
    cr_assert_not(past.lost);
    cr_assert_eq(chain_open_next(place_open(&new), "main-1", &past, &next, &why), KS_OK);
    place_gather(next, 2);
    place_flush(next);
    cr_assert_eq(place_head(next), 3);
    text = place_text(&new);
    cr_assert_not_null(strstr(text, "{\"seq\":2,"));
    cr_assert_not_null(strstr(text, "\"event\":\"continued\",\"hash\""));
    cr_assert_eq(place_verify(&new, KS_OK).first_seq, 2);
    free(text);
    chain_free(chain);
    chain_free(next);
    close(old.fd);
    close(new.fd);
}

Test(chain, reopening_a_rotated_file_does_not_say_continued_twice)
{
    struct chain_past past = {.seq = 9, .hash = {1}};
    struct place place = place_new();
    struct fault why = FAULT_INIT;
    struct chain *chain;

    for (int i = 0; i < 2; i++) {
        cr_assert_eq(chain_open_next(place_open(&place), "main-1", &past, &chain, &why), KS_OK);
        place_gather(chain, 1);
        place_flush(chain);
        chain_past(chain, &past);
        chain_free(chain);
    }
    cr_assert_eq(place_verify(&place, KS_OK).n_records, 3);
    close(place.fd);
}

Test(chain, is_dirty_until_it_is_synced)
{
    struct place place = place_new();
    struct chain *chain = place_chain(&place);
    struct fault why = FAULT_INIT;

    cr_assert_not(chain_dirty(chain));
    place_gather(chain, 1);
    place_flush(chain);
    cr_assert(chain_dirty(chain));
    cr_assert_eq(chain_flush(chain, true, &why), KS_OK);
    cr_assert_not(chain_dirty(chain));
    chain_free(chain);
    close(place.fd);
}

Test(chain, a_checkpoint_names_the_last_flushed_record)
{
    struct place place = place_new();
    struct chain *chain = place_chain(&place);
    char text[CHAIN_CHECKPOINT_MAX], expected[200], hash_text[CHAIN_HASH_TEXT_LEN + 1];
    uint8_t hash[KS_SHA256_LEN];
    uint64_t seq;

    place_gather(chain, 1);
    place_flush(chain);
    place_gather(chain, 2);
    chain_head(chain, &seq, hash);
    hex_text(hash_text, hash, sizeof(hash));
    chain_checkpoint_text(chain, text);
    snprintf(expected, sizeof(expected),
             "keysvc-audit-checkpoint:1 chain=main-1 seq=1 hash=%s time=2", hash_text);
    cr_assert_eq(strncmp(text, expected, strlen(expected)), 0, "%s", text);
    chain_free(chain);
    close(place.fd);
}

Test(chain, keeps_the_time_of_each_record)
{
    struct place place = place_new();
    struct chain *chain = place_chain(&place);
    char first[CLOCK_TEXT_LEN], *text;

    clock_shift(0, 86400 * 1000000ll);
    clock_text(clock_wall_us(), first);
    place_gather(chain, 1);
    place_flush(chain);
    text = place_text(&place);
    cr_assert_eq(strncmp(strstr(text, "\"time\":\"") + 8, first, 11), 0, "%s", text);
    free(text);
    chain_free(chain);
    close(place.fd);
}
