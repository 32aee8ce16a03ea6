/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_config_given - an option stands once in its section, whatever its values are
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

#include "conf_dir.h"

#define HEAD                                                                                       \
    "daemon { }\n"                                                                                 \
    "token main { profile = plain label = x pin-file = /x }\n"

TestSuite(config_given, .init = conf_dir_setup, .fini = conf_dir_teardown);

struct given_case {
    char text[192];
    unsigned int line;
    char about[64];
};

ParameterizedTestParameters(config_given, an_option_is_given_once)
{
    static struct given_case cases[] = {
        {"daemon {\n socket = /a\n socket = /b\n}", 3, "socket is given twice, first on line 2"},
        {HEAD "keys \"a\" { token = main\n names = {a}\n names = {}\n}", 5,
         "names is given twice, first on line 4"},
        {HEAD "allow a {\n user = {}\n user = {root} keys = a operations = get }", 5,
         "user is given twice, first on line 4"},
        {HEAD "allow a { user = root keys = a operations = {}\n operations\n= {all} }", 4,
         "operations is given twice, first on line 3"},
        {HEAD "allow a { user = root keys = a 'keys' = {}\n \"operations\" = get }", 3,
         "keys is given twice, first on line 3"},
        {HEAD "allow a { user = root keys = a operations = {get}\n operations += {all} }", 4,
         "given once"},
        {HEAD "allow a { user = root keys = a\n operations += {} }", 4, "given once"},
        {HEAD "allow a { user = root keys = a operations = get }\n"
              "allow b { user = {}\n user = root keys = a operations = get }",
         5, "user is given twice, first on line 4"},
    };

    return cr_make_param_array(struct given_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct given_case *c, config_given, an_option_is_given_once)
{
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    char place[128];

    cr_assert_eq(conf_dir_load(c->text, &config, &why), KS_ERR_BAD_REQUEST, "%s", c->text);
    snprintf(place, sizeof(place), "%s:%u: ", conf_dir_path, c->line);
    cr_assert_eq(strncmp(why.text, place, strlen(place)), 0, "%s\n%s", c->text, why.text);
    cr_assert_not_null(strstr(why.text, c->about), "%s\n%s", c->text, why.text);
}

Test(config_given, a_profiles_option_is_given_once)
{
    static const char profile[] = "module = /x.so\nwrite = {}\nread = {/a, /b}\nwrite = {/c}\n";
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    char mistake[192];

    conf_dir_write("other.conf", profile, strlen(profile));
    cr_assert_eq(conf_dir_load("daemon { }\ntoken a { profile = other label = x pin-file = /x }\n",
                               &config, &why),
                 KS_ERR_BAD_REQUEST);
    snprintf(mistake, sizeof(mistake), "%s/other.conf:4: write is given twice, first on line 2",
             conf_dir);
    cr_assert_not_null(strstr(why.text, mistake), "%s", why.text);
}

Test(config_given, each_section_has_its_own)
{
    config_free(
        conf_dir_load_good(HEAD "keys \"a\" { token = main names = {b} }\n"
                                "keys \"b\" { token = main names = {b} }\n"
                                "allow a { user = 0 keys = {keys, a} operations = {get, sign} }\n"
                                "allow b { user = 0 keys = user operations = get }\n"));
}

Test(config_given, more_options_than_any_section_has_are_refused)
{
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    char text[4096] = "daemon {\n";

    for (int i = 0; i < 200; i++)
        sprintf(text + strlen(text), "o%d = 1\n", i);
    strcat(text, "socket = /a\nsocket = /b\n}\n");
    cr_assert_eq(conf_dir_load(text, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, ":2: "), "%s", why.text);
}
