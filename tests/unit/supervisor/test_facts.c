/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_facts - what keysvcd --check --facts says, and what --check tells
 */
#include <criterion/criterion.h>

#include <stdio.h>

#include "conf_dir.h"
#include "supervisor/config.h"
#include "supervisor/facts.h"

TestSuite(facts, .init = conf_dir_setup, .fini = conf_dir_teardown);

Test(facts, name_each_group_of_a_tokens_processes)
{
    static char *groups[] = {(char *)(uintptr_t) "softhsm", (char *)(uintptr_t) "plugdev"};
    struct config_token token = {.name = "main", .profile.groups = {.items = groups, .n_items = 2}};
    const struct config config = {.tokens = &token, .n_tokens = 1, .hash = {0x01, 0xab}};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    facts_print(out, &config);
    fclose(out);
    cr_assert_not_null(strstr(text, "fact daemon - sha256 01ab00"), "%s", text);
    cr_assert_not_null(strstr(text, "fact token main group softhsm\n"), "%s", text);
    cr_assert_not_null(strstr(text, "fact token main group plugdev\n"), "%s", text);
    free(text);
}

static char told[4096];
static unsigned int n_told;

static void
hear(const char *text)
{
    strncat(told, text, sizeof(told) - strlen(told) - 2);
    strcat(told, "\n");
    n_told++;
}

static ks_err
check(const char *text, struct config **config)
{
    struct fault why = FAULT_INIT;

    conf_dir_write("keysvcd.conf", text, strlen(text));
    return config_check(conf_dir_path, conf_dir, false, hear, config, &why);
}

Test(facts, a_check_tells_each_mistake_once)
{
    ks_auto(config_freep) struct config *config = NULL;

    cr_assert_eq(check("daemon {\n reserved = x\n max-queue = y\n}\n", &config),
                 KS_ERR_BAD_REQUEST);
    cr_expect_eq(n_told, 2, "%s", told);
    cr_expect_not_null(strstr(told, ":2: reserved"), "%s", told);
    cr_expect_not_null(strstr(told, ":3: max-queue"), "%s", told);
    cr_expect_null(strstr(told, "<3>"), "%s", told);
}

Test(facts, a_check_of_no_file_tells_it)
{
    ks_auto(config_freep) struct config *config = NULL;
    struct fault why = FAULT_INIT;

    cr_assert_eq(config_check("keysvcd.conf", conf_dir, false, hear, &config, &why),
                 KS_ERR_BAD_REQUEST);
    cr_expect_eq(n_told, 1, "%s", told);
    cr_expect_not_null(strstr(told, "not an absolute path"), "%s", told);
}

Test(facts, a_right_file_tells_its_warnings_where_they_are_wanted)
{
    ks_auto(config_freep) struct config *config = NULL;

    cr_assert_eq(check("daemon { }\n", &config), KS_OK, "%s", told);
    cr_expect_eq(n_told, 0, "%s", told);
    config_warn(config, hear);
    cr_expect_not_null(strstr(told, "there are no rules"), "%s", told);
}
