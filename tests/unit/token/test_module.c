/* SPDX-License-Identifier: Apache-2.0 */
#include "token/module.h"

#include <criterion/criterion.h>

static CK_TOKEN_INFO
token_info(const char *label, const char *serial)
{
    CK_TOKEN_INFO info;

    memset(&info, ' ', sizeof(info));
    memcpy(info.label, label, strlen(label));
    memcpy(info.serialNumber, serial, strlen(serial));
    info.flags = CKF_TOKEN_INITIALIZED;
    return info;
}

Test(module, matches_a_token_by_label_serial_or_uri)
{
    static const struct {
        const char *label, *serial, *uri;
        bool matches;
    } cases[] = {
        {"keysvc", "", "", true},
        {"keysv", "", "", false},
        {"keysvc2", "", "", false},
        {"", "1234", "", true},
        {"keysvc", "1234", "", true},
        {"keysvc", "9999", "", false},
        {"", "", "pkcs11:token=keysvc", true},
        {"", "", "pkcs11:token=keysvc;serial=1234", true},
        {"", "", "pkcs11:token=other", false},
    };
    CK_TOKEN_INFO info = token_info("keysvc", "1234");

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config_token token = {.name = "main"};
        struct fault why = FAULT_INIT;
        bool matches;

        text_copy(token.label, sizeof(token.label), cases[i].label);
        text_copy(token.serial, sizeof(token.serial), cases[i].serial);
        text_copy(token.uri, sizeof(token.uri), cases[i].uri);
        cr_assert_eq(module_match(&token, &info, &matches, &why), KS_OK);
        cr_expect_eq(matches, cases[i].matches, "case %zu", i);
    }
}

Test(module, takes_no_token_that_is_not_initialised_and_no_uri_that_is_none)
{
    CK_TOKEN_INFO info = token_info("keysvc", "1234");
    struct config_token token = {.name = "main", .label = "keysvc"};
    struct fault why = FAULT_INIT;
    bool matches;

    info.flags = 0;
    cr_assert_eq(module_match(&token, &info, &matches, &why), KS_OK);
    cr_assert_not(matches);
    info.flags = CKF_TOKEN_INITIALIZED;
    token.label[0] = '\0';
    text_copy(token.uri, sizeof(token.uri), "http://keysvc");
    cr_assert_eq(module_match(&token, &info, &matches, &why), KS_ERR_BAD_REQUEST);
}

Test(module, says_what_is_not_there_or_is_no_module)
{
    struct module *module = NULL;
    struct fault why = FAULT_INIT;

    cr_assert_eq(module_load("/proc/nonexistent.so", NULL, &module, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(module_load("libcrypto.so.3", NULL, &module, &why), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "libcrypto"));
}
