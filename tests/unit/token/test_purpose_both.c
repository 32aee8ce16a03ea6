/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_purpose_both - what is a sound ServerKeyExchange and something else that one signs
 *
 * The vectors of both.h are each proven to be both: our own rule for TLS 1.2 lets them pass, and libcrypto
 * verifies the whole request or certificate once a key in software has signed them. So if the test for
 * ASN.1 is ever weakened, these show what is lost.
 *
 * There is none for a request with an RSA key: with the smallest that the service has, it is longer
 * than the longest ServerKeyExchange. Nor for P-384: its public key would have to have 40 bits
 * and more of the ServerKeyExchange in one place, and the service's keys are chosen by its tokens.
 */
#include <criterion/criterion.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "token/purpose_tls.h"

#include "both.h"
#include "bytes.h"

#define SERVER_KEY_EXCHANGE_MAX (64 + 4 + 133) /* secp521r1 */

static void
refused_as_asn1(const uint8_t *data, size_t len, const char *name)
{
    struct fault why = FAULT_INIT;

    cr_assert_null(purpose_tls_12_server(data, len), "%s: the shape alone lets it pass", name);
    for (enum ks_purpose p = KS_PURPOSE_TLS_SERVER; p <= KS_PURPOSE_TLS; p++) {
        for (enum ks_algorithm a = KS_ALGORITHM_ECDSA_SHA256; a < KS_ALGORITHM_COUNT; a++) {
            cr_expect_eq(purpose_check(p, false, a, KS_HASH_NONE, data, len, &why), KS_ERR_PURPOSE,
                         "%s", name);
            cr_expect_not_null(strstr(why.text, "ASN.1"), "%s: %s", name, why.text);
        }
    }
}

/* --- requests --- */

static EVP_PKEY *
ed25519_key(const uint8_t *private)
{
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private, 32);
}

static EVP_PKEY *
p256_key(const uint8_t *private)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = EC_POINT_new(group);
    BIGNUM *number = BN_bin2bn(private, 32, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params;
    uint8_t public[65];

    cr_assert_eq(EC_POINT_mul(group, point, number, NULL, NULL, NULL), 1);
    cr_assert_eq(EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, public,
                                    sizeof(public), NULL),
                 sizeof(public));
    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, number);
    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, public, sizeof(public));
    params = OSSL_PARAM_BLD_to_param(build);
    cr_assert_eq(EVP_PKEY_fromdata_init(context), 1);
    cr_assert_eq(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(context);
    BN_free(number);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return key;
}

static void
append_element(struct bytes *out, uint8_t tag, const void *contents, size_t len)
{
    const uint8_t header[] = {tag, 0x82, (uint8_t)(len >> 8), (uint8_t)len};

    bytes_append(out, header, sizeof(header));
    bytes_append(out, contents, len);
}

/* SEQUENCE { body, algorithm, signature }, as requests and certificates are. */
static struct bytes
sign_body(const uint8_t *body, size_t body_len, int algorithm, const EVP_MD *hash, EVP_PKEY *key)
{
    struct bytes inner = {.len = 0}, out = {.len = 0}, signature = {.len = 0};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    X509_ALGOR *name = X509_ALGOR_new();
    unsigned char *der = NULL;
    uint8_t raw[512];
    size_t raw_len = sizeof(raw);
    int len;

    cr_assert_eq(EVP_DigestSignInit(context, NULL, hash, NULL, key), 1);
    cr_assert_eq(EVP_DigestSign(context, raw, &raw_len, body, body_len), 1);
    X509_ALGOR_set0(name, OBJ_nid2obj(algorithm), V_ASN1_UNDEF, NULL);
    len = i2d_X509_ALGOR(name, &der);
    bytes_append(&inner, body, body_len);
    bytes_append(&inner, der, (size_t)len);
    bytes_append(&signature, "", 1);
    bytes_append(&signature, raw, raw_len);
    append_element(&inner, V_ASN1_BIT_STRING, signature.data, signature.len);
    append_element(&out, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, inner.data, inner.len);
    OPENSSL_free(der);
    X509_ALGOR_free(name);
    EVP_MD_CTX_free(context);
    return out;
}

static const struct {
    const char *name;
    const uint8_t *data;
    size_t len;
    const uint8_t *private;
    EVP_PKEY *(*key)(const uint8_t *private);
    int algorithm;
} REQUESTS[] = {
    {"Ed25519, x25519", BOTH_REQUEST_ED25519_X25519, sizeof(BOTH_REQUEST_ED25519_X25519),
     BOTH_REQUEST_ED25519_X25519_PRIVATE, ed25519_key, NID_ED25519},
    {"Ed25519, secp256r1", BOTH_REQUEST_ED25519_P256, sizeof(BOTH_REQUEST_ED25519_P256),
     BOTH_REQUEST_ED25519_P256_PRIVATE, ed25519_key, NID_ED25519},
    {"Ed25519, secp384r1", BOTH_REQUEST_ED25519_P384, sizeof(BOTH_REQUEST_ED25519_P384),
     BOTH_REQUEST_ED25519_P384_PRIVATE, ed25519_key, NID_ED25519},
    {"Ed25519, secp521r1", BOTH_REQUEST_ED25519_P521, sizeof(BOTH_REQUEST_ED25519_P521),
     BOTH_REQUEST_ED25519_P521_PRIVATE, ed25519_key, NID_ED25519},
    {"P-256, secp521r1", BOTH_REQUEST_P256_P521, sizeof(BOTH_REQUEST_P256_P521),
     BOTH_REQUEST_P256_P521_PRIVATE, p256_key, NID_ecdsa_with_SHA256},
};

Test(purpose_both, requests_for_a_key_of_ours_are_refused_though_they_are_server_key_exchanges)
{
    for (size_t i = 0; i < ARRAY_LEN(REQUESTS); i++) {
        EVP_PKEY *key = REQUESTS[i].key(REQUESTS[i].private);
        struct bytes whole = sign_body(REQUESTS[i].data, REQUESTS[i].len, REQUESTS[i].algorithm,
                                       EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256(), key);
        const uint8_t *at = whole.data, *body = REQUESTS[i].data;
        X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)whole.len);
        X509_REQ_INFO *info = d2i_X509_REQ_INFO(NULL, &body, (long)REQUESTS[i].len);

        cr_assert(info && body == REQUESTS[i].data + REQUESTS[i].len, "%s", REQUESTS[i].name);
        cr_assert(request && at == whole.data + whole.len, "%s", REQUESTS[i].name);
        cr_expect_eq(X509_REQ_verify(request, X509_REQ_get0_pubkey(request)), 1,
                     "%s: as openssl req -verify", REQUESTS[i].name);
        cr_expect_eq(EVP_PKEY_eq(key, X509_REQ_get0_pubkey(request)), 1, "%s", REQUESTS[i].name);
        refused_as_asn1(REQUESTS[i].data, REQUESTS[i].len, REQUESTS[i].name);
        X509_REQ_INFO_free(info);
        X509_REQ_free(request);
        EVP_PKEY_free(key);
    }
}

Test(purpose_both, a_request_with_an_rsa_key_is_longer_than_any_server_key_exchange)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509_REQ *request = X509_REQ_new();

    X509_REQ_set_version(request, X509_REQ_VERSION_1);
    cr_assert_eq(X509_REQ_set_pubkey(request, key), 1);
    cr_assert_gt(i2d_re_X509_REQ_tbs(request, NULL), SERVER_KEY_EXCHANGE_MAX,
                 "with no subject and no attributes");
    X509_REQ_free(request);
    EVP_PKEY_free(key);
}

/* --- certificates for somebody else's key --- */

static EVP_PKEY *
new_p256(void)
{
    return EVP_EC_gen("P-256");
}

static EVP_PKEY *
new_p384(void)
{
    return EVP_EC_gen("P-384");
}

static EVP_PKEY *
new_rsa(void)
{
    return EVP_RSA_gen(2048);
}

static EVP_PKEY *
new_ed25519(void)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

Test(purpose_both,
     certificates_for_a_strangers_key_are_refused_though_they_are_server_key_exchanges)
{
    static const struct {
        const char *name;
        const uint8_t *data;
        size_t len;
        EVP_PKEY *(*issuer)(void);
        int algorithm;
        const EVP_MD *(*hash)(void);
    } cases[] = {
        {"Ed25519", BOTH_CERTIFICATE_ED25519, sizeof(BOTH_CERTIFICATE_ED25519), new_ed25519,
         NID_ED25519, NULL},
        {"P-256", BOTH_CERTIFICATE_ECDSA_SHA256, sizeof(BOTH_CERTIFICATE_ECDSA_SHA256), new_p256,
         NID_ecdsa_with_SHA256, EVP_sha256},
        {"P-384", BOTH_CERTIFICATE_ECDSA_SHA384, sizeof(BOTH_CERTIFICATE_ECDSA_SHA384), new_p384,
         NID_ecdsa_with_SHA384, EVP_sha384},
        {"RSA", BOTH_CERTIFICATE_RSA_SHA256, sizeof(BOTH_CERTIFICATE_RSA_SHA256), new_rsa,
         NID_sha256WithRSAEncryption, EVP_sha256},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        EVP_PKEY *issuer = cases[i].issuer();
        struct bytes whole = sign_body(cases[i].data, cases[i].len, cases[i].algorithm,
                                       cases[i].hash ? cases[i].hash() : NULL, issuer);
        const uint8_t *at = whole.data, *body = cases[i].data;
        X509 *certificate = d2i_X509(NULL, &at, (long)whole.len);
        X509_CINF *info = d2i_X509_CINF(NULL, &body, (long)cases[i].len);

        cr_assert(info && body == cases[i].data + cases[i].len, "%s", cases[i].name);
        cr_assert(certificate && at == whole.data + whole.len, "%s", cases[i].name);
        cr_expect_eq(X509_verify(certificate, issuer), 1, "%s: libcrypto verifies it",
                     cases[i].name);
        cr_expect_not_null(X509_get0_pubkey(certificate), "%s", cases[i].name);
        refused_as_asn1(cases[i].data, cases[i].len, cases[i].name);
        X509_CINF_free(info);
        X509_free(certificate);
        EVP_PKEY_free(issuer);
    }
}

/* --- what else is signed in the world --- */

#define BYTES(text) text, sizeof(text) - 1
#define UINT32(n) "\0\0\0" n

Test(purpose_both, no_tls_key_signs_what_other_protocols_sign)
{
    static const struct {
        const char *name, *data;
        size_t len;
    } cases[] = {
        {"JWT (RFC 7515)", BYTES("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJyb290In0")},
        {"ACME (RFC 8555)", BYTES("eyJhbGciOiJFUzI1NiIsIm5vbmNlIjoiYSJ9.e30")},
        {"SSH user authentication (RFC 4252)",
         BYTES(UINT32("\x20") "01234567890123456789012345678901\x32" UINT32("\x04") "root" UINT32(
             "\x0e") "ssh-connection" UINT32("\x09") "publickey\1")},
        {"SSH host key, exchange hash (RFC 4253)", BYTES("01234567890123456789012345678901")},
        {"SSH exchange hash by SHA-512",
         BYTES("0123456789012345678901234567890101234567890123456789012345678901")},
        {"SSH certificate", BYTES(UINT32("\x28") "ecdsa-sha2-nistp256-cert-v01@openssh.com" UINT32(
                                "\x20") "01234567890123456789012345678901")},
        {"SSH file signature",
         BYTES("SSHSIG" UINT32("\x04") "file" UINT32("\0") UINT32("\x06") "sha512" UINT32("\x40"))},
        {"OpenPGP (RFC 4880), a document", BYTES("tag v1\n\4\0\x13\x08\0\0\4\xff\0\0\0\6")},
        {"OpenPGP, a key", BYTES("\x99\0\x52\4\x5f\0\0\0\x13\x08\x2a\x86\x48\xce\x3d\3\1\7")},
        {"git commit",
         BYTES("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor a <a@b> 0 +0000\n")},
        {"CMS signed attributes (SET)",
         BYTES(
             "\x31\x1a\x30\x18\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03\x31\x0b\x06\x09\x2a\x86"
             "\x48\x86\xf7\x0d\x01\x07\x01")},
        {"CRL (TBSCertList)",
         BYTES("\x30\x1f\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x30\x00\x17\x0d"
               "250101000000Z\x30\x00")},
        {"OCSP (ResponseData)", BYTES("\x30\x17\xa1\x02\x30\x00\x18\x0f"
                                      "20250101000000Z\x30\x00")},
        {"certificate transparency (RFC 6962)",
         BYTES("\0\0\0\0\1\x90\0\0\0\0\0\0\0\0\0\3\x30\1\0\0\0")},
        {"DNSSEC (RFC 4034)",
         BYTES("\0\1\x0d\2\0\0\x0e\x10\x5f\0\0\0\x5e\0\0\0\x30\x39\7example\0")},
        {"TLS 1.3 exporter of another context",
         BYTES("                                                                "
               "HTTP/2, server CertificateVerify\0"
               "01234567890123456789012345678901")},
        {"delegated credential (RFC 9345)",
         BYTES("                                                                "
               "TLS, server delegated credentials\0"
               "\x30\x03\2\1\0")},
        {"TLS 1.2 DHE ServerKeyExchange",
         BYTES("0123456789012345678901234567890101234567890123456789012345678901"
               "\0\1\x17\0\1\2\0\1\4")},
        {"IKEv2, signed octets (RFC 7296)",
         BYTES("01234567\0\0\0\0\0\0\0\0\x21\x20\x22\x08\0\0\0\0\0\0\0\x30\x22\0\0\x14")},
        {"a document", BYTES("I owe you 100.\n")},
        {"nothing", "", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (enum ks_purpose p = KS_PURPOSE_TLS_SERVER; p <= KS_PURPOSE_TLS; p++)
            cr_expect_eq(bytes_check(p, cases[i].data, cases[i].len), KS_ERR_PURPOSE, "%s, %s",
                         cases[i].name, ks_purpose_name(p));
        cr_expect_eq(bytes_check(KS_PURPOSE_SIGN, cases[i].data, cases[i].len), KS_OK, "%s",
                     cases[i].name);
    }
}

/* The limit that docs/purposes.md names: whoever calls this key an OpenPGP key is not protected. */
Test(purpose_both, a_document_that_begins_as_a_handshake_may_end_as_an_openpgp_signature)
{
    static const char document[] =
        "                                                                "
        "TLS 1.3, server CertificateVerify\0"
        "I owe you 100 more. ";
    static const char trailer[] = "\4\0\x13\x08\0\0\4\xff\0\0\0\6"; /* RFC 4880, 5.2.4 */
    struct bytes message = {.len = 0};

    bytes_append(&message, document, sizeof(document) - 1);
    bytes_append(&message, trailer, sizeof(trailer) - 1);
    cr_expect_eq(bytes_check(KS_PURPOSE_TLS_SERVER, message.data, message.len), KS_OK);
    cr_expect_eq(bytes_check(KS_PURPOSE_TLS_CLIENT, message.data, message.len), KS_ERR_PURPOSE);
}
