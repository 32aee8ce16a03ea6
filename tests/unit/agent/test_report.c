/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_report - outcomes as JSON
 */
#include <criterion/criterion.h>

#include "client/agent/report.h"

static const char *
text_of(json_t *json, const char *name)
{
    return json_string_value(json_object_get(json_object_get(json, "error"), name));
}

Test(report, says_code_message_and_hint_of_the_outcome)
{
    struct report report = REPORT_INIT;
    json_t *json;

    cr_assert(report_fail(&report, KS_ERR_BUSY, "%s is busy", "main") == KS_ERR_BUSY);
    json = report_json(&report);
    cr_assert_str_eq(text_of(json, "code"), "BUSY");
    cr_assert_str_eq(text_of(json, "message"), "main is busy");
    cr_assert_str_eq(text_of(json, "hint"), err_info(KS_ERR_BUSY)->hint);
    cr_assert(json_is_true(json_object_get(json_object_get(json, "error"), "retryable")));
    cr_assert_null(json_object_get(json_object_get(json, "error"), "checks"));
    json_decref(json);
}

Test(report, shows_each_check_with_what_was_expected_and_found)
{
    struct report report = REPORT_INIT;
    struct report_check *check = report_add(&report, "validity", false);
    json_t *json, *first;

    strcpy(check->expected, "now");
    strcpy(check->found, "ended yesterday");
    report_fail(&report, KS_ERR_CERTIFICATE_REFUSED, "no");
    json = report_json(&report);
    first = json_array_get(json_object_get(json_object_get(json, "error"), "checks"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(first, "check")), "validity");
    cr_assert(json_is_false(json_object_get(first, "passed")));
    cr_assert_str_eq(json_string_value(json_object_get(first, "found")), "ended yesterday");
    json_decref(json);
}

/* A certificate's subject, a file's name: bytes of strangers. */
Test(report, is_json_whatever_bytes_a_message_brings)
{
    struct report report = REPORT_INIT;
    json_t *json;

    report_fail(&report, KS_ERR_BAD_REQUEST, "a\xff\xc3\xa4\x1b[2J\xe2\x82");
    strcpy(report_add(&report, "names", false)->found, "\xc0\xaf");
    json = report_json(&report);
    cr_assert_not_null(json);
    cr_assert_str_eq(text_of(json, "message"), "a?\xc3\xa4?[2J??");
    json_decref(json);
}

Test(report, keeps_to_its_last_check_when_there_are_too_many)
{
    struct report report = REPORT_INIT;

    for (size_t i = 0; i < REPORT_MAX_CHECKS + 2; i++)
        report_add(&report, "names", true);
    cr_assert(report.n_checks == REPORT_MAX_CHECKS);
}

Test(report, keeps_notes_while_all_is_well)
{
    struct report report = REPORT_INIT;

    report_note(&report, "left out: %s", "10.0.0.1");
    report_note(&report, "second");
    cr_assert_str_eq(report.message, "left out: 10.0.0.1; second");
    report_fail(&report, KS_ERR_DENIED, "no");
    report_note(&report, "third");
    cr_assert_str_eq(report.message, "no");
}
