/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/chain.h"
#include "base/checkpoint.h"
#include "base/digest.h"
#include "base/hex.h"
#include "base/record.h"
#include "base/verify.h"

#define MAX_LINES 64

/* A chain as a token process writes it, with a key of its own for the checkpoints. */
struct sample {
    char *text;
    size_t len;
    char *lines[MAX_LINES]; /* each with its newline */
    size_t line_len[MAX_LINES];
    size_t n_lines;
    size_t torn_line;      /* index of the record "torn"; the garbage is the line before */
    char *last_checkpoint; /* kept outside, of the last record */
    EVP_PKEY *pkey;
    struct verify_key key;
};

static int
memory_file(void)
{
    char path[64];
    int fd = memfd_create("audit", MFD_CLOEXEC), appending;

    cr_assert(fd >= 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    appending = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    cr_assert(appending >= 0);
    close(fd);
    return appending;
}

static char *
signed_hex(EVP_PKEY *pkey, const char *text)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t signature[200];
    size_t len = sizeof(signature);
    char *hex;

    cr_assert_eq(EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, pkey, NULL), 1);
    cr_assert_eq(EVP_DigestSign(ctx, signature, &len, (const unsigned char *)text, strlen(text)),
                 1);
    EVP_MD_CTX_free(ctx);
    hex = calloc(1, 2 * len + 1);
    hex_text(hex, signature, len);
    return hex;
}

static void
key_make(EVP_PKEY **pkey, struct verify_key *key)
{
    unsigned char *at = key->der;

    *pkey = EVP_EC_gen("P-256");
    cr_assert_not_null(*pkey);
    key->der_len = (size_t)i2d_PUBKEY(*pkey, &at);
}

static void
key_sha256(const struct verify_key *key, uint8_t out[static KS_SHA256_LEN])
{
    struct digest *digest;

    cr_assert_eq(digest_new(&digest), KS_OK);
    cr_assert(digest_sum(digest, key->der, key->der_len, out));
    digest_free(digest);
}

static void
flush(struct chain *chain)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(chain_flush(chain, false, &why), KS_OK, "%s", why.text);
}

static void
put_event(struct chain *chain, const char *event)
{
    chain_begin(chain, event);
    chain_text(chain, "token", "main");
    chain_end(chain);
}

static void
put_sign(struct chain *chain, uint64_t request)
{
    static const uint8_t digest[KS_SHA256_LEN] = {0xde, 0xad};

    chain_begin(chain, "sign");
    chain_number(chain, "request", request);
    chain_text(chain, "key", "web/shop@1");
    chain_text(chain, "algorithm", "ecdsa-sha256");
    chain_hex(chain, "digest", digest, sizeof(digest));
    chain_text(chain, "outcome", "ok");
    chain_number(chain, "uid", 33);
    chain_text(chain, "unit", "nginx.service");
    chain_end(chain);
}

static void
put_generate(struct chain *chain, uint64_t request, const char *phase)
{
    chain_begin(chain, "generate");
    chain_text(chain, "phase", phase);
    chain_number(chain, "request", request);
    chain_text(chain, "key", "web/new@1");
    chain_end(chain);
}

/* Of the chain's last flushed record. */
static void
put_checkpoint(struct chain *chain, EVP_PKEY *pkey, const struct verify_key *key)
{
    char text[CHAIN_CHECKPOINT_MAX], *signature;
    uint8_t sha256[KS_SHA256_LEN];

    chain_checkpoint_text(chain, text);
    signature = signed_hex(pkey, text);
    key_sha256(key, sha256);
    chain_begin(chain, "checkpoint");
    chain_text(chain, "text", text);
    chain_text(chain, "signature", signature);
    chain_hex(chain, "key", sha256, sizeof(sha256));
    chain_end(chain);
    free(signature);
}

static char *
outside_checkpoint(const struct chain *chain, EVP_PKEY *pkey)
{
    char text[CHAIN_CHECKPOINT_MAX], *signature, *line;

    chain_checkpoint_text(chain, text);
    signature = signed_hex(pkey, text);
    cr_assert(asprintf(&line, "%s %s", text, signature) > 0);
    free(signature);
    return line;
}

static struct chain *
chain_on(int fd, const char *name)
{
    struct fault why = FAULT_INIT;
    struct chain *chain;

    cr_assert_eq(chain_open(dup(fd), name, 1, NULL, &chain, &why), KS_OK, "%s", why.text);
    return chain;
}

static void
sample_take(struct sample *sample, int fd)
{
    struct stat status;
    char *at, *newline;

    cr_assert_eq(fstat(fd, &status), 0);
    sample->len = (size_t)status.st_size;
    sample->text = calloc(1, sample->len + 1);
    cr_assert_eq(pread(fd, sample->text, sample->len, 0), status.st_size);
    for (at = sample->text; (newline = strchr(at, '\n')); at = newline + 1) {
        sample->lines[sample->n_lines] = at;
        sample->line_len[sample->n_lines++] = (size_t)(newline + 1 - at);
    }
}

/* About 20 records: each event once at least, a checkpoint inside and one outside, a torn line. */
static struct sample
sample_new(void)
{
    static const char *const first[] = {"start", "config", "purpose", "login"};
    struct sample sample = {0};
    int fd = memory_file();
    struct chain *chain = chain_on(fd, "main-1");

    key_make(&sample.pkey, &sample.key);
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        put_event(chain, first[i]);
    for (uint64_t i = 1; i <= 4; i++)
        put_sign(chain, i);
    put_generate(chain, 5, "intent");
    put_generate(chain, 5, "result");
    flush(chain);
    put_checkpoint(chain, sample.pkey, &sample.key);
    put_sign(chain, 6);
    put_generate(chain, 7, "intent");
    flush(chain);
    chain_free(chain);
    cr_assert_eq(write(fd, "{\"seq\":14,\"time\":\"2026-11-", 26), 26);
    chain = chain_on(fd, "main-1");
    put_event(chain, "start");
    put_sign(chain, 8);
    put_sign(chain, 9);
    put_event(chain, "stop");
    flush(chain);
    sample.last_checkpoint = outside_checkpoint(chain, sample.pkey);
    chain_free(chain);
    sample_take(&sample, fd);
    sample.torn_line = 14;
    cr_assert_eq(sample.n_lines, 19);
    cr_assert_not_null(strstr(sample.lines[sample.torn_line], "\"event\":\"torn\""));
    close(fd);
    return sample;
}

static void
sample_deinit(struct sample *sample)
{
    free(sample->text);
    free(sample->last_checkpoint);
    EVP_PKEY_free(sample->pkey);
}

static ks_err
check(const struct sample *sample, const char *text, size_t len, struct verify_result *result,
      struct fault *why)
{
    const struct verify_options options = {
        .keys = &sample->key, .n_keys = 1, .last_checkpoint = sample->last_checkpoint};
    FILE *file = len ? fmemopen((void *)text, len, "r") : fopen("/dev/null", "re");
    ks_err err;

    cr_assert_not_null(file);
    why->text[0] = '\0';
    err = verify_file(file, "main-1", &options, result, why);
    fclose(file);
    return err;
}

/* The line, from 1, that holds this byte. */
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

    cr_assert_eq(check(&sample, sample.text, sample.len, &result, &why), KS_OK, "line %llu: %s",
                 (unsigned long long)result.bad_line, why.text);
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

    for (size_t at = 0; at < sample.len; at++) {
        uint64_t line = line_of(&sample, at);
        char original = sample.text[at];

        /* Besides fixed bits, the flips to a newline and to a zero byte. */
        for (size_t i = 0; i < ARRAY_LEN(flips) + 2; i++) {
            char flipped = i < ARRAY_LEN(flips)    ? (char)(original ^ (char)flips[i])
                           : i == ARRAY_LEN(flips) ? '\n'
                                                   : '\0';

            if (flipped == original)
                continue;
            sample.text[at] = flipped;
            cr_assert_eq(check(&sample, sample.text, sample.len, &result, &why), KS_ERR_BAD_REQUEST,
                         "byte %zu, flip %zu was not seen", at, i);
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
        cr_assert_eq(check(&sample, text, len, &result, &why), KS_ERR_BAD_REQUEST,
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
            cr_assert_eq(check(&sample, text, len, &result, &why), KS_ERR_BAD_REQUEST,
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
        cr_assert_eq(check(&sample, sample.text, len, &result, &why), KS_ERR_BAD_REQUEST,
                     "%zu bytes left", len);
        cr_assert(result.bad_line >= 1 && result.bad_line <= sample.n_lines + 1);
    }
    /* Nothing but the newline is lost: all records are there. */
    cr_assert_eq(check(&sample, sample.text, sample.len - 1, &result, &why), KS_OK);
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
        cr_assert_eq(check(&sample, text, len, &result, &why), KS_ERR_BAD_REQUEST, "line %zu twice",
                     twice + 1);
        free(text);
    }
    sample_deinit(&sample);
}

Test(verify, a_chain_written_anew_is_not_the_one_in_the_checkpoint)
{
    struct sample sample = sample_new(), other = sample_new();
    struct fault why = FAULT_INIT;
    struct verify_result result;

    cr_assert_eq(check(&sample, other.text, other.len, &result, &why), KS_ERR_BAD_REQUEST);
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
    cr_assert_eq(check(&sample, sample.text, sample.len, &result, &why), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, "not signed"), "%s", why.text);
    cr_assert_eq(result.bad_line, 0);
    strcpy(sample.last_checkpoint, "rubbish 00");
    cr_assert_eq(check(&sample, sample.text, sample.len, &result, &why), KS_ERR_BAD_REQUEST);
    free(sample.last_checkpoint);
    sample.last_checkpoint = NULL;
    cr_assert_eq(check(&sample, sample.text, sample.len, &result, &why), KS_OK);
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
    int fd = memory_file();
    struct chain *chain = chain_on(fd, "main-1");
    char text[CHAIN_CHECKPOINT_MAX], hash_text[CHAIN_HASH_TEXT_LEN + 1], *signature;
    uint8_t hash[KS_SHA256_LEN], sha256[KS_SHA256_LEN];
    uint64_t seq;
    ks_err err;

    key_make(&sample.pkey, &sample.key);
    put_event(chain, "start");
    flush(chain);
    chain_head(chain, &seq, hash);
    hex_text(hash_text, hash, sizeof(hash));
    snprintf(text, sizeof(text), text_format, hash_text);
    signature = signed_hex(sample.pkey, text);
    key_sha256(&sample.key, sha256);
    chain_begin(chain, "checkpoint");
    chain_text(chain, "text", text);
    chain_text(chain, "signature", signature_override ? signature_override : signature);
    chain_hex(chain, "key", sha256, sizeof(sha256));
    chain_end(chain);
    flush(chain);
    chain_free(chain);
    sample_take(&sample, fd);
    err = check(&sample, sample.text, sample.len, result, &why);
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

/* Two files of one chain; the second continues the first. */
struct rotated {
    int old_fd, new_fd;
    uint64_t last_of_old;
};

static struct rotated
rotated_new(void)
{
    struct rotated rotated = {memory_file(), memory_file(), 0};
    struct chain *old = chain_on(rotated.old_fd, "main-1"), *new;
    struct fault why = FAULT_INIT;
    uint8_t hash[KS_SHA256_LEN];

    put_event(old, "start");
    put_generate(old, 77, "intent");
    flush(old);
    chain_head(old, &rotated.last_of_old, hash);
    cr_assert_eq(
        chain_open(dup(rotated.new_fd), "main-1", rotated.last_of_old + 1, hash, &new, &why),
        KS_OK);
    put_generate(new, 77, "result");
    put_event(new, "stop");
    flush(new);
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
    struct rotated rotated = rotated_new();
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
    int fd = memory_file();
    struct chain *chain;
    ks_err err;

    cr_assert_eq(chain_open(dup(fd), "main-1", after + 1, hash, &chain, why), KS_OK);
    put_sign(chain, 99);
    flush(chain);
    chain_free(chain);
    sample_take(&file, fd);
    err = check(sample, file.text, file.len, result, why);
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
    struct rotated a = rotated_new(), b = rotated_new();
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
    struct rotated rotated = rotated_new();
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
    int fd = memory_file();
    struct chain *chain = chain_on(fd, "main-1");
    struct verify_result result;
    struct fault why = FAULT_INIT;

    key_make(&sample.pkey, &sample.key);
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        chain_begin(chain, events[i][0]);
        chain_text(chain, "request", events[i][1]);
        chain_end(chain);
    }
    flush(chain);
    chain_free(chain);
    sample_take(&sample, fd);
    cr_assert_eq(check(&sample, sample.text, sample.len, &result, &why), KS_OK, "%s", why.text);
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

    cr_assert_eq(check(&sample, "", 0, &result, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(result.bad_line, 1);
    free(sample.last_checkpoint);
    sample.last_checkpoint = NULL;
    cr_assert_eq(check(&sample, "", 0, &result, &why), KS_OK);
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
    int fd = memory_file();
    struct chain *chain = chain_on(fd, "main-1");
    struct record_member member;
    struct record record;
    char text[64];
    uint64_t number;
    size_t stopped_at;

    chain_begin(chain, "request");
    chain_text(chain, "note", "\"\\\n\xc3\xa9 x");
    chain_number(chain, "request", 12);
    chain_end(chain);
    flush(chain);
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
