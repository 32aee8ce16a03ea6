/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_audit_files - opening audit files, noticing rotation
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "stage.h"
#include "supervisor/audit_files.h"

static struct stage stage;
static struct audit_file file;
static int before = -1;

static void
setup(void)
{
    stage_open(&stage, 1);
    file = (struct audit_file)AUDIT_FILE_INIT;
    audit_files_chain(file.chain, "main", 1);
}

static void
teardown(void)
{
    audit_files_close(&file);
    closep(&before);
    stage_close(&stage);
}

TestSuite(audit_files, .init = setup, .fini = teardown);

static void
rename_away(void)
{
    char from[256], to[256];

    stage_path(&stage, "main-1.log", from, sizeof(from));
    stage_path(&stage, "main-1.log.1", to, sizeof(to));
    cr_assert_eq(rename(from, to), 0);
}

Test(audit_files, names_the_chains_by_token_and_worker)
{
    cr_assert_str_eq(file.chain, "main-1");
    audit_files_chain(file.chain, NULL, 0);
    cr_assert_str_eq(file.chain, "front");
}

Test(audit_files, opens_for_appending_and_keeps_what_is_there)
{
    ks_auto(closep) int fd = -1;
    struct fault why = FAULT_INIT;
    char text[32];
    struct stat status;

    stage_write(&stage, "main-1.log", "old\n", 0640);
    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &before, &why), KS_OK, "%s", why.text);
    cr_assert_eq(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
    cr_assert_eq(write(fd, "new\n", 4), 4);
    stage_read(&stage, "main-1.log", text, sizeof(text));
    cr_assert_str_eq(text, "old\nnew\n");
    cr_assert_eq(fstat(fd, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0640);
}

Test(audit_files, notices_a_rename_and_opens_a_new_file)
{
    ks_auto(closep) int fd = -1;
    ks_auto(closep) int next = -1;
    struct fault why = FAULT_INIT;

    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &before, &why), KS_OK);
    cr_assert_not(audit_files_rotated(stage.folder, &file));
    rename_away();
    cr_assert(audit_files_rotated(stage.folder, &file));
    stage_write(&stage, "main-1.log", "", 0640);
    cr_assert(audit_files_rotated(stage.folder, &file));
    cr_assert_eq(audit_files_open(stage.folder, &file, &next, &before, &why), KS_OK);
    cr_assert_not(audit_files_rotated(stage.folder, &file));
}

Test(audit_files, follows_no_link_and_takes_no_file_with_two_names)
{
    ks_auto(closep) int fd = -1;
    struct fault why = FAULT_INIT;
    char target[256], path[256];

    stage_write(&stage, "target", "", 0640);
    stage_path(&stage, "target", target, sizeof(target));
    stage_path(&stage, "main-1.log", path, sizeof(path));
    cr_assert_eq(symlink(target, path), 0);
    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &before, &why),
                 KS_ERR_AUDIT_UNWRITABLE);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(link(target, path), 0);
    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &before, &why),
                 KS_ERR_AUDIT_UNWRITABLE);
}

Test(audit_files, refuses_a_name_that_would_leave_the_folder)
{
    ks_auto(closep) int fd = -1;
    struct fault why = FAULT_INIT;

    text_copy(file.chain, sizeof(file.chain), "../x");
    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &before, &why), KS_ERR_BAD_REQUEST);
}

Test(audit_files, follows_a_file_that_was_removed_with_a_new_one)
{
    struct fault why = FAULT_INIT;
    char path[256];
    int fd;

    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &before, &why), KS_OK);
    close(fd);
    cr_assert_eq(audit_files_follow(stage.folder, &file, &fd, &why), KS_OK);
    cr_assert_eq(fd, -1);
    stage_path(&stage, "main-1.log", path, sizeof(path));
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(audit_files_follow(stage.folder, &file, &fd, &why), KS_OK);
    cr_assert(fd >= 0);
    close(fd);
    cr_assert_eq(access(path, F_OK), 0);
    cr_assert_eq(audit_files_follow(stage.folder, &file, &fd, &why), KS_OK);
    cr_assert_eq(fd, -1);
}

/* The first look says it; the file is taken up again as soon as it is back, the same one too. */
Test(audit_files, says_once_that_a_file_is_gone_and_sees_when_it_is_back)
{
    struct fault why = FAULT_INIT;
    char path[256], kept[256];
    int fd;

    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &before, &why), KS_OK);
    close(fd);
    stage_path(&stage, "main-1.log", path, sizeof(path));
    stage_path(&stage, "main-1.log.1", kept, sizeof(kept));
    rename_away();
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(audit_files_follow(stage.folder, &file, &fd, &why), KS_ERR_AUDIT_UNWRITABLE);
    cr_assert_eq(fd, -1);
    cr_assert(strstr(why.text, path), "%s", why.text);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(audit_files_follow(stage.folder, &file, &fd, &why), KS_OK);
        cr_assert_eq(fd, -1);
    }
    cr_assert_eq(rmdir(path), 0);
    cr_assert_eq(rename(kept, path), 0);
    cr_assert_eq(audit_files_follow(stage.folder, &file, &fd, &why), KS_OK);
    cr_assert(fd >= 0);
    close(fd);
    cr_assert_eq(audit_files_follow(stage.folder, &file, &fd, &why), KS_OK);
    cr_assert_eq(fd, -1);
}

/* Opens it for a new child. Which file the chain goes on from; 0: no other one. */
static ino_t
start(void)
{
    ks_auto(closep) int fd = -1;
    struct fault why = FAULT_INIT;
    struct stat status = {.st_ino = 0};

    closep(&before);
    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &before, &why), KS_OK, "%s", why.text);
    cr_assert(before < 0 || fstat(before, &status) == 0);
    return status.st_ino;
}

/* As the child does. */
static void
append(const char *text)
{
    ks_auto(closep) int fd = -1;
    char path[256];

    stage_path(&stage, "main-1.log", path, sizeof(path));
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static ino_t
inode(const char *name)
{
    struct stat status;
    char path[256];

    stage_path(&stage, name, path, sizeof(path));
    cr_assert_eq(stat(path, &status), 0);
    return status.st_ino;
}

Test(audit_files, hands_over_the_file_that_was_renamed_while_nobody_wrote)
{
    struct fault why = FAULT_INIT;
    ino_t first, second;
    char path[256];
    int fd;

    stage_write(&stage, "main-1.log", "record\n", 0640);
    cr_assert_eq(start(), 0);
    rename_away();
    first = inode("main-1.log.1");
    cr_assert_eq(start(), first);
    cr_assert_eq(start(), first, "its child ended before it wrote");
    append("torn");
    cr_assert_eq(start(), first);
    append("\nrecord\n");
    second = inode("main-1.log");
    cr_assert_eq(start(), 0);
    /* A child is told of a new file, and ends before it writes. */
    rename_away();
    cr_assert_eq(audit_files_follow(stage.folder, &file, &fd, &why), KS_OK);
    close(fd);
    cr_assert_eq(start(), second);
    stage_path(&stage, "main-1.log.1", path, sizeof(path));
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(start(), second, "removed, too");
}

Test(audit_files, shows_a_file_that_was_put_in_its_place_beside_the_chains_own)
{
    ino_t own;

    stage_write(&stage, "main-1.log", "record\n", 0640);
    cr_assert_eq(start(), 0);
    rename_away();
    own = inode("main-1.log.1");
    stage_write(&stage, "main-1.log", "another\n", 0640);
    cr_assert_eq(start(), own);
    cr_assert_eq(start(), own, "as long as it stands there");
    stage_write(&stage, "main-1.log", "", 0640);
    cr_assert_eq(start(), own, "it was never the chain's");
}

Test(audit_files, finds_the_newest_neighbour_after_a_restart)
{
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    char path[256];

    stage_write(&stage, "main-1.log.1", "record\n", 0640);
    stage_write(&stage, "main-1.log-20261121", "record\n", 0640);
    stage_write(&stage, "main-1.logs", "record\n", 0640);
    stage_write(&stage, "main-1.log.2", "", 0640);
    stage_write(&stage, "main-1.log.x-1.log", "record\n", 0640);
    stage_write(&stage, "main-11.log.1", "record\n", 0640);
    stage_path(&stage, "main-1.log-20261121", path, sizeof(path));
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    cr_assert_eq(start(), inode("main-1.log.1"));
    cr_assert_eq(start(), inode("main-1.log.1"), "as long as nothing is written");

    audit_files_close(&file);
    stage_write(&stage, "main-1.log", "record\n", 0640);
    cr_assert_eq(start(), 0, "a chain that has records needs none");
}

Test(audit_files, closes_the_file_before_once_when_the_new_one_has_a_record)
{
    struct fault why = FAULT_INIT;
    int fd, other;

    stage_write(&stage, "main-1.log", "{}\n", 0640);
    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &before, &why), KS_OK);
    close(fd);
    rename_away();
    cr_assert_eq(audit_files_follow(stage.folder, &file, &fd, &why), KS_OK);
    cr_assert_eq(write(fd, "{}\n", 3), 3);
    cr_assert(file.before >= 0);
    other = file.before;
    cr_assert_eq(audit_files_follow(stage.folder, &file, &(int){-1}, &why), KS_OK);
    cr_assert_eq(dup2(fd, other), other);
    cr_assert_eq(audit_files_follow(stage.folder, &file, &(int){-1}, &why), KS_OK);
    cr_assert(fcntl(other, F_GETFD) >= 0, "another file of that number was closed");
    close(other);
    close(fd);
}
