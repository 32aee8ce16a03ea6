/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "front/decode.h"
#include "proto/keysvc.pb-c.h"

static struct arena *arena;
static struct request request;
static struct fault why;
static uint8_t packed[2 * 1024 * 1024];

static void
setup(void)
{
    cr_assert_eq(arena_new(&arena), KS_OK);
}

static void
teardown(void)
{
    arena = arena_free(arena);
}

TestSuite(decode, .init = setup, .fini = teardown);

static ks_err
decode(const Keysvc__V1__Request *message)
{
    size_t len = keysvc__v1__request__pack(message, packed);

    why = (struct fault)FAULT_INIT;
    return decode_request(arena, packed, len, &request, &why);
}

static Keysvc__V1__SignRequest sign = KEYSVC__V1__SIGN_REQUEST__INIT;
static uint8_t sha256[64];

static Keysvc__V1__Request
sign_request(void)
{
    Keysvc__V1__Request message = KEYSVC__V1__REQUEST__INIT;

    sign.name = (char *)"web/shop";
    sign.version = 3;
    sign.public_key_sha256 = (ProtobufCBinaryData){32, sha256};
    sign.algorithm = KEYSVC__V1__ALGORITHM__ECDSA_SHA256;
    sign.data = (ProtobufCBinaryData){5, (uint8_t *)"hello"};
    message.id = 9;
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_SIGN;
    message.sign = &sign;
    return message;
}

Test(decode, a_sign_request_becomes_flat)
{
    Keysvc__V1__Request message = sign_request();

    sha256[31] = 7;
    message.deadline_ms = 1234;
    cr_assert_eq(decode(&message), KS_OK, "%s", why.text);
    cr_assert_eq(request.id, 9);
    cr_assert_eq(request.deadline_ms, 1234);
    cr_assert_eq(request.operation, REQUEST_SIGN);
    cr_assert_str_eq(request.name, "web/shop");
    cr_assert_eq(request.version, 3);
    cr_assert_eq(request.public_key_sha256[31], 7);
    cr_assert_eq(request.sign.algorithm, KS_ALGORITHM_ECDSA_SHA256);
    cr_assert_eq(request.sign.data_len, 5);
    message.deadline_ms = 0;
    cr_assert_eq(decode(&message), KS_OK);
    cr_assert_eq(request.deadline_ms, REQUEST_DEADLINE_MS);
}

Test(decode, every_mistake_in_a_sign_request_is_named)
{
    Keysvc__V1__Request message = sign_request();

    message.deadline_ms = REQUEST_MAX_DEADLINE_MS + 1;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    cr_assert_eq(request.id, 9, "it can be answered");
    message = sign_request();
    sign.name = (char *)"web//shop";
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    message = sign_request();
    sign.version = 0;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, "GetRequest"));
    message = sign_request();
    sign.public_key_sha256.len = 31;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    sign.public_key_sha256.len = 33;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    message = sign_request();
    sign.algorithm = (Keysvc__V1__Algorithm)KS_ALGORITHM_COUNT;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    sign.algorithm = (Keysvc__V1__Algorithm)-1;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    message = sign_request();
    sign.prehashed = KEYSVC__V1__HASH__SHA256;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST, "five bytes are no SHA-256");
    sign.data = (ProtobufCBinaryData){32, sha256};
    cr_assert_eq(decode(&message), KS_OK);
}

Test(decode, what_is_no_request_has_no_id)
{
    Keysvc__V1__Request message = KEYSVC__V1__REQUEST__INIT;

    cr_assert_eq(decode_request(arena, (const uint8_t *)"\xff\xff", 2, &request, &why),
                 KS_ERR_BAD_REQUEST);
    cr_assert_eq(request.id, 0);
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    cr_assert_eq(request.id, 0);
    message.id = 5;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    cr_assert_eq(request.id, 5);
    cr_assert_not_null(strstr(why.text, "without an operation"));
}

/* Packs a csr request with one field's text given as bytes. */
static ks_err
decode_common_name(const char *text, size_t len)
{
    Keysvc__V1__Request message = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__CsrRequest csr = KEYSVC__V1__CSR_REQUEST__INIT;
    char mark[512];
    size_t packed_len;
    uint8_t *at;

    memset(mark, 'M', len);
    mark[len] = '\0';
    csr.name = (char *)"web/shop";
    csr.version = 1;
    csr.public_key_sha256 = (ProtobufCBinaryData){32, sha256};
    csr.common_name = mark;
    message.id = 1;
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_CSR;
    message.csr = &csr;
    packed_len = keysvc__v1__request__pack(&message, packed);
    at = memmem(packed, packed_len, mark, len);
    cr_assert_not_null(at);
    memcpy(at, text, len);
    return decode_request(arena, packed, packed_len, &request, &why);
}

Test(decode, texts_are_utf8_without_nul_and_control_characters)
{
    static const char *const good[] = {"shop.example", "M\xc3\xbcnchen", "\xe2\x82\xac",
                                       "\xf0\x9f\x94\x91", "\xc2\xa0"};
    static const char *const bad[] = {"a\nb",
                                      "\x7f",
                                      "\xc2\x80",
                                      "a\xc2\x9b;m",
                                      "\xc2\x9f",
                                      "\xc3",
                                      "\xff",
                                      "\xc0\x80",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\x80",
                                      "a\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        cr_assert_eq(decode_common_name(good[i], strlen(good[i])), KS_OK, "%zu", i);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_assert_eq(decode_common_name(bad[i], strlen(bad[i])), KS_ERR_BAD_REQUEST, "%zu", i);
    cr_assert_eq(decode_common_name("shop\0evil", 9), KS_ERR_BAD_REQUEST);
    cr_assert_eq(decode_common_name("\0", 1), KS_ERR_BAD_REQUEST);
}

static ks_err
decode_alternatives(size_t n, const char *value, int kind)
{
    Keysvc__V1__Request message = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__CsrRequest csr = KEYSVC__V1__CSR_REQUEST__INIT;
    Keysvc__V1__AlternativeName name = KEYSVC__V1__ALTERNATIVE_NAME__INIT;
    Keysvc__V1__AlternativeName **names = calloc(n, sizeof(Keysvc__V1__AlternativeName *));
    ks_err err;

    name.kind = (Keysvc__V1__AlternativeName__Kind)kind;
    name.value = (char *)value;
    for (size_t i = 0; i < n; i++)
        names[i] = &name;
    csr.name = (char *)"web/shop";
    csr.version = 1;
    csr.public_key_sha256 = (ProtobufCBinaryData){32, sha256};
    csr.alternative_names = names;
    csr.n_alternative_names = n;
    message.id = 1;
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_CSR;
    message.csr = &csr;
    err = decode(&message);
    free(names);
    return err;
}

Test(decode, takes_a_thousand_names_and_refuses_one_more)
{
    cr_assert_eq(decode_alternatives(1000, "a", 1), KS_OK, "%s", why.text);
    cr_assert_eq(request.csr.n_alternatives, 1000);
    cr_assert_str_eq(request.csr.alternatives[999].value, "a");
    cr_assert_eq(decode_alternatives(1001, "a", 1), KS_ERR_TOO_LARGE);
    cr_assert_eq(decode_alternatives(1, "a", 0), KS_ERR_BAD_REQUEST);
    cr_assert_eq(decode_alternatives(1, "a", 5), KS_ERR_BAD_REQUEST);
}

Test(decode, the_largest_message_to_sign_fits)
{
    Keysvc__V1__Request message = sign_request();

    sign.data = (ProtobufCBinaryData){1024 * 1024 - 200, calloc(1, 1024 * 1024)};
    cr_assert_eq(decode(&message), KS_OK, "%s", why.text);
    cr_assert_eq(request.sign.data_len, 1024 * 1024 - 200);
    free(sign.data.data);
}

Test(decode, nothing_makes_us_allocate_more_than_the_budget)
{
    size_t len = 0;

    /* A thousand kilobytes of empty unknown fields would unpack into many times that. */
    while (len + 3 <= 1024 * 1024) {
        memcpy(packed + len, "\xfa\x06", 2);
        packed[len + 2] = 0;
        len += 3;
    }
    cr_assert_neq(decode_request(arena, packed, len, &request, &why), KS_OK);
}

Test(decode, an_explanation_wants_one_operation_and_a_key)
{
    Keysvc__V1__Request message = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__ExplainRequest explain = KEYSVC__V1__EXPLAIN_REQUEST__INIT;

    message.id = 1;
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_EXPLAIN;
    message.explain = &explain;
    explain.operation = (char *)"sign";
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    explain.key = (char *)"web/shop";
    cr_assert_eq(decode(&message), KS_OK);
    cr_assert_eq(request.explain.operation, OPERATION_SIGN);
    explain.operation = (char *)"all";
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    explain.operation = (char *)"administer";
    explain.key = (char *)"";
    cr_assert_eq(decode(&message), KS_OK);
}

Test(decode, lists_and_tokens_are_bounded)
{
    Keysvc__V1__Request message = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__ListRequest list = KEYSVC__V1__LIST_REQUEST__INIT;
    Keysvc__V1__RescanRequest rescan = KEYSVC__V1__RESCAN_REQUEST__INIT;

    message.id = 1;
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_LIST;
    message.list = &list;
    list.limit = 5000;
    cr_assert_eq(decode(&message), KS_OK);
    cr_assert_eq(request.list.limit, REQUEST_MAX_KEYS);
    list.glob = (char *)"web/***";
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_RESCAN;
    message.rescan = &rescan;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    rescan.token = (char *)"main";
    cr_assert_eq(decode(&message), KS_OK);
    cr_assert_str_eq(request.token, "main");
    rescan.token = (char *)"main uid=0";
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
}

static Keysvc__V1__CsrRequest csr = KEYSVC__V1__CSR_REQUEST__INIT;
static Keysvc__V1__SelfSignRequest self_sign = KEYSVC__V1__SELF_SIGN_REQUEST__INIT;

static Keysvc__V1__Request
self_sign_request(void)
{
    Keysvc__V1__Request message = KEYSVC__V1__REQUEST__INIT;

    csr.name = (char *)"web/shop";
    csr.version = 3;
    csr.public_key_sha256 = (ProtobufCBinaryData){32, sha256};
    csr.common_name = (char *)"shop.example";
    csr.challenge_password = (char *)"";
    self_sign.request = &csr;
    self_sign.days = 0;
    message.id = 9;
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_SELF_SIGN;
    message.self_sign = &self_sign;
    return message;
}

Test(decode, a_self_signed_certificate_is_valid_for_a_year_or_what_is_said)
{
    Keysvc__V1__Request message = self_sign_request();

    cr_assert_eq(decode(&message), KS_OK, "%s", why.text);
    cr_assert_eq(request.operation, REQUEST_SELF_SIGN);
    cr_assert_eq(request.days, 365);
    cr_assert_str_eq(request.csr.common_name, "shop.example");
    self_sign.days = JOB_MAX_DAYS;
    cr_assert_eq(decode(&message), KS_OK);
    cr_assert_eq(request.days, JOB_MAX_DAYS);
    self_sign.days = JOB_MAX_DAYS + 1;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, "days"));
    message = self_sign_request();
    self_sign.request = NULL;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    message = self_sign_request();
    csr.version = 0;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
}

Test(decode, a_challenge_password_stands_in_a_csr_only)
{
    Keysvc__V1__Request message = self_sign_request();
    char long_one[JOB_SUBJECT_MAX + 2] = {0};

    csr.challenge_password = (char *)"secret";
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_CSR;
    message.csr = &csr;
    cr_assert_eq(decode(&message), KS_OK, "%s", why.text);
    cr_assert_str_eq(request.csr.challenge_password, "secret");
    memset(long_one, 'a', sizeof(long_one) - 1);
    csr.challenge_password = long_one;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    csr.challenge_password = long_one + 1;
    cr_assert_eq(decode(&message), KS_OK);
}

static Keysvc__V1__ImportRequest import = KEYSVC__V1__IMPORT_REQUEST__INIT;

static Keysvc__V1__Request
import_request(void)
{
    Keysvc__V1__Request message = KEYSVC__V1__REQUEST__INIT;

    import.name = (char *)"web/shop";
    import.from_version = 0;
    import.format = KEYSVC__V1__IMPORT_FORMAT__PKCS8;
    import.select = (char *)"";
    message.id = 9;
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_IMPORT;
    message.import = &import;
    return message;
}

Test(decode, an_import_names_its_format_and_bounds_what_it_selects)
{
    Keysvc__V1__Request message = import_request();
    char select[JOB_MAX_SELECT + 2] = {0};

    import.has_password = true;
    import.certificates = true;
    cr_assert_eq(decode(&message), KS_OK, "%s", why.text);
    cr_assert_eq(request.operation, REQUEST_IMPORT);
    cr_assert_eq(request.version, 0);
    cr_assert_eq(request.import.format, JOB_IMPORT_PKCS8);
    cr_assert(request.import.has_password && request.import.certificates);
    cr_assert_str_eq(request.import.select, "");
    import.from_version = 7;
    memset(select, 's', JOB_MAX_SELECT);
    import.select = select;
    cr_assert_eq(decode(&message), KS_OK);
    cr_assert_eq(request.version, 7);
    cr_assert_eq(strlen(request.import.select), JOB_MAX_SELECT);
    select[JOB_MAX_SELECT] = 's';
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    cr_assert_eq(request.operation, REQUEST_IMPORT, "its descriptors are found all the same");
    message = import_request();
    import.format = KEYSVC__V1__IMPORT_FORMAT__IMPORT_NONE;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    import.format = (Keysvc__V1__ImportFormat)JOB_IMPORT_FORMAT_COUNT;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    message = import_request();
    import.from_version = KEYNAME_VERSION_MAX + 1;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    message = import_request();
    message.deadline_ms = REQUEST_MAX_DEADLINE_MS + 1;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    cr_assert_eq(request.operation, REQUEST_IMPORT);
    message = import_request();
    import.name = (char *)"web//shop";
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
}

Test(decode, what_is_destroyed_has_a_version_and_a_hash_or_none)
{
    Keysvc__V1__Request message = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__DestroyRequest destroy = KEYSVC__V1__DESTROY_REQUEST__INIT;
    static const uint8_t zeros[KS_SHA256_LEN];
    uint8_t hash[KS_SHA256_LEN + 1] = {1};

    message.id = 9;
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_DESTROY;
    message.destroy = &destroy;
    destroy.name = (char *)"web/shop";
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST, "version 0");
    destroy.version = 2;
    cr_assert_eq(decode(&message), KS_OK, "%s", why.text);
    cr_assert_eq(memcmp(request.public_key_sha256, zeros, sizeof(zeros)), 0);
    destroy.public_key_sha256 = (ProtobufCBinaryData){KS_SHA256_LEN, hash};
    cr_assert_eq(decode(&message), KS_OK, "%s", why.text);
    cr_assert_eq(request.public_key_sha256[0], 1);
    destroy.public_key_sha256.len = KS_SHA256_LEN - 1;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    destroy.public_key_sha256.len = KS_SHA256_LEN + 1;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    /* Forgotten to be filled in: that would mean whatever stands there. */
    destroy.public_key_sha256 = (ProtobufCBinaryData){KS_SHA256_LEN, hash + 1};
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
}

static ks_err
decode_chain(size_t n, size_t len)
{
    Keysvc__V1__Request message = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__CertificatePutRequest put = KEYSVC__V1__CERTIFICATE_PUT_REQUEST__INIT;
    Keysvc__V1__Certificates chain = KEYSVC__V1__CERTIFICATES__INIT;
    ProtobufCBinaryData certificates[JOB_MAX_CHAIN + 1];
    static uint8_t der[JOB_MAX_CERTIFICATE + 1];

    for (size_t i = 0; i < n; i++)
        certificates[i] = (ProtobufCBinaryData){i + 1 < n ? 1 : len, der};
    chain.n_certificates = n;
    chain.certificates = certificates;
    put.name = (char *)"web/shop";
    put.version = 1;
    put.public_key_sha256 = (ProtobufCBinaryData){32, sha256};
    put.chain = &chain;
    message.id = 9;
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_PUT;
    message.certificate_put = &put;
    return decode(&message);
}

Test(decode, a_chain_has_one_to_sixteen_certificates_none_empty_none_too_long)
{
    cr_assert_eq(decode_chain(JOB_MAX_CHAIN, JOB_MAX_CERTIFICATE), KS_OK, "%s", why.text);
    cr_assert_eq(request.chain.n_items, JOB_MAX_CHAIN);
    cr_assert_eq(request.chain.items[0].len, 1);
    cr_assert_eq(request.chain.items[JOB_MAX_CHAIN - 1].len, JOB_MAX_CERTIFICATE);
    cr_assert_eq(decode_chain(JOB_MAX_CHAIN + 1, 1), KS_ERR_TOO_LARGE);
    cr_assert_eq(decode_chain(1, JOB_MAX_CERTIFICATE + 1), KS_ERR_TOO_LARGE);
    cr_assert_eq(decode_chain(2, 0), KS_ERR_BAD_REQUEST);
    cr_assert_eq(decode_chain(0, 0), KS_ERR_BAD_REQUEST);
}

Test(decode, certificates_and_token_info_name_what_they_are_about)
{
    Keysvc__V1__Request message = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__CertificateGetRequest get = KEYSVC__V1__CERTIFICATE_GET_REQUEST__INIT;
    Keysvc__V1__CertificateDeleteRequest delete = KEYSVC__V1__CERTIFICATE_DELETE_REQUEST__INIT;
    Keysvc__V1__TokenInfoRequest info = KEYSVC__V1__TOKEN_INFO_REQUEST__INIT;

    message.id = 9;
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_GET;
    message.certificate_get = &get;
    get.name = (char *)"web/shop";
    get.public_key_sha256 = (ProtobufCBinaryData){32, sha256};
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    get.version = 1;
    cr_assert_eq(decode(&message), KS_OK, "%s", why.text);
    get.public_key_sha256.len = 0;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_CERTIFICATE_DELETE;
    message.certificate_delete = &delete;
    delete.name = (char *)"web/shop";
    delete.version = 1;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    delete.public_key_sha256 = (ProtobufCBinaryData){32, sha256};
    cr_assert_eq(decode(&message), KS_OK);
    message.operation_case = KEYSVC__V1__REQUEST__OPERATION_TOKEN_INFO;
    message.token_info = &info;
    cr_assert_eq(decode(&message), KS_ERR_BAD_REQUEST);
    info.token = (char *)"main";
    cr_assert_eq(decode(&message), KS_OK);
    cr_assert_str_eq(request.token, "main");
}
