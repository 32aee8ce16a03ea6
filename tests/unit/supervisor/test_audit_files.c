/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_audit_files - opening audit files, noticing rotation, keeping checkpoints
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "stage.h"
#include "supervisor/audit_files.h"
#include "supervisor/checkpoint.h"

static struct stage stage;
static struct audit_file file;

static void
setup(void)
{
    stage_open(&stage, 1);
    memset(&file, 0, sizeof(file));
    audit_files_chain(file.chain, "main", 1);
}

static void
teardown(void)
{
    stage_close(&stage);
}

TestSuite(audit_files, .init = setup, .fini = teardown);
TestSuite(checkpoint, .init = setup, .fini = teardown);

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
    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &why), KS_OK, "%s", why.text);
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

    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &why), KS_OK);
    cr_assert_not(audit_files_rotated(stage.folder, &file));
    rename_away();
    cr_assert(audit_files_rotated(stage.folder, &file));
    stage_write(&stage, "main-1.log", "", 0640);
    cr_assert(audit_files_rotated(stage.folder, &file));
    cr_assert_eq(audit_files_open(stage.folder, &file, &next, &why), KS_OK);
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
    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &why), KS_ERR_AUDIT_UNWRITABLE);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(link(target, path), 0);
    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &why), KS_ERR_AUDIT_UNWRITABLE);
}

Test(audit_files, refuses_a_name_that_would_leave_the_folder)
{
    ks_auto(closep) int fd = -1;
    struct fault why = FAULT_INIT;

    text_copy(file.chain, sizeof(file.chain), "../x");
    cr_assert_eq(audit_files_open(stage.folder, &file, &fd, &why), KS_ERR_BAD_REQUEST);
}

static struct control_checkpoint
make_checkpoint(const char *chain, const char *token)
{
    struct control_checkpoint checkpoint = {.signature_len = 2, .public_key_len = 60};

    snprintf(checkpoint.text, sizeof(checkpoint.text),
             CHAIN_CHECKPOINT_PREFIX "chain=%s seq=7 hash=ab time=now", chain);
    text_copy(checkpoint.token, sizeof(checkpoint.token), token);
    checkpoint.signature[0] = 0xa0;
    checkpoint.signature[1] = 0x0f;
    return checkpoint;
}

Test(checkpoint, keeps_the_last_one_and_the_key)
{
    struct control_checkpoint checkpoint = make_checkpoint("main-1", "main");
    struct fault why = FAULT_INIT;
    char text[512];

    cr_assert_eq(checkpoint_keep(stage.folder, "main-1", "main", &checkpoint, &why), KS_OK);
    checkpoint.signature[0] = 0xa1;
    cr_assert_eq(checkpoint_keep(stage.folder, "main-1", "main", &checkpoint, &why), KS_OK);
    stage_read(&stage, "main-1.checkpoint", text, sizeof(text));
    cr_assert_str_eq(text, "keysvc-audit-checkpoint:1 chain=main-1 seq=7 hash=ab time=now a10f\n");
    stage_read(&stage, "main.audit-key.pem", text, sizeof(text));
    cr_assert_str_eq(text, "-----BEGIN PUBLIC KEY-----\n"
                           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                           "AAAAAAAAAAAAAAAA\n-----END PUBLIC KEY-----\n");
}

Test(checkpoint, keeps_the_first_key_and_refuses_what_another_signed)
{
    struct control_checkpoint checkpoint = make_checkpoint("main-1", "main");
    struct fault why = FAULT_INIT;
    char before[512], after[512];

    cr_assert_eq(checkpoint_keep(stage.folder, "main-1", "main", &checkpoint, &why), KS_OK);
    stage_read(&stage, "main.audit-key.pem", before, sizeof(before));
    checkpoint.public_key[59] = 1;
    cr_assert_eq(checkpoint_keep(stage.folder, "main-1", "main", &checkpoint, &why), KS_ERR_EXISTS);
    stage_read(&stage, "main.audit-key.pem", after, sizeof(after));
    cr_assert_str_eq(before, after);
}

Test(checkpoint, takes_no_key_from_the_front)
{
    struct control_checkpoint checkpoint = make_checkpoint("front", "main");
    struct fault why = FAULT_INIT;

    cr_assert_eq(checkpoint_keep(stage.folder, "front", NULL, &checkpoint, &why), KS_OK);
    cr_assert(stage_exists(&stage, "front.checkpoint"));
    cr_assert_not(stage_exists(&stage, "main.audit-key.pem"));
}

Test(checkpoint, refuses_another_chain_another_token_and_what_is_no_text)
{
    struct control_checkpoint checkpoint = make_checkpoint("main-2", "main");
    struct fault why = FAULT_INIT;

    cr_assert_eq(checkpoint_keep(stage.folder, "main-1", "main", &checkpoint, &why),
                 KS_ERR_BAD_REQUEST);
    checkpoint = make_checkpoint("main-1", "other");
    cr_assert_eq(checkpoint_keep(stage.folder, "main-1", "main", &checkpoint, &why),
                 KS_ERR_BAD_REQUEST);
    checkpoint = make_checkpoint("front", "../other");
    cr_assert_eq(checkpoint_keep(stage.folder, "front", NULL, &checkpoint, &why),
                 KS_ERR_BAD_REQUEST);
    checkpoint = make_checkpoint("main-1", "main");
    strcat(checkpoint.text, "\n");
    cr_assert_eq(checkpoint_keep(stage.folder, "main-1", "main", &checkpoint, &why),
                 KS_ERR_BAD_REQUEST);
    checkpoint = make_checkpoint("main-1", "main");
    checkpoint.signature_len = 0;
    cr_assert_eq(checkpoint_keep(stage.folder, "main-1", "main", &checkpoint, &why),
                 KS_ERR_BAD_REQUEST);
    cr_assert_not(stage_exists(&stage, "main-1.checkpoint"));
}
