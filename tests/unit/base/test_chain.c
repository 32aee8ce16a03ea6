/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/chain.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/hex.h"
#include "base/record.h"
#include "base/verify.h"

/* A file without a name that the chain appends to and the test reads and writes. */
struct place {
    int fd;
};

static struct place
place_new(void)
{
    struct place place = {memfd_create("audit", MFD_CLOEXEC)};

    cr_assert(place.fd >= 0);
    return place;
}

static int
place_open(const struct place *place)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", place->fd);
    fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    cr_assert(fd >= 0);
    return fd;
}

static void
place_append(const struct place *place, const void *data, size_t len)
{
    struct stat status;

    cr_assert_eq(fstat(place->fd, &status), 0);
    cr_assert_eq(pwrite(place->fd, data, len, status.st_size), (ssize_t)len);
}

static char *
place_text(const struct place *place)
{
    struct stat status;
    char *text;

    cr_assert_eq(fstat(place->fd, &status), 0);
    text = calloc(1, (size_t)status.st_size + 1);
    cr_assert_not_null(text);
    cr_assert_eq(pread(place->fd, text, (size_t)status.st_size, 0), status.st_size);
    return text;
}

static struct verify_result
place_verify(const struct place *place, ks_err expected)
{
    static const struct verify_options options = {.keys = NULL};
    struct verify_result result;
    struct fault why = FAULT_INIT;
    char path[64];
    FILE *file;
    ks_err err;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", place->fd);
    file = fopen(path, "re");
    cr_assert_not_null(file);
    err = verify_file(file, "main-1", &options, &result, &why);
    fclose(file);
    cr_assert_eq(err, expected, "line %llu: %s", (unsigned long long)result.bad_line, why.text);
    return result;
}

static struct chain *
chain_on(const struct place *place)
{
    struct fault why = FAULT_INIT;
    struct chain *chain;

    cr_assert_eq(chain_open(place_open(place), "main-1", 1, NULL, &chain, &why), KS_OK, "%s",
                 why.text);
    return chain;
}

static void
gather(struct chain *chain, uint64_t request)
{
    chain_begin(chain, "sign");
    chain_number(chain, "request", request);
    chain_text(chain, "key", "web/shop@1");
    chain_end(chain);
}

static void
flush(struct chain *chain)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(chain_flush(chain, false, &why), KS_OK, "%s", why.text);
}

static uint64_t
head(const struct chain *chain)
{
    uint8_t hash[KS_SHA256_LEN];
    uint64_t seq;

    chain_head(chain, &seq, hash);
    return seq;
}

/* From here on the file takes `more` bytes; SIZE_MAX: as many as come. */
static void
leave_room(const struct place *place, size_t more)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    struct stat status;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(fstat(place->fd, &status), 0);
    limit.rlim_cur = more == SIZE_MAX ? limit.rlim_max : (rlim_t)status.st_size + more;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(chain, writes_records_as_documented)
{
    static const char begin[] = "{\"seq\":1,\"time\":\"";
    struct place place = place_new();
    struct chain *chain = chain_on(&place);
    uint8_t digest[3] = {0x00, 0xab, 0xff};
    char *text, *second;

    chain_begin(chain, "start");
    chain_number(chain, "pid", UINT64_MAX);
    chain_number(chain, "zero", 0);
    chain_text(chain, "note", "a \"b\" \\ \n\x01\x7f\xc3\xa9");
    chain_hex(chain, "digest", digest, sizeof(digest));
    chain_text(chain, "empty", "");
    chain_end(chain);
    gather(chain, 7);
    cr_assert(chain_pending(chain) > 0);
    flush(chain);
    cr_assert_eq(chain_pending(chain), 0);
    cr_assert_eq(head(chain), 2);

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
    struct chain *chain = chain_on(&place);
    struct digest *digest;
    uint8_t hash[KS_SHA256_LEN], stated[KS_SHA256_LEN];
    char *text, *at;

    gather(chain, 1);
    flush(chain);
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
        struct chain *chain = chain_on(&place);

        cr_assert_eq(head(chain), i - 1);
        gather(chain, i);
        flush(chain);
        chain_free(chain);
    }
    cr_assert_eq(place_verify(&place, KS_OK).n_records, 3);
    close(place.fd);
}

Test(chain, cuts_and_marks_what_does_not_fit_a_record)
{
    struct place place = place_new();
    struct chain *chain = chain_on(&place);
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
    flush(chain);
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
    struct chain *chain = chain_on(&whole);
    size_t first_len, len;
    char *text;

    gather(chain, 1);
    flush(chain);
    gather(chain, 2);
    flush(chain);
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
        chain = chain_on(&place);
        cr_assert_eq(head(chain), n_whole, "cut at %zu", cut);
        gather(chain, 3);
        flush(chain);
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
    struct chain *chain = chain_on(&place);
    char zeros[20000] = {0};

    gather(chain, 1);
    flush(chain);
    chain_free(chain);
    place_append(&place, "{\"seq\":2,\"ti", 12);
    place_append(&place, zeros, sizeof(zeros));
    chain = chain_on(&place);
    cr_assert_eq(head(chain), 1);
    gather(chain, 2);
    flush(chain);
    chain_free(chain);
    cr_assert_eq(place_verify(&place, KS_OK).n_torn, 1);
    close(place.fd);
}

/* The write that closes a torn line may itself be cut off. */
Test(chain, closes_a_line_whose_closing_was_torn)
{
    struct place place = place_new();
    struct chain *chain = chain_on(&place);

    gather(chain, 1);
    flush(chain);
    chain_free(chain);
    place_append(&place, "{\"seq\":2,\"ti\n{\"seq\":2,\"time\":\"20", 33);
    chain = chain_on(&place);
    cr_assert_eq(head(chain), 1);
    flush(chain);
    cr_assert_eq(head(chain), 2);
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
        struct chain *chain = chain_on(&place);
        struct fault why = FAULT_INIT;

        gather(chain, 1);
        flush(chain);
        chain_free(chain);
        place_append(&place, ends[i], strlen(ends[i]) + (i == 4 ? 2 : 0));
        cr_assert_eq(chain_open(place_open(&place), "main-1", 1, NULL, &chain, &why),
                     KS_ERR_BAD_REQUEST, "%s", ends[i]);
        cr_assert(why.text[0] && why.hint[0]);
        close(place.fd);
    }
}

Test(chain, refuses_a_last_record_that_was_altered)
{
    struct place place = place_new();
    struct chain *chain = chain_on(&place);
    struct fault why = FAULT_INIT;
    char *text;

    gather(chain, 41);
    flush(chain);
    chain_free(chain);
    text = place_text(&place);
    cr_assert_eq(pwrite(place.fd, "2", 1, strstr(text, ":41,") + 2 - text), 1);
    cr_assert_eq(chain_open(place_open(&place), "main-1", 1, NULL, &chain, &why),
                 KS_ERR_BAD_REQUEST);
    free(text);
    close(place.fd);
}

Test(chain, refuses_what_is_no_file_to_append_to)
{
    struct fault why = FAULT_INIT;
    struct chain *chain;
    int pipes[2];

    cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
    cr_assert_eq(chain_open(pipes[1], "main-1", 1, NULL, &chain, &why), KS_ERR_AUDIT_UNWRITABLE);
    close(pipes[0]);
    cr_assert_eq(chain_open(memfd_create("audit", MFD_CLOEXEC), "a b", 1, NULL, &chain, &why),
                 KS_ERR_BAD_REQUEST);
    cr_assert_eq(chain_open(memfd_create("audit", MFD_CLOEXEC), "main-1", 2, NULL, &chain, &why),
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
    struct chain *chain = chain_on(&place);
    uint64_t before;

    for (uint64_t i = 0; i < 20000; i++) {
        gather(chain, i);
        if (i % 100 == 99)
            flush(chain);
    }
    chain_free(chain);
    before = bytes_read();
    chain = chain_on(&place);
    cr_assert(bytes_read() - before < 64 * 1024);
    cr_assert_eq(head(chain), 20000);
    chain_free(chain);
    cr_assert_eq(place_verify(&place, KS_OK).last_seq, 20000);
    close(place.fd);
}

Test(chain, continues_another_file_after_a_rotation)
{
    struct place old = place_new(), new = place_new();
    struct chain *chain = chain_on(&old), *next;
    struct fault why = FAULT_INIT;
    uint8_t hash[KS_SHA256_LEN];
    uint64_t seq;
    char *text;

    gather(chain, 1);
    flush(chain);
    chain_head(chain, &seq, hash);
    cr_assert_eq(chain_open(place_open(&new), "main-1", seq + 1, hash, &next, &why), KS_OK);
    gather(next, 2);
    flush(next);
    cr_assert_eq(head(next), 3);
    text = place_text(&new);
    cr_assert_not_null(strstr(text, "{\"seq\":2,"));
    cr_assert_not_null(strstr(text, "\"event\":\"continued\""));
    cr_assert_eq(place_verify(&new, KS_OK).first_seq, 2);
    free(text);
    chain_free(chain);
    chain_free(next);
    close(old.fd);
    close(new.fd);
}

Test(chain, reopening_a_rotated_file_does_not_say_continued_twice)
{
    struct place place = place_new();
    struct fault why = FAULT_INIT;
    uint8_t prev[KS_SHA256_LEN] = {1};
    struct chain *chain;

    for (int i = 0; i < 2; i++) {
        cr_assert_eq(chain_open(place_open(&place), "main-1", 10, prev, &chain, &why), KS_OK);
        gather(chain, 1);
        flush(chain);
        chain_free(chain);
    }
    cr_assert_eq(place_verify(&place, KS_OK).n_records, 3);
    close(place.fd);
}

/* The disk is full after any number of bytes of the flush; then there is room again. */
Test(chain, recovers_from_a_full_disk_without_a_restart, .timeout = 60)
{
    size_t full = 0;

    for (size_t room = 0; full == 0 || room < full; room += 1 + room % 3) {
        struct place place = place_new();
        struct chain *chain = chain_on(&place);
        struct fault why = FAULT_INIT;
        struct verify_result result;
        uint64_t before;

        gather(chain, 1);
        flush(chain);
        gather(chain, 2);
        gather(chain, 3);
        full = chain_pending(chain);
        leave_room(&place, room);
        cr_assert_eq(chain_flush(chain, false, &why), KS_ERR_AUDIT_UNWRITABLE);
        cr_assert_not_null(strstr(why.text, "main-1"));
        cr_assert(chain_failed(chain));
        before = head(chain);
        /* And still full: what is gathered now is refused too. */
        gather(chain, 4);
        leave_room(&place, 0);
        cr_assert_eq(chain_flush(chain, true, &why), KS_ERR_AUDIT_UNWRITABLE);
        cr_assert_eq(head(chain), before);
        leave_room(&place, SIZE_MAX);
        cr_assert(chain_pending(chain) > 0);
        gather(chain, 5);
        cr_assert_eq(chain_flush(chain, true, &why), KS_OK, "%s", why.text);
        cr_assert_not(chain_failed(chain));
        cr_assert_not(chain_dirty(chain));
        chain_free(chain);
        chain = chain_on(&place);
        gather(chain, 6);
        flush(chain);
        chain_free(chain);
        result = place_verify(&place, KS_OK);
        cr_assert(result.n_torn <= 1);
        close(place.fd);
    }
}

/* The disk gives a few bytes at a time: also the closing of the torn line is torn, again and again.
 */
Test(chain, recovers_when_the_recovery_is_torn_too, .timeout = 60)
{
    for (size_t step = 1; step < 700; step += step < 20 ? 1 : 37) {
        struct place place = place_new();
        struct chain *chain = chain_on(&place);
        struct fault why = FAULT_INIT;
        bool written = false;
        uint64_t n = 0;
        char *text;

        for (int i = 0; i < 12 && !written; i++) {
            gather(chain, ++n);
            leave_room(&place, step);
            written = chain_flush(chain, false, &why) == KS_OK;
        }
        leave_room(&place, SIZE_MAX);
        gather(chain, 1000);
        flush(chain);
        chain_free(chain);
        text = place_text(&place);
        cr_assert_not_null(strstr(text, "\"request\":1000,"));
        free(text);
        place_verify(&place, KS_OK);
        close(place.fd);
    }
}

Test(chain, counts_the_records_that_were_withdrawn)
{
    struct place place = place_new();
    struct chain *chain = chain_on(&place);
    struct fault why = FAULT_INIT;
    char *text;

    for (uint64_t i = 0; i < 3; i++) {
        gather(chain, i);
        gather(chain, i);
        leave_room(&place, 0);
        cr_assert_eq(chain_flush(chain, false, &why), KS_ERR_AUDIT_UNWRITABLE);
    }
    leave_room(&place, SIZE_MAX);
    flush(chain);
    text = place_text(&place);
    cr_assert_not_null(strstr(text, "\"event\":\"unwritable\",\"withdrawn\":6,"), "%s", text);
    cr_assert_null(strstr(text, "\"event\":\"sign\""));
    free(text);
    chain_free(chain);
    place_verify(&place, KS_OK);
    close(place.fd);
}

Test(chain, says_continued_even_if_the_disk_was_full_at_the_rotation)
{
    for (size_t room = 0; room < 900; room += 7) {
        struct place place = place_new();
        struct fault why = FAULT_INIT;
        uint8_t prev[KS_SHA256_LEN] = {1};
        struct chain *chain;

        cr_assert_eq(chain_open(place_open(&place), "main-1", 10, prev, &chain, &why), KS_OK);
        for (int i = 0; i < 2; i++) {
            gather(chain, 1);
            leave_room(&place, room);
            (void)!chain_flush(chain, false, &why);
        }
        leave_room(&place, SIZE_MAX);
        gather(chain, 2);
        flush(chain);
        chain_free(chain);
        cr_assert_eq(place_verify(&place, KS_OK).first_seq, 10);
        close(place.fd);
    }
}

Test(chain, is_dirty_until_it_is_synced)
{
    struct place place = place_new();
    struct chain *chain = chain_on(&place);
    struct fault why = FAULT_INIT;

    cr_assert_not(chain_dirty(chain));
    gather(chain, 1);
    flush(chain);
    cr_assert(chain_dirty(chain));
    cr_assert_eq(chain_flush(chain, true, &why), KS_OK);
    cr_assert_not(chain_dirty(chain));
    chain_free(chain);
    close(place.fd);
}

Test(chain, a_checkpoint_names_the_last_flushed_record)
{
    struct place place = place_new();
    struct chain *chain = chain_on(&place);
    char text[CHAIN_CHECKPOINT_MAX], expected[200], hash_text[CHAIN_HASH_TEXT_LEN + 1];
    uint8_t hash[KS_SHA256_LEN];
    uint64_t seq;

    gather(chain, 1);
    flush(chain);
    gather(chain, 2);
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
    struct chain *chain = chain_on(&place);
    char first[CLOCK_TEXT_LEN], *text;

    clock_shift(0, 86400 * 1000000ll);
    clock_text(clock_wall_us(), first);
    gather(chain, 1);
    flush(chain);
    text = place_text(&place);
    cr_assert_eq(strncmp(strstr(text, "\"time\":\"") + 8, first, 11), 0, "%s", text);
    free(text);
    chain_free(chain);
    close(place.fd);
}
