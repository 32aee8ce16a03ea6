/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - what handlers may ask of a request
 */
#include "client/web/request.h"

#include "client/web/answer.h"

enum web_method
web_method(const struct web_request *request)
{
    return request->head->method;
}

const char *
web_path(const struct web_request *request)
{
    return request->head->path;
}

const char *
web_header(const struct web_request *request, const char *name)
{
    return head_get(request->head, name);
}

const void *
web_body(const struct web_request *request, size_t *len)
{
    *len = request->body_len;
    return request->body;
}

const X509 *
web_client_certificate(const struct web_request *request)
{
    return request->client;
}

const char *
web_client_lapsed(const struct web_request *request)
{
    return request->lapsed;
}

void
web_log_why(struct web_request *request, const char *why)
{
    request->why = why;
}
