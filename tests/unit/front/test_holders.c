/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "front/holders.h"

static struct directory *directory;
static struct config config;
static struct config_group group;

static void
setup(void)
{
    cr_assert_eq(directory_new(&directory), KS_OK);
    text_copy(group.name, sizeof(group.name), "both");
    cr_assert_eq(strv_add(&group.tokens, "west"), KS_OK);
    cr_assert_eq(strv_add(&group.tokens, "east"), KS_OK);
    config = (struct config){.groups = &group, .n_groups = 1};
}

static void
teardown(void)
{
    directory = directory_free(directory);
    strv_deinit(&group.tokens);
}

TestSuite(holders, .init = setup, .fini = teardown);

/* `key` empty: no public half. */
static void
put(const char *token, const char *name, uint32_t version, const char *key)
{
    struct job_key entry = {.version = version, .type = KS_KEY_TYPE_EC_P256};

    text_copy(entry.name, sizeof(entry.name), name);
    entry.public_key_len = strlen(key);
    memcpy(entry.public_key, key, strlen(key));
    cr_assert_eq(directory_put(directory, token, &entry), KS_OK);
}

static struct holders
find(const char *place, const char *name, uint32_t version)
{
    struct holders holders;

    holders_find(&config, directory, place, name, version, &holders);
    return holders;
}

Test(holders, a_key_that_all_show_is_one_key_on_all_of_them)
{
    put("east", "web/shop", 1, "one");
    put("west", "web/shop", 1, "one");
    cr_assert_str_eq(find("both", "web/shop", 1).key->token, "west", "the first of the section");
    cr_assert_eq(find("both", "web/shop", 1).members, 3);
    cr_assert_null(find("both", "web/shop", 1).rival);
    cr_assert_eq(find("east", "web/shop", 1).members, 1, "a token alone");
    cr_assert_null(find("both", "web/shop", 2).key);
    cr_assert_eq(find("both", "web/shop", 2).members, 0);
}

Test(holders, the_newest_is_that_of_any_member)
{
    put("west", "web/shop", 1, "one");
    put("east", "web/shop", 1, "one");
    put("east", "web/shop", 2, "two");
    put("other", "web/shop", 3, "three");
    cr_assert_eq(find("both", "web/shop", 0).key->version, 2);
    cr_assert_eq(find("both", "web/shop", 0).members, 2);
    cr_assert_null(find("both", "web/none", 0).key);
}

Test(holders, different_keys_under_one_label_are_rivals)
{
    put("west", "web/shop", 1, "one");
    put("east", "web/shop", 1, "another");
    cr_assert_str_eq(find("both", "web/shop", 1).key->token, "west");
    cr_assert_str_eq(find("both", "web/shop", 1).rival->token, "east");
    cr_assert_eq(find("both", "web/shop", 1).shown, 3);
    cr_assert_null(find("east", "web/shop", 1).rival);
}

Test(holders, who_shows_no_public_half_is_not_asked_where_another_does)
{
    put("west", "web/shop", 1, "");
    cr_assert_eq(find("both", "web/shop", 1).members, 1);
    put("east", "web/shop", 1, "one");
    cr_assert_str_eq(find("both", "web/shop", 1).key->token, "east");
    cr_assert_eq(find("both", "web/shop", 1).members, 2);
    cr_assert_null(find("both", "web/shop", 1).rival);
}

Test(holders, a_label_that_is_doubled_on_one_token_is_said_to_be)
{
    struct job_key entry = {.name = "web/shop", .version = 1, .state = JOB_KEY_AMBIGUOUS};

    put("west", "web/shop", 1, "one");
    cr_assert_null(find("both", "web/shop", 1).doubled);
    cr_assert_eq(directory_put(directory, "east", &entry), KS_OK);
    cr_assert_str_eq(find("both", "web/shop", 1).doubled->token, "east");
}

static struct holders
find_meant(const char *name, uint32_t version, const char *key)
{
    uint8_t sha256[KS_SHA256_LEN];
    struct holders holders;

    SHA256((const uint8_t *)key, strlen(key), sha256);
    holders_find_meant(&config, directory, "both", name, version, sha256, &holders);
    return holders;
}

Test(holders, of_rivals_the_one_that_is_meant_is_on_those_that_show_it_once)
{
    struct job_key doubled = {.name = "web/mail",
                              .version = 1,
                              .state = JOB_KEY_AMBIGUOUS,
                              .public_key = "one",
                              .public_key_len = 3};

    put("west", "web/shop", 1, "another");
    put("east", "web/shop", 1, "one");
    cr_assert_str_eq(find_meant("web/shop", 1, "one").key->token, "east");
    cr_assert_eq(find_meant("web/shop", 1, "one").members, 2);
    cr_assert_null(find_meant("web/shop", 1, "one").rival);
    cr_assert_eq(find_meant("web/shop", 1, "another").members, 1);
    cr_assert_null(find_meant("web/shop", 1, "a third").key);
    cr_assert_eq(directory_put(directory, "west", &doubled), KS_OK);
    cr_assert_null(find_meant("web/mail", 1, "one").key);
    put("east", "web/mail", 1, "one");
    cr_assert_eq(find_meant("web/mail", 1, "one").members, 2);
    cr_assert_null(find_meant("web/mail", 1, "one").doubled);
    put("east", "web/none", 1, "");
    cr_assert_null(find_meant("web/none", 1, "").key, "no public half to be known by");
}

Test(holders, a_token_that_has_not_told_its_keys_is_named)
{
    cr_assert_str_eq(holders_unknown(&config, directory, "both"), "west");
    cr_assert_eq(directory_begin(directory, "west"), KS_OK);
    cr_assert_eq(directory_end(directory, "west"), KS_OK);
    cr_assert_str_eq(holders_unknown(&config, directory, "both"), "east");
    cr_assert_null(holders_unknown(&config, directory, "west"));
}

Test(holders, the_spread_counts_versions_once_and_leaves_the_services_own_out)
{
    struct directory_spread spread;

    put("west", "web/shop", 1, "one");
    put("east", "web/shop", 1, "one");
    put("east", "web/shop", 2, "two");
    put("west", "web/mail", 1, "mail");
    put("east", "web/mail", 1, "another mail");
    put("other", "web/other", 1, "other");
    put("west", KEYNAME_AUDIT, 1, "west's own");
    put("east", KEYNAME_AUDIT, 1, "east's own");
    spread = directory_spread(directory, &group.tokens);
    cr_assert_eq(spread.n_keys, 3);
    cr_assert_eq(spread.n_everywhere, 2);
    cr_assert_eq(spread.n_differing, 1);
}
