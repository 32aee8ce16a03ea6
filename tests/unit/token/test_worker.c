/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_worker - the bed on which handlers are tested, and tests of worker.c itself
 */
#include "test_worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include <criterion/criterion.h>

static ks_err
ask(void *context, int *pin_fd, struct fault *why)
{
    struct bed *bed = context;

    bed->n_asked++;
    if (bed->denial) {
        fault_set(why, "denied");
        why->rv = 0; /* as parent_ask_login() */
        return bed->denial;
    }
    *pin_fd = memfd_create("pin", MFD_CLOEXEC);
    cr_assert_eq(write(*pin_fd, bed->pin, strlen(bed->pin)), (ssize_t)strlen(bed->pin));
    return KS_OK;
}

static void
tell(void *context, ks_err result, const struct fault *why)
{
    struct bed *bed = context;

    (void)why;
    bed->n_told++;
    bed->told = result;
}

static void
make_class(struct config_class *class, const char *glob, const char *token, enum ks_key_type type,
           enum ks_purpose purpose)
{
    text_copy(class->glob, sizeof(class->glob), glob);
    text_copy(class->token, sizeof(class->token), token);
    class->type = type;
    class->purpose = purpose;
}

/* On the heap as config_free() wants it. */
static void
make_config(struct bed *bed)
{
    struct config *config = calloc(1, sizeof(*config));

    config->generation = 1;
    config->tokens = calloc(1, sizeof(*config->tokens));
    config->n_tokens = 1;
    text_copy(config->tokens[0].name, sizeof(config->tokens[0].name), "main");
    config->classes = calloc(4, sizeof(*config->classes));
    config->n_classes = 4;
    make_class(&config->classes[0], "web/**", "main", KS_KEY_TYPE_EC_P256, KS_PURPOSE_TLS_SERVER);
    make_class(&config->classes[1], "doc/**", "main", KS_KEY_TYPE_EC_P256, KS_PURPOSE_SIGN);
    make_class(&config->classes[2], "code/**", "main", KS_KEY_TYPE_RSA_2048, KS_PURPOSE_SIGN);
    make_class(&config->classes[3], "away/**", "other", KS_KEY_TYPE_EC_P256, KS_PURPOSE_SIGN);
    bed->worker.config = config;
    bed->worker.token = &config->tokens[0];
    bed->worker.index = 1;
}

void
bed_new_slot(struct bed *bed, bool login_override)
{
    const struct slot_broker broker = {ask, tell, bed};
    struct fault why = FAULT_INIT;

    bed->worker.slot = slot_free(bed->worker.slot);
    cr_assert_eq(slot_new(&bed->worker.p11, FAKE_SLOT, &broker, login_override, &bed->worker.slot),
                 KS_OK);
    cr_assert_eq(slot_open(bed->worker.slot, &why), KS_OK);
}

struct bed *
bed_new(void)
{
    struct bed *bed = calloc(1, sizeof(*bed));
    struct fault why = FAULT_INIT;
    int fd;

    cr_assert(bed);
    bed->worker = (struct worker)WORKER_INIT;
    bed->pin = FAKE_PIN "\n";
    make_config(bed);
    text_copy(bed->audit_path, sizeof(bed->audit_path), "/tmp/keysvc-unit-XXXXXX");
    fd = mkstemp(bed->audit_path);
    cr_assert(fd >= 0);
    close(fd);
    fd = open(bed->audit_path, O_RDWR | O_APPEND | O_CLOEXEC);
    bed->audit_fd = open(bed->audit_path, O_RDONLY | O_CLOEXEC);
    unlink(bed->audit_path);
    cr_assert_eq(audit_open(fd, -1, "main-1", &bed->worker.audit, &why), KS_OK, "%s", why.text);
    bed->worker.p11.list = fake_new();
    bed_new_slot(bed, false);
    cr_assert_eq(slot_login(bed->worker.slot, &why), KS_OK, "%s", why.text);
    cr_assert_eq(keys_new(bed->worker.slot, &bed->worker.keys), KS_OK);
    return bed;
}

struct bed *
bed_free(struct bed *bed)
{
    worker_deinit(&bed->worker);
    fake_free();
    close(bed->audit_fd);
    free(bed);
    return NULL;
}

void
bed_list(struct bed *bed)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(keys_list(bed->worker.keys, &why), KS_OK, "%s", why.text);
}

struct job
bed_job(struct bed *bed, enum job_operation operation, const char *name, uint32_t version)
{
    struct job job = {
        .id = 42, .generation = bed->worker.config->generation, .operation = operation};
    char label[KEYNAME_LABEL_MAX + 1];
    const struct key *key;

    text_copy(job.name, sizeof(job.name), name);
    job.version = version;
    job.caller.uid = 1000;
    if (version == 0)
        return job;
    keyname_label(name, version, label);
    key = keys_known(bed->worker.keys, label);
    if (key)
        memcpy(job.public_key_sha256, key->spki_sha256, KS_SHA256_LEN);
    return job;
}

struct job
bed_sign_job(struct bed *bed, const char *name, uint32_t version, const char *message)
{
    struct job job = bed_job(bed, JOB_SIGN, name, version);

    job.sign.data = (const uint8_t *)message;
    job.sign.data_len = strlen(message);
    return job;
}

size_t
bed_audit_count(struct bed *bed, const char *text)
{
    static char file[1024 * 1024];
    ssize_t len = pread(bed->audit_fd, file, sizeof(file) - 1, 0);
    size_t n = 0;

    cr_assert(len >= 0);
    file[len] = '\0';
    for (const char *at = file; (at = strstr(at, text)); at += strlen(text))
        n++;
    return n;
}

/* worker.c */

static struct bed *bed;

static void
set_up(void)
{
    bed = bed_new();
}

static void
tear_down(void)
{
    bed = bed_free(bed);
}

TestSuite(worker, .init = set_up, .fini = tear_down);

static void
keys_dispose(struct keys **keys)
{
    *keys = keys_free(*keys);
}

Test(worker, admits_only_names_of_a_class_of_its_own_token)
{
    static const struct {
        const char *name;
        uint64_t generation;
        ks_err err;
    } cases[] = {
        {"doc/a", 1, KS_OK},
        {"doc/a", 2, KS_ERR_BUSY},
        {"nowhere/a", 1, KS_ERR_DENIED},
        {"away/a", 1, KS_ERR_DENIED},
        {KEYNAME_AUDIT, 1, KS_ERR_PURPOSE},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct job job = bed_job(bed, JOB_SIGN, cases[i].name, 1);
        const struct config_class *class = NULL;
        struct fault why = FAULT_INIT;

        job.generation = cases[i].generation;
        cr_expect_eq(worker_admit(&bed->worker, &job, &class, &why), cases[i].err, "%s",
                     cases[i].name);
    }
}

Test(worker, admits_names_of_a_class_of_its_group_and_of_no_other)
{
    struct job job = bed_job(bed, JOB_SIGN, "away/a", 1);
    struct config *config = bed->worker.config;
    const struct config_class *class = NULL;
    struct fault why = FAULT_INIT;

    config->groups = calloc(2, sizeof(*config->groups));
    config->n_groups = 2;
    text_copy(config->groups[0].name, sizeof(config->groups[0].name), "others");
    cr_assert_eq(strv_add(&config->groups[0].tokens, "west"), KS_OK);
    text_copy(config->groups[1].name, sizeof(config->groups[1].name), "other");
    cr_assert_eq(strv_add(&config->groups[1].tokens, "west"), KS_OK);
    cr_assert_eq(worker_admit(&bed->worker, &job, &class, &why), KS_ERR_DENIED);
    cr_assert_eq(strv_add(&config->groups[1].tokens, "main"), KS_OK);
    cr_assert_eq(worker_admit(&bed->worker, &job, &class, &why), KS_OK);
    cr_assert_eq(class, &config->classes[3]);
}

Test(worker, ends_for_failures_that_only_a_new_process_mends)
{
    static const struct {
        ks_err err;
        CK_RV rv;
        int exit_code;
    } cases[] = {
        {KS_OK, CKR_OK, WORKER_GO_ON},
        {KS_ERR_NO_KEY, CKR_OK, WORKER_GO_ON},
        {KS_ERR_UNSUPPORTED, CKR_MECHANISM_INVALID, WORKER_GO_ON},
        {KS_ERR_TOKEN_UNAVAILABLE, CKR_DEVICE_REMOVED, CONTROL_EXIT_TOKEN_LOST},
        {KS_ERR_TOKEN_UNAVAILABLE, CKR_GENERAL_ERROR, CONTROL_EXIT_TOKEN_LOST},
        {KS_ERR_LOGIN_BLOCKED, CKR_PIN_INCORRECT, CONTROL_EXIT_LOGIN_BLOCKED},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fault why = {.rv = cases[i].rv};

        bed->worker.exit_code = WORKER_GO_ON;
        worker_judge(&bed->worker, cases[i].err, &why);
        cr_expect_eq(bed->worker.exit_code, cases[i].exit_code, "case %zu", i);
    }
}

Test(worker, takes_a_new_configuration_only_with_its_token)
{
    struct config *config = calloc(1, sizeof(*config));
    struct fault why = FAULT_INIT;

    cr_assert_eq(worker_use_config(&bed->worker, config, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(bed->worker.config->generation, 1);
}

static ks_err
fail_once(struct worker *worker, void *context, struct fault *why)
{
    unsigned int *n = context;

    (void)worker;
    if (++*n > 1)
        return KS_OK;
    why->rv = CKR_SESSION_CLOSED;
    return KS_ERR_TOKEN_UNAVAILABLE;
}

static ks_err
fail_for_ever(struct worker *worker, void *context, struct fault *why)
{
    unsigned int *n = context;

    (void)worker;
    ++*n;
    why->rv = CKR_SESSION_CLOSED;
    return KS_ERR_TOKEN_UNAVAILABLE;
}

static ks_err
be_refused(struct worker *worker, void *context, struct fault *why)
{
    unsigned int *n = context;

    (void)worker;
    (void)why;
    ++*n;
    return KS_ERR_NO_KEY;
}

/* As another worker does when it destroys and makes one under the same label. */
Test(worker, looks_again_before_it_says_that_a_key_is_another_one)
{
    ks_auto(keys_dispose) struct keys *others = NULL;
    struct fault why = FAULT_INIT;
    uint8_t before[KS_SHA256_LEN], now[KS_SHA256_LEN];
    struct key *key = NULL;

    fake_add_pair("doc/a@1", false, true);
    bed_list(bed);
    memcpy(before, keys_known(bed->worker.keys, "doc/a@1")->spki_sha256, sizeof(before));
    fake_remove("doc/a@1");
    fake_add_pair("doc/a@1", false, true);
    cr_assert_eq(keys_new(bed->worker.slot, &others), KS_OK);
    cr_assert_eq(keys_list(others, &why), KS_OK);
    memcpy(now, keys_known(others, "doc/a@1")->spki_sha256, sizeof(now));
    cr_assert_neq(memcmp(before, now, sizeof(now)), 0);

    cr_assert_eq(worker_find_key(&bed->worker, "doc/a@1", now, &key, &why), KS_OK, "%s", why.text);
    cr_assert_eq(worker_find_key(&bed->worker, "doc/a@1", before, &key, &why), KS_ERR_KEY_CHANGED);
}

Test(worker, tries_twice_at_most_and_only_what_can_be_mended)
{
    struct fault why = FAULT_INIT;
    unsigned int n = 0;

    cr_assert_eq(worker_try(&bed->worker, fail_once, &n, &why), KS_OK);
    cr_assert_eq(n, 2);
    n = 0;
    cr_assert_eq(worker_try(&bed->worker, fail_for_ever, &n, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(n, 2);
    n = 0;
    why = (struct fault)FAULT_INIT;
    cr_assert_eq(worker_try(&bed->worker, be_refused, &n, &why), KS_ERR_NO_KEY);
    cr_assert_eq(n, 1);
}

Test(worker, can_what_the_profile_does_not_exclude)
{
    struct fault why = FAULT_INIT;

    bed->worker.config->tokens[0].profile.lacks = CONFIG_LACKS_IMPORT;
    cr_assert_eq(worker_can(&bed->worker, CONFIG_LACKS_CERTIFICATES, &why), KS_OK);
    cr_assert_eq(worker_can(&bed->worker, CONFIG_LACKS_IMPORT, &why), KS_ERR_UNSUPPORTED);
    cr_assert(strstr(why.text, "main") && strstr(why.text, "import"));
    cr_assert(strstr(why.hint, "token show main"));
}

Test(worker, shows_no_control_characters_of_a_token)
{
    struct control_state state;
    CK_TOKEN_INFO info;

    memset(&info, ' ', sizeof(info));
    info.flags = 0;
    memcpy(info.label, "a\nb\x9b", 4);
    fake_token_info(&info);
    worker_state(&bed->worker, TOKEN_STATE_READY, "", &state);
    cr_assert_str_eq(state.label, "a?b?");
}
