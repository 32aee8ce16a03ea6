/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_chain_lost - a file that is removed, cut or replaced while a chain writes to it
 */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>

#include "base/chain.h"
#include "base/verify.h"

#include "place.h"

#define PATH_LEN 128

static char folder[] = "/tmp/keysvc-chain-XXXXXX";
static char path[PATH_LEN], renamed[PATH_LEN];

static void
setup(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/main-1.log", folder);
    snprintf(renamed, sizeof(renamed), "%s/main-1.log.1", folder);
}

static void
teardown(void)
{
    unlink(path);
    unlink(renamed);
    rmdir(folder);
}

TestSuite(chain_lost, .init = setup, .fini = teardown);

static int
open_log(void)
{
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    cr_assert(fd >= 0);
    return fd;
}

static struct chain *
begin(void)
{
    struct fault why = FAULT_INIT;
    struct chain *chain;

    cr_assert_eq(chain_open(open_log(), "main-1", &chain, &why), KS_OK, "%s", why.text);
    place_gather(chain, 1);
    place_gather(chain, 2);
    place_flush(chain);
    return chain;
}

static void
refused(struct chain *chain, bool sync, const char *text)
{
    struct fault why = FAULT_INIT;
    uint64_t before = place_head(chain);

    place_gather(chain, 3);
    cr_assert_eq(chain_flush(chain, sync, &why), KS_ERR_AUDIT_UNWRITABLE);
    cr_assert_not_null(strstr(why.text, text), "%s", why.text);
    cr_assert(chain_failed(chain));
    cr_assert_eq(place_head(chain), before);
}

/* Another file stands under the name; the chain goes on in it. Returns that file's text. */
static char *
go_on(struct chain **chain)
{
    struct fault why = FAULT_INIT;
    struct place place = {open_log()};
    struct chain_past past;
    struct chain *next;
    char *text;

    chain_past(*chain, &past);
    cr_assert_eq(chain_open_next(open_log(), "main-1", &past, &next, &why), KS_OK, "%s", why.text);
    place_gather(next, 4);
    cr_assert_eq(chain_flush(next, true, &why), KS_OK, "%s", why.text);
    chain_free(*chain);
    *chain = next;
    text = place_text(&place);
    close(place.fd);
    return text;
}

Test(chain_lost, writes_nothing_to_a_file_that_was_removed)
{
    struct chain *chain = begin();
    char *text;

    cr_assert_eq(unlink(path), 0);
    refused(chain, false, "was removed");
    refused(chain, true, "was removed");
    text = go_on(&chain);
    cr_assert_not_null(strstr(text, "\"seq\":3,"));
    cr_assert_not_null(strstr(text, "\"event\":\"unwritable\",\"withdrawn\":2,"), "%s", text);
    cr_assert_not_null(strstr(text, "\"event\":\"continued\",\"lost\":1,"), "%s", text);
    cr_assert_null(strstr(text, "\"request\":3"));
    cr_assert_not_null(strstr(text, "\"request\":4"));
    free(text);
    chain_free(chain);
}

Test(chain_lost, writes_nothing_to_a_file_that_another_was_renamed_over)
{
    struct chain *chain = begin();
    char other[PATH_LEN + 8];

    snprintf(other, sizeof(other), "%s.other", path);
    close(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    cr_assert_eq(rename(other, path), 0);
    refused(chain, false, "was removed");
    chain_free(chain);
}

Test(chain_lost, does_not_call_a_removed_file_synced)
{
    struct chain *chain = begin();
    struct fault why = FAULT_INIT;

    cr_assert(chain_dirty(chain));
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(chain_flush(chain, true, &why), KS_ERR_AUDIT_UNWRITABLE);
    cr_assert(chain_dirty(chain));
    chain_free(chain);
}

Test(chain_lost, writes_nothing_to_a_file_that_was_cut)
{
    struct chain *chain = begin();
    char *text;

    cr_assert_eq(truncate(path, 40), 0);
    refused(chain, false, "was cut");
    cr_assert_eq(unlink(path), 0);
    text = go_on(&chain);
    cr_assert_not_null(strstr(text, "\"event\":\"continued\",\"lost\":1,"), "%s", text);
    free(text);
    chain_free(chain);
}

Test(chain_lost, a_file_that_grew_without_us_is_no_reason_to_stop)
{
    struct chain *chain = begin();
    int fd = open_log();

    cr_assert_eq(write(fd, "x", 1), 1);
    close(fd);
    place_gather(chain, 3);
    place_flush(chain);
    chain_free(chain);
}

Test(chain_lost, writes_nothing_while_it_is_blocked_and_goes_on_in_the_next_file)
{
    struct chain *chain = begin();
    char kept[PATH_LEN + 8];
    char *text;

    snprintf(kept, sizeof(kept), "%s.1", path);
    chain_block(chain, "it is not found");
    refused(chain, false, "it is not found");
    cr_assert_eq(rename(path, kept), 0);
    text = go_on(&chain);
    /* The old file is still there, under another name: nothing is lost. */
    cr_assert_not_null(strstr(text, "\"event\":\"continued\",\"hash\""), "%s", text);
    free(text);
    unlink(kept);
    chain_free(chain);
}

Test(chain_lost, goes_on_in_the_same_file_and_not_in_an_older_copy_of_it)
{
    struct chain *chain = begin(), *next;
    struct fault why = FAULT_INIT;
    struct chain_past past;
    char *text;
    int fd;

    chain_past(chain, &past);
    cr_assert_eq(past.seq, 2);
    text = go_on(&chain);
    cr_assert_null(strstr(text, "continued"));
    free(text);
    /* Now the file is one record longer than `past`, as if `past` were newer than the file. */
    fd = open_log();
    cr_assert_eq(chain_check_next(fd, "main-1", &past, &why), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, "ends in record 3, the chain in record 2"), "%s", why.text);
    cr_assert_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    cr_assert_eq(chain_open_next(fd, "main-1", &past, &next, &why), KS_ERR_BAD_REQUEST);
    /* The same number with another hash is another record. */
    chain_past(chain, &past);
    past.hash[0] ^= 1;
    fd = open_log();
    cr_assert_eq(chain_check_next(fd, "main-1", &past, &why), KS_ERR_BAD_REQUEST);
    close(fd);
    chain_free(chain);
}

/* As a child that starts when the file was renamed after its predecessor's end. The new file's text. */
static char *
go_on_after(int before, ks_err expected)
{
    struct fault why = FAULT_INIT;
    struct place place = {open_log()};
    struct chain *chain = NULL;
    char *text;

    cr_assert_eq(chain_open_after(open_log(), before, "main-1", &chain, &why), expected, "%s",
                 why.text);
    if (!expected) {
        place_gather(chain, 3);
        place_flush(chain);
    }
    chain_free(chain);
    text = place_text(&place);
    close(place.fd);
    return text;
}

Test(chain_lost, goes_on_after_a_file_that_was_renamed_while_nobody_wrote)
{
    int before = open_log();
    struct place old = {before};
    char *text;

    chain_free(begin());
    place_append(&old, "{\"seq\":3,\"ti", 12); /* what a crash left */
    cr_assert_eq(rename(path, renamed), 0);
    text = go_on_after(dup(before), KS_OK);
    cr_assert_not_null(strstr(text, "{\"seq\":4,"), "%s", text);
    cr_assert_not_null(strstr(text, "\"event\":\"continued\",\"hash\""), "%s", text);
    free(text);
    text = place_text(&old);
    cr_assert_not_null(strstr(text, "\"event\":\"torn\",\"length\":12"), "%s", text);
    free(text);
    (void)place_verify(&old, KS_OK);
    close(before);
}

Test(chain_lost, says_that_a_file_was_removed_while_nobody_wrote)
{
    int before = open_log();
    char *text;

    chain_free(begin());
    cr_assert_eq(unlink(path), 0);
    text = go_on_after(before, KS_OK);
    cr_assert_not_null(strstr(text, "{\"seq\":3,"), "%s", text);
    cr_assert_not_null(strstr(text, "\"event\":\"continued\",\"lost\":1,"), "%s", text);
    free(text);
}

Test(chain_lost, goes_on_after_another_file_only_where_its_own_is_empty_or_the_same)
{
    struct chain *chain = begin();
    int before = open_log();
    char *text;

    chain_free(chain);
    text = go_on_after(dup(before), KS_OK); /* the same: as chain_open() */
    cr_assert_null(strstr(text, "continued"), "%s", text);
    free(text);
    cr_assert_eq(rename(path, renamed), 0);
    chain_free(begin());
    free(go_on_after(before, KS_ERR_BAD_REQUEST)); /* two records of another chain */
}

Test(chain_lost, begins_anew_after_what_is_no_chain)
{
    int before = open_log();
    char *text;

    cr_assert_eq(write(before, "compressed\n", 11), 11);
    cr_assert_eq(rename(path, renamed), 0);
    text = go_on_after(before, KS_OK);
    cr_assert_not_null(strstr(text, "{\"seq\":1,"), "%s", text);
    free(text);
}
