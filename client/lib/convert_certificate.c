/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_certificate - certificates and requests for them, between our structs and the wire's
 */
#include <assert.h>

#include "client/lib/convert_wire.h"
#include "client/lib/error.h"

static_assert((int)KS_NAME_URI == (int)KEYSVC__V1__ALTERNATIVE_NAME__KIND__URI, "names");

static ks_err pack_with_names(const struct request *request, Keysvc__V1__CsrRequest *csr,
                              pb_request *message, struct buf *out, struct ks_error *error);

static void
fill_csr(const struct request *request, Keysvc__V1__CsrRequest *csr)
{
    const struct ks_key *key = request->csr.key;
    const struct ks_csr_request *wanted = request->csr.request;

    csr->name = convert_text(key->name);
    csr->version = key->version;
    csr->public_key_sha256 = convert_bytes(key->public_key_sha256, sizeof(key->public_key_sha256));
    csr->algorithm = (Keysvc__V1__Algorithm)wanted->algorithm;
    csr->common_name = convert_text(wanted->common_name);
    csr->organization = convert_text(wanted->organization);
    csr->organization_unit = convert_text(wanted->organization_unit);
    csr->country = convert_text(wanted->country);
    csr->state = convert_text(wanted->state);
    csr->locality = convert_text(wanted->locality);
    csr->email = convert_text(wanted->email);
    csr->challenge_password = convert_text(wanted->challenge_password);
}

ks_err
convert_pack_csr(const struct request *request, pb_request *message, struct buf *out,
                 struct ks_error *error)
{
    Keysvc__V1__CsrRequest csr = KEYSVC__V1__CSR_REQUEST__INIT;

    fill_csr(request, &csr);
    message->csr = &csr;
    return pack_with_names(request, &csr, message, out, error);
}

ks_err
convert_pack_self_sign(const struct request *request, pb_request *message, struct buf *out,
                       struct ks_error *error)
{
    Keysvc__V1__SelfSignRequest self_sign = KEYSVC__V1__SELF_SIGN_REQUEST__INIT;
    Keysvc__V1__CsrRequest csr = KEYSVC__V1__CSR_REQUEST__INIT;

    fill_csr(request, &csr);
    self_sign.request = &csr;
    self_sign.days = request->csr.days;
    message->self_sign = &self_sign;
    return pack_with_names(request, &csr, message, out, error);
}

static ks_err
pack_with_names(const struct request *request, Keysvc__V1__CsrRequest *csr, pb_request *message,
                struct buf *out, struct ks_error *error)
{
    const struct ks_csr_request *wanted = request->csr.request;
    size_t n = wanted->n_alternative_names;
    ks_auto(freep) Keysvc__V1__AlternativeName *names = calloc(n + 1, sizeof(*names));
    ks_auto(freep) Keysvc__V1__AlternativeName **list =
        calloc(n + 1, sizeof(Keysvc__V1__AlternativeName *));

    if (!names || !list)
        return error_set(error, KS_ERR_INTERNAL, "no memory for %zu names", n);
    for (size_t i = 0; i < n; i++) {
        keysvc__v1__alternative_name__init(&names[i]);
        names[i].kind = (Keysvc__V1__AlternativeName__Kind)wanted->alternative_names[i].kind;
        names[i].value = convert_text(wanted->alternative_names[i].value);
        list[i] = &names[i];
    }
    csr->n_alternative_names = n;
    csr->alternative_names = list;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_certificate_put(const struct request *request, pb_request *message, struct buf *out,
                             struct ks_error *error)
{
    const struct ks_key *key = request->put.key;
    Keysvc__V1__CertificatePutRequest put = KEYSVC__V1__CERTIFICATE_PUT_REQUEST__INIT;
    Keysvc__V1__Certificates chain = KEYSVC__V1__CERTIFICATES__INIT;
    ProtobufCBinaryData certificates[KS_CHAIN_MAX];

    assert(request->put.n_certificates <= KS_CHAIN_MAX);
    for (size_t i = 0; i < request->put.n_certificates; i++)
        certificates[i] =
            convert_bytes(request->put.certificates[i].data, request->put.certificates[i].len);
    chain.certificates = certificates;
    chain.n_certificates = request->put.n_certificates;
    put.name = convert_text(key->name);
    put.version = key->version;
    put.public_key_sha256 = convert_bytes(key->public_key_sha256, sizeof(key->public_key_sha256));
    put.chain = &chain;
    message->certificate_put = &put;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_certificate_get(const struct request *request, pb_request *message, struct buf *out,
                             struct ks_error *error)
{
    const struct ks_key *key = request->key;
    Keysvc__V1__CertificateGetRequest get = KEYSVC__V1__CERTIFICATE_GET_REQUEST__INIT;

    get.name = convert_text(key->name);
    get.version = key->version;
    get.public_key_sha256 = convert_bytes(key->public_key_sha256, sizeof(key->public_key_sha256));
    message->certificate_get = &get;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_certificate_delete(const struct request *request, pb_request *message, struct buf *out,
                                struct ks_error *error)
{
    const struct ks_key *key = request->key;
    Keysvc__V1__CertificateDeleteRequest del = KEYSVC__V1__CERTIFICATE_DELETE_REQUEST__INIT;

    del.name = convert_text(key->name);
    del.version = key->version;
    del.public_key_sha256 = convert_bytes(key->public_key_sha256, sizeof(key->public_key_sha256));
    message->certificate_delete = &del;
    return convert_frame(request, message, out, error);
}

/* --- answers --- */

ks_err
response_csr(const struct response *response, uint8_t **der, size_t *der_len,
             struct ks_error *error)
{
    const ProtobufCBinaryData *wire = &response->message->csr->csr;
    uint8_t *copy;

    if (wire->len == 0)
        return convert_unexpected(error, "an empty signing request");
    copy = malloc(wire->len);
    if (!copy)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a signing request");
    memcpy(copy, wire->data, wire->len);
    *der = copy;
    *der_len = wire->len;
    return KS_OK;
}

static ks_err
copy_certificate(const ProtobufCBinaryData *wire, const struct ks_key *key, struct ks_blob *out,
                 struct ks_error *error)
{
    if (wire->len == 0 || wire->len > KS_CERTIFICATE_MAX_LEN)
        return convert_unexpected(error, "a certificate of %zu bytes for %s@%u", wire->len,
                                  key->name, key->version);
    out->data = malloc(wire->len);
    if (!out->data)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a certificate of %zu bytes",
                         wire->len);
    memcpy(out->data, wire->data, wire->len);
    out->len = wire->len;
    return KS_OK;
}

static void
chain_freep(struct ks_chain **chain)
{
    *chain = ks_chain_free(*chain);
}

/* Room for them too: *out is freed by the caller, what was copied before a failure with it. */
static ks_err
copy_certificates(const ProtobufCBinaryData *wire, size_t n, const struct ks_key *key,
                  struct ks_blob **out, size_t *n_out, struct ks_error *error)
{
    ks_err err = KS_OK;

    *out = calloc(n + 1, sizeof(**out));
    if (!*out)
        return error_set(error, KS_ERR_INTERNAL, "no memory for %zu certificates", n);
    *n_out = n;
    for (size_t i = 0; !err && i < n; i++)
        err = copy_certificate(&wire[i], key, &(*out)[i], error);
    return err;
}

/* Self-sign and Certificate get share one place in the union and one type. */
ks_err
response_chain(const struct response *response, const struct ks_key *key, size_t max,
               struct ks_chain **out, struct ks_error *error)
{
    const Keysvc__V1__Certificates *wire = response->message->certificate_get;
    size_t n = wire->n_certificates;
    ks_auto(chain_freep) struct ks_chain *chain = NULL;
    ks_err err;

    if (n == 0 || n > max)
        return convert_unexpected(error, "%zu certificates for %s@%u; 1 to %zu can be", n,
                                  key->name, key->version, max);
    chain = calloc(1, sizeof(*chain));
    if (!chain)
        return error_set(error, KS_ERR_INTERNAL, "no memory for %zu certificates", n);
    err = copy_certificates(wire->certificates, n, key, &chain->certificates,
                            &chain->n_certificates, error);
    if (!err)
        *out = ks_steal(&chain);
    return err;
}

static void
imported_freep(struct ks_imported **imported)
{
    *imported = ks_imported_free(*imported);
}

ks_err
response_imported(const struct response *response, const char *name, uint32_t version,
                  struct ks_imported **out, struct ks_error *error)
{
    const Keysvc__V1__Imported *wire = response->message->import->imported;
    ks_auto(imported_freep) struct ks_imported *imported = calloc(1, sizeof(*imported));
    size_t n = wire ? wire->n_certificates : 0;
    ks_err err;

    if (!imported)
        return error_set(error, KS_ERR_INTERNAL, "no memory for what was imported");
    err = response_key(response, name, version, &imported->key, error);
    if (!err && n > KS_CHAIN_MAX)
        err = convert_unexpected(error, "%zu certificates for %s@%u; at most %u can be", n,
                                 imported->key.name, imported->key.version, KS_CHAIN_MAX);
    if (err)
        return err;
    if (wire)
        convert_copy_text(imported->alias, sizeof(imported->alias), wire->alias);
    err = copy_certificates(wire ? wire->certificates : NULL, n, &imported->key,
                            &imported->certificates, &imported->n_certificates, error);
    if (!err)
        *out = ks_steal(&imported);
    return err;
}
