/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - one request of HTTP and its answer, without libevent's types
 *
 * Valid until the handler has returned. What it lends is borrowed.
 */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

enum web_method {
    WEB_GET = 1,
    WEB_POST,
    WEB_PUT,
    WEB_DELETE,
    WEB_HEAD,
    WEB_OTHER, /* OPTIONS, PATCH; any that HTTP does not know was answered with 501 before */
};

struct web_request;

enum web_method web_method(const struct web_request *request);
/* Decoded, without the query; never NULL. What cannot be decoded, holds a NUL, an encoded slash, `.`
 * or `..` was answered with 400 before. */
const char *web_path(const struct web_request *request);
/* A header's value; NULL: not there. A header that comes twice was answered with 400 before. */
const char *web_header(const struct web_request *request, const char *name);
const void *web_body(const struct web_request *request, size_t *len);
/* The client's verified certificate, borrowed; NULL: none. */
const X509 *web_client_certificate(const struct web_request *request);
/* Why a certificate that was good in the handshake is none now; a constant. NULL: it is not so. */
const char *web_client_lapsed(const struct web_request *request);

/* HEAD gets the headers alone. An answer without a body, with a text (text/plain; charset=utf-8; a line end is added), with any. */
void web_answer(struct web_request *request, int code);
void web_answer_text(struct web_request *request, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void web_answer_bytes(struct web_request *request, int code, const char *type, const void *data,
                      size_t len);
/* Before the answer. One that holds a line end is left out. */
void web_answer_header(struct web_request *request, const char *name, const char *value);

/* For the line of the log; a constant without quotes. */
void web_log_why(struct web_request *request, const char *why);
