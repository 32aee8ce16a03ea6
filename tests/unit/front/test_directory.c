/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "front/directory.h"

static struct directory *directory;

static void
setup(void)
{
    cr_assert_eq(directory_new(&directory), KS_OK);
}

static void
teardown(void)
{
    directory = directory_free(directory);
}

TestSuite(directory, .init = setup, .fini = teardown);

static ks_err
try_put(const char *token, const char *name, uint32_t version, enum job_key_state state)
{
    struct job_key key = {.version = version, .state = state, .type = KS_KEY_TYPE_EC_P256};

    text_copy(key.name, sizeof(key.name), name);
    key.public_key_len =
        (size_t)snprintf((char *)key.public_key, sizeof(key.public_key), "%s %u", name, version);
    return directory_put(directory, token, &key);
}

static void
put(const char *token, const char *name, uint32_t version, enum job_key_state state)
{
    cr_assert_eq(try_put(token, name, version, state), KS_OK);
}

Test(directory, finds_a_version_and_the_newest)
{
    put("main", "web/a", 2, JOB_KEY_USABLE);
    put("main", "web/a", 10, JOB_KEY_USABLE);
    put("main", "web/a", 1, JOB_KEY_USABLE);
    cr_assert_eq(directory_find(directory, "web/a", 0, "main")->version, 10);
    cr_assert_eq(directory_find(directory, "web/a", 2, NULL)->version, 2);
    cr_assert_null(directory_find(directory, "web/a", 3, NULL));
    cr_assert_null(directory_find(directory, "web/a", 1, "other"));
    cr_assert_null(directory_find(directory, "web", 0, NULL));
    cr_assert_eq(directory_count(directory, "main"), 3);
    cr_assert_eq(directory_count(directory, "other"), 0);
}

Test(directory, the_same_label_on_two_tokens_is_two_keys)
{
    const struct directory_entry *entries;

    put("b", "web/a", 1, JOB_KEY_USABLE);
    put("a", "web/a", 1, JOB_KEY_AMBIGUOUS);
    cr_assert_eq(directory_versions(directory, "web/a", &entries), 2);
    cr_assert_str_eq(entries[0].token, "a");
    cr_assert(directory_find(directory, "web/a", 1, "a")->ambiguous);
    cr_assert_not(directory_find(directory, "web/a", 1, "b")->ambiguous);
    put("a", "web/a", 1, JOB_KEY_GONE);
    cr_assert_null(directory_find(directory, "web/a", 1, "a"));
    cr_assert_not_null(directory_find(directory, "web/a", 1, "b"));
}

Test(directory, a_new_listing_replaces_the_old_one_at_its_end)
{
    cr_assert_eq(directory_begin(directory, "main"), KS_OK);
    put("main", "web/a", 1, JOB_KEY_USABLE);
    put("main", "web/b", 1, JOB_KEY_USABLE);
    put("main", "web/b", 2, JOB_KEY_USABLE);
    cr_assert_not(directory_knows(directory, "main"));
    cr_assert_eq(directory_end(directory, "main"), KS_OK);
    cr_assert(directory_knows(directory, "main"));
    put("other", "web/c", 1, JOB_KEY_USABLE);
    cr_assert_eq(directory_begin(directory, "main"), KS_OK);
    put("main", "web/b", 2, JOB_KEY_USABLE);
    cr_assert_not_null(directory_find(directory, "web/a", 1, "main"), "until the end it is known");
    cr_assert_eq(directory_end(directory, "main"), KS_OK);
    cr_assert_null(directory_find(directory, "web/a", 1, "main"));
    cr_assert_null(directory_find(directory, "web/b", 1, "main"));
    cr_assert_not_null(directory_find(directory, "web/b", 2, "main"));
    cr_assert_not_null(directory_find(directory, "web/c", 1, "other"));
    cr_assert_eq(directory_count(directory, "main"), 1);
}

Test(directory, refuses_what_is_no_key_and_an_end_without_a_beginning)
{
    struct job_key key = {.name = "/no", .version = 1};

    cr_assert_eq(directory_put(directory, "main", &key), KS_ERR_BAD_REQUEST);
    text_copy(key.name, sizeof(key.name), "yes");
    key.version = 0;
    cr_assert_eq(directory_put(directory, "main", &key), KS_ERR_BAD_REQUEST);
    cr_assert_eq(directory_end(directory, "main"), KS_ERR_BAD_REQUEST);
    cr_assert_eq(directory_begin(directory, "main"), KS_OK);
    cr_assert_eq(directory_end(directory, "main"), KS_OK);
    cr_assert_eq(directory_end(directory, "main"), KS_ERR_BAD_REQUEST);
}

Test(directory, holds_ten_thousand_keys_in_order)
{
    const char *name, *last = "";
    char text[64];
    size_t n = 0;

    for (uint32_t i = 0; i < 10000; i++) {
        snprintf(text, sizeof(text), "web/%u", i * 7919 % 10000);
        put("main", text, 1, JOB_KEY_USABLE);
    }
    for (uint32_t i = 0; i < 10000; i++) {
        snprintf(text, sizeof(text), "web/%u", i);
        cr_assert_not_null(directory_find(directory, text, 0, "main"));
    }
    while ((name = directory_name_at(directory, n))) {
        cr_assert_lt(strcmp(last, name), 0);
        last = name;
        n++;
    }
    cr_assert_eq(n, 10000);
    cr_assert_str_eq(directory_name_at(directory, directory_position(directory, "web/42")),
                     "web/42");
    cr_assert_str_eq(directory_name_at(directory, directory_position(directory, "web/42!")),
                     "web/420");
    cr_assert_null(directory_name_at(directory, directory_position(directory, "x")));
    directory_forget(directory, "main");
    cr_assert_null(directory_name_at(directory, 0));
    cr_assert_null(directory_find(directory, "web/42", 0, NULL));
    cr_assert_eq(directory_count(directory, "main"), 0);
}

Test(directory, a_token_does_not_fill_our_memory)
{
    char name[KEYNAME_MAX + 1];

    for (unsigned int i = 0; i < DIRECTORY_MAX_KEYS; i++) {
        snprintf(name, sizeof(name), "web/%u", i);
        put("a", name, 1, JOB_KEY_USABLE);
    }
    cr_assert_eq(try_put("a", "web/more", 1, JOB_KEY_USABLE), KS_ERR_BAD_REQUEST);
    cr_assert_null(directory_find(directory, "web/more", 1, NULL));
    put("a", "web/7", 1, JOB_KEY_AMBIGUOUS);
    put("b", "web/more", 1, JOB_KEY_USABLE);
    put("a", "web/7", 1, JOB_KEY_GONE);
    put("a", "web/more", 1, JOB_KEY_USABLE);
}
