/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_response - what the library makes of an answer, whatever a service that was taken over sends
 *
 * The first byte is the operation that was asked for. What is read stands within the public header's
 * bounds, and no text has in it what moves a terminal's cursor; what is refused says why.
 */
#include "base/keyname.h"
#include "client/lib/convert.h"
#include "client/lib/convert_wire.h"
#include "proto/wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
    if (!truth)
        abort();
}

static void
clean(const char *text, size_t cap)
{
    size_t len = strnlen(text, cap);

    require(len < cap);
    for (size_t i = 0; i < len; i++)
        require((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}
#define CLEAN(text) clean((text), sizeof(text))

static void
clean_lines(const char *text)
{
    require(text != NULL);
    for (; *text != '\0'; text++)
        require(((unsigned char)*text >= ' ' && *text != 0x7f) || *text == '\n');
}

static void
check_key(const struct ks_key *key)
{
    require(keyname_valid(key->name));
    CLEAN(key->token);
    CLEAN(key->class_glob);
    require((unsigned int)key->type < KS_KEY_TYPE_COUNT);
    require((unsigned int)key->purpose < KS_PURPOSE_COUNT);
    require(key->public_key_len <= sizeof(key->public_key));
    require(key->n_versions <= KS_KEY_MAX_VERSIONS);
}

static ks_err
read_status(const struct response *response, struct ks_error *error)
{
    struct ks_status *status;
    ks_err err = response_status(response, &status, error);

    if (err)
        return err;
    CLEAN(status->version);
    CLEAN(status->unit);
    for (size_t i = 0; i < status->n_tokens; i++) {
        CLEAN(status->tokens[i].name);
        CLEAN(status->tokens[i].state);
        CLEAN(status->tokens[i].text);
        CLEAN(status->tokens[i].profile);
        CLEAN(status->tokens[i].label);
        CLEAN(status->tokens[i].model);
        CLEAN(status->tokens[i].serial);
    }
    ks_status_free(status);
    return KS_OK;
}

/* So that each answer is the one that was asked for. */
static const char *
name_in(const struct response *response)
{
    return response->message->get->name;
}

static ks_err
read_key(const struct response *response, struct ks_error *error)
{
    struct ks_key key;
    ks_err err = response_key(response, name_in(response), 0, &key, error);

    if (!err)
        check_key(&key);
    return err;
}

static ks_err
read_imported(const struct response *response, struct ks_error *error)
{
    struct ks_imported *imported;
    ks_err err = response_imported(response, name_in(response), 0, &imported, error);

    if (err)
        return err;
    check_key(&imported->key);
    CLEAN(imported->alias);
    require(imported->n_certificates <= KS_CHAIN_MAX);
    for (size_t i = 0; i < imported->n_certificates; i++)
        require(imported->certificates[i].len > 0 &&
                imported->certificates[i].len <= KS_CERTIFICATE_MAX_LEN);
    ks_imported_free(imported);
    return KS_OK;
}

static ks_err
read_list(const struct response *response, struct ks_error *error)
{
    struct ks_key *keys;
    size_t n_keys;
    bool more;
    ks_err err = response_list(response, &keys, &n_keys, &more, error);

    if (err)
        return err;
    for (size_t i = 0; i < n_keys; i++)
        check_key(&keys[i]);
    require(!more || n_keys > 0);
    free(keys);
    return KS_OK;
}

static ks_err
read_signature(const struct response *response, struct ks_error *error)
{
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    enum ks_algorithm used;
    size_t len;
    ks_err err = response_signature(response, signature, &len, &used, error);

    if (!err)
        require(len > 0 && len <= sizeof(signature) && (unsigned int)used < KS_ALGORITHM_COUNT);
    return err;
}

static ks_err
read_csr(const struct response *response, struct ks_error *error)
{
    uint8_t *der;
    size_t len;
    ks_err err = response_csr(response, &der, &len, error);

    if (err)
        return err;
    require(len > 0 && len <= FRAME_MAX_LEN);
    free(der);
    return KS_OK;
}

static ks_err
read_chain(const struct response *response, size_t max, struct ks_error *error)
{
    static const struct ks_key key = {.name = "web/shop", .version = 1};
    struct ks_chain *chain;
    ks_err err = response_chain(response, &key, max, &chain, error);

    if (err)
        return err;
    require(chain->n_certificates > 0 && chain->n_certificates <= max);
    for (size_t i = 0; i < chain->n_certificates; i++)
        require(chain->certificates[i].len > 0 &&
                chain->certificates[i].len <= KS_CERTIFICATE_MAX_LEN);
    ks_chain_free(chain);
    return KS_OK;
}

static ks_err
read_explanation(const struct response *response, struct ks_error *error)
{
    struct ks_explanation *explanation;
    ks_err err = response_explanation(response, &explanation, error);

    if (err)
        return err;
    CLEAN(explanation->rule);
    CLEAN(explanation->class_glob);
    clean_lines(explanation->missing);
    for (size_t i = 0; i < explanation->n_reasons; i++)
        clean_lines(explanation->reasons[i]);
    ks_explanation_free(explanation);
    return KS_OK;
}

static ks_err
read_token_info(const struct response *response, struct ks_error *error)
{
    struct ks_token_info *info;
    ks_err err = response_token_info(response, &info, error);

    if (err)
        return err;
    CLEAN(info->label);
    CLEAN(info->manufacturer);
    CLEAN(info->model);
    CLEAN(info->serial);
    CLEAN(info->hardware_version);
    CLEAN(info->firmware_version);
    for (size_t i = 0; i < info->n_mechanisms; i++)
        CLEAN(info->mechanisms[i].name);
    for (size_t i = 0; i < info->n_unsupported; i++)
        clean(info->unsupported[i], 65);
    ks_token_info_free(info);
    return KS_OK;
}

static ks_err
read_answer(const struct response *response, enum operation operation, struct ks_error *error)
{
    switch (operation) {
    case OPERATION_HELLO:
        (void)response_protocol_version(response);
        return KS_OK;
    case OPERATION_STATUS:
        return read_status(response, error);
    case OPERATION_LIST:
        return read_list(response, error);
    case OPERATION_GET:
    case OPERATION_GENERATE:
    case OPERATION_ROTATE:
        return read_key(response, error);
    case OPERATION_IMPORT:
        return read_imported(response, error);
    case OPERATION_SIGN:
        return read_signature(response, error);
    case OPERATION_CSR:
        return read_csr(response, error);
    case OPERATION_SELF_SIGN:
        return read_chain(response, 1, error);
    case OPERATION_CERTIFICATE_GET:
        return read_chain(response, KS_CHAIN_MAX, error);
    case OPERATION_EXPLAIN:
        return read_explanation(response, error);
    case OPERATION_TOKEN_INFO:
        return read_token_info(response, error);
    default:
        return KS_OK;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ks_auto(response_freep) struct response *response = NULL;
    struct ks_error error = {.code = KS_OK};
    enum operation operation;
    ks_err err;

    if (size < 1 || size - 1 > FRAME_MAX_LEN)
        return 0;
    operation = OPERATION_HELLO + data[0] % (OPERATION_END - OPERATION_HELLO);
    err = convert_unpack(data + 1, size - 1, &response);
    if (err) {
        require(err == KS_ERR_BAD_REQUEST || err == KS_ERR_TOO_LARGE);
        return 0;
    }
    (void)response_id(response);
    err = response_check(response, operation, &error);
    if (!err) {
        err = read_answer(response, operation, &error);
        require(err == KS_OK || err == KS_ERR_INTERNAL);
    }
    require(err == error.code);
    if (err) {
        require(error.message[0] != '\0');
        CLEAN(error.message);
        CLEAN(error.hint);
        CLEAN(error.refused_name);
    }
    return 0;
}
