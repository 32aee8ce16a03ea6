/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_refused_name - names that nobody asked for and that the class does not allow
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/util.h"
#include "client/agent/identity/refused_name.h"

static struct ks_error
refusal(const char *name)
{
    struct ks_error error = {.code = KS_ERR_NAME_NOT_ALLOWED};

    snprintf(error.refused_name, sizeof(error.refused_name), "%s", name);
    return error;
}

Test(refused_name, is_left_out_and_noted)
{
    struct ks_alternative_name names[] = {
        {KS_NAME_DNS, "a.example"}, {KS_NAME_IP, "10.0.0.1"}, {KS_NAME_IP, "10.0.0.11"}};
    struct report report = REPORT_INIT;
    struct ks_error error = refusal("10.0.0.1");
    size_t n = 3;

    cr_assert(refused_name_drop(names, &n, "a.example", &error, &report));
    cr_assert(n == 2);
    cr_assert_str_eq(names[1].value, "10.0.0.11");
    cr_assert(strstr(report.message, "10.0.0.1") && report.code == KS_OK);
    cr_assert(!refused_name_drop(names, &n, "a.example", &error, &report));
    cr_assert(n == 2);
}

Test(refused_name, that_is_the_common_name_or_not_told_is_not)
{
    struct ks_alternative_name names[] = {{KS_NAME_DNS, "a.example"}};
    struct report report = REPORT_INIT;
    struct ks_error error = refusal("a.example"), untold = refusal("");
    size_t n = 1;

    cr_assert(!refused_name_drop(names, &n, "a.example", &error, &report));
    cr_assert(!refused_name_drop(names, &n, "b.example", &untold, &report));
    cr_assert(n == 1);
}

Test(refused_name, is_the_one_that_the_hint_adds_to_the_configuration)
{
    struct ks_error name = refusal("b.example"), mail = refusal("a@b.example");
    struct report report = REPORT_INIT;

    cr_assert(refused_name_report("agents/x/agent", &name, &report) == KS_ERR_NAME_NOT_ALLOWED);
    cr_assert(strstr(report.hint, "names = {\"b.example\"}"), "%s", report.hint);
    cr_assert(refused_name_report("agents/x/agent", &mail, &report) == KS_ERR_NAME_NOT_ALLOWED);
    cr_assert(!strstr(report.hint, "names = {"), "%s", report.hint);
}
