/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_key - keys, between our structs and the wire's: from list to destroy, and signatures
 */
#include <assert.h>

#include "base/keyname.h"
#include "client/lib/convert_wire.h"
#include "client/lib/error.h"

static_assert((int)KS_KEY_TYPE_RSA_4096 == (int)KEYSVC__V1__KEY_TYPE__RSA_4096, "key types");
static_assert((int)KS_PURPOSE_AUDIT == (int)KEYSVC__V1__PURPOSE__AUDIT, "purposes");
static_assert((int)KS_HASH_SHA512 == (int)KEYSVC__V1__HASH__SHA512, "hashes");
static_assert((int)KS_ALGORITHM_ED25519 == (int)KEYSVC__V1__ALGORITHM__ALGORITHM_ED25519,
              "algorithms");
static_assert((int)KS_IMPORT_PKCS8 == (int)KEYSVC__V1__IMPORT_FORMAT__PKCS8, "formats");

ks_err
convert_pack_list(const struct request *request, pb_request *message, struct buf *out,
                  struct ks_error *error)
{
    Keysvc__V1__ListRequest list = KEYSVC__V1__LIST_REQUEST__INIT;

    list.glob = convert_text(request->list.glob);
    list.after_name = convert_text(request->list.after_name);
    list.after_version = request->list.after_version;
    message->list = &list;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_get(const struct request *request, pb_request *message, struct buf *out,
                 struct ks_error *error)
{
    Keysvc__V1__GetRequest get = KEYSVC__V1__GET_REQUEST__INIT;

    get.name = convert_text(request->get.name);
    get.version = request->get.version;
    message->get = &get;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_generate(const struct request *request, pb_request *message, struct buf *out,
                      struct ks_error *error)
{
    Keysvc__V1__GenerateRequest generate = KEYSVC__V1__GENERATE_REQUEST__INIT;

    generate.name = convert_text(request->generate.name);
    generate.type = (Keysvc__V1__KeyType)request->generate.type;
    message->generate = &generate;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_rotate(const struct request *request, pb_request *message, struct buf *out,
                    struct ks_error *error)
{
    Keysvc__V1__RotateRequest rotate = KEYSVC__V1__ROTATE_REQUEST__INIT;

    rotate.name = convert_text(request->rotate.name);
    rotate.from_version = request->rotate.from_version;
    message->rotate = &rotate;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_sign(const struct request *request, pb_request *message, struct buf *out,
                  struct ks_error *error)
{
    const struct ks_key *key = request->sign.key;
    Keysvc__V1__SignRequest sign = KEYSVC__V1__SIGN_REQUEST__INIT;

    sign.name = convert_text(key->name);
    sign.version = key->version;
    sign.public_key_sha256 = convert_bytes(key->public_key_sha256, sizeof(key->public_key_sha256));
    sign.algorithm = (Keysvc__V1__Algorithm)request->sign.algorithm;
    sign.prehashed = (Keysvc__V1__Hash)request->sign.prehashed;
    sign.data = convert_bytes(request->sign.data, request->sign.data_len);
    message->sign = &sign;
    return convert_frame(request, message, out, error);
}

/* The file and its password are in request->fds. */
ks_err
convert_pack_import(const struct request *request, pb_request *message, struct buf *out,
                    struct ks_error *error)
{
    const struct ks_import_request *wanted = request->import.request;
    Keysvc__V1__ImportRequest import = KEYSVC__V1__IMPORT_REQUEST__INIT;

    import.name = convert_text(request->import.name);
    import.from_version = wanted->from_version;
    import.format = (Keysvc__V1__ImportFormat)wanted->format;
    import.has_password = wanted->password != NULL;
    import.select = convert_text(wanted->select);
    import.certificates = wanted->certificates;
    message->import = &import;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_destroy(const struct request *request, pb_request *message, struct buf *out,
                     struct ks_error *error)
{
    static const uint8_t zeros[KS_SHA256_LEN];
    const struct ks_key *key = request->key;
    Keysvc__V1__DestroyRequest destroy = KEYSVC__V1__DESTROY_REQUEST__INIT;

    destroy.name = convert_text(key->name);
    destroy.version = key->version;
    if (memcmp(key->public_key_sha256, zeros, sizeof(zeros)) != 0)
        destroy.public_key_sha256 =
            convert_bytes(key->public_key_sha256, sizeof(key->public_key_sha256));
    message->destroy = &destroy;
    return convert_frame(request, message, out, error);
}

/* --- answers --- */

/* The newest ones, if there are more than fit. */
static void
copy_versions(const Keysvc__V1__Key *wire, struct ks_key *out)
{
    size_t skip =
        wire->n_versions > KS_KEY_MAX_VERSIONS ? wire->n_versions - KS_KEY_MAX_VERSIONS : 0;

    out->n_versions = wire->n_versions - skip;
    if (out->n_versions > 0)
        memcpy(out->versions, wire->versions + skip, out->n_versions * sizeof(out->versions[0]));
}

/* A token's name or a class's glob; neither has spaces, or what would move a terminal's cursor. */
static bool
copy_word(char *out, size_t cap, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f)
            return false;
    }
    return text_copy(out, cap, text);
}

static bool
copy_tokens(const Keysvc__V1__Key *wire, struct ks_key *out)
{
    for (size_t i = 0; i < wire->n_tokens && i < KS_KEY_MAX_TOKENS; i++) {
        if (!copy_word(out->tokens[out->n_tokens++], sizeof(out->tokens[0]), wire->tokens[i]))
            return false;
    }
    return true;
}

/* A key without a known public half has no digest; it is then shown, and never used. */
static ks_err
copy_key(const Keysvc__V1__Key *wire, struct ks_key *out, struct ks_error *error)
{
    size_t sha256_len = wire->public_key_sha256.len;

    memset(out, 0, sizeof(*out));
    if (!text_copy(out->name, sizeof(out->name), wire->name) ||
        !copy_word(out->token, sizeof(out->token), wire->token) ||
        !copy_word(out->class_glob, sizeof(out->class_glob), wire->class_) ||
        !copy_tokens(wire, out) || wire->public_key.len > sizeof(out->public_key) ||
        (sha256_len != KS_SHA256_LEN && sha256_len != 0))
        return convert_unexpected(error, "a key with parts that no key can have");
    /* Programs print it, and take it apart. */
    if (!keyname_valid(out->name) || wire->version == 0 || wire->version > KEYNAME_VERSION_MAX)
        return convert_unexpected(error, "a key with a name that no key can have");
    out->version = wire->version;
    out->type = (unsigned int)wire->type < KS_KEY_TYPE_COUNT ? (enum ks_key_type)wire->type
                                                             : KS_KEY_TYPE_ANY;
    out->purpose = (unsigned int)wire->purpose < KS_PURPOSE_COUNT ? (enum ks_purpose)wire->purpose
                                                                  : KS_PURPOSE_NONE;
    out->ambiguous = wire->ambiguous;
    out->public_key_len = wire->public_key.len;
    if (wire->public_key.len > 0)
        memcpy(out->public_key, wire->public_key.data, wire->public_key.len);
    if (sha256_len > 0)
        memcpy(out->public_key_sha256, wire->public_key_sha256.data, KS_SHA256_LEN);
    copy_versions(wire, out);
    return KS_OK;
}

/* Get, Generate, Rotate and Import share one place in the union and one type. */
ks_err
response_key(const struct response *response, const char *name, uint32_t version,
             struct ks_key *out, struct ks_error *error)
{
    ks_err err = copy_key(response->message->get, out, error);

    if (err)
        return err;
    if (strcmp(out->name, name) != 0 || (version != 0 && out->version != version))
        return convert_unexpected(error, "another key than the one that was asked for");
    return KS_OK;
}

ks_err
response_list(const struct response *response, struct ks_key **keys, size_t *n_keys, bool *more,
              struct ks_error *error)
{
    const Keysvc__V1__ListReply *wire = response->message->list;
    ks_auto(freep) struct ks_key *page = calloc(wire->n_keys + 1, sizeof(*page));
    ks_err err;

    if (!page)
        return error_set(error, KS_ERR_INTERNAL, "no memory for %zu keys", wire->n_keys);
    for (size_t i = 0; i < wire->n_keys; i++) {
        err = copy_key(wire->keys[i], &page[i], error);
        if (err)
            return err;
    }
    if (wire->more && wire->n_keys == 0)
        return convert_unexpected(error, "an empty page of a list that goes on");
    *n_keys = wire->n_keys;
    *more = wire->more;
    *keys = ks_steal(&page);
    return KS_OK;
}

ks_err
response_signature(const struct response *response, uint8_t out[KS_SIGNATURE_MAX_LEN],
                   size_t *out_len, enum ks_algorithm *used, struct ks_error *error)
{
    const Keysvc__V1__SignReply *wire = response->message->sign;

    if (wire->signature.len == 0 || wire->signature.len > KS_SIGNATURE_MAX_LEN)
        return convert_unexpected(error, "a signature of impossible length");
    memcpy(out, wire->signature.data, wire->signature.len);
    *out_len = wire->signature.len;
    if (used)
        *used = (unsigned int)wire->algorithm < KS_ALGORITHM_COUNT
                    ? (enum ks_algorithm)wire->algorithm
                    : KS_ALGORITHM_DEFAULT;
    return KS_OK;
}
