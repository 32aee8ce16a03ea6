/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seeds - what the fuzzer of our processes' messages begins with is messages
 *
 * A message that gets one more field leaves its seed behind as noise, from which nothing is found.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>

/* The fuzz target has the table of messages, and nothing else of it is for anybody. */
#include "tests/fuzz/fuzz_ipc.c"

#define SEED_MAX_LEN (64 * 1024)
#define FOUND_NAME_LEN 40 /* of what the fuzzer has found (fuzz/long): it need not be a message */

/* Returns its index in MESSAGE; *is_one: it unpacks. */
static size_t
read_seed(const char *path, bool *is_one)
{
    static uint8_t data[SEED_MAX_LEN];
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    FILE *file = fopen(path, "r");
    size_t len;

    cr_assert_not_null(file);
    len = fread(data, 1, sizeof(data), file);
    fclose(file);
    cr_assert_gt(len, 0);
    *is_one = MESSAGE[data[0] % ARRAY_LEN(MESSAGE)](data + 1, len - 1, &packed);
    return data[0] % ARRAY_LEN(MESSAGE);
}

Test(seeds, each_is_a_message_and_each_kind_of_message_has_one)
{
    DIR *dir = opendir(SEEDS);
    bool has[ARRAY_LEN(MESSAGE)] = {false};
    const struct dirent *entry;

    cr_assert_not_null(dir);
    while ((entry = readdir(dir))) {
        char path[PATH_MAX];
        bool is_one;

        if (entry->d_name[0] == '.' || strlen(entry->d_name) == FOUND_NAME_LEN)
            continue;
        snprintf(path, sizeof(path), "%s/%s", SEEDS, entry->d_name);
        has[read_seed(path, &is_one)] = true;
        cr_expect(is_one, "%s", path);
    }
    closedir(dir);
    for (size_t i = 0; i < ARRAY_LEN(MESSAGE); i++)
        cr_expect(has[i], "no seed for message %zu", i);
}
