/* SPDX-License-Identifier: Apache-2.0 */
#include "token/change.h"
#include "token/import.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <criterion/criterion.h>

#include "base/clock.h"
#include "key_files.h"
#include "test_worker.h"

static struct bed *bed;
static struct answer answer;
static struct fault why;
static struct keyfile file;

static void
set_up(void)
{
    bed = bed_new();
    bed_list(bed);
    answer = (struct answer)ANSWER_INIT;
    file = key_files_usual("secret");
}

static void
tear_down(void)
{
    keyfile_deinit(&file);
    buf_deinit(&answer.data);
    bed = bed_free(bed);
}

TestSuite(import, .init = set_up, .fini = tear_down);

static int
sealed(const void *data, size_t len)
{
    int fd = memfd_create("import", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    cr_assert(fd >= 0 && write(fd, data, len) == (ssize_t)len);
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    return fd;
}

static struct job
import_job(const char *name, uint32_t version)
{
    struct job job = bed_job(bed, JOB_IMPORT, name, version);

    job.import.format = JOB_IMPORT_PKCS12;
    job.import.select = "";
    return job;
}

static ks_err
run(struct job *job, const char *password)
{
    ks_auto(closep) int data = sealed(file.data, file.len);
    ks_auto(closep) int secret = sealed(password, strlen(password));

    why = (struct fault)FAULT_INIT;
    answer.made = NULL;
    buf_deinit(&answer.data);
    job->import.has_password = true;
    job->fds[0] = data;
    job->fds[1] = secret;
    job->n_fds = 2;
    return import_run(&bed->worker, job, &answer, &why);
}

static ks_err
import(const char *name)
{
    struct job job = import_job(name, 0);

    return run(&job, "secret");
}

static size_t
recorded(const char *text)
{
    struct fault ignored = FAULT_INIT;

    cr_assert_eq(audit_flush(bed->worker.audit, false, &ignored), KS_OK);
    return bed_audit_count(bed, text);
}

static void
check_nothing_left(const char *label)
{
    cr_assert_null(answer.made);
    cr_assert_eq(fake_count(label), 0);
    cr_assert_eq(import("doc/a"), KS_OK, "the name is free again: %s", why.text);
}

Test(import, makes_a_key_that_cannot_get_out_again)
{
    cr_assert_eq(import("doc/a"), KS_OK, "%s", why.text);
    cr_assert_str_eq(answer.made->label, "doc/a@1");
    cr_assert_eq(fake_count("doc/a@1"), 2);
    cr_assert(fake_flag("doc/a@1", CKO_PRIVATE_KEY, CKA_SENSITIVE));
    cr_assert(fake_flag("doc/a@1", CKO_PRIVATE_KEY, CKA_PRIVATE));
    cr_assert(fake_flag("doc/a@1", CKO_PRIVATE_KEY, CKA_TOKEN));
    cr_assert_not(fake_flag("doc/a@1", CKO_PRIVATE_KEY, CKA_EXTRACTABLE));
    cr_assert_not(fake_flag("doc/a@1", CKO_PUBLIC_KEY, CKA_PRIVATE));
    cr_assert(answer.made->proved, "it has signed once");
    cr_assert_eq(recorded("\"event\":\"intent\""), 1);
    cr_assert_eq(recorded("\"event\":\"result\""), 1);
    cr_assert_eq(recorded("\"outcome\":\"OK\""), 1);
}

Test(import, carries_the_public_key_s_identifier_and_the_profile_s_usage)
{
    struct config_profile *profile = &bed->worker.config->tokens[0].profile;
    uint8_t id[SPKI_KEY_ID_LEN], shown[SPKI_KEY_ID_LEN];

    cr_assert_eq(strv_add(&profile->private_attributes, "SIGN"), KS_OK);
    cr_assert_eq(strv_add(&profile->private_attributes, "DECRYPT=FALSE"), KS_OK);
    cr_assert_eq(strv_add(&profile->public_attributes, "VERIFY"), KS_OK);
    cr_assert_eq(import("doc/a"), KS_OK, "%s", why.text);
    cr_assert(fake_flag("doc/a@1", CKO_PRIVATE_KEY, CKA_SIGN));
    cr_assert_not(fake_flag("doc/a@1", CKO_PRIVATE_KEY, CKA_DECRYPT));
    cr_assert(fake_flag("doc/a@1", CKO_PUBLIC_KEY, CKA_VERIFY));
    cr_assert_eq(spki_key_id(&answer.made->spki, id), KS_OK);
    cr_assert_eq(fake_bytes("doc/a@1", CKO_PRIVATE_KEY, CKA_ID, shown, sizeof(shown)), sizeof(id));
    cr_assert_arr_eq(shown, id, sizeof(id));
    cr_assert_eq(strv_add(&profile->private_attributes, "FLY"), KS_OK);
    cr_assert_eq(import("doc/b"), KS_ERR_UNSUPPORTED);
    cr_assert_eq(fake_count("doc/b@1"), 0);
}

Test(import, has_its_intent_on_disk_before_the_token_is_asked)
{
    fake_fail_next(FAKE_CREATE, CKR_DEVICE_MEMORY);
    cr_assert_neq(import("doc/a"), KS_OK);
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"intent\""), 1);
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"result\""), 0);
    cr_assert_eq(recorded("\"event\":\"result\""), 1);
}

Test(import, leaves_nothing_when_either_half_cannot_be_created)
{
    fake_fail_next(FAKE_CREATE, CKR_TEMPLATE_INCONSISTENT);
    cr_assert_neq(import("doc/a"), KS_OK);
    cr_assert_eq(fake_count("doc/a@1"), 0);
    fake_fail_after(FAKE_CREATE, 1, CKR_TEMPLATE_INCONSISTENT);
    cr_assert_neq(import("doc/a"), KS_OK);
    cr_assert_neq(why.rv, CKR_OK);
    check_nothing_left("doc/a@1");
}

/* As SoftHSM, while another process starts beside the import. */
Test(import, is_made_once_more_where_nothing_is_left_of_the_first)
{
    fake_fail_times(FAKE_CREATE, CHANGE_TRIES, CKR_FUNCTION_FAILED);
    cr_assert_eq(import("doc/a"), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert(strstr(why.hint, "full") && why.rv == CKR_OK, "%s", why.hint);
    check_nothing_left("doc/a@1");
    fake_fail_times(FAKE_CREATE, CHANGE_TRIES - 1, CKR_FUNCTION_FAILED);
    cr_assert_eq(import("doc/b"), KS_OK, "%s", why.text);
    cr_assert_eq(fake_count("doc/b@1"), 2);
}

Test(import, of_which_the_token_shows_nothing_is_no_other_key)
{
    fake_hide_points(true);
    cr_assert_eq(import("doc/a"), KS_ERR_TOKEN_UNAVAILABLE, "%s", why.text);
    cr_assert(strstr(why.text, "does not show"), "%s", why.text);
    fake_hide_points(false);
    check_nothing_left("doc/a@1");
    fake_fail_next(FAKE_GET_ATTRIBUTES, CKR_ATTRIBUTE_TYPE_INVALID);
    cr_assert_eq(import("doc/b"), KS_OK, "%s", why.text);
    cr_assert_eq(fake_count("doc/b@1"), 2);
}

Test(import, that_shows_nothing_and_cannot_be_destroyed_is_not_said_to_be_gone)
{
    fake_hide_points(true);
    fake_fail_next(FAKE_DESTROY, CKR_FUNCTION_FAILED);
    cr_assert_eq(import("doc/a"), KS_ERR_OUTCOME_UNKNOWN, "%s", why.text);
    cr_assert(strstr(why.text, "does not show"), "%s", why.text);
    cr_assert(strstr(why.hint, "without a label"), "%s", why.hint);
    cr_assert_eq(recorded("OUTCOME_UNKNOWN"), 1);
    fake_hide_points(false);
    check_nothing_left("doc/a@1");
}

/* The client waits meanwhile. */
Test(import, is_made_again_for_two_seconds_at_most)
{
    struct change_tries tries = change_tries_begin();

    why = (struct fault)FAULT_INIT;
    cr_assert(change_once_more(&bed->worker, "doc/a@1", &tries, &why));
    clock_shift(CHANGE_TRIES_MS * 1000, 0);
    cr_assert_not(change_once_more(&bed->worker, "doc/a@1", &tries, &why));
}

Test(import, leaves_nothing_of_a_key_that_does_not_sign)
{
    fake_break_signatures(true);
    cr_assert_neq(import("doc/a"), KS_OK);
    cr_assert(strstr(why.text, "does not sign"), "%s", why.text);
    fake_break_signatures(false);
    check_nothing_left("doc/a@1");
    cr_assert_eq(keys_newest(bed->worker.keys, "doc/a"), 1);
}

Test(import, says_when_nobody_knows_how_it_ended)
{
    fake_fail_after(FAKE_CREATE, 1, CKR_DEVICE_ERROR);
    fake_fail_times(FAKE_DESTROY, 2, CKR_DEVICE_ERROR);
    cr_assert_eq(import("doc/a"), KS_ERR_OUTCOME_UNKNOWN, "%s", why.text);
    cr_assert(why.hint[0]);
    cr_assert_eq(recorded("OUTCOME_UNKNOWN"), 1);
    /* the public half that is left over is not taken for a key, and not overwritten */
    cr_assert_eq(fake_count("doc/a@1"), 1);
    cr_assert_eq(import("doc/a"), KS_ERR_EXISTS);
    cr_assert(strstr(why.hint, "key destroy doc/a@1"), "%s", why.hint);
}

Test(import, begins_again_once_when_the_session_was_lost_in_between)
{
    fake_fail_after(FAKE_CREATE, 1, CKR_USER_NOT_LOGGED_IN);
    cr_assert_eq(import("doc/a"), KS_OK, "%s", why.text);
    cr_assert_eq(fake_count("doc/a@1"), 2, "one private key and one public key");
}

Test(import, refuses_names_types_and_versions_that_are_not_to_be)
{
    struct job next = import_job("doc/a", 1);

    cr_assert_eq(import("nowhere/a"), KS_ERR_DENIED);
    cr_assert_eq(import("code/a"), KS_ERR_BAD_REQUEST, "an EC key for a class of RSA");
    cr_assert(strstr(why.text, "rsa-2048"), "%s", why.text);
    cr_assert_eq(run(&next, "secret"), KS_ERR_NO_KEY);
    cr_assert_eq(import("doc/a"), KS_OK, "%s", why.text);
    cr_assert_eq(import("doc/a"), KS_ERR_EXISTS);
    cr_assert_eq(run(&next, "secret"), KS_OK, "%s", why.text);
    cr_assert_eq(answer.made->version, 2);
    cr_assert_eq(run(&next, "secret"), KS_ERR_EXISTS);
    bed->worker.index = 2;
    cr_assert_eq(import("doc/b"), KS_ERR_BAD_REQUEST);
    cr_assert_eq(recorded("\"event\":\"intent\""), 2, "nothing else came near the token");
}

Test(import, takes_the_types_that_its_class_lists)
{
    struct config_class *class = NULL;

    for (size_t i = 0; i < bed->worker.config->n_classes; i++) {
        if (strncmp(bed->worker.config->classes[i].glob, "code/", 5) == 0)
            class = &bed->worker.config->classes[i];
    }
    cr_assert(class);
    class->import_types = CONFIG_TYPE_BIT(KS_KEY_TYPE_RSA_2048);
    cr_assert_eq(import("code/a"), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "ec-p256") && strstr(why.text, "import-types"), "%s", why.text);
    class->import_types |= CONFIG_TYPE_BIT(KS_KEY_TYPE_EC_P256);
    bed->worker.config->tokens[0].profile.lacks = CONFIG_LACKS_TYPE(KS_KEY_TYPE_EC_P256);
    cr_assert_eq(import("code/a"), KS_ERR_UNSUPPORTED, "the token has none of them");
    bed->worker.config->tokens[0].profile.lacks = 0;
    cr_assert_eq(import("code/a"), KS_OK, "%s", why.text);
    cr_assert_eq(answer.made->spki.type, KS_KEY_TYPE_EC_P256);
    cr_assert_eq(recorded("\"type\":\"ec-p256\""), 4, "two refusals, intent and result");
}

Test(import, tells_what_the_file_gave_even_where_the_token_keeps_no_certificates)
{
    struct job job = import_job("doc/a", 0);
    struct job_imported imported;

    job.import.certificates = true;
    bed->worker.config->tokens[0].profile.lacks = CONFIG_LACKS_CERTIFICATES;
    cr_assert_eq(run(&job, "secret"), KS_OK, "%s", why.text);
    cr_assert_eq(job_imported_unpack(answer.data.data, answer.data.len, &imported), KS_OK);
    cr_assert_str_eq(imported.alias, "shop");
    cr_assert_eq(imported.chain.n_items, 1);
    cr_assert_eq(run(&job, "secret"), KS_ERR_EXISTS);
    cr_assert_eq(answer.data.len, 0, "a failure has no such answer");
}

Test(import, asks_no_token_for_what_its_profile_says_it_lacks)
{
    struct config_profile *profile = &bed->worker.config->tokens[0].profile;

    profile->lacks = CONFIG_LACKS_IMPORT;
    cr_assert_eq(import("doc/a"), KS_ERR_UNSUPPORTED);
    profile->lacks = CONFIG_LACKS_TYPE(KS_KEY_TYPE_EC_P256);
    cr_assert_eq(import("doc/a"), KS_ERR_UNSUPPORTED);
    cr_assert_eq(fake_n_calls(FAKE_CREATE), 0);
    profile->lacks = 0;
    cr_assert_eq(import("doc/a"), KS_OK, "%s", why.text);
}

Test(import, refuses_a_wrong_password_and_the_wrong_number_of_descriptors)
{
    struct job job = import_job("doc/a", 0);

    cr_assert_eq(run(&job, "another"), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "password"), "%s", why.text);
    cr_assert_eq(recorded("\"event\":\"refused\""), 1);
    job.n_fds = 0;
    cr_assert_eq(import_run(&bed->worker, &job, &answer, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(run(&job, "secret\n"), KS_OK, "%s", why.text);
}

/* A token without certificates still takes the key; another failure takes the key back. */
Test(import, keeps_the_certificates_that_come_with_the_key)
{
    struct config_profile *profile = &bed->worker.config->tokens[0].profile;
    struct job job = import_job("doc/a", 0);

    job.import.certificates = true;
    cr_assert_eq(run(&job, "secret"), KS_OK, "%s", why.text);
    cr_assert_eq(fake_count("doc/a@1"), 3);
    profile->lacks = CONFIG_LACKS_CERTIFICATES;
    job = import_job("doc/b", 0);
    job.import.certificates = true;
    cr_assert_eq(run(&job, "secret"), KS_OK, "%s", why.text);
    cr_assert_eq(fake_count("doc/b@1"), 2);
    profile->lacks = 0;
    fake_fail_after(FAKE_CREATE, 2, CKR_DEVICE_MEMORY);
    job = import_job("doc/c", 0);
    job.import.certificates = true;
    cr_assert_neq(run(&job, "secret"), KS_OK);
    cr_assert_eq(fake_count("doc/c@1"), 0, "%s", why.text);
}
