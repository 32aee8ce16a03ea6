/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "proto/wire/frame.h"

/* Feeds `len` bytes in pieces of `piece` and counts whole frames; each is compared with `want`. */
static ks_err
feed(struct frame_reader *reader, const uint8_t *data, size_t len, size_t piece, const char *want,
     size_t *n_frames)
{
    *n_frames = 0;
    for (size_t at = 0; at < len; at += piece) {
        const uint8_t *part = data + at;
        size_t part_len = len - at < piece ? len - at : piece;
        const uint8_t *frame;
        size_t frame_len;

        for (;;) {
            ks_err err = frame_next(reader, &part, &part_len, &frame, &frame_len);

            if (err)
                return err;
            if (!frame)
                break;
            cr_assert_eq(frame_len, strlen(want));
            cr_assert_eq(memcmp(frame, want, frame_len), 0);
            ++*n_frames;
        }
        cr_assert_eq(part_len, 0);
    }
    return KS_OK;
}

Test(frame, finds_every_frame_whatever_the_pieces)
{
    static const uint8_t data[] = "\0\0\0\5hello\0\0\0\5hello\0\0\0\5hello";
    size_t n_frames;

    for (size_t piece = 1; piece < sizeof(data); piece++) {
        ks_auto(frame_reader_deinit) struct frame_reader reader = FRAME_READER_INIT;

        cr_assert_eq(feed(&reader, data, sizeof(data) - 1, piece, "hello", &n_frames), KS_OK);
        cr_assert_eq(n_frames, 3, "pieces of %zu", piece);
        cr_assert_not(frame_partial(&reader));
        cr_assert_null(reader.body.data, "an idle reader holds no buffer");
    }
}

Test(frame, says_that_a_frame_has_begun_and_how_long_it_will_be)
{
    ks_auto(frame_reader_deinit) struct frame_reader reader = FRAME_READER_INIT;
    static const uint8_t data[] = {0, 0, 1, 0, 'x'};
    size_t n_frames;

    cr_assert_not(frame_partial(&reader));
    cr_assert_eq(feed(&reader, data, 2, 2, "", &n_frames), KS_OK);
    cr_assert(frame_partial(&reader));
    cr_assert_eq(frame_announced(&reader), 0);
    cr_assert_eq(feed(&reader, data + 2, 3, 3, "", &n_frames), KS_OK);
    cr_assert_eq(frame_announced(&reader), 256);
}

Test(frame, takes_the_largest_frame_and_refuses_one_byte_more)
{
    ks_auto(frame_reader_deinit) struct frame_reader reader = FRAME_READER_INIT;
    ks_auto(frame_reader_deinit) struct frame_reader other = FRAME_READER_INIT;
    uint8_t *data = calloc(1, FRAME_HEADER_LEN + FRAME_MAX_LEN);
    const uint8_t *at = data, *frame;
    size_t len = FRAME_HEADER_LEN + FRAME_MAX_LEN, frame_len;

    frame_header(data, FRAME_MAX_LEN);
    cr_assert_eq(frame_next(&reader, &at, &len, &frame, &frame_len), KS_OK);
    cr_assert_eq(frame_len, FRAME_MAX_LEN);
    frame_header(data, FRAME_MAX_LEN + 1);
    at = data;
    len = FRAME_HEADER_LEN;
    cr_assert_eq(frame_next(&other, &at, &len, &frame, &frame_len), KS_ERR_TOO_LARGE);
    free(data);
}

Test(frame, refuses_an_empty_frame)
{
    ks_auto(frame_reader_deinit) struct frame_reader reader = FRAME_READER_INIT;
    static const uint8_t data[4] = {0};
    size_t n_frames;

    cr_assert_eq(feed(&reader, data, sizeof(data), 1, "", &n_frames), KS_ERR_BAD_REQUEST);
}

Test(frame, grows_with_what_arrives_and_not_with_what_is_announced)
{
    ks_auto(frame_reader_deinit) struct frame_reader reader = FRAME_READER_INIT;
    static const uint8_t data[] = {0, 0x10, 0, 0, 'x', 'y'};
    size_t n_frames;

    cr_assert_eq(feed(&reader, data, sizeof(data), sizeof(data), "", &n_frames), KS_OK);
    cr_assert_eq(frame_announced(&reader), FRAME_MAX_LEN);
    cr_assert_lt(reader.body.cap, 4096);
}
