/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode - the edge where protobuf ends
 */
#include "front/decode.h"

#include "proto/keysvc.pb-c.h"

#define TOKEN_NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

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
static ks_err decode_token(const char *name, struct request *out, struct fault *why);
static ks_err decode_explain(const Keysvc__V1__ExplainRequest *message, struct request *out,
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
    if (message->deadline_ms > REQUEST_MAX_DEADLINE_MS) {
        fault_set(why, "deadline_ms is %u; at most %d is allowed", message->deadline_ms,
                  REQUEST_MAX_DEADLINE_MS);
        return KS_ERR_BAD_REQUEST;
    }
    out->deadline_ms = message->deadline_ms ? message->deadline_ms : REQUEST_DEADLINE_MS;
    return decode_operation(message, arena, out, why);
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
        return decode_token(message->retry_login->token, out, why);
    case KEYSVC__V1__REQUEST__OPERATION_RESCAN:
        out->operation = REQUEST_RESCAN;
        return decode_token(message->rescan->token, out, why);
    default:
        return decode_unknown(message, why);
    }
}

/* One character of UTF-8 (RFC 3629) at `text`: its bytes, or 0. A NUL ends the text, so that no
 * look goes past it. */
static size_t
utf8_len(const unsigned char *text)
{
    size_t len = 4;

    if (text[0] < 0x80)
        return 1;
    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    if (text[0] < 0xf0)
        len = text[0] < 0xe0 ? 2 : 3;
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return len;
}

/* C0, DEL, and C1 (U+0080 to U+009F), which terminals obey too. */
static bool
is_control(const unsigned char *text)
{
    return text[0] < 0x20 || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0);
}

/* The field `text` of at most `max` bytes: UTF-8 without control characters. protobuf-c ends a text
 * at its first NUL; only the arena knows how long it was on the wire. */
static ks_err
check_text(const char *text, size_t max, const char *field, struct fault *why)
{
    size_t len = strlen(text);

    if (text != protobuf_c_empty_string && arena_len(text) != len + 1) {
        fault_set(why, "%s: a NUL inside", field);
        return KS_ERR_BAD_REQUEST;
    }
    if (len > max) {
        fault_set(why, "%s: %zu bytes; at most %zu are allowed", field, len, max);
        return KS_ERR_BAD_REQUEST;
    }
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_len((const unsigned char *)text + i);
        if (n == 0 || is_control((const unsigned char *)text + i)) {
            fault_set(why, "%s: %s", field, n ? "a control character" : "not UTF-8");
            return KS_ERR_BAD_REQUEST;
        }
    }
    return KS_OK;
}

static ks_err
take_text(const char *text, char *out, size_t cap, const char *field, struct fault *why)
{
    ks_err err = check_text(text, cap - 1, field, why);

    if (err)
        return err;
    memcpy(out, text, strlen(text) + 1);
    return KS_OK;
}

static ks_err
decode_token(const char *name, struct request *out, struct fault *why)
{
    ks_err err = take_text(name, out->token, sizeof(out->token), "token", why);

    if (err)
        return err;
    if (out->token[0] == '\0') {
        fault_set(why, "token: a name is wanted");
        return KS_ERR_BAD_REQUEST;
    }
    /* It stands in log lines without quotes. */
    if (out->token[strspn(out->token, TOKEN_NAME_CHARS)] != '\0') {
        fault_set(why, "token: \"%s\" is not a token's name (letters, digits, `. _ -`)",
                  out->token);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

static ks_err
decode_name(const char *name, struct request *out, struct fault *why)
{
    ks_err err = take_text(name, out->name, sizeof(out->name), "name", why);

    if (err)
        return err;
    if (!keyname_valid(out->name)) {
        fault_set(
            why,
            "name: \"%s\" is not a key's name (letters, digits, `. _ - /`; no empty component)",
            out->name);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

static ks_err
decode_version(uint32_t version, bool zero_allowed, const char *field, struct request *out,
               struct fault *why)
{
    if ((version == 0 && !zero_allowed) || version > KEYNAME_VERSION_MAX) {
        fault_set(why, "%s: %u is not a key's version%s", field, version,
                  version == 0 ? "; ask for the newest one with a GetRequest first" : "");
        return KS_ERR_BAD_REQUEST;
    }
    out->version = version;
    return KS_OK;
}

static ks_err
decode_enum(int value, int count, const char *field, struct fault *why)
{
    if (value >= 0 && value < count)
        return KS_OK;
    fault_set(why, "%s: %d is not known to this keysvcd", field, value);
    return KS_ERR_BAD_REQUEST;
}

static ks_err
decode_hello(const Keysvc__V1__Hello *message, struct request *out, struct fault *why)
{
    ks_err err;

    err =
        take_text(message->program, out->hello.program, sizeof(out->hello.program), "program", why);
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

    err = check_text(message->glob, GLOB_MAX_LEN, "glob", why);
    if (!err && message->glob[0])
        err = glob_check(message->glob, why);
    if (!err)
        err = take_text(message->after_name, list->after_name, sizeof(list->after_name),
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
    ks_err err = decode_name(message->name, out, why);

    return err ? err : decode_version(message->version, true, "version", out, why);
}

static ks_err
decode_generate(const Keysvc__V1__GenerateRequest *message, struct request *out, struct fault *why)
{
    ks_err err = decode_name(message->name, out, why);

    if (!err)
        err = decode_enum((int)message->type, KS_KEY_TYPE_COUNT, "type", why);
    if (err)
        return err;
    out->type = (enum ks_key_type)message->type;
    return KS_OK;
}

static ks_err
decode_rotate(const Keysvc__V1__RotateRequest *message, struct request *out, struct fault *why)
{
    ks_err err = decode_name(message->name, out, why);

    return err ? err : decode_version(message->from_version, false, "from_version", out, why);
}

/* What SIGN and CSR share: which key, by name, version and public half. */
static ks_err
decode_versioned(const char *name, uint32_t version, const ProtobufCBinaryData *sha256,
                 struct request *out, struct fault *why)
{
    ks_err err = decode_name(name, out, why);

    if (!err)
        err = decode_version(version, false, "version", out, why);
    if (err)
        return err;
    if (sha256->len != KS_SHA256_LEN) {
        fault_set(why, "public_key_sha256: %zu bytes instead of %d", sha256->len, KS_SHA256_LEN);
        return KS_ERR_BAD_REQUEST;
    }
    memcpy(out->public_key_sha256, sha256->data, KS_SHA256_LEN);
    return KS_OK;
}

static ks_err
decode_sign(const Keysvc__V1__SignRequest *message, struct request *out, struct fault *why)
{
    struct job_sign *sign = &out->sign;
    ks_err err;

    err = decode_versioned(message->name, message->version, &message->public_key_sha256, out, why);
    if (!err)
        err = decode_enum((int)message->algorithm, KS_ALGORITHM_COUNT, "algorithm", why);
    if (!err)
        err = decode_enum((int)message->prehashed, KS_HASH_COUNT, "prehashed", why);
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
        err = decode_enum((int)name->kind, CERTNAME_URI + 1, "alternative_names: kind", why);
        if (!err)
            err = check_text(name->value, CERTNAME_MAX_LEN, "alternative_names", why);
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
    };
    ks_err err;

    err = decode_versioned(message->name, message->version, &message->public_key_sha256, out, why);
    if (!err)
        err = decode_enum((int)message->algorithm, KS_ALGORITHM_COUNT, "algorithm", why);
    for (size_t i = 0; i < ARRAY_LEN(texts) && !err; i++) {
        err = check_text(texts[i].from, JOB_SUBJECT_MAX, texts[i].field, why);
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

    err = check_text(message->operation, CONFIG_TITLE_MAX, "operation", why);
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
        err = decode_name(message->key, out, why);
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
    err = take_text(message->unit, explain->unit, sizeof(explain->unit), "unit", why);
    return err ? err : take_text(message->user, explain->user, sizeof(explain->user), "user", why);
}
