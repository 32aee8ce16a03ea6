/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_frame - a stream cut into pieces gives the frames it gives whole
 *
 * The first byte says how long the pieces are.
 */
#include "base/util.h"
#include "proto/wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct outcome {
    ks_err err;
    size_t n_frames, n_bytes;
    uint32_t sum;
};

static struct outcome
read_pieces(const uint8_t *data, size_t len, size_t piece)
{
    ks_auto(frame_reader_deinit) struct frame_reader reader = FRAME_READER_INIT;
    struct outcome outcome = {0};

    while (len > 0) {
        const uint8_t *at = data, *frame;
        size_t left = len < piece ? len : piece, frame_len;

        data += left;
        len -= left;
        for (;;) {
            outcome.err = frame_next(&reader, &at, &left, &frame, &frame_len);
            if (outcome.err)
                return outcome;
            if (!frame)
                break;
            outcome.n_frames++;
            outcome.n_bytes += frame_len;
            for (size_t i = 0; i < frame_len; i++)
                outcome.sum = outcome.sum * 31 + frame[i];
        }
    }
    return outcome;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct outcome whole, pieces;

    if (len < 1)
        return 0;
    whole = read_pieces(data + 1, len - 1, len);
    pieces = read_pieces(data + 1, len - 1, (size_t)data[0] + 1);
    if (whole.err != pieces.err || whole.n_frames != pieces.n_frames ||
        whole.n_bytes != pieces.n_bytes || whole.sum != pieces.sum)
        abort();
    return 0;
}
