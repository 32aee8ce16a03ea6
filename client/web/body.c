/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body - one step for each byte of a chunk's frame, one for a run of its data
 */
#include "client/web/body.h"

#define CHUNK_MAX_DIGITS 8u
#define WASTE_MAX_LEN 4096u /* nobody needs any */

static int take_run(struct body *body, const uint8_t *data, size_t len, size_t *taken);
static int take_byte(struct body *body, uint8_t byte);
static int take_digit(struct body *body, uint8_t byte);
static int begin_chunk(struct body *body);
static int expect_byte(struct body *body, uint8_t byte, uint8_t expected, enum body_state next);
static int waste_byte(struct body *body, uint8_t byte, enum body_state line_end);

int
body_init(struct body *body, const struct head *head, size_t max)
{
    *body = (struct body){.data = {.max = max}};
    if (head->chunked) {
        body->state = BODY_CHUNK_SIZE;
        return 0;
    }
    if (head->content_length > max)
        return 413;
    body->left = head->content_length;
    body->state = body->left > 0 ? BODY_LENGTH : BODY_WHOLE;
    return 0;
}

void
body_deinit(struct body *body)
{
    wiped_deinit(&body->data);
}

int
body_take(struct body *body, const uint8_t *data, size_t len, size_t *taken)
{
    size_t done = 0;
    int code = 0;

    while (code == 0 && done < len && body->state != BODY_WHOLE) {
        size_t n = 1;

        if (body->state == BODY_LENGTH || body->state == BODY_CHUNK)
            code = take_run(body, data + done, len - done, &n);
        else
            code = take_byte(body, data[done]);
        done += n;
    }
    *taken = done;
    return code;
}

static int
take_run(struct body *body, const uint8_t *data, size_t len, size_t *taken)
{
    size_t n = body->left < len ? (size_t)body->left : len;

    *taken = n;
    if (!wiped_append(&body->data, data, n))
        return 500; /* its length was compared with the limit before */
    body->left -= n;
    if (body->left == 0)
        body->state = body->state == BODY_LENGTH ? BODY_WHOLE : BODY_CHUNK_CR;
    return 0;
}

static int
take_byte(struct body *body, uint8_t byte)
{
    switch (body->state) {
    case BODY_CHUNK_SIZE:
        return take_digit(body, byte);
    case BODY_CHUNK_EXTENSION:
        return waste_byte(body, byte, BODY_CHUNK_SIZE_END);
    case BODY_CHUNK_SIZE_END:
        return byte == '\n' ? begin_chunk(body) : 400;
    case BODY_CHUNK_CR:
        return expect_byte(body, byte, '\r', BODY_CHUNK_LF);
    case BODY_CHUNK_LF:
        body->n_digits = 0;
        return expect_byte(body, byte, '\n', BODY_CHUNK_SIZE);
    case BODY_TRAILER:
        body->state = BODY_TRAILER_LINE;
        return waste_byte(body, byte, BODY_END_LF);
    case BODY_TRAILER_LINE:
        return waste_byte(body, byte, BODY_TRAILER_LF);
    case BODY_TRAILER_LF:
        return expect_byte(body, byte, '\n', BODY_TRAILER);
    case BODY_END_LF:
        return expect_byte(body, byte, '\n', BODY_WHOLE);
    default:
        return 500;
    }
}

static int
take_digit(struct body *body, uint8_t byte)
{
    uint8_t lower = byte | 0x20;

    if (byte >= '0' && byte <= '9') {
        body->left = body->left << 4 | (uint64_t)(byte - '0');
    } else if (lower >= 'a' && lower <= 'f') {
        body->left = body->left << 4 | (uint64_t)(lower - 'a' + 10);
    } else {
        if (body->n_digits == 0 || (byte != '\r' && byte != ';'))
            return 400;
        body->state = byte == ';' ? BODY_CHUNK_EXTENSION : BODY_CHUNK_SIZE_END;
        return 0;
    }
    return ++body->n_digits > CHUNK_MAX_DIGITS ? 400 : 0;
}

static int
begin_chunk(struct body *body)
{
    if (body->left > body->data.max - body->data.len)
        return 413;
    body->state = body->left > 0 ? BODY_CHUNK : BODY_TRAILER;
    return 0;
}

static int
expect_byte(struct body *body, uint8_t byte, uint8_t expected, enum body_state next)
{
    body->state = next;
    return byte == expected ? 0 : 400;
}

/* A byte that nobody reads; CR leads to the line's end. */
static int
waste_byte(struct body *body, uint8_t byte, enum body_state line_end)
{
    if (byte == '\0' || byte == '\n')
        return 400;
    if (byte == '\r')
        body->state = line_end;
    return ++body->n_waste > WASTE_MAX_LEN ? 431 : 0;
}
