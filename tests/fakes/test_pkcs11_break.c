/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pkcs11_break - the module that breaks on purpose, against SoftHSM itself
 *
 * A fake proves nothing by itself: a key made and used through it is one that SoftHSM, loaded
 * alone, knows and whose signatures it verifies.
 */
#include <p11-kit/pkcs11.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fakes/calls.h"
#include "tests/fakes/lie.h"
#include "tests/fakes/rules.h"

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"

static char folder[] = "/tmp/pkcs11-break-XXXXXX";
static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE private_key, public_key;
static CK_BYTE key_label[] = {'k', '@', '1'};
static CK_BYTE digest[32] = {1, 2, 3};

static CK_FUNCTION_LIST_PTR
load(const char *path)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get_list;
    CK_FUNCTION_LIST_PTR list = NULL;

    cr_assert_not_null(module, "%s: %s", path, dlerror());
    get_list = (CK_C_GetFunctionList)(uintptr_t)dlsym(module, "C_GetFunctionList");
    cr_assert_eq(get_list(&list), CKR_OK);
    return list;
}

static void
write_file(const char *name, const char *text)
{
    char path[256], temporary[300];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    file = fopen(temporary, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(rename(temporary, path), 0);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void
generate(void)
{
    CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE public_template[] = {{CKA_EC_PARAMS, p256, sizeof(p256)},
                                      {CKA_TOKEN, &yes, 1},
                                      {CKA_LABEL, key_label, sizeof(key_label)}};
    CK_ATTRIBUTE private_template[] = {
        {CKA_TOKEN, &yes, 1}, {CKA_SIGN, &yes, 1}, {CKA_LABEL, key_label, sizeof(key_label)}};
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};

    cr_assert_eq(p11->C_GenerateKeyPair(session, &mechanism, public_template, 3, private_template,
                                        3, &public_key, &private_key),
                 CKR_OK);
}

/* A folder with a SoftHSM of its own. */
static void
make_softhsm(const char *name)
{
    char path[256], text[512];

    snprintf(path, sizeof(path), "%s%s", folder, name);
    cr_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
    snprintf(text, sizeof(text), "directories.tokendir = %s%s/tokens\n", folder, name);
    snprintf(path, sizeof(path), "%s%s/tokens", folder, name);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/softhsm2.conf", name);
    write_file(path, text);
}

static CK_RV
open_session(CK_SESSION_HANDLE *out)
{
    CK_SLOT_ID slots[4];
    CK_ULONG n_slots = 4;

    cr_assert_eq(p11->C_GetSlotList(CK_TRUE, slots, &n_slots), CKR_OK);
    return n_slots == 0
               ? CKR_TOKEN_NOT_PRESENT
               : p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, out);
}

static CK_RV
login(CK_SESSION_HANDLE in, const char *pin)
{
    return p11->C_Login(in, CKU_USER, (CK_BYTE_PTR)(uintptr_t)pin, strlen(pin));
}

/* A SoftHSM token of this test's own, a session, a key, all through the module. */
static void
begin(void)
{
    CK_BYTE label[32];
    CK_SLOT_ID slots[4];
    CK_ULONG n_slots = 4;
    char path[256];

    cr_assert_not_null(mkdtemp(folder));
    make_softhsm("");
    snprintf(path, sizeof(path), "%s/softhsm2.conf", folder);
    setenv("SOFTHSM2_CONF", path, 1);
    setenv("PKCS11_BREAK_DIR", folder, 1);

    memset(label, ' ', sizeof(label));
    p11 = load(PKCS11_BREAK);
    cr_assert_eq(p11->C_Initialize(NULL), CKR_OK);
    cr_assert_eq(p11->C_GetSlotList(CK_TRUE, slots, &n_slots), CKR_OK);
    cr_assert_eq(p11->C_InitToken(slots[0], (CK_BYTE_PTR) "12345678", 8, label), CKR_OK);
    cr_assert_eq(open_session(&session), CKR_OK);
    cr_assert_eq(p11->C_Login(session, CKU_SO, (CK_BYTE_PTR) "12345678", 8), CKR_OK);
    cr_assert_eq(p11->C_InitPIN(session, (CK_BYTE_PTR) "1234", 4), CKR_OK);
    cr_assert_eq(p11->C_Logout(session), CKR_OK);
    cr_assert_eq(login(session, "1234"), CKR_OK);
    generate();
}

static void
end(void)
{
    if (p11)
        p11->C_Finalize(NULL);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static CK_RV
sign(CK_BYTE signature[static 64])
{
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
    CK_ULONG len = 64;
    CK_RV rv = p11->C_SignInit(session, &mechanism, private_key);

    if (rv != CKR_OK)
        return rv;
    rv = p11->C_Sign(session, digest, sizeof(digest), signature, &len);
    /* A call that was answered instead left the real module's operation open. */
    if (rv != CKR_OK)
        p11->C_SignInit(session, NULL, 0);
    return rv;
}

static CK_RV
verify(CK_FUNCTION_LIST_PTR list, CK_SESSION_HANDLE in, CK_OBJECT_HANDLE key, CK_BYTE *signature)
{
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};

    cr_assert_eq(list->C_VerifyInit(in, &mechanism, key), CKR_OK);
    return list->C_Verify(in, digest, sizeof(digest), signature, 64);
}

static uint64_t
counted(enum function function)
{
    struct calls *calls = calls_open(folder);
    uint64_t count;

    cr_assert_not_null(calls);
    count = calls_get(calls, function);
    calls_close(calls);
    return count;
}

/* Reaps a child that signs once; the status, or -1 if it was still at it after the time. */
static int
sign_in_child(unsigned wait_ms)
{
    CK_BYTE signature[64];
    int status = -1;
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(sign(signature) == CKR_OK ? 0 : 1);
    for (unsigned i = 0; i < wait_ms; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return status;
        usleep(1000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
}

TestSuite(pkcs11_break, .init = begin, .fini = end, .timeout = 60);

Test(pkcs11_break, forwards_to_the_real_module_which_knows_the_key_and_verifies_the_signature)
{
    CK_FUNCTION_LIST_PTR softhsm = load(SOFTHSM);
    CK_BYTE signature[64];

    cr_assert_eq(sign(signature), CKR_OK);
    cr_assert_eq(verify(softhsm, session, public_key, signature), CKR_OK);
    signature[0] ^= 1;
    cr_assert_eq(verify(softhsm, session, public_key, signature), CKR_SIGNATURE_INVALID);
}

Test(pkcs11_break, counts_every_call_by_function)
{
    CK_BYTE signature[64];

    cr_assert_eq(counted(FUNCTION_C_Login), 2);
    cr_assert_eq(counted(FUNCTION_C_Sign), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(sign(signature), CKR_OK);
    cr_assert_eq(counted(FUNCTION_C_Sign), 3);
    cr_assert_eq(counted(FUNCTION_C_SignInit), 3);
}

Test(pkcs11_break, answers_the_nth_call_as_the_rule_says_and_no_other)
{
    CK_BYTE signature[64];

    write_file("rules", "# the second\nC_SignInit:2:CKR_DEVICE_REMOVED\n");
    cr_assert_eq(sign(signature), CKR_OK);
    cr_assert_eq(sign(signature), CKR_DEVICE_REMOVED);
    cr_assert_eq(sign(signature), CKR_OK);
}

Test(pkcs11_break, reads_the_rules_again_when_they_changed)
{
    CK_BYTE signature[64];

    write_file("rules", "C_SignInit:*:0x30\n");
    cr_assert_eq(sign(signature), CKR_DEVICE_ERROR);
    write_file("rules", "C_SignInit:*:CKR_DEVICE_REMOVED\n");
    cr_assert_eq(sign(signature), CKR_DEVICE_REMOVED);
    write_file("rules", "");
    cr_assert_eq(sign(signature), CKR_OK);
}

Test(pkcs11_break, a_file_that_is_no_rules_file_breaks_nothing)
{
    CK_BYTE signature[64];

    write_file("rules", "C_SignInit:*:CKR_DEVICE_ERROR\nC_Sing:1:hang\n");
    cr_assert_eq(sign(signature), CKR_OK);
}

Test(pkcs11_break, a_wrong_signature_is_one_that_the_real_module_refuses)
{
    CK_BYTE signature[64];

    write_file("rules", "C_Sign:1:wrong\n");
    cr_assert_eq(sign(signature), CKR_OK);
    cr_assert_eq(verify(p11, session, public_key, signature), CKR_SIGNATURE_INVALID);
    cr_assert_eq(sign(signature), CKR_OK);
    cr_assert_eq(verify(p11, session, public_key, signature), CKR_OK);
}

Test(pkcs11_break, does_the_work_and_then_denies_it)
{
    CK_ATTRIBUTE template[] = {{CKA_LABEL, key_label, sizeof(key_label)}};
    CK_OBJECT_HANDLE found[8];
    CK_ULONG n_found = 0;

    write_file("rules", "C_DestroyObject:1:after CKR_DEVICE_ERROR\n");
    cr_assert_eq(p11->C_DestroyObject(session, private_key), CKR_DEVICE_ERROR);
    cr_assert_eq(p11->C_FindObjectsInit(session, template, 1), CKR_OK);
    cr_assert_eq(p11->C_FindObjects(session, found, 8, &n_found), CKR_OK);
    cr_assert_eq(p11->C_FindObjectsFinal(session), CKR_OK);
    cr_assert_eq(n_found, 1, "the public half alone is left");
}

Test(pkcs11_break, hangs_for_as_long_as_one_waits)
{
    write_file("rules", "C_Sign:1:hang\n");
    cr_assert_eq(sign_in_child(300), -1);
}

Test(pkcs11_break, crashes_as_a_crash_does)
{
    int status;

    write_file("rules", "C_Sign:1:abort\n");
    status = sign_in_child(20000);
    cr_assert(status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

Test(pkcs11_break, is_slow_and_then_right)
{
    CK_BYTE signature[64];
    struct timespec before, after;

    write_file("rules", "C_Sign:*:slow 50\n");
    clock_gettime(CLOCK_MONOTONIC, &before);
    cr_assert_eq(sign(signature), CKR_OK);
    clock_gettime(CLOCK_MONOTONIC, &after);
    cr_assert_geq(
        (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000, 49);
    cr_assert_eq(verify(p11, session, public_key, signature), CKR_OK);
}

Test(pkcs11_break, adds_flags_that_the_token_never_shows_by_itself)
{
    CK_SESSION_INFO info;
    CK_TOKEN_INFO token;

    cr_assert_eq(p11->C_GetSessionInfo(session, &info), CKR_OK);
    cr_assert_eq(p11->C_GetTokenInfo(info.slotID, &token), CKR_OK);
    cr_assert_eq(token.flags & CKF_USER_PIN_COUNT_LOW, 0);
    write_file("rules", "C_GetTokenInfo:*:flags 0x10000\n");
    cr_assert_eq(p11->C_GetTokenInfo(info.slotID, &token), CKR_OK);
    cr_assert_neq(token.flags & CKF_USER_PIN_COUNT_LOW, 0);
}

Test(pkcs11_break, knows_every_function_of_the_standard_and_counts_it)
{
    CK_FUNCTION_LIST *list = p11;
    size_t first = offsetof(CK_FUNCTION_LIST, C_Initialize);
    size_t n_functions = (sizeof(*list) - first) / sizeof(void *);

    /* C_GetFunctionList makes the list; the others are in it and in the file. */
    cr_assert_eq(n_functions, FUNCTION_COUNT + 1);
    for (size_t i = 0; i < n_functions; i++)
        cr_assert_not_null(((void **)&list->C_Initialize)[i], "%zu", i);
    cr_assert_eq(p11->C_CancelFunction(session), CKR_FUNCTION_NOT_PARALLEL);
    cr_assert_eq(counted(FUNCTION_C_CancelFunction), 1);
}

Test(pkcs11_break, a_call_that_is_answered_instead_is_counted_too)
{
    CK_BYTE signature[64];

    write_file("rules", "*:*:CKR_FUNCTION_FAILED\n");
    cr_assert_eq(sign(signature), CKR_FUNCTION_FAILED);
    write_file("rules", "token:removed\n");
    cr_assert_eq(sign(signature), CKR_DEVICE_REMOVED);
    cr_assert_eq(counted(FUNCTION_C_SignInit), 2);
}

/* Which of a thousand calls are answered by the rule. */
static void
draw(bool hit[static 1000])
{
    CK_INFO info;

    for (int i = 0; i < 1000; i++)
        hit[i] = p11->C_GetInfo(&info) != CKR_OK;
}

static void
start_counting_anew(void)
{
    static const uint64_t none;
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/calls", folder);
    fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    /* The module has it mapped. */
    for (off_t i = 0; i < FUNCTION_COUNT; i++)
        cr_assert_eq(pwrite(fd, &none, sizeof(none), i * 8), 8);
    close(fd);
}

Test(pkcs11_break, breaks_at_random_and_at_the_same_calls_with_the_same_seed)
{
    bool first[1000], second[1000], other[1000];
    unsigned n_hit = 0;

    write_file("seed", "17\n");
    write_file("rules", "C_GetInfo:~10:CKR_DEVICE_ERROR\n");
    start_counting_anew();
    draw(first);
    start_counting_anew();
    draw(second);
    cr_assert_eq(memcmp(first, second, sizeof(first)), 0);
    write_file("seed", "18\n");
    write_file("rules", "C_GetInfo:~10:CKR_DEVICE_ERROR # read again\n");
    start_counting_anew();
    draw(other);
    cr_assert_neq(memcmp(first, other, sizeof(first)), 0);
    for (size_t i = 0; i < 1000; i++)
        n_hit += first[i];
    cr_assert(n_hit > 50 && n_hit < 150, "%u of 1000", n_hit);

    setenv("PKCS11_BREAK_SEED", "17", 1);
    write_file("rules", "C_GetInfo:~10:CKR_DEVICE_ERROR\n");
    start_counting_anew();
    draw(second);
    cr_assert_eq(memcmp(first, second, sizeof(first)), 0, "the environment's seed counts first");
}

Test(pkcs11_break, ends_by_a_memory_fault_before_and_after_the_call)
{
    int status;

    write_file("rules", "C_Sign:1:segv\nC_Sign:2:after segv\n");
    for (int i = 0; i < 2; i++) {
        status = sign_in_child(20000);

        cr_assert(status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "%d", i);
    }
    cr_assert_eq(sign_in_child(20000), 0);
}

Test(pkcs11_break, lies_about_a_point_with_another_one_on_the_same_curve)
{
    static const struct {
        const char *name;
        int nid;
    } curves[] = {
        {"P-256", NID_X9_62_prime256v1}, {"P-384", NID_secp384r1}, {"P-521", NID_secp521r1}};

    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        EVP_PKEY *key = EVP_EC_gen(curves[i].name);
        EC_GROUP *group = EC_GROUP_new_by_curve_name(curves[i].nid);
        EC_POINT *point = EC_POINT_new(group);
        uint8_t told[200], *at = told + 1;
        CK_ATTRIBUTE attribute = {CKA_EC_POINT, told, 0};
        uint8_t before[200];
        size_t len = 0, header;

        told[0] = V_ASN1_OCTET_STRING;
        cr_assert_eq(EVP_PKEY_get_octet_string_param(key, "pub", before, sizeof(before), &len), 1);
        if (len > 127)
            *at++ = 0x81;
        *at++ = (uint8_t)len;
        header = (size_t)(at - told);
        memcpy(at, before, len);
        attribute.ulValueLen = header + len;
        lie_about(&attribute, 1);
        cr_expect_neq(memcmp(at, before, len), 0, "%s", curves[i].name);
        cr_expect_eq(EC_POINT_oct2point(group, point, at, len, NULL), 1, "%s", curves[i].name);
        lie_about(&attribute, 1);
        cr_expect_eq(memcmp(at, before, len), 0, "%s: the negative's negative", curves[i].name);
        EC_POINT_free(point);
        EC_GROUP_free(group);
        EVP_PKEY_free(key);
    }
}

Test(pkcs11_break, lies_about_a_modulus_with_another_that_openssl_takes)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    EVP_PKEY *other = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *n = NULL;
    uint8_t modulus[256], before[256];
    unsigned int e = 65537;
    CK_ATTRIBUTE attribute = {CKA_MODULUS, modulus, sizeof(modulus)};
    OSSL_PARAM parameters[3];

    cr_assert_eq(EVP_PKEY_get_bn_param(key, "n", &n), 1);
    cr_assert_eq(BN_bn2binpad(n, before, sizeof(before)), 256);
    memcpy(modulus, before, sizeof(modulus));
    lie_about(&attribute, 1);
    cr_assert_neq(memcmp(modulus, before, sizeof(modulus)), 0);

    BN_bin2bn(modulus, sizeof(modulus), n);
    BN_bn2nativepad(n, modulus, sizeof(modulus));
    parameters[0] = OSSL_PARAM_construct_BN("n", modulus, sizeof(modulus));
    parameters[1] = OSSL_PARAM_construct_uint("e", &e);
    parameters[2] = OSSL_PARAM_construct_end();
    cr_assert_eq(EVP_PKEY_fromdata_init(ctx), 1);
    cr_assert_eq(EVP_PKEY_fromdata(ctx, &other, EVP_PKEY_PUBLIC_KEY, parameters), 1);
    EVP_PKEY_CTX_free(ctx);
    ctx = EVP_PKEY_CTX_new(other, NULL);
    cr_assert_eq(EVP_PKEY_public_check(ctx), 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(other);
    EVP_PKEY_free(key);
    BN_free(n);
}

Test(pkcs11_break, lies_through_the_module_and_to_nobody_who_asks_only_for_the_length)
{
    CK_BYTE honest[100], told[100];
    CK_ATTRIBUTE attribute = {CKA_EC_POINT, honest, sizeof(honest)};

    cr_assert_eq(p11->C_GetAttributeValue(session, public_key, &attribute, 1), CKR_OK);
    write_file("rules", "C_GetAttributeValue:*:lie\n");
    attribute = (CK_ATTRIBUTE){CKA_EC_POINT, NULL, 0};
    cr_assert_eq(p11->C_GetAttributeValue(session, public_key, &attribute, 1), CKR_OK);
    cr_assert_eq(attribute.ulValueLen, 67);
    attribute.pValue = told;
    cr_assert_eq(p11->C_GetAttributeValue(session, public_key, &attribute, 1), CKR_OK);
    cr_assert_eq(memcmp(told, honest, 3 + 32), 0, "the same x");
    cr_assert_neq(memcmp(told, honest, 67), 0);
}

Test(pkcs11_break, a_removed_device_is_in_no_list_and_answers_nobody)
{
    CK_SLOT_ID slots[4];
    CK_ULONG n_slots = 4;
    CK_SESSION_INFO session_info;
    CK_SESSION_HANDLE opened;
    CK_SLOT_INFO slot_info;
    CK_TOKEN_INFO token_info;
    CK_BYTE signature[64];

    cr_assert_eq(p11->C_GetSessionInfo(session, &session_info), CKR_OK);
    write_file("rules", "token:removed\n");
    cr_expect_eq(p11->C_GetSlotList(CK_TRUE, slots, &n_slots), CKR_OK);
    cr_expect_eq(n_slots, 0);
    n_slots = 4;
    cr_expect_eq(p11->C_GetSlotList(CK_FALSE, slots, &n_slots), CKR_OK);
    cr_expect_geq(n_slots, 1, "the slot stays");
    cr_expect_eq(p11->C_GetSlotInfo(session_info.slotID, &slot_info), CKR_OK);
    cr_expect_eq(slot_info.flags & CKF_TOKEN_PRESENT, 0);
    cr_expect_eq(p11->C_GetTokenInfo(session_info.slotID, &token_info), CKR_TOKEN_NOT_PRESENT);
    cr_expect_eq(p11->C_OpenSession(session_info.slotID, CKF_SERIAL_SESSION, NULL, NULL, &opened),
                 CKR_TOKEN_NOT_PRESENT);
    cr_expect_eq(sign(signature), CKR_DEVICE_REMOVED);
    cr_expect_eq(login(session, "1234"), CKR_DEVICE_REMOVED);
}

Test(pkcs11_break, a_device_that_is_back_knows_neither_session_nor_login)
{
    CK_SESSION_HANDLE again;
    CK_SESSION_INFO info;
    CK_BYTE signature[64];

    write_file("rules", "token:removed\n");
    cr_assert_eq(sign(signature), CKR_DEVICE_REMOVED);
    write_file("rules", "");
    cr_assert_eq(sign(signature), CKR_SESSION_HANDLE_INVALID);
    cr_assert_eq(open_session(&again), CKR_OK);
    cr_assert_neq(again, session);
    cr_assert_eq(p11->C_GetSessionInfo(again, &info), CKR_OK);
    cr_assert_eq(info.state, CKS_RW_PUBLIC_SESSION);
    cr_assert_eq(login(again, "1234"), CKR_OK);
    cr_assert_eq(sign(signature), CKR_SESSION_HANDLE_INVALID, "the old one stays dead");
}

/* The private keys called k@1, and the public point of the last. */
static CK_ULONG
look(CK_SESSION_HANDLE in, CK_BYTE point[static 67])
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_ATTRIBUTE template[] = {{CKA_LABEL, key_label, sizeof(key_label)},
                               {CKA_CLASS, &class, sizeof(class)}};
    CK_ATTRIBUTE attribute = {CKA_EC_POINT, point, 67};
    CK_OBJECT_HANDLE found[8];
    CK_ULONG n_found = 0;

    cr_assert_eq(p11->C_FindObjectsInit(in, template, 2), CKR_OK);
    cr_assert_eq(p11->C_FindObjects(in, found, 8, &n_found), CKR_OK);
    cr_assert_eq(p11->C_FindObjectsFinal(in), CKR_OK);
    if (n_found > 0)
        cr_assert_eq(p11->C_GetAttributeValue(in, found[n_found - 1], &attribute, 1), CKR_OK);
    return n_found;
}

Test(pkcs11_break, another_token_in_the_slot_has_its_own_keys_until_it_is_taken_out)
{
    char line[300], command[600];
    CK_SESSION_HANDLE other, own;
    CK_BYTE point[67], other_point[67], signature[64];
    CK_TOKEN_INFO before, after;
    CK_SESSION_INFO info;

    /* A copy has label and serial of this one; its keys become others. */
    make_softhsm("/other");
    snprintf(command, sizeof(command), "cp -r %s/tokens/. %s/other/tokens", folder, folder);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(p11->C_GetSessionInfo(session, &info), CKR_OK);
    cr_assert_eq(p11->C_GetTokenInfo(info.slotID, &before), CKR_OK);
    cr_assert_eq(look(session, point), 1);

    snprintf(line, sizeof(line), "token:other %s/other # exchanged\n", folder);
    write_file("rules", line);
    cr_assert_eq(sign(signature), CKR_SESSION_HANDLE_INVALID);
    cr_assert_eq(open_session(&other), CKR_OK);
    cr_assert_eq(sign(signature), CKR_SESSION_HANDLE_INVALID, "though the number is used again");
    cr_assert_eq(p11->C_GetSessionInfo(other, &info), CKR_OK);
    cr_assert_eq(p11->C_GetTokenInfo(info.slotID, &after), CKR_OK);
    cr_assert_eq(memcmp(before.label, after.label, sizeof(before.label)), 0);
    cr_assert_eq(memcmp(before.serialNumber, after.serialNumber, sizeof(before.serialNumber)), 0);
    cr_assert_eq(login(other, "1234"), CKR_OK);
    session = other;
    generate();
    cr_assert_eq(look(other, other_point), 2, "the copy, and the one just made");

    write_file("rules", "");
    cr_assert_eq(open_session(&own), CKR_OK);
    cr_assert_eq(login(own, "1234"), CKR_OK);
    cr_assert_eq(look(own, other_point), 1, "what was made on the other one is not here");
    cr_assert_eq(memcmp(point, other_point, sizeof(point)), 0);
}

Test(pkcs11_break, a_token_that_is_none_is_like_none)
{
    CK_SESSION_HANDLE opened;
    CK_BYTE signature[64];

    write_file("rules", "token:other /nonexistent\n");
    cr_assert_eq(sign(signature), CKR_DEVICE_REMOVED);
    write_file("rules", "");
    cr_assert_eq(open_session(&opened), CKR_OK);
}

/* Reaps a child that opens a session and ends; whether it could. */
static bool
opens_in_child(void)
{
    CK_SESSION_HANDLE opened;
    int status = 0;
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(open_session(&opened) == CKR_OK ? 0 : 1);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Test(pkcs11_break, has_few_sessions_for_all_processes_together)
{
    CK_SESSION_HANDLE second, third;

    write_file("rules", "sessions:2\n");
    cr_assert(opens_in_child());
    cr_assert_eq(open_session(&second), CKR_OK, "the child's is free again");
    cr_assert_eq(open_session(&third), CKR_SESSION_COUNT);
    cr_assert_not(opens_in_child());
    cr_assert_eq(p11->C_CloseSession(second), CKR_OK);
    cr_assert(opens_in_child());
    write_file("rules", "");
    cr_assert_eq(open_session(&second), CKR_OK);
    cr_assert_eq(open_session(&third), CKR_OK);
}

Test(pkcs11_break, locks_its_pin_after_so_many_wrong_ones)
{
    CK_SESSION_INFO info;
    CK_TOKEN_INFO token;
    CK_FLAGS all = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;
    static const CK_FLAGS shown[] = {0, CKF_USER_PIN_COUNT_LOW,
                                     CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY,
                                     CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_LOCKED};

    write_file("rules", "pin:3\n");
    cr_assert_eq(p11->C_GetSessionInfo(session, &info), CKR_OK);
    cr_assert_eq(p11->C_Logout(session), CKR_OK);
    cr_assert_eq(login(session, "wrong"), CKR_PIN_INCORRECT);
    cr_assert_eq(login(session, "1234"), CKR_OK, "which forgives the wrong one");
    cr_assert_eq(p11->C_Logout(session), CKR_OK);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(p11->C_GetTokenInfo(info.slotID, &token), CKR_OK);
        cr_assert_eq(token.flags & all, shown[i], "after %zu", i);
        cr_assert_eq(login(session, "wrong"), CKR_PIN_INCORRECT);
    }
    cr_assert_eq(p11->C_GetTokenInfo(info.slotID, &token), CKR_OK);
    cr_assert_eq(token.flags & all, shown[3]);
    cr_assert_eq(login(session, "wrong"), CKR_PIN_LOCKED);
    cr_assert_eq(login(session, "1234"), CKR_PIN_LOCKED, "the right one neither");
    cr_assert_eq(p11->C_SetPIN(session, (CK_BYTE_PTR) "1234", 4, (CK_BYTE_PTR) "5678", 4),
                 CKR_PIN_LOCKED);

    cr_assert_eq(p11->C_Login(session, CKU_SO, (CK_BYTE_PTR) "12345678", 8), CKR_OK);
    cr_assert_eq(p11->C_InitPIN(session, (CK_BYTE_PTR) "5678", 4), CKR_OK);
    cr_assert_eq(p11->C_Logout(session), CKR_OK);
    cr_assert_eq(login(session, "5678"), CKR_OK);
}

Test(rules, reads_every_form)
{
    struct rules rules;

    cr_assert_eq(rules_parse("C_Sign:3:CKR_DEVICE_REMOVED\n C_Sign:5+:hang # from the fifth\n\n"
                             "C_Login:%50:abort\nC_GetInfo:*:slow 20\n*:~7:after segv\n"
                             "token:removed\ntoken:other /a/b # c\n sessions:4\npin:3",
                             &rules),
                 0);
    cr_assert_eq(rules.n, 5);
    cr_assert(rules.device.is_removed);
    cr_assert_str_eq(rules.device.other, "/a/b");
    cr_assert_eq(rules.device.max_sessions, 4);
    cr_assert_eq(rules.device.max_tries, 3);
    cr_assert_null(rules_find(&rules, FUNCTION_C_Sign, 2));
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Sign, 3)->value, CKR_DEVICE_REMOVED);
    cr_assert_null(rules_find(&rules, FUNCTION_C_Sign, 4));
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Sign, 500)->action, RULE_HANG);
    cr_assert_null(rules_find(&rules, FUNCTION_C_Login, 49));
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Login, 100)->action, RULE_ABORT);
    cr_assert_eq(rules_find(&rules, FUNCTION_C_GetInfo, 1)->value, 20);
}

Test(rules, knows_every_return_value_by_its_name)
{
    struct rules rules;

    cr_assert_eq(rules_parse("C_Sign:1:CKR_FUNCTION_REJECTED\nC_Sign:2:CKR_NEW_PIN_MODE", &rules),
                 0);
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Sign, 1)->value, CKR_FUNCTION_REJECTED);
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Sign, 2)->value, CKR_NEW_PIN_MODE);
}

Test(rules, names_the_line_that_is_no_rule)
{
    static const char *const wrong[] = {
        "C_Sign",
        "C_Sign:1",
        "C_Sing:1:hang",
        "C_Sign:0:hang",
        "C_Sign:x:hang",
        "C_Sign:1:",
        "C_Sign:1:sleep",
        "C_Sign:1:slow",
        "C_Sign:%0:hang",
        "C_Sign:1:hang now",
        "C_Sign:~0:hang",
        "C_Sign:~:hang",
        "C_Sign:1:CKR_NOTHING",
        "token:gone",
        "token:other",
        "token:removed 1",
        "sessions:0",
        "sessions:",
        "pin:x",
        "pin:1 2",
        "pins:1",
    };
    struct rules rules;
    char text[128];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(text, sizeof(text), "C_Sign:1:hang\n%s\n", wrong[i]);
        cr_expect_eq(rules_parse(text, &rules), 2, "%s", wrong[i]);
    }
}
