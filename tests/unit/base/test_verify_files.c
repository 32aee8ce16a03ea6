/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <stdio.h>

#include <openssl/pem.h>

#include "base/checkpoint.h"
#include "base/record.h"
#include "base/verify.h"

#include "sample.h"

/* Two files of one chain; the second continues the first. */
struct rotated {
    int old_fd, new_fd;
    uint64_t last_of_old;
};

static struct rotated
rotated_new(bool lost)
{
    struct rotated rotated = {sample_fd(), sample_fd(), 0};
    struct chain *old = sample_chain(rotated.old_fd, "main-1"), *new;
    struct fault why = FAULT_INIT;
    struct chain_past past;

    sample_event(old, "start");
    sample_generate(old, 77, "intent");
    sample_flush(old);
    chain_past(old, &past);
    past.lost = lost;
    rotated.last_of_old = past.seq;
    cr_assert_eq(chain_open_next(dup(rotated.new_fd), "main-1", &past, &new, &why), KS_OK);
    sample_generate(new, 77, "result");
    sample_event(new, "stop");
    sample_flush(new);
    chain_free(old);
    chain_free(new);
    return rotated;
}

static ks_err
check_files(const int *fds, size_t n_fds, struct verify_result *result, struct fault *why)
{
    static const struct verify_options options = {.keys = NULL};
    struct verify *verify;
    ks_err err = KS_OK;

    cr_assert_eq(verify_new("main-1", &options, &verify, why), KS_OK);
    for (size_t i = 0; i < n_fds && !err; i++) {
        FILE *file;

        lseek(fds[i], 0, SEEK_SET);
        file = fdopen(dup(fds[i]), "r");
        err = verify_add(verify, file, why);
        fclose(file);
    }
    if (!err)
        err = verify_end(verify, why);
    verify_result(verify, result);
    verify_free(verify);
    return err;
}

Test(verify, reads_a_rotated_chain_over_its_files)
{
    struct rotated rotated = rotated_new(false);
    const int both[] = {rotated.old_fd, rotated.new_fd};
    struct fault why = FAULT_INIT;
    struct verify_result result;

    cr_assert_eq(check_files(both, 2, &result, &why), KS_OK, "%s", why.text);
    cr_assert_eq(result.n_records, 5);
    cr_assert_eq(result.n_open_intents, 0);
    cr_assert_eq(check_files(both + 1, 1, &result, &why), KS_OK);
    cr_assert_eq(result.first_seq, 3);
    cr_assert_eq(check_files(both, 1, &result, &why), KS_OK);
    cr_assert_eq(result.n_open_intents, 1);
    close(rotated.old_fd);
    close(rotated.new_fd);
}

/* One file that says it continues another, whose last record had this number and hash. */
static ks_err
check_continued(const struct sample *sample, uint64_t after, const uint8_t hash[KS_SHA256_LEN],
                struct verify_result *result, struct fault *why)
{
    struct sample file = {0};
    int fd = sample_fd();
    struct chain_past past = {.seq = after};
    struct chain *chain;
    ks_err err;

    memcpy(past.hash, hash, sizeof(past.hash));
    cr_assert_eq(chain_open_next(dup(fd), "main-1", &past, &chain, why), KS_OK);
    sample_sign(chain, 99);
    sample_flush(chain);
    chain_free(chain);
    sample_take(&file, fd);
    err = sample_check(sample, file.text, file.len, result, why);
    sample_deinit(&file);
    close(fd);
    return err;
}

Test(verify, a_file_may_continue_what_the_checkpoint_names_and_nothing_after_it)
{
    static const uint8_t forged[KS_SHA256_LEN] = {0xab};
    struct sample sample = sample_new();
    struct fault why = FAULT_INIT;
    struct checkpoint outside;
    struct verify_result result;

    *strrchr(sample.last_checkpoint, ' ') = '\0';
    cr_assert(checkpoint_parse(sample.last_checkpoint, &outside));
    sample.last_checkpoint[strlen(sample.last_checkpoint)] = ' ';
    /* Right behind it, by number and hash. */
    cr_assert_eq(check_continued(&sample, 18, outside.hash, &result, &why), KS_OK, "%s", why.text);
    cr_assert_eq(result.first_seq, 19);
    cr_assert_eq(result.last_signed_seq, 18);
    cr_assert_eq(check_continued(&sample, 18, forged, &result, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(result.bad_line, 1);
    /* Further on nothing proves what it continues. */
    for (uint64_t after = 19; after < 2000; after = 3 * after) {
        cr_assert_eq(check_continued(&sample, after, outside.hash, &result, &why),
                     KS_ERR_BAD_REQUEST, "a file that begins with record %llu",
                     (unsigned long long)after + 1);
        cr_assert_eq(result.bad_line, 1);
        cr_assert_not_null(strstr(why.text, "18"), "%s", why.text);
        cr_assert_not_null(strstr(why.text, "missing"), "%s", why.text);
    }
    /* Before it the end is missing. */
    cr_assert_eq(check_continued(&sample, 9, forged, &result, &why), KS_ERR_BAD_REQUEST);
    sample_deinit(&sample);
}

Test(verify, names_files_that_do_not_continue_each_other)
{
    struct rotated a = rotated_new(false), b = rotated_new(false);
    const int mixed[] = {a.old_fd, b.new_fd}, backwards[] = {a.new_fd, a.old_fd},
              twice[] = {a.old_fd, a.old_fd};
    struct fault why = FAULT_INIT;
    struct verify_result result;

    cr_assert_eq(check_files(mixed, 2, &result, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(result.bad_line, 1);
    cr_assert_eq(check_files(backwards, 2, &result, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(check_files(twice, 2, &result, &why), KS_ERR_BAD_REQUEST);
    close(a.old_fd);
    close(a.new_fd);
    close(b.old_fd);
    close(b.new_fd);
}

Test(verify, a_rotated_file_without_its_first_record_is_altered)
{
    struct rotated rotated = rotated_new(false);
    struct sample sample = {0};
    static const struct verify_options options = {.keys = NULL};
    struct fault why = FAULT_INIT;
    struct verify_result result;
    FILE *file;

    sample_take(&sample, rotated.new_fd);
    file = fmemopen(sample.lines[1], sample.len - sample.line_len[0], "r");
    cr_assert_eq(verify_file(file, "main-1", &options, &result, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(result.bad_line, 1);
    fclose(file);
    sample_deinit(&sample);
    close(rotated.old_fd);
    close(rotated.new_fd);
}

Test(verify, intents_are_known_by_event_or_by_phase)
{
    static const char *const events[][2] = {
        {"intent", "1"}, {"intent", "2"}, {"result", "1"}, {"result", "3"}, {"sign", "2"}};
    struct sample sample = {0};
    int fd = sample_fd();
    struct chain *chain = sample_chain(fd, "main-1");
    struct verify_result result;
    struct fault why = FAULT_INIT;

    sample_key(&sample.pkey, &sample.key);
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        chain_begin(chain, events[i][0]);
        chain_text(chain, "request", events[i][1]);
        chain_end(chain);
    }
    sample_flush(chain);
    chain_free(chain);
    sample_take(&sample, fd);
    cr_assert_eq(sample_check(&sample, sample.text, sample.len, &result, &why), KS_OK, "%s",
                 why.text);
    cr_assert_eq(result.n_open_intents, 1);
    cr_assert_eq(result.open_intents[0], 2);
    sample_deinit(&sample);
    close(fd);
}

Test(verify, a_line_longer_than_any_is_altered)
{
    static const struct verify_options options = {.keys = NULL};
    size_t len = CHAIN_TORN_MAX + 10;
    char *text = calloc(1, len);
    struct fault why = FAULT_INIT;
    struct verify_result result;
    FILE *file = fmemopen(text, len, "r");

    cr_assert_eq(verify_file(file, NULL, &options, &result, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(result.bad_line, 1);
    fclose(file);
    free(text);
}

Test(verify, an_empty_file_is_whole_unless_a_checkpoint_says_otherwise)
{
    struct sample sample = sample_new();
    struct fault why = FAULT_INIT;
    struct verify_result result;

    cr_assert_eq(sample_check(&sample, "", 0, &result, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(result.bad_line, 1);
    free(sample.last_checkpoint);
    sample.last_checkpoint = NULL;
    cr_assert_eq(sample_check(&sample, "", 0, &result, &why), KS_OK);
    cr_assert_eq(result.n_records, 0);
    sample_deinit(&sample);
}

Test(verify, a_file_that_cannot_be_read_is_internal)
{
    static const struct verify_options options = {.keys = NULL};
    struct fault why = FAULT_INIT;
    struct verify_result result;
    FILE *file = fopen("/proc/self/mem", "re"); /* its first page is not there */

    cr_assert_not_null(file);
    cr_assert_eq(verify_file(file, NULL, &options, &result, &why), KS_ERR_INTERNAL);
    fclose(file);
}

Test(verify, reads_an_audit_key_from_pem)
{
    struct sample sample = sample_new();
    struct verify_key key = {{0}, 0};
    struct fault why = FAULT_INIT;
    FILE *file = tmpfile();

    cr_assert_eq(PEM_write_PUBKEY(file, sample.pkey), 1);
    rewind(file);
    cr_assert_eq(verify_key_read(file, &key, &why), KS_OK);
    cr_assert_eq(key.der_len, sample.key.der_len);
    cr_assert_arr_eq(key.der, sample.key.der, key.der_len);
    /* Behind its end there is none. */
    cr_assert_eq(verify_key_read(file, &key, &why), KS_ERR_BAD_REQUEST);
    fclose(file);
    sample_deinit(&sample);
}

Test(verify, refuses_an_audit_key_that_is_none)
{
    struct verify_key keys[] = {{{0x30, 0x00}, 2}};
    const struct verify_options options = {.keys = keys, .n_keys = 1};
    struct verify *verify = NULL;
    struct fault why = FAULT_INIT;

    cr_assert_eq(verify_new("main-1", &options, &verify, &why), KS_ERR_BAD_REQUEST);
    cr_assert_null(verify);
}

Test(verify, a_member_is_found_and_read_back)
{
    struct sample sample = {0};
    int fd = sample_fd();
    struct chain *chain = sample_chain(fd, "main-1");
    struct record_member member;
    struct record record;
    char text[64];
    uint64_t number;
    size_t stopped_at;

    chain_begin(chain, "request");
    chain_text(chain, "note", "\"\\\n\xc3\xa9 x");
    chain_number(chain, "request", 12);
    chain_end(chain);
    sample_flush(chain);
    chain_free(chain);
    sample_take(&sample, fd);
    cr_assert_eq(record_scan(sample.text, sample.len - 1, &record, &stopped_at), RECORD_WHOLE);
    cr_assert(record_is(&record, "request"));
    cr_assert(record_find(&record, "note", &member));
    cr_assert(record_text(&member, text, sizeof(text)));
    cr_assert_str_eq(text, "\"\\\n\xc3\xa9 x");
    cr_assert_not(record_text(&member, text, 6));
    cr_assert_not(record_number(&member, &number));
    cr_assert(record_find(&record, "request", &member));
    cr_assert(record_number(&member, &number));
    cr_assert_eq(number, 12);
    cr_assert_not(record_text(&member, text, sizeof(text)));
    cr_assert_not(record_find(&record, "hash", &member));
    sample_deinit(&sample);
    close(fd);
}

Test(verify, names_a_file_that_was_removed_while_it_was_written)
{
    struct rotated rotated = rotated_new(true);
    const int both[] = {rotated.old_fd, rotated.new_fd};
    struct verify_result result;
    struct fault why = FAULT_INIT;

    cr_assert_eq(check_files(&rotated.new_fd, 1, &result, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(result.bad_line, 1);
    cr_assert(strstr(why.text, "up to 2 are lost"), "%s", why.text);
    /* Somebody had a copy of it, and it is whole. */
    why = (struct fault)FAULT_INIT;
    cr_assert_eq(check_files(both, 2, &result, &why), KS_OK, "%s", why.text);
    close(rotated.old_fd);
    close(rotated.new_fd);
}
