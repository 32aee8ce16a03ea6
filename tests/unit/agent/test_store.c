/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store - one file, its version and its transactions
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/agent/store/store_schema.h"
#include "client/agent/store/store_sql.h"

static char folder[] = "/tmp/keysvc-store-XXXXXX";
static char path[sizeof(folder) + 16];

static void
make_folder(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/agent.db", folder);
}

static void
remove_folder(void)
{
    char command[sizeof(folder) + 16];

    snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert(system(command) == 0);
}

TestSuite(store, .init = make_folder, .fini = remove_folder);

static struct store *
opened(void)
{
    struct fault why = FAULT_INIT;
    struct store *store = NULL;

    cr_assert(store_open(path, &store, &why) == KS_OK, "%s", why.text);
    return store;
}

static ks_err
run(struct store *store, const char *text)
{
    struct fault why = FAULT_INIT;
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    ks_err err = sql_prepare(store, text, &statement, &why);

    return err ? err : sql_run(store, statement, &why);
}

static int64_t
number(struct store *store, const char *text)
{
    struct fault why = FAULT_INIT;
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = false;

    cr_assert(sql_prepare(store, text, &statement, &why) == KS_OK, "%s", why.text);
    cr_assert(sql_step(store, statement, &row, &why) == KS_OK && row);
    return sqlite3_column_int64(statement, 0);
}

#define A_TOKEN "INSERT INTO api_token VALUES ('1', 'a', x'00', '', 1, NULL, NULL, NULL)"

Test(store, is_for_its_owner_only_and_keeps_what_was_committed)
{
    struct fault why = FAULT_INIT;
    struct store *store = opened();
    struct stat st;

    cr_assert(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    cr_assert(number(store, "PRAGMA user_version") == STORE_VERSION);
    cr_assert(number(store, "PRAGMA foreign_keys") == 1);
    cr_assert(number(store, "PRAGMA synchronous") == 2);
    cr_assert(store_begin(store, &why) == KS_OK);
    cr_assert(store_end(store, run(store, A_TOKEN), &why) == KS_OK);
    store = store_close(store);
    store = opened();
    cr_assert(number(store, "SELECT count(*) FROM api_token") == 1);
    store_close(store);
}

Test(store, undoes_what_was_not_committed)
{
    struct fault why = FAULT_INIT;
    struct store *store = opened();

    cr_assert(store_begin(store, &why) == KS_OK);
    cr_assert(run(store, A_TOKEN) == KS_OK);
    cr_assert(store_end(store, KS_ERR_DENIED, &why) == KS_ERR_DENIED);
    cr_assert(number(store, "SELECT count(*) FROM api_token") == 0);
    cr_assert(store_begin(store, &why) == KS_OK);
    cr_assert(run(store, A_TOKEN) == KS_OK);
    store_close(store);
    store = opened();
    cr_assert(number(store, "SELECT count(*) FROM api_token") == 0);
    store_close(store);
}

Test(store, refuses_what_breaks_a_constraint)
{
    struct fault why = FAULT_INIT;
    struct store *store = opened();

    cr_assert(run(store, A_TOKEN) == KS_OK);
    cr_assert(run(store, A_TOKEN) == KS_ERR_EXISTS);
    cr_assert(store_begin(store, &why) == KS_OK);
    /* Its current set is not there: seen at the commit. */
    cr_assert(run(store, "INSERT INTO identity VALUES ('a', 'k', 1, NULL, 2, 0)") == KS_OK);
    cr_assert(store_end(store, KS_OK, &why) == KS_ERR_EXISTS);
    cr_assert(number(store, "SELECT count(*) FROM identity") == 0);
    store_close(store);
}

Test(store, of_a_later_program_is_refused_by_name)
{
    struct fault why = FAULT_INIT;
    struct store *store = opened();

    cr_assert(run(store, "PRAGMA user_version = 99") == KS_OK);
    store = store_close(store);
    cr_assert(store_open(path, &store, &why) == KS_ERR_UNSUPPORTED);
    cr_assert(strstr(why.text, "version 99") && strstr(why.text, path), "%s", why.text);
    cr_assert_null(store);
}

Test(store, of_a_version_that_nobody_has_is_refused)
{
    struct fault why = FAULT_INIT;
    struct store *store = opened();

    cr_assert(run(store, "PRAGMA user_version = -300000000") == KS_OK);
    store = store_close(store);
    cr_assert(store_open(path, &store, &why) == KS_ERR_INTERNAL);
    cr_assert(strstr(why.text, "it was damaged"), "%s", why.text);
    cr_assert_null(store);
}

Test(store, of_an_earlier_program_is_made_into_ours_with_what_is_in_it)
{
    struct store *store = opened();

    cr_assert(run(store, "INSERT INTO upload (name, key_name, key_version, key_type, key_purpose,"
                         " public_key, alias, chain, verifier, made_us)"
                         " VALUES ('a', 'k', 1, 1, 1, x'00', '', x'', x'00', 7)") == KS_OK);
    cr_assert(run(store, "ALTER TABLE upload DROP COLUMN source_sha256") == KS_OK);
    cr_assert(run(store, "PRAGMA user_version = 1") == KS_OK);
    store_close(store);
    store = opened();
    cr_assert(number(store, "PRAGMA user_version") == STORE_VERSION);
    cr_assert(number(store, "SELECT made_us FROM upload WHERE source_sha256 = x''") == 7);
    store_close(store);
}

Test(store, that_is_no_store_is_refused_and_left_alone)
{
    struct fault why = FAULT_INIT;
    struct store *store = NULL;
    FILE *file = fopen(path, "w");
    struct stat st;

    for (int i = 0; i < 100; i++)
        fputs("this is no database at all, but long enough\n", file);
    fclose(file);
    cr_assert(store_open(path, &store, &why) == KS_ERR_INTERNAL);
    cr_assert(strstr(why.hint, "damaged"), "%s", why.hint);
    cr_assert(stat(path, &st) == 0 && st.st_size == 4400);
}

Test(store, in_a_folder_that_is_not_there_says_so)
{
    struct fault why = FAULT_INIT;
    struct store *store = NULL;

    snprintf(path, sizeof(path), "%s/no/a.db", folder);
    cr_assert(store_open(path, &store, &why) == KS_ERR_INTERNAL);
    cr_assert(strstr(why.text, "No such file"), "%s", why.text);
}

Test(store, that_is_a_link_or_a_folder_is_refused)
{
    struct fault why = FAULT_INIT;
    struct store *store = NULL;

    cr_assert(symlink("/proc/nonexistent", path) == 0);
    cr_assert(store_open(path, &store, &why) == KS_ERR_INTERNAL);
    cr_assert(strstr(why.text, "symbolic links"), "%s", why.text);
    cr_assert(unlink(path) == 0 && mkdir(path, 0700) == 0);
    cr_assert(store_open(path, &store, &why) == KS_ERR_INTERNAL);
    cr_assert(strstr(why.text, "Invalid argument"), "%s", why.text);
}

#define N_FIRST 8
#define N_TRIES 60

static pid_t
opens_when_told(const int told[2])
{
    struct fault why = FAULT_INIT;
    struct store *store = NULL;
    char byte;
    pid_t pid = fork();

    if (pid)
        return pid;
    close(told[1]);
    (void)!read(told[0], &byte, 1);
    _exit(store_open(path, &store, &why) != KS_OK);
}

/* SQLite refuses some of them at once, instead of waiting as it does for all else. */
Test(store, that_several_make_at_once_is_made_for_each)
{
    for (int i = 0; i < N_TRIES; i++) {
        pid_t first[N_FIRST];
        int told[2];

        cr_assert(pipe2(told, O_CLOEXEC) == 0);
        for (int k = 0; k < N_FIRST; k++)
            first[k] = opens_when_told(told);
        close(told[0]);
        close(told[1]);
        for (int k = 0, status; k < N_FIRST; k++)
            cr_assert(waitpid(first[k], &status, 0) == first[k] && status == 0);
        remove_folder();
        cr_assert(mkdir(folder, 0700) == 0);
    }
}

/* As another process sees it, who would take the file for nobody's, and tidy it up. */
static bool
lock_is_held(void)
{
    int status;
    pid_t other = fork();

    if (other == 0) {
        struct flock any = {.l_type = F_WRLCK};
        int fd = open(path, O_RDWR | O_CLOEXEC);

        _exit(fd < 0 || fcntl(fd, F_GETLK, &any) ? 2 : any.l_type != F_UNLCK);
    }
    cr_assert(waitpid(other, &status, 0) == other && WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 1;
}

Test(store, keeps_its_lock_when_another_thread_opens_it)
{
    struct store *store = opened();
    struct store *other;

    cr_assert(number(store, "SELECT count(*) FROM identity") == 0);
    cr_assert(lock_is_held());
    other = opened();
    cr_assert(lock_is_held());
    other = store_close(other);
    cr_assert(lock_is_held());
    store_close(store);
    cr_assert_not(lock_is_held());
}
