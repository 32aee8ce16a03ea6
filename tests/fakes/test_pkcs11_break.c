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
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fakes/calls.h"
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

/* A SoftHSM token of this test's own, a session, a key, all through the module. */
static void
begin(void)
{
    CK_BYTE label[32];
    CK_SLOT_ID slots[4];
    CK_ULONG n_slots = 4;
    char path[256], text[512];

    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/tokens", folder);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(text, sizeof(text), "directories.tokendir = %s\n", path);
    write_file("softhsm2.conf", text);
    snprintf(path, sizeof(path), "%s/softhsm2.conf", folder);
    setenv("SOFTHSM2_CONF", path, 1);
    setenv("PKCS11_BREAK_DIR", folder, 1);

    memset(label, ' ', sizeof(label));
    p11 = load(PKCS11_BREAK);
    cr_assert_eq(p11->C_Initialize(NULL), CKR_OK);
    cr_assert_eq(p11->C_GetSlotList(CK_TRUE, slots, &n_slots), CKR_OK);
    cr_assert_eq(p11->C_InitToken(slots[0], (CK_BYTE_PTR) "12345678", 8, label), CKR_OK);
    n_slots = 4;
    cr_assert_eq(p11->C_GetSlotList(CK_TRUE, slots, &n_slots), CKR_OK);
    cr_assert_eq(
        p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
        CKR_OK);
    cr_assert_eq(p11->C_Login(session, CKU_SO, (CK_BYTE_PTR) "12345678", 8), CKR_OK);
    cr_assert_eq(p11->C_InitPIN(session, (CK_BYTE_PTR) "1234", 4), CKR_OK);
    cr_assert_eq(p11->C_Logout(session), CKR_OK);
    cr_assert_eq(p11->C_Login(session, CKU_USER, (CK_BYTE_PTR) "1234", 4), CKR_OK);
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

Test(rules, reads_every_form)
{
    struct rules rules;

    cr_assert_eq(rules_parse("C_Sign:3:CKR_DEVICE_REMOVED\n C_Sign:5+:hang # from the fifth\n\n"
                             "C_Login:%50:abort\nC_GetInfo:*:slow 20",
                             &rules),
                 0);
    cr_assert_eq(rules.n, 4);
    cr_assert_null(rules_find(&rules, FUNCTION_C_Sign, 2));
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Sign, 3)->value, CKR_DEVICE_REMOVED);
    cr_assert_null(rules_find(&rules, FUNCTION_C_Sign, 4));
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Sign, 500)->action, RULE_HANG);
    cr_assert_null(rules_find(&rules, FUNCTION_C_Login, 49));
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Login, 100)->action, RULE_ABORT);
    cr_assert_eq(rules_find(&rules, FUNCTION_C_GetInfo, 1)->value, 20);
}

Test(rules, names_the_line_that_is_no_rule)
{
    static const char *const wrong[] = {
        "C_Sign",    "C_Sign:1",       "C_Sing:1:hang", "C_Sign:0:hang",  "C_Sign:x:hang",
        "C_Sign:1:", "C_Sign:1:sleep", "C_Sign:1:slow", "C_Sign:%0:hang", "C_Sign:1:hang now",
    };
    struct rules rules;
    char text[128];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(text, sizeof(text), "C_Sign:1:hang\n%s\n", wrong[i]);
        cr_expect_eq(rules_parse(text, &rules), 2, "%s", wrong[i]);
    }
}
