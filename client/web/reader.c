/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader - head, body, whole: three phases over one buffer
 */
#include "client/web/reader.h"

enum phase {
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_WHOLE,
    PHASE_REFUSED,
};

struct reader {
    enum phase phase;
    size_t max_headers_len, max_body_len;
    struct wiped in;   /* not looked at yet, or the beginning of a head */
    struct wiped text; /* of the head, changed by parsing */
    struct head head;
    struct body body;
    size_t looked; /* bytes of `in` without the head's end */
    bool skipped;  /* an empty line before the head */
    bool told;     /* to continue */
    bool asked;    /* whether its body is wanted */
    int code;
};

static enum reader_result step_head(struct reader *reader);
static enum reader_result take_head(struct reader *reader);
static enum reader_result step_body(struct reader *reader);
static enum reader_result refuse(struct reader *reader, int code);
static void skip_empty_line(struct reader *reader);
static int too_long(const struct reader *reader);

struct reader *
reader_new(size_t max_headers_len, size_t max_body_len)
{
    struct reader *reader = calloc(1, sizeof(*reader));

    if (!reader)
        return NULL;
    reader->max_headers_len = max_headers_len;
    reader->max_body_len = max_body_len;
    reader->in.max = max_headers_len + READER_SPACE;
    reader->text.max = reader->in.max;
    reader->head = (struct head){.method = WEB_OTHER, .path = "", .query = ""};
    return reader;
}

struct reader *
reader_free(struct reader *reader)
{
    if (!reader)
        return NULL;
    wiped_deinit(&reader->in);
    wiped_deinit(&reader->text);
    body_deinit(&reader->body);
    free(reader);
    return NULL;
}

uint8_t *
reader_space(struct reader *reader)
{
    return wiped_reserve(&reader->in, READER_SPACE);
}

void
reader_filled(struct reader *reader, size_t len)
{
    reader->in.len += len;
}

enum reader_result
reader_step(struct reader *reader)
{
    switch (reader->phase) {
    case PHASE_HEAD:
        return step_head(reader);
    case PHASE_BODY:
        return step_body(reader);
    case PHASE_WHOLE:
        return READER_WHOLE;
    default:
        return READER_REFUSED;
    }
}

static enum reader_result
step_head(struct reader *reader)
{
    size_t max = reader->max_headers_len;
    size_t len;

    skip_empty_line(reader);
    len = reader->in.len < max ? reader->in.len : max;
    switch (head_find_end(reader->in.data, len, &reader->looked)) {
    case HEAD_WHOLE:
        return take_head(reader);
    case HEAD_MORE:
        return reader->in.len > max ? refuse(reader, too_long(reader)) : READER_MORE;
    default:
        return refuse(reader, 400);
    }
}

/* Old clients send one after a body; RFC 9112, 2.2. */
static void
skip_empty_line(struct reader *reader)
{
    if (!reader->skipped && reader->in.len >= 2 && memcmp(reader->in.data, "\r\n", 2) == 0) {
        reader->skipped = true;
        reader->looked = 0;
        wiped_consume(&reader->in, 2);
    }
}

/* Of the line, or of what follows it. */
static int
too_long(const struct reader *reader)
{
    return memchr(reader->in.data, '\n', reader->max_headers_len) ? 431 : 414;
}

static enum reader_result
take_head(struct reader *reader)
{
    int code;

    if (!wiped_append(&reader->text, reader->in.data, reader->looked))
        return refuse(reader, 500);
    wiped_consume(&reader->in, reader->looked);
    reader->looked = 0;
    code = head_parse((char *)reader->text.data, reader->text.len, &reader->head);
    if (code == 0)
        code = body_init(&reader->body, &reader->head, reader->max_body_len);
    if (code)
        return refuse(reader, code);
    reader->phase = PHASE_BODY;
    return step_body(reader);
}

static enum reader_result
step_body(struct reader *reader)
{
    size_t taken;
    int code = body_take(&reader->body, reader->in.data, reader->in.len, &taken);

    if (code)
        return refuse(reader, code);
    wiped_consume(&reader->in, taken);
    if (!body_whole(&reader->body))
        return READER_MORE;
    reader->phase = PHASE_WHOLE;
    return READER_WHOLE;
}

static enum reader_result
refuse(struct reader *reader, int code)
{
    reader->phase = PHASE_REFUSED;
    reader->code = code;
    return READER_REFUSED;
}

const struct head *
reader_head(const struct reader *reader)
{
    return &reader->head;
}

const void *
reader_body(const struct reader *reader, size_t *len)
{
    *len = reader->body.data.len;
    return *len > 0 ? (const void *)reader->body.data.data : "";
}

int
reader_code(const struct reader *reader)
{
    return reader->code;
}

bool
reader_continue(struct reader *reader)
{
    bool now = reader->phase == PHASE_BODY && reader->head.waits && !reader->told;

    reader->told = reader->told || now;
    return now;
}

bool
reader_asks(struct reader *reader)
{
    bool now = reader->phase == PHASE_BODY && !reader->asked;

    reader->asked = reader->asked || now;
    return now;
}

void
reader_refuse(struct reader *reader)
{
    reader->phase = PHASE_REFUSED;
}

bool
reader_begun(const struct reader *reader)
{
    return reader->phase != PHASE_HEAD || reader->in.len > 0;
}

void
reader_next(struct reader *reader)
{
    wiped_deinit(&reader->text);
    body_deinit(&reader->body);
    reader->body = (struct body){.state = BODY_WHOLE};
    reader->head = (struct head){.method = WEB_OTHER, .path = "", .query = ""};
    reader->phase = PHASE_HEAD;
    reader->skipped = false;
    reader->told = false;
    reader->asked = false;
}
