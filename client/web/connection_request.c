/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection_request - the one place that calls the handler, and the line of the log
 */
#include "base/clock.h"
#include "client/web/answer.h"
#include "client/web/connection_private.h"

#define REFUSED 400 /* and above: the statuses of requests that had no effect */

static void show_client(const struct connection *connection, struct web_request *request);
static void log_request(struct connection *connection, const struct web_request *request,
                        uint64_t begin_us);

void
connection_serve(struct connection *connection)
{
    const struct server_options *options = connection->loop->options;
    uint64_t begin_us = clock_mono_us();
    struct web_request request;

    answer_init(&request, reader_head(connection->reader), &connection->out);
    request.body = reader_body(connection->reader, &request.body_len);
    show_client(connection, &request);
    request.close = request.close || connection->last;
    options->handle(&request, connection->loop->state);
    if (request.code == 0)
        answer_status(&request, 500);
    connection->last = request.close;
    log_request(connection, &request, begin_us);
    answer_deinit(&request);
}

bool
connection_admit(struct connection *connection)
{
    const struct server_options *options = connection->loop->options;
    uint64_t begin_us = clock_mono_us();
    struct web_request request;
    bool admitted;

    if (!options->admit)
        return true;
    answer_init(&request, reader_head(connection->reader), &connection->out);
    show_client(connection, &request);
    request.close = true;
    options->admit(&request, connection->loop->state);
    admitted = request.code == 0;
    if (!admitted) {
        connection->last = true;
        log_request(connection, &request, begin_us);
    }
    answer_deinit(&request);
    return admitted;
}

void
connection_refuse(struct connection *connection)
{
    uint64_t begin_us = clock_mono_us();
    struct web_request request;

    answer_init(&request, reader_head(connection->reader), &connection->out);
    request.close = true;
    connection->last = true;
    answer_status(&request, reader_code(connection->reader));
    log_request(connection, &request, begin_us);
    answer_deinit(&request);
}

/* The client's certificate, if it showed one and it still holds. */
static void
show_client(const struct connection *connection, struct web_request *request)
{
    const struct server_options *options = connection->loop->options;
    const X509 *certificate = SSL_get_verify_result(connection->ssl) == X509_V_OK
                                  ? SSL_get0_peer_certificate(connection->ssl)
                                  : NULL;

    if (certificate && options->client)
        request->lapsed = options->client(connection->ssl, connection->loop->state);
    request->client = request->lapsed ? NULL : certificate;
}

/* What changed or showed something is logged, each time; a flood of what did not is cut short. */
static void
log_request(struct connection *connection, const struct web_request *request, uint64_t begin_us)
{
    const char *why = request->why;

    if (request->code >= REFUSED && !loop_may_log(connection->loop, connection->peer))
        return;
    log_info("event=request peer=%s method=\"%s\" path=\"%s\" body=%zu status=%d us=%llu%s%s%s",
             connection->peer, LOG_TEXT(request->head->method_text), LOG_TEXT(request->head->path),
             request->body_len, request->code, (unsigned long long)(clock_mono_us() - begin_us),
             why ? " why=\"" : "", why ? why : "", why ? "\"" : "");
}
