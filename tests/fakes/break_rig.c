/* SPDX-License-Identifier: Apache-2.0 */
/*
 * break_rig - SoftHSM behind the module that breaks
 */
#include "tests/fakes/break_rig.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct break_rig rig = {.folder = "/tmp/pkcs11-break-XXXXXX"};
CK_BYTE rig_label[3] = {'k', '@', '1'};
CK_BYTE rig_digest[32] = {1, 2, 3};

CK_FUNCTION_LIST_PTR
rig_load(const char *path)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get_list;
    CK_FUNCTION_LIST_PTR list = NULL;

    cr_assert_not_null(module, "%s: %s", path, dlerror());
    get_list = (CK_C_GetFunctionList)(uintptr_t)dlsym(module, "C_GetFunctionList");
    cr_assert_eq(get_list(&list), CKR_OK);
    return list;
}

void
rig_write(const char *name, const char *text)
{
    char path[256], temporary[300];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", rig.folder, name);
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

void
rig_generate(void)
{
    CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE public_template[] = {{CKA_EC_PARAMS, p256, sizeof(p256)},
                                      {CKA_TOKEN, &yes, 1},
                                      {CKA_LABEL, rig_label, sizeof(rig_label)}};
    CK_ATTRIBUTE private_template[] = {
        {CKA_TOKEN, &yes, 1}, {CKA_SIGN, &yes, 1}, {CKA_LABEL, rig_label, sizeof(rig_label)}};
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};

    cr_assert_eq(rig.p11->C_GenerateKeyPair(rig.session, &mechanism, public_template, 3,
                                            private_template, 3, &rig.public_key, &rig.private_key),
                 CKR_OK);
}

void
rig_softhsm(const char *name)
{
    char path[256], text[512];

    snprintf(path, sizeof(path), "%s%s", rig.folder, name);
    cr_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
    snprintf(text, sizeof(text), "directories.tokendir = %s%s/tokens\n", rig.folder, name);
    snprintf(path, sizeof(path), "%s%s/tokens", rig.folder, name);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/softhsm2.conf", name);
    rig_write(path, text);
}

CK_RV
rig_open_session(CK_SESSION_HANDLE *out)
{
    CK_SLOT_ID slots[4];
    CK_ULONG n_slots = 4;

    cr_assert_eq(rig.p11->C_GetSlotList(CK_TRUE, slots, &n_slots), CKR_OK);
    return n_slots == 0 ? CKR_TOKEN_NOT_PRESENT
                        : rig.p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                                 NULL, NULL, out);
}

CK_RV
rig_login(CK_SESSION_HANDLE in, const char *pin)
{
    return rig.p11->C_Login(in, CKU_USER, (CK_BYTE_PTR)(uintptr_t)pin, strlen(pin));
}

void
rig_begin(void)
{
    CK_BYTE label[32];
    CK_SLOT_ID slots[4];
    CK_ULONG n_slots = 4;
    char path[256];

    cr_assert_not_null(mkdtemp(rig.folder));
    rig_softhsm("");
    snprintf(path, sizeof(path), "%s/softhsm2.conf", rig.folder);
    setenv("SOFTHSM2_CONF", path, 1);
    setenv("PKCS11_BREAK_DIR", rig.folder, 1);

    memset(label, ' ', sizeof(label));
    rig.p11 = rig_load(PKCS11_BREAK);
    cr_assert_eq(rig.p11->C_Initialize(NULL), CKR_OK);
    cr_assert_eq(rig.p11->C_GetSlotList(CK_TRUE, slots, &n_slots), CKR_OK);
    cr_assert_eq(rig.p11->C_InitToken(slots[0], (CK_BYTE_PTR) "12345678", 8, label), CKR_OK);
    cr_assert_eq(rig_open_session(&rig.session), CKR_OK);
    cr_assert_eq(rig.p11->C_Login(rig.session, CKU_SO, (CK_BYTE_PTR) "12345678", 8), CKR_OK);
    cr_assert_eq(rig.p11->C_InitPIN(rig.session, (CK_BYTE_PTR) "1234", 4), CKR_OK);
    cr_assert_eq(rig.p11->C_Logout(rig.session), CKR_OK);
    cr_assert_eq(rig_login(rig.session, "1234"), CKR_OK);
    rig_generate();
}

void
rig_end(void)
{
    if (rig.p11)
        rig.p11->C_Finalize(NULL);
    nftw(rig.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

CK_RV
rig_sign(CK_BYTE signature[static 64])
{
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
    CK_ULONG len = 64;
    CK_RV rv = rig.p11->C_SignInit(rig.session, &mechanism, rig.private_key);

    if (rv != CKR_OK)
        return rv;
    rv = rig.p11->C_Sign(rig.session, rig_digest, sizeof(rig_digest), signature, &len);
    /* A call that was answered instead left the real module's operation open. */
    if (rv != CKR_OK)
        rig.p11->C_SignInit(rig.session, NULL, 0);
    return rv;
}

CK_RV
rig_verify(CK_FUNCTION_LIST_PTR list, CK_SESSION_HANDLE in, CK_OBJECT_HANDLE key,
           CK_BYTE *signature)
{
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};

    cr_assert_eq(list->C_VerifyInit(in, &mechanism, key), CKR_OK);
    return list->C_Verify(in, rig_digest, sizeof(rig_digest), signature, 64);
}

uint64_t
rig_counted(enum function function)
{
    struct calls *calls = calls_open(rig.folder);
    uint64_t count;

    cr_assert_not_null(calls);
    count = calls_get(calls, function);
    calls_close(calls);
    return count;
}

int
rig_sign_in_child(unsigned wait_ms)
{
    CK_BYTE signature[64];
    int status = -1;
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(rig_sign(signature) == CKR_OK ? 0 : 1);
    for (unsigned i = 0; i < wait_ms; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return status;
        usleep(1000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
}
