/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/hang.h"
#include "token/store.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct config_token token;

static int
remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static void
path_of(const char *name, char out[static 256])
{
    snprintf(out, 256, "%.120s/%s", token.store, name);
}

static void
write_file(const char *name, const char *text, mode_t mode)
{
    char path[256];
    FILE *file;

    path_of(name, path);
    file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s", path);
    cr_assert_eq(chmod(path, mode), 0);
}

static bool
holds(const char *name, const char *text)
{
    char path[256], found[256];
    size_t len = 0;
    FILE *file;

    path_of(name, path);
    file = fopen(path, "r");
    if (!file)
        return false;
    len = fread(found, 1, sizeof(found) - 1, file);
    fclose(file);
    found[len] = '\0';
    return strcmp(found, text) == 0;
}

static bool
exists(const char *name)
{
    char path[256];

    path_of(name, path);
    return access(path, F_OK) == 0;
}

static void
set_up(void)
{
    static const char *const folders[] = {"one", "two"};
    char path[256];

    text_copy(token.name, sizeof(token.name), "main");
    text_copy(token.store, sizeof(token.store), "/tmp/keysvc-store-XXXXXX");
    cr_assert(mkdtemp(token.store));
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        path_of(folders[i], path);
        cr_assert_eq(mkdir(path, 0700), 0);
    }
    cr_assert_eq(strv_add(&token.profile.copies, "*/state"), KS_OK);
    write_file("one/state", "whole", 0640);
}

static void
tear_down(void)
{
    nftw(token.store, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    strv_deinit(&token.profile.copies);
}

TestSuite(store, .init = set_up, .fini = tear_down);

static void
keep(void)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(store_keep(&token, &why), KS_OK, "%s", why.text);
}

static size_t
restore(void)
{
    struct fault why = FAULT_INIT;
    size_t n = 99;

    cr_assert_eq(store_restore(&token, &n, &why), KS_OK, "%s", why.text);
    return n;
}

Test(store, keeps_a_copy_with_the_same_mode_and_puts_it_back_when_the_file_is_empty)
{
    struct stat status;
    char path[256];

    keep();
    cr_assert(holds("one/state.keysvc-copy", "whole"));
    write_file("one/state", "", 0600);
    cr_assert_eq(restore(), 1);
    cr_assert(holds("one/state", "whole"));
    path_of("one/state", path);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0640);
    cr_assert_not(exists("one/state.keysvc-new"));
    cr_assert_eq(restore(), 0);
}

Test(store, never_puts_a_copy_over_a_file_that_is_not_empty)
{
    keep();
    write_file("one/state", "w", 0600);
    cr_assert_eq(restore(), 0);
    cr_assert(holds("one/state", "w"));
}

Test(store, renews_a_copy_that_differs_and_leaves_one_that_does_not)
{
    struct stat before, same, after;
    char path[256];

    keep();
    path_of("one/state.keysvc-copy", path);
    cr_assert_eq(stat(path, &before), 0);
    keep();
    cr_assert_eq(stat(path, &same), 0);
    cr_assert_eq(before.st_ino, same.st_ino);
    cr_assert_eq(before.st_mtim.tv_nsec, same.st_mtim.tv_nsec);
    write_file("one/state", "other", 0600);
    keep();
    cr_assert(holds("one/state.keysvc-copy", "other"));
    cr_assert_eq(stat(path, &after), 0);
    cr_assert_eq(after.st_mode & 0777, 0600);
}

Test(store, never_copies_an_empty_file_nor_restores_from_an_empty_copy)
{
    keep();
    write_file("one/state", "", 0600);
    keep();
    cr_assert(holds("one/state.keysvc-copy", "whole"));
    write_file("one/state.keysvc-copy", "", 0600);
    cr_assert_eq(restore(), 0);
    write_file("two/state", "", 0600);
    cr_assert_eq(restore(), 0, "an empty file without a copy is the module's business");
    cr_assert(holds("two/state", ""));
}

Test(store, looks_in_every_folder_and_takes_no_copy_of_a_copy)
{
    cr_assert_eq(strv_add(&token.profile.copies, "*/sta*"), KS_OK);
    write_file("two/state", "second", 0600);
    write_file("two/state.keysvc-new", "half writ", 0600);
    keep();
    keep();
    cr_assert(holds("one/state.keysvc-copy", "whole"));
    cr_assert(holds("two/state.keysvc-copy", "second"));
    cr_assert_not(exists("one/state.keysvc-copy.keysvc-copy"));
    cr_assert_not(exists("two/state.keysvc-new.keysvc-copy"));
}

Test(store, follows_no_link_and_takes_no_folder_for_a_file)
{
    char path[256];

    path_of("two/state", path);
    cr_assert_eq(symlink("../one/state", path), 0);
    path_of("three", path);
    cr_assert_eq(symlink("one", path), 0);
    path_of("one/state2", path);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(strv_add(&token.profile.copies, "one/state2"), KS_OK);
    cr_assert_eq(strv_add(&token.profile.copies, "one/state/deeper"), KS_OK);
    keep();
    cr_assert_not(exists("two/state.keysvc-copy"));
    cr_assert_not(exists("one/state2.keysvc-copy"));
}

Test(store, says_what_could_not_be_copied_and_leaves_the_copy_as_it_was)
{
    struct fault why = FAULT_INIT;
    size_t len = 1024 * 1024 + 1;
    ks_auto(freep) char *text = malloc(len + 1);

    keep();
    memset(text, 'x', len);
    text[len] = '\0';
    write_file("one/state", text, 0600);
    cr_assert_eq(store_keep(&token, &why), KS_ERR_INTERNAL);
    cr_assert(strstr(why.text, "token main: ") && strstr(why.text, "state"), "%s", why.text);
    cr_assert(holds("one/state.keysvc-copy", "whole"));
}

Test(store, is_locked_for_one_and_free_when_that_one_ends)
{
    struct fault why = FAULT_INIT;
    int first, second;

    cr_assert_eq(store_lock(&token, &first, &why), KS_OK);
    cr_assert_eq(store_lock(&token, &second, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(second, -1);
    cr_assert(strstr(why.text, "used by another keysvcd"), "%s", why.text);
    close(first);
    cr_assert_eq(store_lock(&token, &second, &why), KS_OK);
    close(second);
}

Test(store, has_a_gate_beside_its_lock_that_the_next_one_waits_for)
{
    struct fault why = FAULT_INIT;
    int lock, gate, next, ready[2];
    char byte;
    pid_t pid;

    cr_assert_eq(store_lock(&token, &lock, &why), KS_OK);
    cr_assert_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        if (store_gate(&token, &gate, &why) != KS_OK || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    {
        char path[256];
        int other;

        path_of(".keysvc-gate", path);
        other = open(path, O_RDWR);
        cr_assert_lt(flock(other, LOCK_EX | LOCK_NB), 0, "the child has it");
        close(other);
    }
    kill(pid, SIGKILL);
    cr_assert_eq(store_gate(&token, &next, &why), KS_OK, "%s", why.text);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    close(next);
    close(lock);
}

Test(store, that_is_not_given_is_neither_locked_nor_copied)
{
    struct fault why = FAULT_INIT;
    char store[sizeof(token.store)];
    int fd = 7;

    memcpy(store, token.store, sizeof(store));
    token.store[0] = '\0';
    cr_assert_eq(store_lock(&token, &fd, &why), KS_OK);
    cr_assert_eq(fd, -1);
    cr_assert_eq(store_gate(&token, &fd, &why), KS_OK);
    cr_assert_eq(fd, -1);
    keep();
    cr_assert_eq(restore(), 0);
    memcpy(token.store, store, sizeof(store));
    cr_assert_not(exists("one/state.keysvc-copy"));
}

Test(store, that_is_no_folder_is_named)
{
    struct config_token other = token;
    struct fault why = FAULT_INIT;
    size_t n;
    int fd;

    text_copy(other.store, sizeof(other.store), "/proc/nonexistent/tokens");
    cr_assert_eq(store_lock(&other, &fd, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert(strstr(why.text, "/proc/nonexistent/tokens"), "%s", why.text);
    cr_assert_eq(store_gate(&other, &fd, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(store_restore(&other, &n, &why), KS_ERR_TOKEN_UNAVAILABLE);
}

/* They are told to each other here, since neither side includes the other. */
_Static_assert(HANG_GATE_MS >= STORE_GATE_TIMEOUT_MS + 5000,
               "who waits for the gate is taken for hung before it gives up");
