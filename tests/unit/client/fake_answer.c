/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_answer - the canned answers of the fake server
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fake_wire.h"
#include "proto/wire/frame.h"

void
fake_send(int fd, const Keysvc__V1__Response *response, bool in_bytes)
{
    size_t len = keysvc__v1__response__get_packed_size(response);
    uint8_t *frame = malloc(FRAME_HEADER_LEN + len);

    assert(frame);
    frame_header(frame, len);
    keysvc__v1__response__pack(response, frame + FRAME_HEADER_LEN);
    len += FRAME_HEADER_LEN;
    for (size_t i = 0; in_bytes && i < len; i++)
        (void)!send(fd, frame + i, 1, MSG_NOSIGNAL);
    if (!in_bytes)
        (void)!send(fd, frame, len, MSG_NOSIGNAL);
    free(frame);
}

static Keysvc__V1__Response
answer_to(const struct fake_request *request)
{
    Keysvc__V1__Response response = KEYSVC__V1__RESPONSE__INIT;

    response.id = request->id;
    response.result_case = (Keysvc__V1__Response__ResultCase)request->operation;
    return response;
}

static void
fill_key(Keysvc__V1__Key *key, const char *name, uint32_t version)
{
    static uint8_t sha256[32] = {1, 2, 3};
    static uint8_t public_key[91] = {0x30, 0x59};
    static uint32_t versions[2] = {1, 2};

    keysvc__v1__key__init(key);
    key->name = (char *)(uintptr_t)name;
    key->version = version;
    key->type = KEYSVC__V1__KEY_TYPE__EC_P256;
    key->purpose = KEYSVC__V1__PURPOSE__SIGN;
    key->token = (char *)(uintptr_t) "main";
    key->class_ = (char *)(uintptr_t) "web/**";
    key->public_key_sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    key->public_key = (ProtobufCBinaryData){sizeof(public_key), public_key};
    key->versions = versions;
    key->n_versions = 2;
}

void
fake_key(const struct fake_request *request, const char *name, uint32_t version)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__Key key;

    fill_key(&key, name, version);
    response.get = &key;
    fake_send(request->fd, &response, false);
}

void
fake_asked_key(const struct fake_request *request)
{
    uint32_t version = request->version + 1;

    if (request->operation == KEYSVC__V1__REQUEST__OPERATION_GET)
        version = request->version ? request->version : 2;
    fake_key(request, request->name, version);
}

static void
send_signature(const struct fake_request *request, const void *data, size_t len, bool in_bytes)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__SignReply reply = KEYSVC__V1__SIGN_REPLY__INIT;

    reply.signature = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
    reply.algorithm = KEYSVC__V1__ALGORITHM__ECDSA_SHA256;
    response.sign = &reply;
    fake_send(request->fd, &response, in_bytes);
}

void
fake_key_of(const struct fake_request *request, const char *token, const char *class_glob)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__Key key;

    fill_key(&key, "web/shop", 1);
    key.token = (char *)(uintptr_t)token;
    key.class_ = (char *)(uintptr_t)class_glob;
    response.get = &key;
    fake_send(request->fd, &response, false);
}

void
fake_key_on(const struct fake_request *request, const char *const *tokens, size_t n_tokens)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__Key key;

    fill_key(&key, "web/shop", 1);
    key.tokens = (char **)(uintptr_t)tokens;
    key.n_tokens = n_tokens;
    response.get = &key;
    fake_send(request->fd, &response, false);
}

void
fake_signature(const struct fake_request *request, const void *data, size_t len)
{
    send_signature(request, data, len, false);
}

void
fake_signature_in_bytes(const struct fake_request *request, const void *data, size_t len)
{
    send_signature(request, data, len, true);
}

void
fake_error(const struct fake_request *request, unsigned int code, bool retryable)
{
    fake_refusal(request, code, retryable, "");
}

void
fake_refusal(const struct fake_request *request, unsigned int code, bool retryable,
             const char *name)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__Error error = KEYSVC__V1__ERROR__INIT;

    error.code = code;
    error.message = (char *)(uintptr_t) "the test\nwants it";
    error.hint = (char *)(uintptr_t) "change the test";
    error.retryable = retryable;
    error.refused_name = (char *)(uintptr_t)name;
    response.result_case = KEYSVC__V1__RESPONSE__RESULT_ERROR;
    response.error = &error;
    fake_send(request->fd, &response, false);
}

void
fake_keys(const struct fake_request *request, const char *const *names, size_t n_names, bool more)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__ListReply reply = KEYSVC__V1__LIST_REPLY__INIT;
    Keysvc__V1__Key keys[8], *pointers[8];

    for (size_t i = 0; i < n_names; i++) {
        fill_key(&keys[i], names[i], 1);
        pointers[i] = &keys[i];
    }
    reply.keys = pointers;
    reply.n_keys = n_names;
    reply.more = more;
    response.list = &reply;
    fake_send(request->fd, &response, false);
}

void
fake_status(const struct fake_request *request)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__StatusReply reply = KEYSVC__V1__STATUS_REPLY__INIT;
    Keysvc__V1__Token token = KEYSVC__V1__TOKEN__INIT, *tokens[1] = {&token};
    Keysvc__V1__Group group = KEYSVC__V1__GROUP__INIT, *groups[1] = {&group};
    char *members[2] = {(char *)(uintptr_t) "main", (char *)(uintptr_t) "west"};

    token.name = (char *)(uintptr_t) "main";
    token.state = (char *)(uintptr_t) "login-blocked";
    token.text = (char *)(uintptr_t) "a login\033[31m\302\23332m failed";
    token.workers = 2;
    reply.version = (char *)(uintptr_t) "0.1.0";
    reply.generation = 3;
    reply.uid = 1000;
    reply.unit = (char *)(uintptr_t) "nginx.service";
    reply.administrator = true;
    reply.tokens = tokens;
    reply.n_tokens = 1;
    group.name = (char *)(uintptr_t) "both";
    group.tokens = members;
    group.n_tokens = 2;
    group.ready_tokens = 1;
    group.keys = 5;
    group.keys_everywhere = 4;
    group.keys_differing = 3;
    reply.groups = groups;
    reply.n_groups = 1;
    response.status = &reply;
    fake_send(request->fd, &response, false);
}

void
fake_csr(const struct fake_request *request)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__CsrReply reply = KEYSVC__V1__CSR_REPLY__INIT;
    static uint8_t der[3] = {0x30, 0x01, 0x00};

    reply.csr = (ProtobufCBinaryData){sizeof(der), der};
    response.csr = &reply;
    fake_send(request->fd, &response, false);
}

void
fake_explanation(const struct fake_request *request)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__ExplainReply reply = KEYSVC__V1__EXPLAIN_REPLY__INIT;
    char *reasons[2] = {(char *)(uintptr_t) "rule nginx: does not list operation csr",
                        (char *)(uintptr_t) "rule admins: not in group"};

    reply.class_ = (char *)(uintptr_t) "web/**";
    reply.missing = (char *)(uintptr_t) "allow x {\n  user = {me}\302\233 \033\n}";
    reply.reasons = reasons;
    reply.n_reasons = 2;
    response.explain = &reply;
    fake_send(request->fd, &response, false);
}

#define FAKE_MAX_CERTIFICATES 32

static void
fill_certificates(ProtobufCBinaryData out[static FAKE_MAX_CERTIFICATES], const size_t *lens,
                  size_t n_lens)
{
    static uint8_t der[80 * 1024];

    assert(n_lens <= FAKE_MAX_CERTIFICATES);
    for (size_t i = 0; i < n_lens; i++) {
        assert(lens[i] <= sizeof(der));
        out[i] = (ProtobufCBinaryData){lens[i], der};
    }
}

void
fake_imported(const struct fake_request *request, const char *alias, const size_t *lens,
              size_t n_lens)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__Imported imported = KEYSVC__V1__IMPORTED__INIT;
    ProtobufCBinaryData certificates[FAKE_MAX_CERTIFICATES];
    Keysvc__V1__Key key;

    fill_key(&key, "web/shop", 1);
    fill_certificates(certificates, lens, n_lens);
    imported.alias = (char *)(uintptr_t)alias;
    imported.certificates = certificates;
    imported.n_certificates = n_lens;
    key.imported = &imported;
    response.import = &key;
    fake_send(request->fd, &response, false);
}

void
fake_chain(const struct fake_request *request, const size_t *lens, size_t n_lens)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__Certificates reply = KEYSVC__V1__CERTIFICATES__INIT;
    ProtobufCBinaryData certificates[FAKE_MAX_CERTIFICATES];

    fill_certificates(certificates, lens, n_lens);
    reply.certificates = certificates;
    reply.n_certificates = n_lens;
    response.certificate_get = &reply;
    fake_send(request->fd, &response, false);
}

/* A text of that many bytes; lives as long as the process. */
static char *
text_of_len(size_t len)
{
    static char text[256];

    assert(len < sizeof(text));
    memset(text, 'x', len);
    text[len] = '\0';
    return text;
}

static Keysvc__V1__Mechanism **
some_mechanisms(size_t n, size_t name_len)
{
    static Keysvc__V1__Mechanism mechanisms[2000], *list[2000];

    assert(n <= sizeof(list) / sizeof(list[0]));
    for (size_t i = 0; i < n; i++) {
        keysvc__v1__mechanism__init(&mechanisms[i]);
        mechanisms[i].name =
            name_len > 0 ? text_of_len(name_len) : (char *)(uintptr_t) "CKM_RSA_PKCS";
        mechanisms[i].type = i;
        mechanisms[i].max_size = 4096;
        list[i] = &mechanisms[i];
    }
    return list;
}

void
fake_token_info(const struct fake_request *request, const struct fake_token *token)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__TokenInfo reply = KEYSVC__V1__TOKEN_INFO__INIT;
    char *unsupported[100];

    reply.label =
        token->label_len > 0 ? text_of_len(token->label_len) : (char *)(uintptr_t) "key\033svc";
    reply.manufacturer = (char *)(uintptr_t) "SoftHSM project";
    reply.model = (char *)(uintptr_t) "SoftHSM v2";
    reply.serial = (char *)(uintptr_t) "0123456789abcdef";
    reply.hardware_version = (char *)(uintptr_t) "2.6";
    reply.firmware_version = (char *)(uintptr_t) "255.255";
    reply.flags = 0x42d;
    reply.sessions = 3;
    reply.max_pin_len = 255;
    reply.free_public_memory = UINT64_MAX;
    reply.mechanisms = some_mechanisms(token->n_mechanisms, token->mechanism_len);
    reply.n_mechanisms = token->n_mechanisms;
    for (size_t i = 0; i < token->n_unsupported; i++)
        unsupported[i] =
            token->word_len > 0 ? text_of_len(token->word_len) : (char *)(uintptr_t) "import";
    reply.unsupported = unsupported;
    reply.n_unsupported = token->n_unsupported;
    response.token_info = &reply;
    fake_send(request->fd, &response, false);
}

/* One message, many times; to be freed. */
static void *
repeat(void *message, size_t n)
{
    void **list = calloc(n + 1, sizeof(*list));

    for (size_t i = 0; i < n; i++)
        list[i] = message;
    return list;
}

void
fake_metrics(const struct fake_request *request, const struct fake_metrics *metrics)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__Metrics reply = KEYSVC__V1__METRICS__INIT;
    Keysvc__V1__RequestCount count = KEYSVC__V1__REQUEST_COUNT__INIT;
    Keysvc__V1__RefusalCount refusal = KEYSVC__V1__REFUSAL_COUNT__INIT;
    Keysvc__V1__JobTimes times = KEYSVC__V1__JOB_TIMES__INIT;
    Keysvc__V1__TokenMetrics token = KEYSVC__V1__TOKEN_METRICS__INIT;
    Keysvc__V1__WorkerMetrics worker = KEYSVC__V1__WORKER_METRICS__INIT;
    Keysvc__V1__ChainMetrics chain = KEYSVC__V1__CHAIN_METRICS__INIT;
    char *name = metrics->name_len > 0 ? text_of_len(metrics->name_len) : NULL;
    uint64_t counts[128], bounds[128];
    size_t n = metrics->n_items;

    for (size_t i = 0; i < 128; i++) {
        counts[i] = i + 1;
        bounds[i] = metrics->descending ? 1000 - i : 100 * (i + 1);
    }
    count.operation = name ? name : (char *)(uintptr_t) "sign";
    count.outcome = (char *)(uintptr_t) "OK";
    count.count = 7;
    refusal.reason = (char *)(uintptr_t) "rule";
    refusal.count = 2;
    times.operation_class = (char *)(uintptr_t) "sign";
    times.queue_us = 1500000;
    times.execution_us = 2500;
    times.n_queue_counts = times.n_execution_counts = metrics->n_counts;
    times.queue_counts = times.execution_counts = counts;
    token.token = (char *)(uintptr_t) "ma\"in\\";
    token.state = (char *)(uintptr_t) "ready";
    token.workers = 2;
    token.ready_workers = 1;
    worker.token = token.token;
    worker.worker = 1;
    worker.restarts = 3;
    chain.chain = (char *)(uintptr_t) "main-1";
    chain.unsynced_ms = 250;
    reply.started_us = 1700000000250000;
    reply.generation = 4;
    reply.connections = 5;
    reply.n_bounds_us = metrics->n_bounds;
    reply.bounds_us = bounds;
    reply.n_requests = reply.n_refusals = reply.n_times = n;
    reply.n_tokens = reply.n_workers = reply.n_chains = n;
    reply.requests = repeat(&count, n);
    reply.refusals = repeat(&refusal, n);
    reply.times = repeat(&times, n);
    reply.tokens = repeat(&token, n);
    reply.workers = repeat(&worker, n);
    reply.chains = repeat(&chain, n);
    response.metrics = &reply;
    fake_send(request->fd, &response, false);
    free(reply.requests);
    free(reply.refusals);
    free(reply.times);
    free(reply.tokens);
    free(reply.workers);
    free(reply.chains);
}

void
fake_done(const struct fake_request *request)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__Done done = KEYSVC__V1__DONE__INIT;

    response.reload = &done;
    fake_send(request->fd, &response, false);
}

void
fake_raw(const struct fake_request *request, const void *data, size_t len)
{
    (void)!send(request->fd, data, len, MSG_NOSIGNAL);
}
