/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head - a request's first line and headers, read strictly
 *
 * Two readers of one request must not differ about where it ends: lines end with CR LF, no header
 * comes twice or is folded, a length is digits, Content-Length and Transfer-Encoding exclude each
 * other. What breaks that is answered and the connection closed.
 */
#pragma once

#include <stdint.h>

#include "base/util.h"
#include "client/web/request.h"

#define HEAD_MAX_FIELDS 64u
#define HEAD_METHOD_MAX 15u

struct head_field {
    const char *name;
    const char *value;
};

/* The texts are inside of the bytes it was read from. */
struct head {
    enum web_method method;
    char method_text[HEAD_METHOD_MAX + 1];
    const char *path; /* decoded */
    const char *query;
    struct head_field fields[HEAD_MAX_FIELDS];
    size_t n_fields;
    bool old;     /* HTTP/1.0: no chunks, one request for each connection */
    bool close;   /* it, or the client, wants no other request after this one */
    bool waits;   /* for "100 Continue" before it sends the body */
    bool chunked; /* else: */
    uint64_t content_length;
};

enum head_found {
    HEAD_MORE,
    HEAD_WHOLE,
    HEAD_BAD, /* a NUL, or CR and LF that do not come together */
};

/* Looks for the empty line, from byte *looked on, which it moves. HEAD_WHOLE: *looked is behind it. */
enum head_found head_find_end(const uint8_t *data, size_t len, size_t *looked);

/*
 * `text` is `len` bytes that head_find_end() found whole; it is changed. Returns 0 or the status to
 * answer with: 400, 417, 431, 501 (method, transfer encoding), 505. As much of `out` as was
 * understood is set.
 */
int head_parse(char *text, size_t len, struct head *out) KS_MUST_CHECK;

/* Without regard to upper and lower case. NULL: not there. */
const char *head_get(const struct head *head, const char *name);
