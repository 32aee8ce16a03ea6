/* SPDX-License-Identifier: Apache-2.0 */
/* Each operation that a token process does: who may, what the worker gets, what the caller hears. */
#include "harness.h"

#include <openssl/sha.h>

static const char *const KEYS[] = {"web/shop@1", "web/shop@2", NULL};

static struct harness h;
static struct channel *worker;
static uint8_t sha256[KS_SHA256_LEN];

static Keysvc__V1__CsrRequest csr = KEYSVC__V1__CSR_REQUEST__INIT;
static Keysvc__V1__SelfSignRequest self_sign = KEYSVC__V1__SELF_SIGN_REQUEST__INIT;
static Keysvc__V1__DestroyRequest destroy = KEYSVC__V1__DESTROY_REQUEST__INIT;
static Keysvc__V1__Certificates certificates = KEYSVC__V1__CERTIFICATES__INIT;
static Keysvc__V1__CertificatePutRequest put = KEYSVC__V1__CERTIFICATE_PUT_REQUEST__INIT;
static Keysvc__V1__CertificateGetRequest get = KEYSVC__V1__CERTIFICATE_GET_REQUEST__INIT;
static Keysvc__V1__CertificateDeleteRequest delete = KEYSVC__V1__CERTIFICATE_DELETE_REQUEST__INIT;
static Keysvc__V1__TokenInfoRequest token_info = KEYSVC__V1__TOKEN_INFO_REQUEST__INIT;
static ProtobufCBinaryData ders[2] = {{3, (uint8_t *)"own"}, {6, (uint8_t *)"issuer"}};

/* Requests about web/shop@2. */
static Keysvc__V1__Request
request_of(Keysvc__V1__Request__OperationCase operation)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    const ProtobufCBinaryData hash = {sizeof(sha256), sha256};

    SHA256((const uint8_t *)"web/shop@2", strlen("web/shop@2"), sha256);
    csr.name = destroy.name = put.name = get.name = delete.name = (char *)"web/shop";
    csr.version = destroy.version = put.version = get.version = delete.version = 2;
    csr.public_key_sha256 = destroy.public_key_sha256 = put.public_key_sha256 =
        get.public_key_sha256 = delete.public_key_sha256 = hash;
    csr.common_name = (char *)"shop.example";
    self_sign.request = &csr;
    certificates.n_certificates = 2;
    certificates.certificates = ders;
    put.chain = &certificates;
    token_info.token = (char *)"main";
    request.id = 5;
    request.operation_case = operation;
    switch (operation) {
    case KEYSVC__V1__REQUEST__OPERATION_SELF_SIGN:
        request.self_sign = &self_sign;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_DESTROY:
        request.destroy = &destroy;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_PUT:
        request.certificate_put = &put;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_GET:
        request.certificate_get = &get;
        break;
    case KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_DELETE:
        request.certificate_delete = &delete;
        break;
    default:
        request.token_info = &token_info;
    }
    return request;
}

static const struct row {
    Keysvc__V1__Request__OperationCase request;
    enum job_operation job;
    uint32_t rule;
    bool first_worker;
} ROWS[] = {
    {KEYSVC__V1__REQUEST__OPERATION_SELF_SIGN, JOB_SELF_SIGN, OPERATION_SELF_SIGN, false},
    {KEYSVC__V1__REQUEST__OPERATION_DESTROY, JOB_DESTROY, OPERATION_DESTROY, true},
    {KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_PUT, JOB_CERTIFICATE_PUT, OPERATION_CERTIFICATE,
     true},
    {KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_GET, JOB_CERTIFICATE_GET, OPERATION_GET, false},
    {KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_DELETE, JOB_CERTIFICATE_DELETE,
     OPERATION_CERTIFICATE, true},
    {KEYSVC__V1__REQUEST__OPERATION_TOKEN_INFO, JOB_TOKEN_INFO, OPERATION_ADMINISTER, false},
};

static void
setup(void)
{
    harness_prepare(&h);
}

TestSuite(operations, .init = setup, .timeout = 60);

/* How many keys there are is for administrators only. */
static void
wait_workers(uint32_t n)
{
    int fd = client_hello(&h);

    for (bool there = false; !there;) {
        Keysvc__V1__Response *response;

        client_send_status(fd, 1);
        response = client_receive(fd);
        cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_STATUS);
        there = response->status->tokens[0]->ready_workers == n;
        response_free(response);
        usleep(10000); /* status has a rate */
    }
    close(fd);
}

static void
begin(void)
{
    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, KEYS);
    wait_workers(1);
}

static void
end(int fd)
{
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

static void
answer(uint64_t id, const struct buf *data)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct job_reply reply = {.id = id, .data = data->data, .data_len = data->len};

    job_reply_pack(&body, &reply);
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_REPLY, &body, NULL, 0, HARNESS_WAIT_MS), KS_OK);
}

static void
pack_chain(struct buf *out, size_t n)
{
    struct job_chain chain = {
        .n_items = n, .items = {{(const uint8_t *)"own", 3}, {(const uint8_t *)"issuer", 6}}};

    job_chain_pack(out, &chain);
}

static void
take(enum job_operation operation, struct buf *storage, struct job *job)
{
    worker_take(worker, storage, job);
    cr_assert_eq(job->operation, operation);
    cr_assert_eq(job->n_fds, 0);
}

/* Asks until the worker's listing has come to its end. */
static void
until_known(int fd)
{
    ks_err err = KS_ERR_TOKEN_UNAVAILABLE;

    while (err == KS_ERR_TOKEN_UNAVAILABLE) {
        Keysvc__V1__Response *response;

        client_send_get(fd, 99, "web/nothing", 0);
        response = client_receive(fd);
        err = (ks_err)response->error->code;
        response_free(response);
    }
}

Test(operations, a_rule_must_list_exactly_what_is_asked_for)
{
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        for (int allowed = 0; allowed < 2; allowed++) {
            uint32_t all = OPERATION_ALL | OPERATION_ADMINISTER;
            Keysvc__V1__Request request = request_of(ROWS[i].request);
            ks_auto(buf_deinit) struct buf storage = BUF_INIT;
            struct job job;
            int fd;

            if (i > 0 || allowed > 0)
                harness_prepare(&h);
            h.config->rules[0].operations =
                allowed ? ROWS[i].rule | OPERATION_GET : all & ~ROWS[i].rule;
            begin();
            fd = client_hello(&h);
            if (h.config->rules[0].operations & OPERATION_GET)
                until_known(fd);
            client_send(fd, &request);
            if (allowed) {
                take(ROWS[i].job, &storage, &job);
                worker_answer(worker, job.id, KS_ERR_UNSUPPORTED, NULL);
                job_deinit(&job);
                client_expect(fd, 5, KS_ERR_UNSUPPORTED);
            } else {
                client_expect(fd, 5, KS_ERR_DENIED);
            }
            end(fd);
        }
    }
}

Test(operations, what_changes_goes_to_the_first_worker_and_its_end_may_be_unknown)
{
    struct channel *second;
    int fd;

    begin();
    second = harness_worker(&h, 2);
    fd = client_hello(&h);
    until_known(fd);
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        ks_auto(buf_deinit) struct buf storage = BUF_INIT;
        Keysvc__V1__Request request = request_of(ROWS[i].request);
        struct job job;

        if (!ROWS[i].first_worker)
            continue;
        client_send(fd, &request);
        take(ROWS[i].job, &storage, &job);
        job_deinit(&job);
        channel_free(worker);
        client_expect(fd, 5, KS_ERR_OUTCOME_UNKNOWN);
        /* The second worker does not do it. */
        client_send(fd, &request);
        client_expect(fd, 5, KS_ERR_TOKEN_UNAVAILABLE);
        worker = harness_worker(&h, 1);
        worker_list(worker, KEYS);
        wait_workers(2);
    }
    channel_free(second);
    end(fd);
}

Test(operations, a_self_signed_certificate_comes_back)
{
    Keysvc__V1__Request request = request_of(KEYSVC__V1__REQUEST__OPERATION_SELF_SIGN);
    ks_auto(buf_deinit) struct buf storage = BUF_INIT, chain = BUF_INIT;
    Keysvc__V1__Response *response;
    struct job job;
    int fd;

    begin();
    fd = client_hello(&h);
    until_known(fd);
    self_sign.days = 30;
    client_send(fd, &request);
    take(JOB_SELF_SIGN, &storage, &job);
    cr_assert_eq(job.days, 30);
    cr_assert_str_eq(job.csr.common_name, "shop.example");
    pack_chain(&chain, 1);
    answer(job.id, &chain);
    job_deinit(&job);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_SELF_SIGN);
    cr_assert_eq(response->self_sign->n_certificates, 1);
    cr_assert_eq(response->self_sign->certificates[0].len, 3);
    response_free(response);
    end(fd);
}

Test(operations, certificates_are_put_got_and_deleted)
{
    Keysvc__V1__Request request;
    ks_auto(buf_deinit) struct buf storage = BUF_INIT, chain = BUF_INIT, nothing = BUF_INIT;
    Keysvc__V1__Response *response;
    struct job job;
    int fd;

    begin();
    fd = client_hello(&h);
    until_known(fd);
    request = request_of(KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_PUT);
    client_send(fd, &request);
    take(JOB_CERTIFICATE_PUT, &storage, &job);
    cr_assert_eq(job.chain.n_items, 2);
    cr_assert_eq(job.chain.items[1].len, 6);
    cr_assert_eq(memcmp(job.chain.items[1].data, "issuer", 6), 0);
    answer(job.id, &nothing);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_CERTIFICATE_PUT);
    response_free(response);

    request = request_of(KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_GET);
    client_send(fd, &request);
    take(JOB_CERTIFICATE_GET, &storage, &job);
    pack_chain(&chain, 2);
    answer(job.id, &chain);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_CERTIFICATE_GET);
    cr_assert_eq(response->certificate_get->n_certificates, 2);
    cr_assert_eq(memcmp(response->certificate_get->certificates[1].data, "issuer", 6), 0);
    response_free(response);

    request = request_of(KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_DELETE);
    client_send(fd, &request);
    take(JOB_CERTIFICATE_DELETE, &storage, &job);
    answer(job.id, &nothing);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_CERTIFICATE_DELETE);
    response_free(response);

    /* Of another key than the one that stands there nothing is said. */
    request = request_of(KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_GET);
    sha256[0] ^= 1;
    client_send(fd, &request);
    client_expect(fd, 5, KS_ERR_KEY_CHANGED);
    end(fd);
}

Test(operations, a_destroyed_key_is_gone_when_the_answer_is_there)
{
    Keysvc__V1__Request request = request_of(KEYSVC__V1__REQUEST__OPERATION_DESTROY);
    ks_auto(buf_deinit) struct buf storage = BUF_INIT, nothing = BUF_INIT;
    struct job job;
    int fd;

    begin();
    fd = client_hello(&h);
    until_known(fd);
    client_send(fd, &request);
    take(JOB_DESTROY, &storage, &job);
    cr_assert_eq(job.version, 2);
    cr_assert_eq(memcmp(job.public_key_sha256, sha256, sizeof(sha256)), 0);
    worker_key(worker, "web/shop@2", JOB_KEY_GONE);
    answer(job.id, &nothing);
    client_expect(fd, 5, KS_OK);
    client_send_get(fd, 6, "web/shop", 2);
    client_expect(fd, 6, KS_ERR_NO_KEY);
    /* What is not listed may have left something behind: the token says. */
    client_send(fd, &request);
    take(JOB_DESTROY, &storage, &job);
    worker_answer(worker, job.id, KS_ERR_NO_KEY, NULL);
    client_expect(fd, 5, KS_ERR_NO_KEY);
    client_send_get(fd, 7, "web/shop", 0);
    client_expect(fd, 7, KS_OK);
    end(fd);
}

Test(operations, destroys_what_is_meant_and_what_is_doubled)
{
    static const uint8_t zeros[KS_SHA256_LEN];
    Keysvc__V1__Request request = request_of(KEYSVC__V1__REQUEST__OPERATION_DESTROY);
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;
    int fd;

    begin();
    fd = client_hello(&h);
    until_known(fd);
    sha256[0] ^= 1;
    client_send(fd, &request);
    client_expect(fd, 5, KS_ERR_KEY_CHANGED);
    /* No hash: whatever stands there. */
    destroy.public_key_sha256.len = 0;
    client_send(fd, &request);
    take(JOB_DESTROY, &storage, &job);
    cr_assert_eq(memcmp(job.public_key_sha256, zeros, sizeof(zeros)), 0);
    worker_answer(worker, job.id, KS_ERR_UNSUPPORTED, NULL);
    client_expect(fd, 5, KS_ERR_UNSUPPORTED);
    /* Of two keys with one label the worker looks for the one with this hash. */
    worker_key(worker, "web/shop@2", JOB_KEY_AMBIGUOUS);
    destroy.public_key_sha256.len = sizeof(sha256);
    client_send(fd, &request);
    take(JOB_DESTROY, &storage, &job);
    cr_assert_eq(memcmp(job.public_key_sha256, sha256, sizeof(sha256)), 0);
    worker_answer(worker, job.id, KS_ERR_KEY_CHANGED, NULL);
    client_expect(fd, 5, KS_ERR_KEY_CHANGED);
    end(fd);
}

Test(operations, a_key_that_a_token_did_not_list_is_its_own_to_destroy)
{
    static const char *const none[] = {NULL};
    Keysvc__V1__Request request = request_of(KEYSVC__V1__REQUEST__OPERATION_DESTROY);
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;
    int fd;

    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, none);
    harness_settled(&h, 0);
    fd = client_hello(&h);
    client_send(fd, &request);
    take(JOB_DESTROY, &storage, &job);
    worker_answer(worker, job.id, KS_ERR_NO_KEY, NULL);
    client_expect(fd, 5, KS_ERR_NO_KEY);
    end(fd);
}

Test(operations, tells_what_a_token_says_and_what_its_profile_lacks)
{
    Keysvc__V1__Request request = request_of(KEYSVC__V1__REQUEST__OPERATION_TOKEN_INFO);
    ks_auto(buf_deinit) struct buf storage = BUF_INIT, packed = BUF_INIT;
    struct job_mechanism mechanism = {.name = "CKM_ECDSA", .type = 0x1041, .max_size = 521};
    struct job_token_info info = {.label = "k\xff\x1b[31m\xc3\xbc",
                                  .sessions = JOB_NUMBER_UNKNOWN,
                                  .mechanisms = &mechanism,
                                  .n_mechanisms = 1};
    const Keysvc__V1__TokenInfo *told;
    Keysvc__V1__Response *response;
    struct job job;
    int fd;

    h.config->tokens[0].profile.lacks = CONFIG_LACKS_TYPE(KS_KEY_TYPE_ED25519) |
                                        CONFIG_LACKS_ALGORITHM(KS_ALGORITHM_ED25519) |
                                        CONFIG_LACKS_IMPORT;
    begin();
    fd = client_hello(&h);
    client_send(fd, &request);
    take(JOB_TOKEN_INFO, &storage, &job);
    job_token_info_pack(&packed, &info);
    answer(job.id, &packed);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_TOKEN_INFO);
    told = response->token_info;
    cr_assert_str_eq(told->label, "k??[31m\xc3\xbc",
                     "what a terminal or protobuf minds is replaced");
    cr_assert_eq(told->sessions, UINT64_MAX);
    cr_assert_eq(told->n_mechanisms, 1);
    cr_assert_str_eq(told->mechanisms[0]->name, "CKM_ECDSA");
    cr_assert_eq(told->mechanisms[0]->type, 0x1041);
    cr_assert_eq(told->mechanisms[0]->max_size, 521);
    cr_assert_eq(told->n_unsupported, 2, "a name once");
    cr_assert_str_eq(told->unsupported[0], "ed25519");
    cr_assert_str_eq(told->unsupported[1], "import");
    response_free(response);
    token_info.token = (char *)"other";
    client_send(fd, &request);
    client_expect(fd, 5, KS_ERR_BAD_REQUEST);
    end(fd);
}

/* As for every other nonsense: hung up on, reported, and its callers are answered. */
Test(operations, a_worker_that_answers_with_what_is_no_chain_is_hung_up_on)
{
    static const Keysvc__V1__Request__OperationCase wanted[] = {
        KEYSVC__V1__REQUEST__OPERATION_SELF_SIGN,
        KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_GET,
        KEYSVC__V1__REQUEST__OPERATION_TOKEN_INFO,
    };

    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        Keysvc__V1__Request request = request_of(wanted[i]);
        ks_auto(message_deinit) struct message message = MESSAGE_INIT;
        ks_auto(buf_deinit) struct buf storage = BUF_INIT;
        struct job job;
        int fd;

        if (i > 0)
            harness_prepare(&h);
        begin();
        fd = client_hello(&h);
        until_known(fd);
        client_send(fd, &request);
        worker_take(worker, &storage, &job);
        worker_answer(worker, job.id, KS_OK, "nonsense");
        job_deinit(&job);
        client_expect(fd, 5, KS_ERR_TOKEN_UNAVAILABLE);
        harness_expect(&h, CONTROL_WORKER_BAD, &message);
        end(fd);
    }
}
