/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_http - what a client sends inside of its TLS connection
 *
 * The bytes are read twice, whole and cut into pieces, and must mean the same both times: the same
 * requests, or the same refusal. What is taken for a path has one spelling, and finds a route or
 * none; what was read is answered.
 */
#include <stdlib.h>

#include "client/web/answer.h"
#include "client/web/reader.h"
#include "client/web/route.h"

#define MAX_HEADERS 2048u
#define MAX_BODY 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* clang-format off */
static const struct route ROUTES[] = {
    {WEB_PUT, "/e/{environment}/api/v1/certificate/{name}", 0, NULL},
    {WEB_POST, "/e/{environment}/api/v1/certificate/{name}/activate", 0, NULL},
    {WEB_GET, "/e/{environment}/api/v1/certificate/list", 0, NULL},
};
/* clang-format on */

static void
expect(bool holds)
{
    if (!holds)
        abort();
}

static void
note(struct wiped *said, const void *data, size_t len)
{
    expect(wiped_append(said, &len, sizeof(len)) && wiped_append(said, data, len));
}

static void
note_text(struct wiped *said, const char *text)
{
    note(said, text, strlen(text));
}

static void
check_path(const char *path)
{
    struct route_match match;
    const struct route *found;
    bool other_method;

    expect(path[0] == '/' && !strstr(path, "/../") && !strstr(path, "/./"));
    found = route_find(ROUTES, ARRAY_LEN(ROUTES), WEB_PUT, path, &match, &other_method);
    expect(!found ||
           (match.n_words == 2 && match.words[0][0] != '\0' && !strchr(match.words[1], '/')));
}

static void
answer(const struct reader *reader, int code)
{
    struct wiped out = {.max = ANSWER_MAX_LEN};
    struct web_request request;

    answer_init(&request, reader_head(reader), &out);
    web_answer_header(&request, "X-Path", reader_head(reader)->path);
    if (code)
        answer_status(&request, code);
    else
        web_answer_text(&request, 200, "%s", reader_head(reader)->path);
    expect(out.len > 17 && memcmp(out.data, "HTTP/1.1 ", 9) == 0);
    answer_deinit(&request);
    wiped_deinit(&out);
}

static void
note_request(struct wiped *said, const struct reader *reader)
{
    const struct head *head = reader_head(reader);
    const void *body;
    size_t len;

    note_text(said, head->method_text);
    note_text(said, head->path);
    note_text(said, head->query);
    for (size_t i = 0; i < head->n_fields; i++) {
        expect(head_get(head, head->fields[i].name) == head->fields[i].value);
        note_text(said, head->fields[i].name);
        note_text(said, head->fields[i].value);
    }
    body = reader_body(reader, &len);
    expect(len <= MAX_BODY && !(head->chunked && head->content_length));
    note(said, body, len);
    check_path(head->path);
    answer(reader, 0);
}

static void
read_all(const uint8_t *data, size_t size, size_t piece, struct wiped *said)
{
    struct reader *reader = reader_new(MAX_HEADERS, MAX_BODY);
    enum reader_result result = READER_MORE;
    size_t done = 0;

    while (result != READER_REFUSED && (result == READER_WHOLE || done < size)) {
        size_t n = size - done < piece ? size - done : piece;

        if (result == READER_MORE) {
            memcpy(reader_space(reader), data + done, n);
            reader_filled(reader, n);
            done += n;
        }
        result = reader_step(reader);
        if (result != READER_WHOLE)
            continue;
        note_request(said, reader);
        reader_next(reader);
    }
    if (result == READER_REFUSED) {
        int code = reader_code(reader);

        expect(code >= 400 && code < 600);
        note(said, &code, sizeof(code));
    }
    reader_free(reader);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wiped whole = {.max = 1u << 28}, cut = {.max = 1u << 28};

    if (size == 0)
        return 0;
    read_all(data + 1, size - 1, READER_SPACE, &whole);
    read_all(data + 1, size - 1, 1u + data[0] % 64u, &cut);
    expect(whole.len == cut.len &&
           (whole.len == 0 || memcmp(whole.data, cut.data, whole.len) == 0));
    wiped_deinit(&whole);
    wiped_deinit(&cut);
    return 0;
}
