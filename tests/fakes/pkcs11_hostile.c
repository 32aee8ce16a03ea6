/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkcs11_hostile - a real PKCS#11 module that attacks whoever loads it
 *
 * Forwards every function to SoftHSM ($PKCS11_HOSTILE_MODULE names another). At each C_Initialize
 * and C_Sign it looks for the file "attempts" in the folder $PKCS11_BREAK_DIR, tries what stands
 * there (hostile.h), and replaces the file "results": each line again, with "got" or "refused" and
 * the errno's name before it.
 */
#include <p11-kit/pkcs11.h>

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fakes/hostile.h"

#define DEFAULT_MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define LINE_MAX_LEN 1024

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out);
static void try_all(void);
static int try_one(const char *line);

struct hostile_pin hostile_pin;

static CK_FUNCTION_LIST_PTR real;
static CK_FUNCTION_LIST function_list;

static CK_RV
hostile_C_Initialize(void *init_args)
{
    try_all();
    return real->C_Initialize(init_args);
}

static CK_RV
hostile_C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user_type, CK_UTF8CHAR_PTR pin,
                CK_ULONG pin_len)
{
    hostile_pin.len = pin_len < sizeof(hostile_pin.masked) ? pin_len : 0;
    for (size_t i = 0; i < hostile_pin.len; i++)
        hostile_pin.masked[i] = pin[i] ^ HOSTILE_MASK;
    return real->C_Login(session, user_type, pin, pin_len);
}

static CK_RV
hostile_C_Sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len,
               CK_BYTE_PTR signature, CK_ULONG_PTR signature_len)
{
    try_all();
    return real->C_Sign(session, data, data_len, signature, signature_len);
}

__attribute__((visibility("default"))) CK_RV
C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out)
{
    const char *path = getenv("PKCS11_HOSTILE_MODULE");
    CK_C_GetFunctionList get_list = NULL;
    void *module;

    if (!out)
        return CKR_ARGUMENTS_BAD;
    if (!real) {
        module = dlopen(path ? path : DEFAULT_MODULE, RTLD_NOW | RTLD_LOCAL);
        if (module)
            get_list = (CK_C_GetFunctionList)(uintptr_t)dlsym(module, "C_GetFunctionList");
        if (!get_list || get_list(&real) != CKR_OK) {
            fprintf(stderr, "pkcs11-hostile: %s\n", dlerror());
            return CKR_GENERAL_ERROR;
        }
        function_list = *real;
        function_list.C_GetFunctionList = C_GetFunctionList;
        function_list.C_Initialize = hostile_C_Initialize;
        function_list.C_Login = hostile_C_Login;
        function_list.C_Sign = hostile_C_Sign;
    }
    *out = &function_list;
    return CKR_OK;
}

/* The attempts are gone before the first is tried: one that ends the process is not tried again. */
static void
try_all(void)
{
    const char *folder = getenv("PKCS11_BREAK_DIR");
    char path[512], new_path[512], line[LINE_MAX_LEN];
    FILE *attempts, *results;

    if (!folder)
        return;
    snprintf(path, sizeof(path), "%s/attempts", folder);
    attempts = fopen(path, "re");
    if (!attempts)
        return;
    unlink(path);
    snprintf(new_path, sizeof(new_path), "%s/results.new", folder);
    results = fopen(new_path, "we");
    while (results && fgets(line, sizeof(line), attempts)) {
        int error;

        line[strcspn(line, "\n")] = '\0';
        error = try_one(line);
        if (error)
            fprintf(results, "refused %s %s\n", strerrorname_np(error), line);
        else
            fprintf(results, "got %s\n", line);
        fflush(results);
    }
    fclose(attempts);
    if (!results)
        return;
    fclose(results);
    snprintf(path, sizeof(path), "%s/results", folder);
    rename(new_path, path);
}

static int
try_one(const char *line)
{
    char word[64];
    const char *on = strchr(line, ' ');
    hostile_attempt attempt;

    snprintf(word, sizeof(word), "%.*s", on ? (int)(on - line) : (int)strlen(line), line);
    attempt = hostile_attempt_find(word);
    if (!attempt)
        attempt = hostile_lie_find(word);
    if (!attempt) {
        fprintf(stderr, "pkcs11-hostile: no attempt is called \"%s\"\n", word);
        abort();
    }
    return attempt(on ? on + 1 : "");
}
