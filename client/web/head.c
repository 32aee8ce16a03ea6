/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head - splitting a head into line, fields and framing
 */
#include "client/web/head.h"

#include <stdio.h>
#include <strings.h>

#include "client/web/path.h"

#define LENGTH_MAX_DIGITS 18u /* fits into 64 bits */

/* clang-format off */
static const struct { const char *name; enum web_method method; } METHOD[] = {
    {"GET", WEB_GET},
    {"POST", WEB_POST},
    {"PUT", WEB_PUT},
    {"DELETE", WEB_DELETE},
    {"HEAD", WEB_HEAD},
    {"OPTIONS", WEB_OTHER},
    {"PATCH", WEB_OTHER},
};
/* clang-format on */

static int parse_line(char *line, struct head *out);
static int parse_method(const char *word, struct head *out);
static int parse_version(const char *word, struct head *out);
static int parse_field(char *line, struct head *out);
static int parse_framing(struct head *out);
static int parse_length(const char *text, uint64_t *length);
static bool is_token(const char *text);
static char *cut_line(char *text);
static bool lists(const char *value, const char *word);

enum head_found
head_find_end(const uint8_t *data, size_t len, size_t *looked)
{
    for (size_t i = *looked; i < len; i++) {
        bool after_cr = i > 0 && data[i - 1] == '\r';

        if (data[i] == '\0' || (data[i] == '\n') != after_cr)
            return HEAD_BAD;
        if (data[i] == '\n' && i >= 3 && data[i - 2] == '\n') {
            *looked = i + 1;
            return HEAD_WHOLE;
        }
    }
    *looked = len;
    return HEAD_MORE;
}

int
head_parse(char *text, size_t len, struct head *out)
{
    char *line = text;
    char *next;
    int code;

    *out = (struct head){.method = WEB_OTHER, .path = "", .query = ""};
    text[len - 2] = '\0'; /* of the empty line */
    next = cut_line(line);
    code = parse_line(line, out);
    while (code == 0 && *next != '\0') {
        line = next;
        next = cut_line(line);
        code = parse_field(line, out);
    }
    return code ? code : parse_framing(out);
}

/* Ends the line that begins here; where the next one begins. */
static char *
cut_line(char *text)
{
    char *end = strstr(text, "\r\n");

    if (!end)
        return text + strlen(text);
    *end = '\0';
    return end + 2;
}

/* "GET /path HTTP/1.1" */
static int
parse_line(char *line, struct head *out)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    int code;

    if (!version)
        return 400;
    *target++ = '\0';
    *version++ = '\0';
    if (!is_token(line))
        return 400;
    snprintf(out->method_text, sizeof(out->method_text), "%s", line);
    code = parse_version(version, out);
    if (code)
        return code;
    code = parse_method(line, out);
    if (code)
        return code;
    return path_parse(target, &out->path, &out->query) ? 0 : 400;
}

static int
parse_method(const char *word, struct head *out)
{
    for (size_t i = 0; i < ARRAY_LEN(METHOD); i++) {
        if (strcmp(word, METHOD[i].name) == 0) {
            out->method = METHOD[i].method;
            return 0;
        }
    }
    return 501;
}

static int
parse_version(const char *word, struct head *out)
{
    if (strcmp(word, "HTTP/1.1") == 0)
        return 0;
    if (strcmp(word, "HTTP/1.0") == 0) {
        out->old = true;
        return 0;
    }
    return strncmp(word, "HTTP/", strlen("HTTP/")) == 0 && !strchr(word, ' ') ? 505 : 400;
}

/* "Name: value"; a line that begins with a space would continue the one before, which is refused,
 * as is a space before the colon: neither is a token. */
static int
parse_field(char *line, struct head *out)
{
    char *colon = strchr(line, ':');
    char *value, *end;

    if (!colon)
        return 400;
    *colon = '\0';
    if (!is_token(line))
        return 400;
    value = colon + 1 + strspn(colon + 1, " \t");
    end = value + strlen(value);
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    for (const char *c = value; *c != '\0'; c++)
        if ((*c >= 0 && *c < ' ' && *c != '\t') || *c == 0x7f)
            return 400;
    if (head_get(out, line))
        return 400;
    if (out->n_fields == HEAD_MAX_FIELDS)
        return 431;
    out->fields[out->n_fields++] = (struct head_field){line, value};
    return 0;
}

/* Where the body ends, and whether another request may follow. */
static int
parse_framing(struct head *out)
{
    const char *length = head_get(out, "Content-Length");
    const char *encoding = head_get(out, "Transfer-Encoding");
    const char *connection = head_get(out, "Connection");
    const char *expect = head_get(out, "Expect");

    out->close = out->old || (connection && lists(connection, "close"));
    if (!out->old && !head_get(out, "Host"))
        return 400;
    if (encoding && (length || out->old))
        return 400;
    if (encoding && strcasecmp(encoding, "chunked") != 0)
        return 501;
    out->chunked = encoding != NULL;
    if (length && parse_length(length, &out->content_length))
        return 400;
    if (!expect || out->old)
        return 0;
    if (strcasecmp(expect, "100-continue") != 0)
        return 417;
    out->waits = true;
    return 0;
}

static int
parse_length(const char *text, uint64_t *length)
{
    size_t n = strspn(text, "0123456789");

    if (n == 0 || n > LENGTH_MAX_DIGITS || text[n] != '\0')
        return -1;
    *length = strtoull(text, NULL, 10);
    return 0;
}

static bool
is_token(const char *text)
{
    static const char TOKEN[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return text[0] != '\0' && text[strspn(text, TOKEN)] == '\0';
}

/* "keep-alive, Close" lists "close". */
static bool
lists(const char *value, const char *word)
{
    size_t len = strlen(word);

    while (*value != '\0') {
        size_t n;

        value += strspn(value, " \t,");
        n = strcspn(value, " \t,");
        if (n == len && strncasecmp(value, word, len) == 0)
            return true;
        value += n;
    }
    return false;
}

const char *
head_get(const struct head *head, const char *name)
{
    for (size_t i = 0; i < head->n_fields; i++)
        if (strcasecmp(head->fields[i].name, name) == 0)
            return head->fields[i].value;
    return NULL;
}
