/* SPDX-License-Identifier: Apache-2.0 */
#include "token/generate.h"

#include <stdio.h>

#include <criterion/criterion.h>

#include "test_worker.h"

static struct bed *bed;
static struct answer answer;
static struct fault why;

static void
set_up(void)
{
    bed = bed_new();
    bed_list(bed);
}

static void
tear_down(void)
{
    bed = bed_free(bed);
}

TestSuite(generate, .init = set_up, .fini = tear_down);

static ks_err
generate(const char *name)
{
    struct job job = bed_job(bed, JOB_GENERATE, name, 0);

    why = (struct fault)FAULT_INIT;
    return generate_run(&bed->worker, &job, &answer, &why);
}

static ks_err
rotate(const char *name, uint32_t version)
{
    struct job job = bed_job(bed, JOB_ROTATE, name, version);

    why = (struct fault)FAULT_INIT;
    return generate_run(&bed->worker, &job, &answer, &why);
}

static size_t
recorded(const char *text)
{
    struct fault ignored = FAULT_INIT;

    cr_assert_eq(audit_flush(bed->worker.audit, false, &ignored), KS_OK);
    return bed_audit_count(bed, text);
}

Test(generate, makes_a_sensitive_key_that_never_leaves_the_token)
{
    cr_assert_eq(generate("doc/a"), KS_OK, "%s", why.text);
    cr_assert_str_eq(answer.made->label, "doc/a@1");
    cr_assert_eq(fake_count("doc/a@1"), 2);
    cr_assert(fake_flag("doc/a@1", CKO_PRIVATE_KEY, CKA_SENSITIVE));
    cr_assert(fake_flag("doc/a@1", CKO_PRIVATE_KEY, CKA_PRIVATE));
    cr_assert_not(fake_flag("doc/a@1", CKO_PRIVATE_KEY, CKA_EXTRACTABLE));
    cr_assert_eq(generate("code/a"), KS_OK, "%s", why.text);
    cr_assert_eq(answer.made->spki.type, KS_KEY_TYPE_RSA_2048);
    cr_assert_eq(recorded("\"event\":\"intent\""), 2);
    cr_assert_eq(recorded("\"event\":\"result\""), 2);
    cr_assert_eq(recorded("\"outcome\":\"OK\""), 2);
}

Test(generate, has_its_intent_on_disk_before_the_token_is_asked)
{
    fake_fail_next(FAKE_GENERATE, CKR_DEVICE_MEMORY);
    cr_assert_eq(generate("doc/a"), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"intent\""), 1);
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"result\""), 0);
    cr_assert_eq(recorded("\"event\":\"result\""), 1);
}

Test(generate, destroys_a_key_that_could_leave_the_token)
{
    fake_make_extractable(true);
    cr_assert_eq(generate("doc/a"), KS_ERR_UNSUPPORTED);
    cr_assert_eq(fake_count("doc/a@1"), 0);
    cr_assert_null(answer.made);
}

/* As SoftHSM, while another process starts beside the generation. */
Test(generate, judges_a_pair_by_what_can_be_read_of_it)
{
    for (unsigned int i = 0; i < 6; i++) {
        char name[16];

        snprintf(name, sizeof(name), "doc/%c", (char)('a' + i));
        fake_fail_after(FAKE_GET_ATTRIBUTES, i,
                        i % 2 ? CKR_OBJECT_HANDLE_INVALID : CKR_ATTRIBUTE_TYPE_INVALID);
        cr_assert_eq(generate(name), KS_OK, "read %u: %s", i, why.text);
        cr_assert_eq(answer.made->spki.type, KS_KEY_TYPE_EC_P256);
    }
}

Test(generate, removes_a_pair_that_cannot_be_read_and_says_so)
{
    fake_hide_points(true);
    cr_assert_eq(generate("doc/a"), KS_ERR_TOKEN_UNAVAILABLE, "%s", why.text);
    cr_assert_eq(why.rv, CKR_OK, "the process is not to blame");
    cr_assert_eq(fake_count("doc/a@1"), 0);
    fake_fail_next(FAKE_DESTROY, CKR_FUNCTION_FAILED);
    cr_assert_eq(generate("doc/a"), KS_ERR_OUTCOME_UNKNOWN, "%s", why.text);
    cr_assert_gt(fake_count("doc/a@1"), 0);
    fake_hide_points(false);
    cr_assert_eq(generate("doc/b"), KS_OK, "%s", why.text);
}

Test(generate, makes_it_once_more_where_nothing_is_left_of_the_first)
{
    fake_fail_times(FAKE_GENERATE, CHANGE_TRIES - 1, CKR_FUNCTION_FAILED);
    cr_assert_eq(generate("doc/a"), KS_OK, "%s", why.text);
    cr_assert_eq(fake_count("doc/a@1"), 2, "one private key and one public key");
    fake_fail_times(FAKE_GET_ATTRIBUTES, 5, CKR_ATTRIBUTE_TYPE_INVALID);
    cr_assert_eq(generate("doc/b"), KS_OK, "%s", why.text);
    cr_assert_eq(fake_count("doc/b@1"), 2);
    cr_assert_eq(recorded("\"event\":\"intent\""), 2);
    cr_assert_eq(recorded("\"outcome\":\"OK\""), 2);
}

Test(generate, sends_the_profile_s_usage_attributes)
{
    struct config_profile *profile = &bed->worker.config->tokens[0].profile;

    cr_assert_eq(strv_add(&profile->private_attributes, "SIGN"), KS_OK);
    cr_assert_eq(strv_add(&profile->private_attributes, "DECRYPT=FALSE"), KS_OK);
    cr_assert_eq(strv_add(&profile->public_attributes, "VERIFY=TRUE"), KS_OK);
    cr_assert_eq(generate("doc/a"), KS_OK, "%s", why.text);
    cr_assert(fake_flag("doc/a@1", CKO_PRIVATE_KEY, CKA_SIGN));
    cr_assert_not(fake_flag("doc/a@1", CKO_PRIVATE_KEY, CKA_DECRYPT));
    cr_assert(fake_flag("doc/a@1", CKO_PUBLIC_KEY, CKA_VERIFY));
    cr_assert_eq(strv_add(&profile->public_attributes, "FLY"), KS_OK);
    cr_assert_eq(generate("doc/b"), KS_ERR_UNSUPPORTED);
    cr_assert(strstr(why.text, "FLY"));
}

Test(generate, refuses_names_types_and_versions_that_are_not_to_be)
{
    struct job job = bed_job(bed, JOB_GENERATE, "doc/a", 0);

    cr_assert_eq(generate("nowhere/a"), KS_ERR_DENIED);
    job.type = KS_KEY_TYPE_RSA_2048;
    cr_assert_eq(generate_run(&bed->worker, &job, &answer, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(rotate("doc/a", 1), KS_ERR_NO_KEY);
    cr_assert_eq(generate("doc/a"), KS_OK);
    cr_assert_eq(generate("doc/a"), KS_ERR_EXISTS);
    cr_assert_eq(rotate("doc/a", 2), KS_ERR_BAD_REQUEST);
    cr_assert_eq(rotate("doc/a", 1), KS_OK, "%s", why.text);
    cr_assert_eq(answer.made->version, 2);
    cr_assert_eq(rotate("doc/a", 1), KS_ERR_EXISTS);
    fake_add_pair("doc/b@1", false, true); /* by another program, not listed */
    cr_assert_eq(generate("doc/b"), KS_ERR_EXISTS);
    bed->worker.index = 2;
    cr_assert_eq(generate("doc/c"), KS_ERR_BAD_REQUEST);
}

Test(generate, logs_in_again_once_and_then_generates_once)
{
    fake_fail_next(FAKE_GENERATE, CKR_USER_NOT_LOGGED_IN);
    fake_log_out();
    cr_assert_eq(generate("doc/a"), KS_OK, "%s", why.text);
    cr_assert_eq(fake_count("doc/a@1"), 2);
}

Test(generate, makes_no_second_pair_when_the_session_was_lost_after_the_first)
{
    fake_lie_after_generate(CKR_SESSION_CLOSED);
    cr_assert_eq(generate("doc/a"), KS_ERR_OUTCOME_UNKNOWN, "%s", why.text);
    cr_assert_eq(fake_count("doc/a@1"), 2, "one private key and one public key");
    cr_assert_not_null(strstr(why.hint, "rescan"));
}

/* Whatever it says: what is there was made. */
Test(generate, is_not_refused_where_the_pair_is_there)
{
    fake_lie_after_generate(CKR_CURVE_NOT_SUPPORTED);
    cr_assert_eq(generate("doc/a"), KS_ERR_OUTCOME_UNKNOWN, "%s", why.text);
    cr_assert_eq(fake_count("doc/a@1"), 2);
    cr_assert(why.hint[0]);
    cr_assert_eq(recorded("OUTCOME_UNKNOWN"), 1);
    fake_fail_next(FAKE_GENERATE, CKR_CURVE_NOT_SUPPORTED);
    cr_assert_eq(generate("doc/b"), KS_ERR_UNSUPPORTED, "%s", why.text);
}

Test(generate, asks_no_token_for_a_type_that_its_profile_lacks)
{
    bed->worker.config->tokens[0].profile.lacks = CONFIG_LACKS_TYPE(KS_KEY_TYPE_RSA_2048);
    cr_assert_eq(generate("code/a"), KS_ERR_UNSUPPORTED);
    cr_assert(strstr(why.text, "main") && strstr(why.text, "rsa-2048"));
    cr_assert_eq(fake_n_calls(FAKE_GENERATE), 0);
    cr_assert_eq(recorded("\"event\":\"refused\""), 1);
    cr_assert_eq(generate("doc/a"), KS_OK, "%s", why.text);
}

Test(generate, names_token_and_mechanism_that_do_not_go_together)
{
    fake_fail_next(FAKE_GENERATE, CKR_CURVE_NOT_SUPPORTED);
    cr_assert_eq(generate("doc/a"), KS_ERR_UNSUPPORTED);
    cr_assert_str_eq(why.text, "token main does not do CKM_EC_KEY_PAIR_GEN: C_GenerateKeyPair: "
                               "CKR_CURVE_NOT_SUPPORTED (0x140)");
    cr_assert(strstr(why.hint, "token show main"));
}

/* A TPM says CKR_GENERAL_ERROR when it is full, and when it is gone. */
Test(generate, ends_the_process_for_a_vague_answer_only_if_the_token_does_not_work)
{
    fake_fail_times(FAKE_GENERATE, CHANGE_TRIES, CKR_GENERAL_ERROR);
    cr_assert_eq(generate("doc/a"), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert(strstr(why.text, "CKR_GENERAL_ERROR") && strstr(why.hint, "full"));
    worker_judge(&bed->worker, KS_ERR_TOKEN_UNAVAILABLE, &why);
    cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);

    fake_fail_next(FAKE_GENERATE, CKR_GENERAL_ERROR);
    fake_fail_next(FAKE_RANDOM, CKR_GENERAL_ERROR);
    cr_assert_eq(generate("doc/a"), KS_ERR_TOKEN_UNAVAILABLE);
    worker_judge(&bed->worker, KS_ERR_TOKEN_UNAVAILABLE, &why);
    cr_assert_eq(bed->worker.exit_code, CONTROL_EXIT_TOKEN_LOST);

    bed->worker.exit_code = WORKER_GO_ON;
    fake_fail_next(FAKE_GENERATE, CKR_DEVICE_ERROR); /* not vague */
    cr_assert_eq(generate("doc/a"), KS_ERR_TOKEN_UNAVAILABLE);
    worker_judge(&bed->worker, KS_ERR_TOKEN_UNAVAILABLE, &why);
    cr_assert_eq(bed->worker.exit_code, CONTROL_EXIT_TOKEN_LOST);
}

Test(generate, says_when_nobody_knows_how_it_ended)
{
    fake_fail_next(FAKE_GENERATE, CKR_DEVICE_ERROR);
    cr_assert_eq(generate("doc/a"), KS_ERR_TOKEN_UNAVAILABLE, "the token says: nothing there");
    fake_fail_next(FAKE_GET_ATTRIBUTES, CKR_DEVICE_ERROR);
    cr_assert_eq(generate("doc/a"), KS_ERR_OUTCOME_UNKNOWN);
    cr_assert(why.hint[0]);
}
