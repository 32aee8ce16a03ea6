/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module_rig - keys, certificates and answers of the fake service
 */
#include "module_rig.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "fake_wire.h"

#define PAGE 1000u

/* module.c exports it; the header only declares it. */
CK_FUNCTION_LIST *p11;

/* --- keys --- */

static void
make_key(struct rig_key *out, EVP_PKEY *key)
{
    unsigned char *at = out->der;

    assert(key);
    out->key = key;
    out->der_len = i2d_PUBKEY(key, &at);
    assert(out->der_len > 0);
    SHA256(out->der, (size_t)out->der_len, out->sha256);
}

static void
add_comment(X509 *x509, const char *comment)
{
    ASN1_OCTET_STRING *text = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension;

    ASN1_OCTET_STRING_set(text, (const unsigned char *)comment, (int)strlen(comment));
    extension = X509_EXTENSION_create_by_NID(NULL, NID_netscape_comment, 0, text);
    cr_assert(X509_add_ext(x509, extension, -1));
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(text);
}

int
rig_certificate(const char *subject, const char *issuer, EVP_PKEY *key, EVP_PKEY *signer,
                const char *comment, uint8_t **der)
{
    bool edwards = EVP_PKEY_is_a(signer, "ED25519");
    X509 *x509 = X509_new();
    X509_NAME *name;
    int len;

    ASN1_INTEGER_set(X509_get_serialNumber(x509), 4711);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
    name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)subject, -1, -1, 0);
    name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)issuer, -1, -1, 0);
    X509_set_issuer_name(x509, name);
    X509_NAME_free(name);
    X509_set_pubkey(x509, key);
    if (comment)
        add_comment(x509, comment);
    len = X509_sign(x509, signer, edwards ? NULL : EVP_sha256());
    assert(len > 0);
    *der = NULL;
    len = i2d_X509(x509, der);
    assert(len > 0);
    X509_free(x509);
    return len;
}

/* --- answers --- */

static Keysvc__V1__Response
answer_to(const struct fake_request *request)
{
    Keysvc__V1__Response response = KEYSVC__V1__RESPONSE__INIT;

    response.id = request->id;
    response.result_case = (Keysvc__V1__Response__ResultCase)request->operation;
    return response;
}

static void
fill_key(Keysvc__V1__Key *out, const struct rig_key *key, const char *name, bool whole)
{
    keysvc__v1__key__init(out);
    out->name = (char *)(uintptr_t)name;
    out->version = key->version;
    out->type = (Keysvc__V1__KeyType)key->type;
    out->purpose = (Keysvc__V1__Purpose)key->purpose;
    out->token = (char *)(uintptr_t) "main";
    out->public_key_sha256 = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)key->sha256};
    if (whole)
        out->public_key =
            (ProtobufCBinaryData){(size_t)key->der_len, (uint8_t *)(uintptr_t)key->der};
}

/* "many/..." are before the others in the order of names. */
static void
answer_list(struct rig *rig, const struct fake_request *request)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__ListReply reply = KEYSVC__V1__LIST_REPLY__INIT;
    Keysvc__V1__Key *keys = calloc(PAGE + RIG_KEYS, sizeof(keys[0]));
    Keysvc__V1__Key **pointers = calloc(PAGE + RIG_KEYS, sizeof(pointers[0]));
    char(*names)[16] = calloc(PAGE, sizeof(names[0]));
    unsigned int first = 0;

    assert(keys && pointers && names);
    if (sscanf(request->name, "many/%u", &first) == 1)
        first++;
    for (unsigned int i = first; i < rig->n_many && reply.n_keys < PAGE; i++) {
        snprintf(names[reply.n_keys], sizeof(names[0]), "many/%05u", i);
        fill_key(&keys[reply.n_keys], &rig->keys[2], names[reply.n_keys], false);
        reply.n_keys++;
        first = i + 1;
    }
    for (size_t i = 0; first >= rig->n_many && i < RIG_KEYS; i++) {
        if (!rig->keys[i].hidden)
            fill_key(&keys[reply.n_keys++], &rig->keys[i], rig->keys[i].name, false);
    }
    reply.more = first < rig->n_many;
    for (size_t i = 0; i < reply.n_keys; i++)
        pointers[i] = &keys[i];
    reply.keys = pointers;
    response.list = &reply;
    fake_send(request->fd, &response, false);
    free(names);
    free(pointers);
    free(keys);
}

static const struct rig_key *
key_of(const struct rig *rig, const struct fake_request *request)
{
    for (size_t i = RIG_KEYS; i > 0; i--) {
        const struct rig_key *key = &rig->keys[i - 1];

        if (strcmp(key->name, request->name) == 0 && !key->hidden &&
            (request->version == 0 || request->version == key->version))
            return key;
    }
    return strncmp(request->name, "many/", 5) == 0 ? &rig->keys[2] : NULL;
}

static void
answer_get(const struct rig *rig, const struct fake_request *request)
{
    Keysvc__V1__Response response = answer_to(request);
    const struct rig_key *key = key_of(rig, request);
    Keysvc__V1__Key wire;

    if (!key) {
        fake_error(request, KS_ERR_NO_KEY, false);
        return;
    }
    fill_key(&wire, key, request->name, true);
    response.get = &wire;
    fake_send(request->fd, &response, false);
}

static size_t
make_signature(const struct rig_key *key, const struct fake_request *request, uint8_t *out)
{
    bool edwards = key->type == KS_KEY_TYPE_ED25519;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *raw = EVP_PKEY_CTX_new(key->key, NULL);
    size_t len = KS_SIGNATURE_MAX_LEN;
    int done;

    if (request->prehashed == KS_HASH_NONE)
        done = EVP_DigestSignInit(context, NULL, edwards ? NULL : EVP_sha256(), NULL, key->key) &&
               EVP_DigestSign(context, out, &len, request->data, request->data_len);
    else
        done = EVP_PKEY_sign_init(raw) > 0 &&
               EVP_PKEY_CTX_set_signature_md(raw, request->data_len == 32 ? EVP_sha256()
                                                                          : EVP_sha512()) > 0 &&
               EVP_PKEY_sign(raw, out, &len, request->data, request->data_len) > 0;
    assert(done > 0);
    EVP_PKEY_CTX_free(raw);
    EVP_MD_CTX_free(context);
    return len;
}

static void
answer_sign(struct rig *rig, const struct fake_request *request)
{
    const struct rig_key *key = key_of(rig, request);
    uint8_t signature[KS_SIGNATURE_MAX_LEN];

    if (!key) {
        fake_error(request, KS_ERR_NO_KEY, false);
        return;
    }
    assert(request->data_len <= sizeof(rig->data));
    if (request->data_len > 0)
        memcpy(rig->data, request->data, request->data_len);
    rig->data_len = request->data_len;
    rig->prehashed = request->prehashed;
    if (rig->signature)
        fake_signature(request, rig->signature, rig->signature_len);
    else
        fake_signature(request, signature, make_signature(key, request, signature));
}

static void
answer_chain(const struct rig *rig, const struct fake_request *request)
{
    Keysvc__V1__Response response = answer_to(request);
    Keysvc__V1__Certificates reply = KEYSVC__V1__CERTIFICATES__INIT;
    const struct rig_key *key = key_of(rig, request);
    ProtobufCBinaryData chain[2];
    uint8_t *der;

    if (!key || !key->certified) {
        fake_error(request, KS_ERR_NO_KEY, false);
        return;
    }
    chain[0].len =
        (size_t)rig_certificate(key->name, "issuer", key->key, rig->authority, NULL, &der);
    chain[0].data = der;
    chain[1] = (ProtobufCBinaryData){(size_t)rig->issuer_len, rig->issuer};
    reply.certificates = chain;
    reply.n_certificates = 2;
    response.certificate_get = &reply;
    fake_send(request->fd, &response, false);
    OPENSSL_free(der);
}

static void
answer(struct fake_server *server, const struct fake_request *request)
{
    struct rig *rig = fake_server_context(server);

    if (request->operation == RIG_LIST && rig->hold_lists)
        sem_wait(&rig->go);
    if (rig->fail[request->operation] != 0) {
        fake_error(request, rig->fail[request->operation], rig->retryable);
        return;
    }
    if (request->operation == RIG_GET && rig->defer_gets) {
        rig->deferred = *request;
        rig->is_deferred = true;
        return;
    }
    switch (request->operation) {
    case RIG_LIST:
        answer_list(rig, request);
        break;
    case RIG_GET:
        answer_get(rig, request);
        break;
    case RIG_SIGN:
        answer_sign(rig, request);
        break;
    case RIG_CERTIFICATE_GET:
        answer_chain(rig, request);
        break;
    default:
        fake_error(request, KS_ERR_BAD_REQUEST, false);
    }
}

/* --- the rig --- */

/* One for all tests: making it takes longer than the rest of them. */
static EVP_PKEY *
rsa_key(void)
{
    FILE *file = fopen(RSA_KEY_FILE, "r");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

    cr_assert_not_null(key, "%s", RSA_KEY_FILE);
    fclose(file);
    return key;
}

struct rig *
rig_start(void)
{
    static const struct rig_key KEYS[RIG_KEYS] = {
        {.name = "sign/ed", .version = 1, .type = KS_KEY_TYPE_ED25519, .purpose = KS_PURPOSE_SIGN},
        {.name = "sign/rsa",
         .version = 1,
         .type = KS_KEY_TYPE_RSA_2048,
         .purpose = KS_PURPOSE_SIGN,
         .certified = true},
        {.name = "web/shop",
         .version = 1,
         .type = KS_KEY_TYPE_EC_P256,
         .purpose = KS_PURPOSE_TLS_SERVER,
         .certified = true},
        {.name = "web/shop", .version = 2, .type = KS_KEY_TYPE_EC_P256, .purpose = KS_PURPOSE_SIGN},
    };
    struct rig *rig = calloc(1, sizeof(*rig));

    assert(rig);
    memcpy(rig->keys, KEYS, sizeof(KEYS));
    sem_init(&rig->go, 0, 0);
    make_key(&rig->keys[0], EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    make_key(&rig->keys[1], rsa_key());
    make_key(&rig->keys[2], EVP_EC_gen("P-256"));
    make_key(&rig->keys[3], EVP_EC_gen("P-256"));
    rig->authority = EVP_EC_gen("P-256");
    assert(rig->authority);
    rig->issuer_len =
        rig_certificate("issuer", "issuer", rig->authority, rig->authority, NULL, &rig->issuer);
    rig->server = fake_server_start(NULL, answer, rig);
    setenv("KEYSVC_SOCKET", fake_server_path(rig->server), 1);
    setenv("KEYSVC_PKCS11_LOG", "none", 0);
    cr_assert_eq(C_GetFunctionList(&p11), CKR_OK);
    return rig;
}

void
rig_stop(struct rig *rig)
{
    p11->C_Finalize(NULL);
    fake_server_stop(rig->server, true);
    for (size_t i = 0; i < RIG_KEYS; i++)
        EVP_PKEY_free(rig->keys[i].key);
    EVP_PKEY_free(rig->authority);
    OPENSSL_free(rig->issuer);
    sem_destroy(&rig->go);
    free(rig);
}

void
rig_end_get(struct rig *rig)
{
    rig->defer_gets = false;
    fake_error(&rig->deferred, KS_ERR_NO_KEY, false);
}

CK_SESSION_HANDLE
rig_session(void)
{
    CK_SESSION_HANDLE session;
    CK_RV rv = p11->C_Initialize(NULL);

    cr_assert(rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED);
    cr_assert_eq(p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
    return session;
}

CK_OBJECT_HANDLE
rig_find(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *label)
{
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof(class)},
                             {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
    CK_OBJECT_HANDLE found[2];
    CK_ULONG n = 0;

    cr_assert_eq(p11->C_FindObjectsInit(session, wanted, 2), CKR_OK);
    cr_assert_eq(p11->C_FindObjects(session, found, 2, &n), CKR_OK);
    cr_assert_eq(p11->C_FindObjectsFinal(session), CKR_OK);
    cr_assert_leq(n, 1, "%s is one object", label);
    return n == 1 ? found[0] : CK_INVALID_HANDLE;
}

CK_ULONG
rig_count(CK_SESSION_HANDLE session, CK_ATTRIBUTE *wanted, CK_ULONG n)
{
    CK_OBJECT_HANDLE found[16];
    CK_ULONG count = 0, n_found;

    cr_assert_eq(p11->C_FindObjectsInit(session, wanted, n), CKR_OK);
    do {
        cr_assert_eq(p11->C_FindObjects(session, found, 16, &n_found), CKR_OK);
        count += n_found;
    } while (n_found > 0);
    cr_assert_eq(p11->C_FindObjectsFinal(session), CKR_OK);
    return count;
}
