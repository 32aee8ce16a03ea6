/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/pkcs11/operation.h"
#include "module_rig.h"

static struct rig *rig;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE ec, rsa, ed, tls;
static unsigned char signature[KS_SIGNATURE_MAX_LEN];
static CK_ULONG len;

static void
start(void)
{
    rig = rig_start();
    session = rig_session();
    ec = rig_find(session, CKO_PRIVATE_KEY, "web/shop@2");
    tls = rig_find(session, CKO_PRIVATE_KEY, "web/shop@1");
    rsa = rig_find(session, CKO_PRIVATE_KEY, "sign/rsa");
    ed = rig_find(session, CKO_PRIVATE_KEY, "sign/ed");
}

static void
stop(void)
{
    rig_stop(rig);
}

TestSuite(sign, .init = start, .fini = stop);

static CK_RV
begin(CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = {type, NULL, 0};

    len = sizeof(signature);
    return p11->C_SignInit(session, &mechanism, key);
}

static CK_RV
sign_text(const char *text)
{
    return p11->C_Sign(session, (unsigned char *)(uintptr_t)text, strlen(text), signature, &len);
}

static unsigned int
n_signed(void)
{
    return fake_server_requests(rig->server, RIG_SIGN);
}

static CK_RV
verify_text(CK_MECHANISM_TYPE type, const char *label, const char *text)
{
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PUBLIC_KEY, label);
    CK_MECHANISM mechanism = {type, NULL, 0};

    cr_assert_eq(p11->C_VerifyInit(session, &mechanism, key), CKR_OK);
    return p11->C_Verify(session, (unsigned char *)(uintptr_t)text, strlen(text), signature, len);
}

Test(sign, the_message_travels_whole)
{
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
    cr_assert_eq(sign_text("a message"), CKR_OK);
    cr_assert_eq(len, 64, "r and s");
    cr_assert_eq(rig->data_len, 9);
    cr_assert_arr_eq(rig->data, "a message", 9);
    cr_assert_eq(rig->prehashed, KS_HASH_NONE);
    cr_assert_eq(verify_text(CKM_ECDSA_SHA256, "web/shop@2", "a message"), CKR_OK);
    cr_assert_eq(verify_text(CKM_ECDSA_SHA256, "web/shop@2", "b message"), CKR_SIGNATURE_INVALID);
    cr_assert_eq(verify_text(CKM_ECDSA_SHA256, "web/shop@1", "a message"), CKR_SIGNATURE_INVALID);
}

Test(sign, each_type_of_key_signs)
{
    cr_assert_eq(begin(CKM_SHA256_RSA_PKCS, rsa), CKR_OK);
    cr_assert_eq(sign_text("rsa"), CKR_OK);
    cr_assert_eq(len, 256);
    cr_assert_eq(verify_text(CKM_SHA256_RSA_PKCS, "sign/rsa", "rsa"), CKR_OK);
    cr_assert_eq(begin(CKM_EDDSA, ed), CKR_OK);
    cr_assert_eq(sign_text("ed"), CKR_OK);
    cr_assert_eq(len, 64);
    cr_assert_eq(verify_text(CKM_EDDSA, "sign/ed", "ed"), CKR_OK);
}

Test(sign, parts_are_put_together)
{
    cr_assert_eq(begin(CKM_ECDSA_SHA256, tls), CKR_OK);
    cr_assert_eq(p11->C_SignUpdate(session, (unsigned char *)"a mes", 5), CKR_OK);
    cr_assert_eq(p11->C_SignUpdate(session, NULL, 0), CKR_OK);
    cr_assert_eq(p11->C_SignUpdate(session, (unsigned char *)"sage", 4), CKR_OK);
    cr_assert_eq(sign_text("x"), CKR_OPERATION_ACTIVE);
    cr_assert_eq(p11->C_SignFinal(session, signature, &len), CKR_OK);
    cr_assert_eq(rig->data_len, 9);
    cr_assert_eq(rig->prehashed, KS_HASH_NONE);
    cr_assert_eq(verify_text(CKM_ECDSA_SHA256, "web/shop@1", "a message"), CKR_OK);
    cr_assert_eq(begin(CKM_EDDSA, ed), CKR_OK);
    cr_assert_eq(p11->C_SignFinal(session, signature, &len), CKR_OK, "an empty message");
    cr_assert_eq(rig->data_len, 0);
}

/* In one part and in many, and for every purpose, by the same limit. */
Test(sign, what_is_too_long_to_travel_goes_as_a_digest)
{
    size_t size = KS_SIGN_MAX_LEN + 1;
    unsigned char *data = calloc(1, size);

    for (int in_parts = 0; in_parts < 2; in_parts++) {
        for (int whole = 0; whole < 2; whole++) {
            size_t n = whole ? size - 1 : size;

            cr_assert_eq(begin(CKM_ECDSA_SHA256, in_parts ? tls : ec), CKR_OK);
            if (in_parts) {
                cr_assert_eq(p11->C_SignUpdate(session, data, n - 1), CKR_OK);
                cr_assert_eq(p11->C_SignUpdate(session, data, 1), CKR_OK);
                cr_assert_eq(p11->C_SignFinal(session, signature, &len), CKR_OK);
            } else {
                cr_assert_eq(p11->C_Sign(session, data, n, signature, &len), CKR_OK);
            }
            cr_assert_eq(rig->data_len, whole ? n : 32);
            cr_assert_eq(rig->prehashed, whole ? KS_HASH_NONE : KS_HASH_SHA256);
        }
    }
    cr_assert_eq(begin(CKM_EDDSA, ed), CKR_OK);
    cr_assert_eq(p11->C_Sign(session, data, size, signature, &len), CKR_DATA_LEN_RANGE);
    cr_assert_eq(begin(CKM_EDDSA, ed), CKR_OK, "that ended the operation");
    free(data);
}

Test(sign, a_long_digest_is_the_digest_of_the_message)
{
    size_t size = 2 * KS_SIGN_MAX_LEN;
    unsigned char *data = calloc(1, size), digest[32];

    cr_assert_eq(begin(CKM_ECDSA_SHA256, tls), CKR_OK);
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(p11->C_SignUpdate(session, data, KS_SIGN_MAX_LEN), CKR_OK);
    cr_assert_eq(p11->C_SignFinal(session, signature, &len), CKR_OK);
    cr_assert(EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL));
    cr_assert_eq(rig->data_len, 32);
    cr_assert_arr_eq(rig->data, digest, 32);
    free(data);
}

Test(sign, a_raw_digest_goes_with_its_hash_named)
{
    unsigned char digest[64] = {7};

    cr_assert_eq(begin(CKM_ECDSA, ec), CKR_OK);
    cr_assert_eq(p11->C_Sign(session, digest, 32, signature, &len), CKR_OK);
    cr_assert_eq(rig->prehashed, KS_HASH_SHA256);
    cr_assert_eq(begin(CKM_ECDSA, ec), CKR_OK);
    cr_assert_eq(p11->C_SignUpdate(session, digest, 64), CKR_OK);
    cr_assert_eq(p11->C_SignFinal(session, signature, &len), CKR_OK);
    cr_assert_eq(rig->prehashed, KS_HASH_SHA512);
    cr_assert_eq(n_signed(), 2);
    cr_assert_eq(begin(CKM_ECDSA, ec), CKR_OK);
    cr_assert_eq(p11->C_Sign(session, digest, 20, signature, &len), CKR_DATA_LEN_RANGE);
    cr_assert_eq(begin(CKM_RSA_PKCS, rsa), CKR_OK);
    cr_assert_eq(p11->C_Sign(session, digest, 51, signature, &len), CKR_DATA_INVALID);
    cr_assert_eq(begin(CKM_RSA_PKCS, rsa), CKR_OK);
    cr_assert_eq(p11->C_SignUpdate(session, digest, 64), CKR_OK);
    cr_assert_eq(p11->C_SignUpdate(session, digest, 64), CKR_DATA_LEN_RANGE);
    cr_assert_eq(p11->C_SignFinal(session, signature, &len), CKR_OPERATION_NOT_INITIALIZED);
    cr_assert_eq(n_signed(), 2);
}

Test(sign, asking_for_the_length_signs_nothing)
{
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
    cr_assert_eq(p11->C_Sign(session, (unsigned char *)"x", 1, NULL, &len), CKR_OK);
    cr_assert_eq(len, 64);
    len = 63;
    cr_assert_eq(sign_text("x"), CKR_BUFFER_TOO_SMALL);
    cr_assert_eq(len, 64);
    cr_assert_eq(n_signed(), 0);
    cr_assert_eq(sign_text("x"), CKR_OK);
    cr_assert_eq(n_signed(), 1);
    cr_assert_eq(sign_text("x"), CKR_OPERATION_NOT_INITIALIZED);
}

Test(sign, the_length_may_be_asked_for_before_the_end_of_many_parts)
{
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
    cr_assert_eq(p11->C_SignUpdate(session, (unsigned char *)"x", 1), CKR_OK);
    cr_assert_eq(p11->C_SignFinal(session, NULL, &len), CKR_OK);
    cr_assert_eq(len, 64);
    len = 1;
    cr_assert_eq(p11->C_SignFinal(session, signature, &len), CKR_BUFFER_TOO_SMALL);
    cr_assert_eq(p11->C_SignFinal(session, signature, &len), CKR_OK);
    cr_assert_eq(n_signed(), 1);
}

Test(sign, states_and_arguments_are_checked)
{
    CK_MECHANISM other = {CKM_RSA_X_509, NULL, 0};

    cr_assert_eq(sign_text("x"), CKR_OPERATION_NOT_INITIALIZED);
    cr_assert_eq(p11->C_SignUpdate(session, signature, 1), CKR_OPERATION_NOT_INITIALIZED);
    cr_assert_eq(p11->C_SignFinal(session, signature, &len), CKR_OPERATION_NOT_INITIALIZED);
    cr_assert_eq(p11->C_SignInit(session, NULL, ec), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_SignInit(session, &other, rsa), CKR_MECHANISM_INVALID);
    cr_assert_eq(begin(CKM_ECDSA_SHA256, 0), CKR_KEY_HANDLE_INVALID);
    cr_assert_eq(begin(CKM_ECDSA_SHA256, rsa), CKR_KEY_TYPE_INCONSISTENT);
    cr_assert_eq(begin(CKM_ECDSA_SHA256, rig_find(session, CKO_PUBLIC_KEY, "web/shop")),
                 CKR_KEY_TYPE_INCONSISTENT);
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OPERATION_ACTIVE);
    cr_assert_eq(p11->C_Sign(session, NULL, 1, signature, &len), CKR_ARGUMENTS_BAD);
    cr_assert_eq(sign_text("x"), CKR_OPERATION_NOT_INITIALIZED, "it ended");
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
    cr_assert_eq(p11->C_Sign(session, signature, 1, signature, NULL), CKR_ARGUMENTS_BAD);
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
    cr_assert_eq(p11->C_SignUpdate(session, NULL, 1), CKR_ARGUMENTS_BAD);
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
    cr_assert_eq(p11->C_CloseSession(session), CKR_OK, "with an operation in it");
}

Test(sign, a_refusal_is_a_code_and_ends_the_operation)
{
    static const struct {
        ks_err err;
        CK_RV rv;
    } ROW[] = {
        {KS_ERR_DENIED, CKR_FUNCTION_REJECTED},   {KS_ERR_PURPOSE, CKR_KEY_FUNCTION_NOT_PERMITTED},
        {KS_ERR_NO_KEY, CKR_KEY_HANDLE_INVALID},  {KS_ERR_KEY_CHANGED, CKR_KEY_CHANGED},
        {KS_ERR_INTERNAL, CKR_GENERAL_ERROR},     {KS_ERR_TOO_LARGE, CKR_DATA_LEN_RANGE},
        {KS_ERR_LOGIN_BLOCKED, CKR_DEVICE_ERROR}, {KS_ERR_BUSY, CKR_DEVICE_MEMORY},
    };

    for (size_t i = 0; i < ARRAY_LEN(ROW); i++) {
        rig->fail[RIG_SIGN] = ROW[i].err;
        cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
        cr_assert_eq(sign_text("x"), ROW[i].rv, "%s", ks_err_name(ROW[i].err));
        cr_assert_eq(sign_text("x"), CKR_OPERATION_NOT_INITIALIZED);
    }
    rig->fail[RIG_SIGN] = 0;
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
    cr_assert_eq(sign_text("x"), CKR_OK);
}

Test(sign, what_is_no_signature_is_not_given_on)
{
    rig->signature = "\x30\x03\x02\x01";
    rig->signature_len = 4;
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
    cr_assert_eq(sign_text("x"), CKR_DEVICE_ERROR);
    cr_assert_eq(begin(CKM_SHA256_RSA_PKCS, rsa), CKR_OK);
    cr_assert_eq(sign_text("x"), CKR_DEVICE_ERROR);
}

/* r and s are from 1 to below the order: nobody can have made these. */
Test(sign, numbers_that_no_curve_has_are_no_signature)
{
    static const char ZERO[] = "\x30\x06\x02\x01\x00\x02\x01\x01";
    static const char SIGN[] = "\x30\x06\x02\x01\x01\x02\x01\xff";
    static const char GOOD[] = "\x30\x06\x02\x01\x01\x02\x01\x01";
    static const char *const PAIRS[] = {ZERO, SIGN, GOOD};

    rig->signature_len = sizeof(ZERO) - 1;
    for (size_t i = 0; i < ARRAY_LEN(PAIRS); i++) {
        rig->signature = PAIRS[i];
        cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
        cr_assert_eq(sign_text("x"), PAIRS[i] == GOOD ? CKR_OK : CKR_DEVICE_ERROR, "pair %zu", i);
    }
}

/* A number fits in the bytes of P-521 that has more bits than its order. */
Test(sign, numbers_longer_than_the_order_are_no_signature)
{
    static unsigned char pair[3 + 3 + 68];
    CK_OBJECT_HANDLE key;

    rig->keys[3].type = KS_KEY_TYPE_EC_P521;
    p11->C_Finalize(NULL);
    session = rig_session();
    key = rig_find(session, CKO_PRIVATE_KEY, "web/shop@2");
    memcpy(pair, "\x30\x47\x02\x42", 4);
    memcpy(pair + 4 + 66, "\x02\x01\x01", 3);
    rig->signature = pair;
    rig->signature_len = 4 + 66 + 3;
    for (int i = 0; i < 2; i++) {
        pair[4] = i == 0 ? 0x01 : 0x02;
        cr_assert_eq(begin(CKM_ECDSA_SHA512, key), CKR_OK);
        cr_assert_eq(sign_text("x"), i == 0 ? CKR_OK : CKR_DEVICE_ERROR);
    }
}

Test(sign, a_key_that_is_gone_is_asked_for_all_the_same)
{
    rig->keys[3].hidden = true;
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
    cr_assert_eq(sign_text("x"), CKR_KEY_HANDLE_INVALID);
    cr_assert_eq(rig_find(session, CKO_PRIVATE_KEY, "web/shop@2"), CK_INVALID_HANDLE,
                 "the list is read again at once");
    rig->keys[3].hidden = false;
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
    cr_assert_eq(sign_text("x"), CKR_OK, "its token is back");
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their heaps are others */
#define MARK "a secret message;"

/* Of the memory that malloc() has or had. */
static bool
heap_has_mark(void)
{
    size_t first = 0, end = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    char line[256], *copy;
    ssize_t n;
    bool has;

    while (end == 0 && fgets(line, sizeof(line), maps)) {
        if (strstr(line, "[heap]"))
            (void)sscanf(line, "%zx-%zx", &first, &end);
    }
    fclose(maps);
    cr_assert_gt(end, first);
    copy = mmap(NULL, end - first, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    n = pread(memory, copy, end - first, (off_t)first);
    has = n > 0 && memmem(copy, (size_t)n, MARK, sizeof(MARK) - 1);
    munmap(copy, end - first);
    close(memory);
    return has;
}

Test(sign, a_message_of_which_only_a_digest_is_kept_is_wiped)
{
    static unsigned char data[KS_SIGN_MAX_LEN];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)MARK[i % (sizeof(MARK) - 1)];
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    cr_assert_eq(begin(CKM_ECDSA_SHA256, ec), CKR_OK);
    cr_assert_eq(p11->C_SignUpdate(session, data, sizeof(data)), CKR_OK);
    cr_assert(heap_has_mark(), "it is kept whole");
    cr_assert_eq(p11->C_SignUpdate(session, (unsigned char *)"x", 1), CKR_OK);
    cr_assert_not(heap_has_mark());
}
#endif
