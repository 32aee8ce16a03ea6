/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provider_rig - loading the provider, and a service that signs with whatever key it was given
 */
#include "provider_rig.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "fake_wire.h"

static EVP_PKEY *
make_key(enum ks_key_type type)
{
    switch (type) {
    case KS_KEY_TYPE_EC_P256:
        return EVP_EC_gen("P-256");
    case KS_KEY_TYPE_EC_P384:
        return EVP_EC_gen("P-384");
    case KS_KEY_TYPE_EC_P521:
        return EVP_EC_gen("P-521");
    case KS_KEY_TYPE_ED25519:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    default:
        return EVP_RSA_gen(2048);
    }
}

static struct ks_key
key_info(const struct rig *rig)
{
    struct ks_key info = {.name = "web/shop", .version = 1, .type = rig->type};
    unsigned char *out = info.public_key;
    int len = i2d_PUBKEY(rig->software, NULL);

    cr_assert(len > 0 && (size_t)len <= sizeof(info.public_key));
    info.public_key_len = (size_t)i2d_PUBKEY(rig->software, &out);
    return info;
}

/* --- the service --- */

static void
set_padding(const struct rig *rig, EVP_PKEY_CTX *context)
{
    if (rig->padding == 0)
        return;
    cr_assert_eq(EVP_PKEY_CTX_set_rsa_padding(context, rig->padding), 1);
    cr_assert_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST), 1);
}

static size_t
sign_digest(const struct rig *rig, const struct fake_request *request, uint8_t *sig, size_t cap)
{
    static const char *const HASH[] = {"", "SHA256", "SHA384", "SHA512"};
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(rig->software, NULL);
    EVP_MD *hash = EVP_MD_fetch(NULL, HASH[request->prehashed], NULL);

    cr_assert_eq(EVP_PKEY_sign_init(context), 1);
    set_padding(rig, context);
    cr_assert_eq(EVP_PKEY_CTX_set_signature_md(context, hash), 1);
    cr_assert_eq(EVP_PKEY_sign(context, sig, &cap, request->data, request->data_len), 1);
    EVP_PKEY_CTX_free(context);
    EVP_MD_free(hash);
    return cap;
}

static size_t
sign_message(const struct rig *rig, const struct fake_request *request, uint8_t *sig, size_t cap)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *parameters;

    cr_assert_eq(
        EVP_DigestSignInit_ex(context, &parameters, rig->hash, NULL, NULL, rig->software, NULL), 1);
    set_padding(rig, parameters);
    cr_assert_eq(EVP_DigestSign(context, sig, &cap, request->data, request->data_len), 1);
    EVP_MD_CTX_free(context);
    return cap;
}

static void
answer_get(const struct rig *rig, const struct fake_request *request)
{
    struct ks_key info = key_info(rig);
    Keysvc__V1__Response response = KEYSVC__V1__RESPONSE__INIT;
    Keysvc__V1__Key key = KEYSVC__V1__KEY__INIT;
    uint8_t sha256[32];
    uint32_t version = 1;

    cr_assert(
        EVP_Q_digest(NULL, "SHA256", NULL, info.public_key, info.public_key_len, sha256, NULL));
    key.name = info.name;
    key.version = 1;
    key.type = (Keysvc__V1__KeyType)rig->type;
    key.purpose = KEYSVC__V1__PURPOSE__SIGN;
    key.token = (char *)(uintptr_t) "main";
    key.public_key_sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    key.public_key = (ProtobufCBinaryData){info.public_key_len, info.public_key};
    key.versions = &version;
    key.n_versions = 1;
    response.id = request->id;
    response.result_case = (Keysvc__V1__Response__ResultCase)request->operation;
    response.get = &key;
    fake_send(request->fd, &response, false);
}

static void
answer(struct fake_server *server, const struct fake_request *request)
{
    struct rig *rig = fake_server_context(server);
    uint8_t sig[KS_SIGNATURE_MAX_LEN];
    size_t len;

    if (rig->refuse) {
        fake_error(request, rig->refuse, false);
        return;
    }
    if (request->operation == GET) {
        answer_get(rig, request);
        return;
    }
    if (rig->nonsense_len > 0) {
        memset(sig, 7, sizeof(sig));
        fake_signature(request, sig, rig->nonsense_len);
        return;
    }
    cr_assert_eq(request->operation, SIGN);
    rig->len = request->data_len;
    rig->prehashed = request->prehashed;
    atomic_fetch_add(&rig->n_signatures, 1);
    len = request->prehashed ? sign_digest(rig, request, sig, sizeof(sig))
                             : sign_message(rig, request, sig, sizeof(sig));
    fake_signature(request, sig, len);
}

/* --- the program --- */

static OSSL_LIB_CTX *
load_provider(const struct rig *rig, const char *options)
{
    char path[] = "/tmp/keysvc-test-XXXXXX";
    FILE *out = fdopen(mkstemp(path), "w");
    OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();

    cr_assert(out && libctx);
    fprintf(out,
            "openssl_conf = init\n"
            "[init]\nproviders = providers\n"
            "[providers]\ndefault = default_provider\nkeysvc = keysvc_provider\n"
            "[default_provider]\nactivate = 1\n"
            "[keysvc_provider]\nactivate = 1\nmodule = %s\n%s%s\n%s\n",
            KEYSVC_PROVIDER, strstr(options, "socket") ? "" : "socket = ",
            strstr(options, "socket") ? "" : fake_server_path(rig->server), options);
    cr_assert_eq(fclose(out), 0);
    cr_assert_eq(OSSL_LIB_CTX_load_config(libctx, path), 1);
    unlink(path);
    cr_assert(OSSL_PROVIDER_available(libctx, "keysvc"));
    return libctx;
}

void
rig_start(struct rig *rig, enum ks_key_type type, const char *options)
{
    memset(rig, 0, sizeof(*rig));
    rig->type = type;
    rig->software = make_key(type);
    rig->hash = type == KS_KEY_TYPE_ED25519 ? NULL : "SHA256";
    cr_assert(rig->software);
    rig->server = fake_server_start(NULL, answer, rig);
    rig->libctx = load_provider(rig, options);
}

void
rig_stop(struct rig *rig)
{
    OSSL_LIB_CTX_free(rig->libctx);
    fake_server_stop(rig->server, true);
    EVP_PKEY_free(rig->software);
}

char *
rig_reference(const struct rig *rig)
{
    struct ks_key info = key_info(rig);
    char *pem;

    cr_assert_eq(ks_reference_encode(&info, &pem, NULL), KS_OK);
    return pem;
}

EVP_PKEY *
rig_read(const struct rig *rig, const char *pem)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey_ex(in, NULL, NULL, NULL, rig->libctx, NULL);

    BIO_free(in);
    return key;
}

EVP_PKEY *
rig_key(const struct rig *rig)
{
    char *pem = rig_reference(rig);
    EVP_PKEY *key = rig_read(rig, pem);

    free(pem);
    cr_assert(key);
    return key;
}

bool
rig_said(const char *text)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    bool found = reason && strstr(reason, text);

    if (!found)
        cr_log_warn("it said: %s", reason ? reason : "nothing");
    ERR_clear_error();
    return found;
}

size_t
rig_sign(const struct rig *rig, EVP_PKEY *key, const char *hash, const char *padding,
         const void *data, size_t len, size_t piece, uint8_t out[static KS_SIGNATURE_MAX_LEN])
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, (char *)(uintptr_t)padding,
                                         0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t sig_len = KS_SIGNATURE_MAX_LEN;
    bool done = EVP_DigestSignInit_ex(context, NULL, hash, rig->libctx, NULL, key,
                                      padding ? params : NULL) == 1;

    if (piece == 0) {
        done = done && EVP_DigestSign(context, out, &sig_len, data, len) == 1;
    } else {
        for (size_t at = 0; done && at < len; at += piece)
            done = EVP_DigestSignUpdate(context, (const uint8_t *)data + at,
                                        len - at < piece ? len - at : piece) == 1;
        done = done && EVP_DigestSignFinal(context, out, &sig_len) == 1;
    }
    EVP_MD_CTX_free(context);
    return done ? sig_len : 0;
}

bool
rig_verifies(const struct rig *rig, const void *data, size_t len, const uint8_t *sig,
             size_t sig_len)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *parameters;
    bool right;

    cr_assert_eq(
        EVP_DigestVerifyInit_ex(context, &parameters, rig->hash, NULL, NULL, rig->software, NULL),
        1);
    set_padding(rig, parameters);
    right = EVP_DigestVerify(context, sig, sig_len, data, len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return right;
}
