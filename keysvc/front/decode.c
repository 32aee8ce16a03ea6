/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode - the edge where protobuf ends: each operation's message
 */
#include "front/decode.h"

#include "front/decode_field.h"
#include "proto/keysvc.pb-c.h"

static ks_err unpack_frame(struct arena *arena, const uint8_t *frame, size_t len,
                           Keysvc__V1__Request **out, struct fault *why);
static ks_err decode_operation(const Keysvc__V1__Request *message, struct arena *arena,
                               struct request *out, struct fault *why);
static ks_err decode_hello(const Keysvc__V1__Hello *message, struct request *out,
                           struct fault *why);
static ks_err decode_list(const Keysvc__V1__ListRequest *message, struct request *out,
                          struct fault *why);
static ks_err decode_get(const Keysvc__V1__GetRequest *message, struct request *out,
                         struct fault *why);
static ks_err decode_generate(const Keysvc__V1__GenerateRequest *message, struct request *out,
                              struct fault *why);
static ks_err decode_rotate(const Keysvc__V1__RotateRequest *message, struct request *out,
                            struct fault *why);
static ks_err decode_sign(const Keysvc__V1__SignRequest *message, struct request *out,
                          struct fault *why);
static ks_err decode_csr(const Keysvc__V1__CsrRequest *message, struct arena *arena,
                         struct request *out, struct fault *why);
static ks_err decode_explain(const Keysvc__V1__ExplainRequest *message, struct request *out,
                             struct fault *why);
static ks_err decode_self_sign(const Keysvc__V1__SelfSignRequest *message, struct arena *arena,
                               struct request *out, struct fault *why);
static ks_err decode_import(const Keysvc__V1__ImportRequest *message, struct request *out,
                            struct fault *why);
static ks_err decode_destroy(const Keysvc__V1__DestroyRequest *message, struct request *out,
                             struct fault *why);
static ks_err decode_certificate_put(const Keysvc__V1__CertificatePutRequest *message,
                                     struct request *out, struct fault *why);
static ks_err decode_versioned(const char *name, uint32_t version,
                               const ProtobufCBinaryData *sha256, struct request *out,
                               struct fault *why);

ks_err
decode_request(struct arena *arena, const uint8_t *frame, size_t len, struct request *out,
               struct fault *why)
{
    Keysvc__V1__Request *message;
    ks_err err;

    memset(out, 0, sizeof(*out));
    err = unpack_frame(arena, frame, len, &message, why);
    if (err)
        return err;
    if (message->id == 0) {
        fault_set(why, "a request without an id");
        return KS_ERR_BAD_REQUEST;
    }
    out->id = message->id;
    err = decode_operation(message, arena, out, why);
    if (err)
        return err;
    if (message->deadline_ms > REQUEST_MAX_DEADLINE_MS) {
        fault_set(why, "deadline_ms is %u; at most %d is allowed", message->deadline_ms,
                  REQUEST_MAX_DEADLINE_MS);
        return KS_ERR_BAD_REQUEST;
    }
    out->deadline_ms = message->deadline_ms ? message->deadline_ms : REQUEST_DEADLINE_MS;
    return KS_OK;
}

static ks_err
unpack_frame(struct arena *arena, const uint8_t *frame, size_t len, Keysvc__V1__Request **out,
             struct fault *why)
{
    arena_start(arena, arena_budget(len));
    *out = keysvc__v1__request__unpack(arena_allocator(arena), len, frame);
    if (*out)
        return KS_OK;
    if (arena_exhausted(arena)) {
        fault_set(why, "a request that would need more memory than a request is given");
        return KS_ERR_TOO_LARGE;
    }
    fault_set(why, "a frame of %zu bytes that is not a Request of keysvc.proto", len);
    return KS_ERR_BAD_REQUEST;
}

/* A newer client may ask for what we do not know: the field's number is all there is to name it. */
static ks_err
decode_unknown(const Keysvc__V1__Request *message, struct fault *why)
{
    if (message->base.n_unknown_fields > 0)
        fault_set(why, "unknown operation: field %u of Request is not known to this keysvcd",
                  message->base.unknown_fields[0].tag);
    else
        fault_set(why, "a request without an operation");
    return KS_ERR_BAD_REQUEST;
}

static ks_err
decode_operation(const Keysvc__V1__Request *message, struct arena *arena, struct request *out,
                 struct fault *why)
{
    switch (message->operation_case) {
    case KEYSVC__V1__REQUEST__OPERATION_HELLO:
        out->operation = REQUEST_HELLO;
        return decode_hello(message->hello, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_STATUS:
        out->operation = REQUEST_STATUS;
        return KS_OK;
    case KEYSVC__V1__REQUEST__OPERATION_LIST:
        out->operation = REQUEST_LIST;
        return decode_list(message->list, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_GET:
        out->operation = REQUEST_GET;
        return decode_get(message->get, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_GENERATE:
        out->operation = REQUEST_GENERATE;
        return decode_generate(message->generate, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_ROTATE:
        out->operation = REQUEST_ROTATE;
        return decode_rotate(message->rotate, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_SIGN:
        out->operation = REQUEST_SIGN;
        return decode_sign(message->sign, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_CSR:
        out->operation = REQUEST_CSR;
        return decode_csr(message->csr, arena, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_EXPLAIN:
        out->operation = REQUEST_EXPLAIN;
        return decode_explain(message->explain, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_RELOAD:
        out->operation = REQUEST_RELOAD;
        return KS_OK;
    case KEYSVC__V1__REQUEST__OPERATION_RETRY_LOGIN:
        out->operation = REQUEST_RETRY_LOGIN;
        return field_token(message->retry_login->token, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_RESCAN:
        out->operation = REQUEST_RESCAN;
        return field_token(message->rescan->token, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_SELF_SIGN:
        out->operation = REQUEST_SELF_SIGN;
        return decode_self_sign(message->self_sign, arena, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_IMPORT:
        out->operation = REQUEST_IMPORT;
        return decode_import(message->import, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_DESTROY:
        out->operation = REQUEST_DESTROY;
        return decode_destroy(message->destroy, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_PUT:
        out->operation = REQUEST_CERTIFICATE_PUT;
        return decode_certificate_put(message->certificate_put, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_GET:
        out->operation = REQUEST_CERTIFICATE_GET;
        return decode_versioned(message->certificate_get->name, message->certificate_get->version,
                                &message->certificate_get->public_key_sha256, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_DELETE:
        out->operation = REQUEST_CERTIFICATE_DELETE;
        return decode_versioned(message->certificate_delete->name,
                                message->certificate_delete->version,
                                &message->certificate_delete->public_key_sha256, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_TOKEN_INFO:
        out->operation = REQUEST_TOKEN_INFO;
        return field_token(message->token_info->token, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_METRICS:
        out->operation = REQUEST_METRICS;
        return KS_OK;
    default:
        return decode_unknown(message, why);
    }
}

static ks_err
decode_hello(const Keysvc__V1__Hello *message, struct request *out, struct fault *why)
{
    ks_err err;

    err = field_text(message->program, out->hello.program, sizeof(out->hello.program), "program",
                     why);
    if (err)
        return err;
    if (message->n_features > REQUEST_MAX_FEATURES) {
        fault_set(why, "features: %zu; at most %d are allowed", message->n_features,
                  REQUEST_MAX_FEATURES);
        return KS_ERR_BAD_REQUEST;
    }
    out->hello.protocol_version = message->protocol_version;
    return KS_OK;
}

static ks_err
decode_list(const Keysvc__V1__ListRequest *message, struct request *out, struct fault *why)
{
    struct request_list *list = &out->list;
    ks_err err;

    err = field_check_text(message->glob, GLOB_MAX_LEN, "glob", why);
    if (!err && message->glob[0])
        err = glob_check(message->glob, why);
    if (!err)
        err = field_text(message->after_name, list->after_name, sizeof(list->after_name),
                         "after_name", why);
    if (err)
        return err;
    list->glob = message->glob;
    list->after_version = message->after_version;
    list->limit = message->limit == 0 || message->limit > REQUEST_MAX_KEYS ? REQUEST_MAX_KEYS
                                                                           : message->limit;
    return KS_OK;
}

static ks_err
decode_get(const Keysvc__V1__GetRequest *message, struct request *out, struct fault *why)
{
    ks_err err = field_name(message->name, out, why);

    return err ? err : field_version(message->version, true, "version", out, why);
}

static ks_err
decode_generate(const Keysvc__V1__GenerateRequest *message, struct request *out, struct fault *why)
{
    ks_err err = field_name(message->name, out, why);

    if (!err)
        err = field_enum((int)message->type, KS_KEY_TYPE_COUNT, "type", why);
    if (err)
        return err;
    out->type = (enum ks_key_type)message->type;
    return KS_OK;
}

static ks_err
decode_rotate(const Keysvc__V1__RotateRequest *message, struct request *out, struct fault *why)
{
    ks_err err = field_name(message->name, out, why);

    return err ? err : field_version(message->from_version, false, "from_version", out, why);
}

/* Which key is meant, by name, version and public half. */
static ks_err
decode_versioned(const char *name, uint32_t version, const ProtobufCBinaryData *sha256,
                 struct request *out, struct fault *why)
{
    ks_err err = field_name(name, out, why);

    if (!err)
        err = field_version(version, false, "version", out, why);
    return err ? err : field_sha256(sha256->data, sha256->len, out, why);
}

static ks_err
decode_sign(const Keysvc__V1__SignRequest *message, struct request *out, struct fault *why)
{
    struct job_sign *sign = &out->sign;
    ks_err err;

    err = decode_versioned(message->name, message->version, &message->public_key_sha256, out, why);
    if (!err)
        err = field_enum((int)message->algorithm, KS_ALGORITHM_COUNT, "algorithm", why);
    if (!err)
        err = field_enum((int)message->prehashed, KS_HASH_COUNT, "prehashed", why);
    if (err)
        return err;
    sign->algorithm = (enum ks_algorithm)message->algorithm;
    sign->prehashed = (enum ks_hash)message->prehashed;
    sign->data = message->data.data;
    sign->data_len = message->data.len;
    if (sign->prehashed && sign->data_len != ks_hash_len(sign->prehashed)) {
        fault_set(why, "data: %zu bytes are not a digest by %s, which has %zu", sign->data_len,
                  ks_hash_name(sign->prehashed), ks_hash_len(sign->prehashed));
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

static ks_err
decode_alternatives(const Keysvc__V1__CsrRequest *message, struct arena *arena, struct job_csr *csr,
                    struct fault *why)
{
    size_t n = message->n_alternative_names;
    ks_err err = KS_OK;

    if (n > JOB_MAX_ALTERNATIVES) {
        fault_set(why, "alternative_names: %zu; at most %d are allowed", n, JOB_MAX_ALTERNATIVES);
        return KS_ERR_TOO_LARGE;
    }
    csr->alternatives = arena_alloc(arena, n * sizeof(*csr->alternatives));
    if (!csr->alternatives) {
        fault_set(why, "alternative_names: no room for %zu names", n);
        return KS_ERR_TOO_LARGE;
    }
    for (size_t i = 0; i < n && !err; i++) {
        const Keysvc__V1__AlternativeName *name = message->alternative_names[i];

        if (name->kind == KEYSVC__V1__ALTERNATIVE_NAME__KIND__KIND_NONE) {
            fault_set(why, "alternative_names: one without a kind");
            return KS_ERR_BAD_REQUEST;
        }
        err = field_enum((int)name->kind, CERTNAME_URI + 1, "alternative_names: kind", why);
        if (!err)
            err = field_check_text(name->value, CERTNAME_MAX_LEN, "alternative_names", why);
        csr->alternatives[i].kind = (enum certname_kind)name->kind;
        csr->alternatives[i].value = name->value;
    }
    csr->n_alternatives = n;
    return err;
}

static ks_err
decode_csr(const Keysvc__V1__CsrRequest *message, struct arena *arena, struct request *out,
           struct fault *why)
{
    struct job_csr *csr = &out->csr;
    const struct {
        const char *field;
        const char *from;
        const char **to;
    } texts[] = {
        {"common_name", message->common_name, &csr->common_name},
        {"organization", message->organization, &csr->organization},
        {"organization_unit", message->organization_unit, &csr->organization_unit},
        {"country", message->country, &csr->country},
        {"state", message->state, &csr->state},
        {"locality", message->locality, &csr->locality},
        {"email", message->email, &csr->email},
        {"challenge_password", message->challenge_password, &csr->challenge_password},
    };
    ks_err err;

    err = decode_versioned(message->name, message->version, &message->public_key_sha256, out, why);
    if (!err)
        err = field_enum((int)message->algorithm, KS_ALGORITHM_COUNT, "algorithm", why);
    for (size_t i = 0; i < ARRAY_LEN(texts) && !err; i++) {
        err = field_check_text(texts[i].from, JOB_SUBJECT_MAX, texts[i].field, why);
        *texts[i].to = texts[i].from;
    }
    if (err)
        return err;
    csr->algorithm = (enum ks_algorithm)message->algorithm;
    return decode_alternatives(message, arena, csr, why);
}

static ks_err
decode_explain(const Keysvc__V1__ExplainRequest *message, struct request *out, struct fault *why)
{
    struct request_explain *explain = &out->explain;
    uint32_t operation;
    ks_err err;

    err = field_check_text(message->operation, CONFIG_TITLE_MAX, "operation", why);
    if (err)
        return err;
    operation = config_operation_from_name(message->operation);
    if (!config_operation_name(operation)) {
        fault_set(why, "operation: \"%s\" is not one operation of a rule", message->operation);
        return KS_ERR_BAD_REQUEST;
    }
    explain->operation = (enum config_operation)operation;
    /* The service itself is administered, not a key. */
    if (message->key[0] || operation != OPERATION_ADMINISTER)
        err = field_name(message->key, out, why);
    if (err)
        return err;
    explain->for_other = message->for_other;
    if (!explain->for_other)
        return KS_OK;
    if (message->n_gids > PEER_MAX_GIDS) {
        fault_set(why, "gids: %zu; at most %d are allowed", message->n_gids, PEER_MAX_GIDS);
        return KS_ERR_BAD_REQUEST;
    }
    explain->uid = message->uid;
    explain->gids = message->gids;
    explain->n_gids = message->n_gids;
    err = field_text(message->unit, explain->unit, sizeof(explain->unit), "unit", why);
    return err ? err : field_text(message->user, explain->user, sizeof(explain->user), "user", why);
}

static ks_err
decode_self_sign(const Keysvc__V1__SelfSignRequest *message, struct arena *arena,
                 struct request *out, struct fault *why)
{
    ks_err err;

    if (!message->request) {
        fault_set(why, "request: it is missing, so no key is named");
        return KS_ERR_BAD_REQUEST;
    }
    err = decode_csr(message->request, arena, out, why);
    if (err)
        return err;
    /* It is an attribute of PKCS#10; a certificate would show it to everybody. */
    if (out->csr.challenge_password[0]) {
        fault_set(why, "challenge_password: a certificate has none, a CSR only");
        return KS_ERR_BAD_REQUEST;
    }
    if (message->days > JOB_MAX_DAYS) {
        fault_set(why, "days: %u; at most %d are allowed", message->days, JOB_MAX_DAYS);
        return KS_ERR_BAD_REQUEST;
    }
    out->days = message->days ? message->days : REQUEST_DAYS;
    return KS_OK;
}

static ks_err
decode_import(const Keysvc__V1__ImportRequest *message, struct request *out, struct fault *why)
{
    struct job_import *import = &out->import;
    ks_err err = field_name(message->name, out, why);

    if (!err)
        err = field_version(message->from_version, true, "from_version", out, why);
    if (!err)
        err = field_enum((int)message->format, JOB_IMPORT_FORMAT_COUNT, "format", why);
    if (!err)
        err = field_check_text(message->select, JOB_MAX_SELECT, "select", why);
    if (err)
        return err;
    if (message->format == KEYSVC__V1__IMPORT_FORMAT__IMPORT_NONE) {
        fault_set(why, "format: it is missing");
        return KS_ERR_BAD_REQUEST;
    }
    import->format = (enum job_import_format)message->format;
    import->has_password = message->has_password;
    import->certificates = message->certificates;
    import->select = message->select;
    return KS_OK;
}

/* No hash: whatever stands there. In the job that is all zeros; a client that sends these has
 * forgotten to fill them in, and would lose a key that it did not mean. */
static ks_err
decode_destroy(const Keysvc__V1__DestroyRequest *message, struct request *out, struct fault *why)
{
    static const uint8_t zeros[KS_SHA256_LEN];
    ks_err err = field_name(message->name, out, why);

    if (!err)
        err = field_version(message->version, false, "version", out, why);
    if (err || message->public_key_sha256.len == 0)
        return err;
    err = field_sha256(message->public_key_sha256.data, message->public_key_sha256.len, out, why);
    if (!err && memcmp(out->public_key_sha256, zeros, sizeof(zeros)) == 0) {
        fault_set(why, "public_key_sha256: all zeros, which is no key's");
        return KS_ERR_BAD_REQUEST;
    }
    return err;
}

static ks_err
decode_certificate_put(const Keysvc__V1__CertificatePutRequest *message, struct request *out,
                       struct fault *why)
{
    const Keysvc__V1__Certificates *chain = message->chain;
    ks_err err;

    err = decode_versioned(message->name, message->version, &message->public_key_sha256, out, why);
    if (err)
        return err;
    if (!chain || chain->n_certificates == 0) {
        fault_set(why, "chain: no certificate; CertificateDeleteRequest removes what is there");
        return KS_ERR_BAD_REQUEST;
    }
    if (chain->n_certificates > JOB_MAX_CHAIN) {
        fault_set(why, "chain: %zu certificates; at most %d are allowed", chain->n_certificates,
                  JOB_MAX_CHAIN);
        return KS_ERR_TOO_LARGE;
    }
    for (size_t i = 0; i < chain->n_certificates; i++) {
        const ProtobufCBinaryData *certificate = &chain->certificates[i];

        if (certificate->len == 0) {
            fault_set(why, "chain: certificate %zu is empty", i + 1);
            return KS_ERR_BAD_REQUEST;
        }
        if (certificate->len > JOB_MAX_CERTIFICATE) {
            fault_set(why, "chain: certificate %zu has %zu bytes; at most %d are allowed", i + 1,
                      certificate->len, JOB_MAX_CERTIFICATE);
            return KS_ERR_TOO_LARGE;
        }
        out->chain.items[i] = (struct job_blob){certificate->data, certificate->len};
    }
    out->chain.n_items = chain->n_certificates;
    return KS_OK;
}
