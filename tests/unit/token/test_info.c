/* SPDX-License-Identifier: Apache-2.0 */
#include "token/info.h"

#include <criterion/criterion.h>

#include "test_worker.h"

static struct bed *bed;
static struct answer answer;
static struct fault why;
static struct job_token_info info;

static void
set_up(void)
{
    bed = bed_new();
}

static void
tear_down(void)
{
    job_token_info_deinit(&info);
    buf_deinit(&answer.data);
    bed = bed_free(bed);
}

TestSuite(info, .init = set_up, .fini = tear_down);

static ks_err
ask(void)
{
    struct job job = bed_job(bed, JOB_TOKEN_INFO, "", 0);
    ks_err err;

    buf_deinit(&answer.data);
    job_token_info_deinit(&info);
    why = (struct fault)FAULT_INIT;
    err = info_run(&bed->worker, &job, &answer, &why);
    if (!err)
        cr_assert_eq(job_token_info_unpack(answer.data.data, answer.data.len, &info), KS_OK);
    return err;
}

static void
pad(unsigned char *out, size_t len, const char *text)
{
    memset(out, ' ', len);
    memcpy(out, text, strlen(text));
}

static CK_TOKEN_INFO
a_token(void)
{
    CK_TOKEN_INFO token = {.ulSessionCount = 3,
                           .ulMaxSessionCount = CK_EFFECTIVELY_INFINITE,
                           .ulRwSessionCount = CK_UNAVAILABLE_INFORMATION,
                           .ulMaxRwSessionCount = 10,
                           .ulMinPinLen = 4,
                           .ulMaxPinLen = 255,
                           .ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION,
                           .ulTotalPublicMemory = 65536,
                           .ulFreePrivateMemory = 1,
                           .ulTotalPrivateMemory = CK_UNAVAILABLE_INFORMATION,
                           .hardwareVersion = {2, 6},
                           .firmwareVersion = {255, 255},
                           .flags = CKF_USER_PIN_COUNT_LOW};

    pad(token.label, sizeof(token.label), "main");
    pad(token.manufacturerID, sizeof(token.manufacturerID), "");
    pad(token.model, sizeof(token.model), "sixteen letters!");
    pad(token.serialNumber, sizeof(token.serialNumber), "0042");
    return token;
}

Test(info, says_what_the_token_says_of_itself)
{
    CK_TOKEN_INFO token = a_token();

    fake_token_info(&token);
    bed->worker.index = 2;
    cr_assert_eq(ask(), KS_OK, "%s", why.text);
    cr_assert_str_eq(info.label, "main");
    cr_assert_str_eq(info.manufacturer, "");
    cr_assert_str_eq(info.model, "sixteen letters!");
    cr_assert_str_eq(info.serial, "0042");
    cr_assert_str_eq(info.hardware_version, "2.6");
    cr_assert_str_eq(info.firmware_version, "255.255");
    cr_assert_eq(info.flags, CKF_USER_PIN_COUNT_LOW | CKF_TOKEN_INITIALIZED);
    cr_assert_eq(info.sessions, 3);
    cr_assert_eq(info.max_sessions, 0, "no limit");
    cr_assert_eq(info.rw_sessions, JOB_NUMBER_UNKNOWN);
    cr_assert_eq(info.max_rw_sessions, 10);
    cr_assert_eq(info.min_pin_len, 4);
    cr_assert_eq(info.max_pin_len, 255);
    cr_assert_eq(info.free_public_memory, JOB_NUMBER_UNKNOWN);
    cr_assert_eq(info.total_public_memory, 65536);
    cr_assert_eq(info.free_private_memory, 1);
    cr_assert_eq(info.total_private_memory, JOB_NUMBER_UNKNOWN);
    cr_assert_eq(info.n_mechanisms, 0);
}

Test(info, replaces_what_a_hostile_module_writes_to_a_terminal)
{
    CK_TOKEN_INFO token = a_token();

    pad(token.label, sizeof(token.label), "\x1b[2Jmain\n\xc3\xbc\x7f.");
    memset(token.serialNumber, 0, sizeof(token.serialNumber));
    memset(token.manufacturerID, '\xff', sizeof(token.manufacturerID));
    fake_token_info(&token);
    cr_assert_eq(ask(), KS_OK, "%s", why.text);
    cr_assert_str_eq(info.label, "?[2Jmain????.");
    cr_assert_str_eq(info.serial, "");
    cr_assert_str_eq(info.manufacturer, "????????????????????????????????");
}

Test(info, lists_mechanisms_by_number_with_zeros_for_one_that_is_not_told)
{
    fake_add_mechanism(CKM_VENDOR_DEFINED | 7, (CK_MECHANISM_INFO){1, 2, CKF_SIGN});
    fake_add_mechanism(CKM_RSA_PKCS, (CK_MECHANISM_INFO){512, 4096, CKF_SIGN | CKF_VERIFY});
    fake_add_mechanism(CKM_ECDSA, (CK_MECHANISM_INFO){256, 521, CKF_SIGN});
    fake_fail_next(FAKE_MECHANISM_INFO, CKR_MECHANISM_INVALID); /* for the first */
    cr_assert_eq(ask(), KS_OK, "%s", why.text);
    cr_assert_eq(info.n_mechanisms, 3);
    cr_assert_str_eq(info.mechanisms[0].name, "CKM_RSA_PKCS");
    cr_assert_eq(info.mechanisms[0].type, CKM_RSA_PKCS);
    cr_assert_eq(info.mechanisms[0].max_size, 0);
    cr_assert_eq(info.mechanisms[0].flags, 0);
    cr_assert_str_eq(info.mechanisms[1].name, "CKM_ECDSA");
    cr_assert_eq(info.mechanisms[1].min_size, 256);
    cr_assert_eq(info.mechanisms[1].max_size, 521);
    cr_assert_eq(info.mechanisms[1].flags, CKF_SIGN);
    cr_assert_str_eq(info.mechanisms[2].name, "0x80000007");
}

Test(info, comes_back_once_and_says_why_a_token_does_not_answer)
{
    unsigned int n;

    fake_add_mechanism(CKM_ECDSA, (CK_MECHANISM_INFO){256, 521, CKF_SIGN});
    fake_fail_next(FAKE_MECHANISMS, CKR_SESSION_HANDLE_INVALID);
    cr_assert_eq(ask(), KS_OK, "%s", why.text);
    cr_assert_eq(info.n_mechanisms, 1, "listed once, not twice");

    n = fake_n_calls(FAKE_TOKEN_INFO);
    fake_fail_next(FAKE_TOKEN_INFO, CKR_TOKEN_NOT_PRESENT);
    cr_assert_eq(ask(), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(fake_n_calls(FAKE_TOKEN_INFO), n + 1);
    cr_assert(strstr(why.text, "C_GetTokenInfo: CKR_TOKEN_NOT_PRESENT"));
    cr_assert_eq(answer.data.len, 0);
    fake_fail_next(FAKE_MECHANISMS, CKR_DEVICE_ERROR);
    cr_assert_eq(ask(), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(why.rv, CKR_DEVICE_ERROR);
}

Test(info, refuses_a_list_that_is_longer_than_can_be_shown)
{
    fake_fail_next(FAKE_MECHANISMS, CKR_BUFFER_TOO_SMALL);
    cr_assert_eq(ask(), KS_ERR_UNSUPPORTED);
    cr_assert_eq(why.rv, CKR_OK, "no reason to end the process");
    cr_assert(strstr(why.text, "main"));
}
