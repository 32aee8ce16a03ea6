/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange - one request to one agent and its answer, over a connection of its own
 *
 * A connection is used once, so that each request was preceded by a look at the certificate. No
 * proxy, no redirect, no cookie, nothing of the environment or of ~/.netrc; at most EXCHANGE_MAX_LEN
 * bytes of answer.
 *
 *   exchange_new() -> parallel.c drives its handle -> exchange_end() -> read it -> exchange_free()
 */
#pragma once

#include <curl/curl.h>

#include "base/buf.h"
#include "client/agent/console/fleet.h"
#include "client/agent/console/handshake.h"
#include "client/agent/console/outcome.h"

#define EXCHANGE_MAX_LEN (1024u * 1024u)
#define EXCHANGE_MAX_HEADERS (64u * 1024u)

struct exchange_request {
    const char *method; /* "GET", "POST"; NULL: only the handshake, nothing is sent */
    const char *path;   /* behind /api/v1/identity/agent/ */
    json_t *body;       /* taken; NULL: none */
    bool changes;       /* a lost answer leaves open whether it was done */
    /* Borrowed until the exchange is freed; NULL with method NULL only. */
    const struct trust *trust;
};

struct exchange {
    CURL *curl;
    struct handshake handshake;
    struct outcome outcome; /* after exchange_end(); OK: `answer` is there, if anything was asked */
    json_t *answer;         /* an object */
    bool unreachable;       /* it did not come to a handshake */
    /* Its own: */
    bool asked, changes, too_large;
    char *body;
    struct curl_slist *headers;
    size_t headers_len;
    struct buf received;
    char curl_error[CURL_ERROR_SIZE];
};

/* `timeout_ms` for all of it. INTERNAL: no memory. */
ks_err exchange_new(const struct peer *peer, struct exchange_request *request, uint32_t timeout_ms,
                    struct exchange **out) KS_MUST_CHECK;

/* When libcurl has finished with it. */
void exchange_end(struct exchange *exchange, CURLcode code);

/* Its handle must not be in a multi handle any more. Takes NULL, returns NULL. */
struct exchange *exchange_free(struct exchange *exchange);
