/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer - status line, headers and body, put together whole
 *
 * Nothing says which server this is, and nothing may be kept by a cache: answers are about keys.
 */
#include "client/web/answer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define FIELDS_MAX_LEN 4096u
#define HEAD_MAX_LEN (FIELDS_MAX_LEN + 512u)
#define TEXT_PLAIN "text/plain; charset=utf-8"

/* clang-format off */
static const struct { int code; const char *text; } STATUS[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};
/* clang-format on */

static const char *status_text(int code);
static bool one_line(const char *text);
static size_t write_head(const struct web_request *request, int code, const char *type, size_t len,
                         char out[static HEAD_MAX_LEN]);

void
answer_init(struct web_request *request, const struct head *head, struct wiped *out)
{
    *request = (struct web_request){
        .head = head, .body = "", .out = out, .fields = {.max = FIELDS_MAX_LEN}};
    request->close = head->close;
}

void
answer_deinit(struct web_request *request)
{
    wiped_deinit(&request->fields);
}

bool
answer_continue(struct wiped *out)
{
    static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";

    return wiped_append(out, CONTINUE, strlen(CONTINUE));
}

void
answer_status(struct web_request *request, int code)
{
    web_answer_text(request, code, "%s", status_text(code));
}

void
web_answer(struct web_request *request, int code)
{
    web_answer_bytes(request, code, NULL, "", 0);
}

void
web_answer_text(struct web_request *request, int code, const char *format, ...)
{
    ks_auto(freep) char *text = NULL;
    va_list args;
    int len;

    va_start(args, format);
    len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0) {
        text = NULL;
        web_answer(request, code);
        return;
    }
    text[len] = '\n'; /* in the place of the NUL: what is sent has a length */
    web_answer_bytes(request, code, TEXT_PLAIN, text, (size_t)len + 1);
}

void
web_answer_header(struct web_request *request, const char *name, const char *value)
{
    char line[FIELDS_MAX_LEN];
    int len = snprintf(line, sizeof(line), "%s: %s\r\n", name, value);

    /* One that cannot be sent whole is none: half of it would be another header. */
    if (len > 0 && (size_t)len < sizeof(line) && one_line(name) && one_line(value) &&
        !wiped_append(&request->fields, line, (size_t)len))
        return;
}

static bool
one_line(const char *text)
{
    for (; *text != '\0'; text++)
        if ((*text >= 0 && *text < ' ' && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

void
web_answer_bytes(struct web_request *request, int code, const char *type, const void *data,
                 size_t len)
{
    bool bodyless = request->head->method == WEB_HEAD || code == 204;
    char head[HEAD_MAX_LEN];
    size_t head_len;

    assert(request->code == 0);
    if (len > ANSWER_MAX_LEN) {
        code = 500;
        type = NULL;
        len = 0;
    }
    head_len = write_head(request, code, type, len, head);
    request->code = code;
    if (!wiped_append(request->out, head, head_len) ||
        (!bodyless && !wiped_append(request->out, data, len)))
        request->close = true; /* no memory: half an answer, whose end is the connection's */
}

static size_t
write_head(const struct web_request *request, int code, const char *type, size_t len,
           char out[static HEAD_MAX_LEN])
{
    time_t now = time(NULL);
    char date[64] = "";
    struct tm utc;
    int n;

    gmtime_r(&now, &utc);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    n = snprintf(out, HEAD_MAX_LEN, "HTTP/1.1 %d %s\r\nDate: %s\r\n", code, status_text(code),
                 date);
    if (type)
        n += snprintf(out + n, HEAD_MAX_LEN - (size_t)n, "Content-Type: %.100s\r\n", type);
    if (code != 204)
        n += snprintf(out + n, HEAD_MAX_LEN - (size_t)n, "Content-Length: %zu\r\n", len);
    n += snprintf(out + n, HEAD_MAX_LEN - (size_t)n,
                  "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s%.*s\r\n",
                  request->close ? "Connection: close\r\n" : "", (int)request->fields.len,
                  request->fields.len > 0 ? (const char *)request->fields.data : "");
    return (size_t)n;
}

static const char *
status_text(int code)
{
    for (size_t i = 0; i < ARRAY_LEN(STATUS); i++)
        if (STATUS[i].code == code)
            return STATUS[i].text;
    return "Other";
}
