/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

#include "conf_dir.h"

TestSuite(profile, .init = conf_dir_setup, .fini = conf_dir_teardown);

struct profile_case {
    char text[128];
    unsigned int line;
    char about[32];
};

ParameterizedTestParameters(profile, names_file_and_line_of_a_mistake_in_a_profile)
{
    static struct profile_case cases[] = {
        {"module = x.so", 1, "absolute"},
        {"module = /x.so\nworkers = 0", 2, "workers"},
        {"module = /x.so\nhang-timeout = 1ms", 2, "hang-timeout"},
        {"module = /x.so\nidle-check = 2h", 2, "idle-check"},
        {"module = /x.so\nidle-check = often", 2, "not a time"},
        {"module = /x.so\nverify = some", 2, "rsa, all"},
        {"module = /x.so\nset-id = perhaps", 2, "set-id"},
        {"module = /x.so\nrescan = restart", 2, "list, reinitialize"},
        {"module = /x.so\nprivate-attributes = {SIGN,\nEXTRACTABLE}", 3, "EXTRACTABLE"},
        {"module = /x.so\npublic-attributes = \"VERIFY=1\"", 2, "VERIFY=1"},
        {"module = /x.so\nenvironment = {A}", 2, "NAME=value"},
        {"module = /x.so\ngroups = {\"a b\"}", 2, "no group"},
        {"module = /x.so\npin = 1234", 2, "pin"},
        {"module = /x.so\nunsupported = {ed25519,\nec}", 3, "\"ec\" is neither"},
        {"module = /x.so\ncopies = {\"a\",\n\"/etc/passwd\"}", 3, "/etc/passwd"},
        {"module = /x.so\ncopies = \"../a\"", 2, "../a"},
        {"module = /x.so\ncopies = \"a/./b\"", 2, "a/./b"},
        {"module = /x.so\ncopies = \"a//b\"", 2, "a//b"},
        {"module = /x.so\ncopies = \"a/\"", 2, "no path below"},
        {"module = /x.so\ncopies = \"\"", 2, "no path below"},
        {"module = /x.so\nsandbox = loose", 2, "on, serve, off"},
        {"module = /x.so\nsystem-calls = {shmget,\nshmgot}", 3, "no system call \"shmgot\""},
        {"module = /x.so\nsockets = {unix,\nipx}", 3, "\"ipx\" is neither"},
        {"module = /x.so\nread = {/a,\nb}", 3, "not an absolute path"},
        {"module = /x.so\nwrite = {\"/a/../b\"}", 2, "/a/../b"},
    };

    return cr_make_param_array(struct profile_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct profile_case *c, profile, names_file_and_line_of_a_mistake_in_a_profile)
{
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    char place[128];

    conf_dir_write("other.conf", c->text, strlen(c->text));
    cr_assert_eq(conf_dir_load("daemon { }\ntoken a { profile = other label = x pin-file = /x }\n"
                               "token b { profile = other label = x pin-file = /x }\n",
                               &config, &why),
                 KS_ERR_BAD_REQUEST);
    snprintf(place, sizeof(place), "%s/other.conf:%u: ", conf_dir, c->line);
    cr_assert_eq(strncmp(why.text, place, strlen(place)), 0, "%s", why.text);
    cr_assert_not_null(strstr(why.text, c->about), "%s", why.text);
}

Test(profile, a_profile_may_be_a_path_and_the_token_gives_the_module)
{
    static const char other[] =
        "idle-check = 0\nverify = all\nrescan = reinitialize\nset-id = true\nprivate-attributes = "
        "{SIGN, \"DECRYPT=FALSE\"}\n";
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    char text[256];

    conf_dir_write("other.conf", other, strlen(other));
    snprintf(text, sizeof(text),
             "daemon { }\ntoken a { profile = \"%s/other.conf\" module = /m.so label = x pin-file "
             "= /x }\n",
             conf_dir);
    config = conf_dir_load_good(text);
    cr_assert_str_eq(config->tokens[0].profile.name, "other");
    cr_assert_str_eq(config->tokens[0].profile.module, "/m.so");
    cr_assert_eq(config->tokens[0].profile.idle_check_ms, 0);
    cr_assert(config->tokens[0].profile.verify_all);
    cr_assert(config->tokens[0].profile.set_id);
    cr_assert(config->tokens[0].profile.rescan_reinitializes);
    cr_assert_str_eq(config->tokens[0].profile.private_attributes.items[1], "DECRYPT=FALSE");
    config = config_free(config);

    cr_assert_eq(conf_dir_load("daemon { }\ntoken a { profile = other label = x pin-file = /x }\n",
                               &config, &why),
                 KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, "names no module"), "%s", why.text);
}

Test(profile, a_profile_says_what_its_device_lacks_and_what_to_copy)
{
    static const char other[] = "module = /m.so\n"
                                "unsupported = {ed25519, rsa-4096, rsa-pss-sha512, import}\n"
                                "copies = {\"*/token.object\", \"..odd/..x\"}\n";
    ks_auto(config_freep) struct config *config = NULL;
    const struct config_token *b;

    conf_dir_write("other.conf", other, strlen(other));
    config = conf_dir_load_good(
        "daemon { }\n"
        "token a { profile = other label = x pin-file = /x store = /var/tokens }\n"
        "token b { profile = other label = y pin-file = /x }\n"
        "keys \"a\" { token = a type = rsa-2048 }\n");
    b = &config->tokens[1];
    cr_assert_str_eq(config->tokens[0].store, "/var/tokens");
    cr_assert_str_eq(b->store, "");
    cr_assert_eq(b->profile.lacks, CONFIG_LACKS_TYPE(KS_KEY_TYPE_ED25519) |
                                       CONFIG_LACKS_ALGORITHM(KS_ALGORITHM_ED25519) |
                                       CONFIG_LACKS_TYPE(KS_KEY_TYPE_RSA_4096) |
                                       CONFIG_LACKS_ALGORITHM(KS_ALGORITHM_RSA_PSS_SHA512) |
                                       CONFIG_LACKS_IMPORT);
    cr_assert_eq(b->profile.copies.n_items, 2);
    cr_assert_str_eq(b->profile.copies.items[0], "*/token.object");
    cr_assert_neq(b->profile.copies.items, config->tokens[0].profile.copies.items);
}

Test(profile, says_what_the_module_needs_of_the_kernel_and_the_token_adds)
{
    static const char other[] = "module = /m.so\nsystem-calls = {shmget, fchown}\n"
                                "sockets = {unix}\nread = {/etc/m}\nwrite = {/run/m}\n";
    ks_auto(config_freep) struct config *config = NULL;
    const struct config_profile *a, *b;

    conf_dir_write("other.conf", other, strlen(other));
    config = conf_dir_load_good("daemon { }\n"
                                "token a { profile = other label = x pin-file = /x }\n"
                                "token b { profile = other label = y pin-file = /x sandbox = off\n"
                                "          read = {/srv/b} write = {\"/dev/b\"} }\n"
                                "keys \"a\" { token = a type = rsa-2048 }\n");
    a = &config->tokens[0].profile;
    b = &config->tokens[1].profile;
    cr_expect_eq(a->sandbox, CONFIG_SANDBOX_ON);
    cr_expect_eq(b->sandbox, CONFIG_SANDBOX_OFF);
    cr_expect_eq(b->sockets, CONFIG_SOCKETS_UNIX);
    cr_assert_eq(b->system_calls.n_items, 2);
    cr_expect_str_eq(b->system_calls.items[1], "fchown");
    cr_expect_eq(a->read.n_items, 1);
    cr_expect_eq(a->write.n_items, 1);
    cr_assert_eq(b->read.n_items, 2);
    cr_expect_str_eq(b->read.items[1], "/srv/b");
    cr_assert_eq(b->write.n_items, 2);
    cr_expect_str_eq(b->write.items[0], "/run/m");
    cr_expect_str_eq(b->write.items[1], "/dev/b");
}

/* What the section adds to a full list is not dropped without a word. */
Test(profile, a_list_that_is_too_long_with_the_token_s_is_refused)
{
    ks_auto(freep) char *text = malloc((CONFIG_MAX_ITEMS + 8) * sizeof("\"/w\", "));
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    size_t len;

    cr_assert_not_null(text);
    len = (size_t)sprintf(text, "module = /m.so\nwrite = {\"/w\"");
    for (size_t i = 1; i < CONFIG_MAX_ITEMS; i++)
        len += (size_t)sprintf(text + len, ", \"/w\"");
    len += (size_t)sprintf(text + len, "}\n");
    conf_dir_write("other.conf", text, len);
    cr_assert_eq(conf_dir_load("daemon { }\n"
                               "token a { profile = other label = x pin-file = /x write = /y }\n",
                               &config, &why),
                 KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, ":2: write: more than 1024, with those of the profile"),
                       "%s", why.text);
}
