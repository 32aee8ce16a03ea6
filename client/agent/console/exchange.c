/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange - the request as libcurl is told it, and the answer as people are
 */
#include "client/agent/console/exchange.h"

#include <stdio.h>

#include "build-config.h"

#define PATH_BASE "/api/v1/identity/agent/"
#define CONNECT_TIMEOUT_MS 10000L
#define JSON_DEPTH_FLAGS JSON_REJECT_DUPLICATES

enum {
    HTTP_OK = 200,
    HTTP_REDIRECT = 300,
    HTTP_ERROR = 400,
    HTTP_UNAUTHORIZED = 401,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_TOO_LARGE = 413,
    HTTP_UNAVAILABLE = 503,
    HTTP_TIMEOUT = 504,
};

/* --- asking --- */

static size_t
take_body(char *data, size_t size, size_t n, void *state)
{
    struct exchange *exchange = state;

    buf_append(&exchange->received, data, size * n);
    exchange->too_large = exchange->received.failed;
    return exchange->too_large ? 0 : size * n;
}

static size_t
take_header(char *data, size_t size, size_t n, void *state)
{
    struct exchange *exchange = state;

    (void)data;
    exchange->headers_len += size * n;
    exchange->too_large = exchange->headers_len > EXCHANGE_MAX_HEADERS;
    return exchange->too_large ? 0 : size * n;
}

static bool
add_header(struct exchange *exchange, const char *header)
{
    struct curl_slist *longer = curl_slist_append(exchange->headers, header);

    if (longer)
        exchange->headers = longer;
    return longer;
}

static bool
add_headers(struct exchange *exchange, const struct peer *peer)
{
    char authorization[PEER_TOKEN_MAX + sizeof("Authorization: Api-Token ")];
    bool added = add_header(exchange, "Accept: application/json") &&
                 add_header(exchange, "Content-Type: application/json") &&
                 add_header(exchange, "Expect:");

    if (added && peer->token) {
        snprintf(authorization, sizeof(authorization), "Authorization: Api-Token %s", peer->token);
        added = add_header(exchange, authorization);
        explicit_bzero(authorization, sizeof(authorization));
    }
    return added && curl_easy_setopt(exchange->curl, CURLOPT_HTTPHEADER, exchange->headers) == 0;
}

static bool
set_url(struct exchange *exchange, const struct peer *peer, const char *path)
{
    char address[PEER_ADDRESS_LEN], url[PEER_ADDRESS_LEN + 128];

    peer_address(peer, address, sizeof(address));
    snprintf(url, sizeof(url), "https://%s" PATH_BASE "%s", address, path ? path : "");
    return curl_easy_setopt(exchange->curl, CURLOPT_URL, url) == 0;
}

static bool
set_limits(CURL *curl, struct exchange *exchange, uint32_t timeout_ms)
{
    return curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == 0 &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == 0 &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == 0 &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == 0 &&
           curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == 0 &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == 0 &&
           curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L) == 0 &&
           curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L) == 0 &&
           curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L) == 0 &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == 0 &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == 0 &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "keysvc-agent/" KEYSVC_VERSION) == 0 &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, exchange->curl_error) == 0;
}

/* Whose certificate it is decides handshake.c alone: libcurl has no CA and checks no name. */
static bool
set_tls(CURL *curl, struct exchange *exchange)
{
    return curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == 0 &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L) == 0 &&
           curl_easy_setopt(curl, CURLOPT_CAINFO, NULL) == 0 &&
           curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == 0 &&
           curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, handshake_set_up) == 0 &&
           curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, &exchange->handshake) == 0;
}

static bool
set_request(CURL *curl, struct exchange *exchange, const struct peer *peer,
            const struct exchange_request *request)
{
    if (!request->method)
        return curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L) == 0;
    if (strcmp(request->method, "POST") == 0 &&
        (curl_easy_setopt(curl, CURLOPT_POST, 1L) != 0 ||
         curl_easy_setopt(curl, CURLOPT_POSTFIELDS, exchange->body ? exchange->body : "") != 0))
        return false;
    return curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == 0 &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange) == 0 &&
           curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header) == 0 &&
           curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange) == 0 && add_headers(exchange, peer);
}

ks_err
exchange_new(const struct peer *peer, struct exchange_request *request, uint32_t timeout_ms,
             struct exchange **out)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    bool made = exchange && (exchange->curl = curl_easy_init());

    if (made && request->body) {
        exchange->body = json_dumps(request->body, JSON_COMPACT);
        made = exchange->body;
    }
    json_decref(request->body);
    request->body = NULL;
    /* Nothing leaves without something that is trusted. */
    if (!made || (request->method && !request->trust)) {
        exchange_free(exchange);
        return KS_ERR_INTERNAL;
    }
    exchange->asked = request->method;
    exchange->changes = request->changes;
    exchange->received.max = EXCHANGE_MAX_LEN;
    exchange->handshake.trust = request->trust;
    exchange->handshake.certificate_file = peer->certificate_file;
    exchange->handshake.key_file = peer->key_file;
    if (!set_url(exchange, peer, request->path) ||
        !set_limits(exchange->curl, exchange, timeout_ms) || !set_tls(exchange->curl, exchange) ||
        !set_request(exchange->curl, exchange, peer, request)) {
        exchange_free(exchange);
        return KS_ERR_INTERNAL;
    }
    *out = exchange;
    return KS_OK;
}

struct exchange *
exchange_free(struct exchange *exchange)
{
    if (!exchange)
        return NULL;
    curl_easy_cleanup(exchange->curl);
    for (struct curl_slist *next = exchange->headers; next; next = next->next)
        explicit_bzero(next->data, strlen(next->data));
    curl_slist_free_all(exchange->headers);
    handshake_deinit(&exchange->handshake);
    outcome_deinit(&exchange->outcome);
    json_decref(exchange->answer);
    buf_deinit(&exchange->received);
    free(exchange->body);
    free(exchange);
    return NULL;
}

/* --- the answer --- */

static ks_err
code_by_name(const char *name)
{
    for (int code = KS_OK + 1; name && code < KS_ERR_COUNT; code++) {
        if (strcmp(err_info((ks_err)code)->name, name) == 0)
            return (ks_err)code;
    }
    return KS_OK;
}

static ks_err
code_by_status(long status)
{
    switch (status) {
    case HTTP_UNAUTHORIZED:
    case HTTP_FORBIDDEN:
        return KS_ERR_DENIED;
    case HTTP_NOT_FOUND:
        return KS_ERR_NOT_FOUND;
    case HTTP_TOO_LARGE:
        return KS_ERR_TOO_LARGE;
    case HTTP_UNAVAILABLE:
        return KS_ERR_TOKEN_UNAVAILABLE;
    case HTTP_TIMEOUT:
        return KS_ERR_DEADLINE;
    default:
        return KS_ERR_INTERNAL;
    }
}

/* The agent's own words, if they are the report.h's. */
static void
take_error(struct exchange *exchange, long status, const json_t *json)
{
    const json_t *error = json_object_get(json, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *hint = json_string_value(json_object_get(error, "hint"));
    json_t *checks = json_object_get(error, "checks");
    ks_err code = code_by_name(json_string_value(json_object_get(error, "code")));

    if (!code)
        code = code_by_status(status);
    if (message)
        outcome_fail(&exchange->outcome, code, "%s", message);
    else
        outcome_fail(&exchange->outcome, code, "the agent answered with HTTP code %ld", status);
    if (hint)
        outcome_hint(&exchange->outcome, "%s", hint);
    if (status == HTTP_UNAUTHORIZED || status == HTTP_FORBIDDEN)
        outcome_hint(&exchange->outcome,
                     "make a token on the agent's host: keysvc-agent token create; then remove "
                     "the agent here and add it with --token-file");
    if (json_is_array(checks))
        exchange->outcome.checks = json_incref(checks);
}

static void
take_answer(struct exchange *exchange)
{
    json_t *json = exchange->received.len == 0
                       ? NULL
                       : json_loadb((const char *)exchange->received.data, exchange->received.len,
                                    JSON_DEPTH_FLAGS, NULL);
    long status = 0;

    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= HTTP_ERROR) {
        take_error(exchange, status, json);
    } else if (status >= HTTP_REDIRECT || status < HTTP_OK) {
        outcome_fail(&exchange->outcome, KS_ERR_NO_SERVICE,
                     "it answered with HTTP code %ld, as no agent does", status);
    } else if (!json_is_object(json)) {
        outcome_fail(&exchange->outcome,
                     exchange->changes ? KS_ERR_OUTCOME_UNKNOWN : KS_ERR_NO_SERVICE,
                     "its answer is no JSON object");
    } else {
        exchange->answer = json_incref(json);
    }
    json_decref(json);
}

/* --- no answer --- */

static const char *
curl_says(const struct exchange *exchange, CURLcode code)
{
    return exchange->curl_error[0] ? exchange->curl_error : curl_easy_strerror(code);
}

/* The handshake came to its end: only then the other side has the key of what it shows, and a request. */
static bool
was_connected(const struct exchange *exchange)
{
    curl_off_t after_us = 0;

    return curl_easy_getinfo(exchange->curl, CURLINFO_APPCONNECT_TIME_T, &after_us) == CURLE_OK &&
           after_us > 0;
}

static void
explain_lost(struct exchange *exchange, CURLcode code)
{
    bool timed_out = code == CURLE_OPERATION_TIMEDOUT;

    if (exchange->changes && was_connected(exchange)) {
        outcome_fail(&exchange->outcome, KS_ERR_OUTCOME_UNKNOWN,
                     "the answer was lost, it may be done or not: %s", curl_says(exchange, code));
        outcome_hint(&exchange->outcome, "see keysvc-agent console status, then console retry");
        return;
    }
    outcome_fail(&exchange->outcome, timed_out ? KS_ERR_DEADLINE : KS_ERR_NO_SERVICE, "%s",
                 curl_says(exchange, code));
    if (!timed_out)
        outcome_hint(&exchange->outcome, "look at the agent's log");
}

static void
explain_failure(struct exchange *exchange, CURLcode code)
{
    const struct handshake *handshake = &exchange->handshake;

    if (handshake->own_failed[0]) {
        outcome_fail(&exchange->outcome, KS_ERR_USAGE, "%s", handshake->own_failed);
    } else if (!handshake->judged) {
        exchange->unreachable = true;
        outcome_fail(&exchange->outcome, KS_ERR_NO_SERVICE, "%s", curl_says(exchange, code));
        outcome_hint(&exchange->outcome, "is the agent running, and is its address right? see "
                                         "keysvc-agent console list");
    } else if (handshake->unreadable) {
        outcome_fail(&exchange->outcome, KS_ERR_UNTRUSTED,
                     "it shows a certificate that is damaged, or with an extension that cannot be "
                     "read");
        outcome_hint(&exchange->outcome, "look at it on its host: openssl x509 -text; certificate-"
                                         "apply-self-signed there makes one that can be read");
    } else if (handshake->trust && !handshake->verdict.trusted) {
        outcome_fail(&exchange->outcome, KS_ERR_UNTRUSTED, "%s", handshake->verdict.why);
        outcome_hint(&exchange->outcome, "%s", err_info(KS_ERR_UNTRUSTED)->hint);
    } else if (exchange->too_large) {
        outcome_fail(&exchange->outcome,
                     exchange->changes ? KS_ERR_OUTCOME_UNKNOWN : KS_ERR_TOO_LARGE,
                     "its answer has more than %u bytes", EXCHANGE_MAX_LEN);
    } else {
        explain_lost(exchange, code);
    }
}

void
exchange_end(struct exchange *exchange, CURLcode code)
{
    if (code != CURLE_OK) {
        explain_failure(exchange, code);
        /* It has shown somebody's certificate, without the key. */
        if (exchange->handshake.verdict.trusted && !was_connected(exchange))
            handshake_deinit(&exchange->handshake);
    } else if (exchange->asked) {
        take_answer(exchange);
    }
}
