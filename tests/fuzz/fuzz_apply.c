/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_apply - a certificate's file and a CA's, as an administrator or a REST client brings them
 *
 * Two bytes of length, the certificate's file, the CA's file. Read, verified and judged as
 * certificate-apply does; what is taken has passed each check, what is refused has failed one.
 */
#include "client/agent/certificate/check.h"

#define NOW_S 1800000000
#define N_CHECKS 9

/* P-256's base point: its private key is 1, so seeds can be made for it. */
static const uint8_t KEY[] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1,
    0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d,
    0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe,
    0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b,
    0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool holds)
{
    if (!holds)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct check_key key = {"fuzz@1", KEY, sizeof(KEY), NULL};
    const struct check_wanted wanted = {.keys = &key, .n_keys = 1, .now_s = NOW_S};
    ks_auto(check_result_deinit) struct check_result result = {0};
    struct report report = REPORT_INIT;
    struct check_files files = {0};
    bool failed = false;
    json_t *told;
    ks_err err;

    if (size < 2)
        return 0;
    files.certificate = data + 2;
    files.certificate_len = (size_t)data[0] << 8 | data[1];
    if (files.certificate_len > size - 2)
        files.certificate_len = size - 2;
    files.ca = data + 2 + files.certificate_len;
    files.ca_len = size - 2 - files.certificate_len;
    err = check_files(&files, &wanted, &result, &report);
    expect(err == KS_OK || err == KS_ERR_CERTIFICATE_REFUSED);
    for (size_t i = 0; i < report.n_checks; i++) {
        failed |= !report.checks[i].passed;
        expect(report.checks[i].expected[0] && report.checks[i].found[0]);
    }
    expect(failed == (err != KS_OK) && report.n_checks <= N_CHECKS);
    expect(err || (report.n_checks == N_CHECKS && sk_X509_num(result.chain) > 0));
    told = report_json(&report);
    expect(told != NULL);
    json_decref(told);
    return 0;
}
