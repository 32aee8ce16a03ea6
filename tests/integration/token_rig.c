/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_rig - playing supervisor and front for a token process
 */
#include "token_rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <criterion/criterion.h>
#include <openssl/sha.h>

#include "ipc/pulse.h"

static const char *const softhsm_paths[] = {
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
};

void
rig_path(const struct rig *rig, const char *name, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s", rig->folder, name);
}

static void
write_file(const struct rig *rig, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    rig_path(rig, name, path, sizeof(path));
    file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s", path);
}

void
rig_pin(struct rig *rig, const char *pin)
{
    write_file(rig, "pin", pin);
}

static void
make_class(struct config_class *class, const char *glob, enum ks_key_type type,
           enum ks_purpose purpose)
{
    text_copy(class->glob, sizeof(class->glob), glob);
    text_copy(class->token, sizeof(class->token), "main");
    class->type = type;
    class->purpose = purpose;
    cr_assert_eq(strv_add(&class->names, "shop.example"), KS_OK);
    cr_assert_eq(strv_add(&class->names, ".shop.example"), KS_OK);
}

static void
make_config(struct rig *rig)
{
    struct config_profile *profile = &rig->token.profile;

    text_copy(rig->token.name, sizeof(rig->token.name), "main");
    text_copy(rig->token.label, sizeof(rig->token.label), "keysvc-test");
    rig->token.uid = rig->token.gid = CONFIG_NO_ID;
    text_copy(profile->name, sizeof(profile->name), "softhsm2");
    for (size_t i = 0; i < ARRAY_LEN(softhsm_paths) && !profile->module[0]; i++) {
        if (access(softhsm_paths[i], R_OK) == 0)
            text_copy(profile->module, sizeof(profile->module), softhsm_paths[i]);
    }
    cr_assert(profile->module[0], "SoftHSM is not installed");
    profile->workers = 1;
    /* valgrind knows neither seccomp() nor Landlock, and a filter is not there for its calls. */
    if (getenv("KEYSVC_VALGRIND"))
        profile->sandbox = CONFIG_SANDBOX_OFF;
    profile->set_id = true;
    cr_assert_eq(strv_add(&profile->public_attributes, "VERIFY"), KS_OK);
    cr_assert_eq(strv_add(&profile->public_attributes, "ENCRYPT=FALSE"), KS_OK);
    cr_assert_eq(strv_add(&profile->private_attributes, "SIGN"), KS_OK);
    cr_assert_eq(strv_add(&profile->private_attributes, "DECRYPT=FALSE"), KS_OK);
    make_class(&rig->classes[0], "web/**", KS_KEY_TYPE_EC_P256, KS_PURPOSE_TLS_SERVER);
    make_class(&rig->classes[1], "code/**", KS_KEY_TYPE_RSA_2048, KS_PURPOSE_SIGN);
    make_class(&rig->classes[2], "doc/**", KS_KEY_TYPE_EC_P256, KS_PURPOSE_SIGN);
    rig->config.generation = 1;
    rig->config.tokens = &rig->token;
    rig->config.n_tokens = 1;
    rig->config.classes = rig->classes;
    rig->config.n_classes = ARRAY_LEN(rig->classes);
    rig->config.audit_checkpoint_s = 3600;
    rig->worker_index = 1;
}

struct rig *
rig_new(void)
{
    static const char *const init[] = {"init", NULL};
    struct rig *rig = calloc(1, sizeof(*rig));
    char path[128], conf[256];

    cr_assert(rig);
    rig->message = (struct message)MESSAGE_INIT;
    rig->next_id = 1;
    rig->store_lock = -1;
    text_copy(rig->folder, sizeof(rig->folder), "/tmp/keysvc-token-XXXXXX");
    cr_assert(mkdtemp(rig->folder));
    rig_path(rig, "tokens", path, sizeof(path));
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(conf, sizeof(conf), "directories.tokendir = %s\nobjectstore.backend = file\n", path);
    write_file(rig, "softhsm2.conf", conf);
    rig_path(rig, "softhsm2.conf", path, sizeof(path));
    setenv("SOFTHSM2_CONF", path, 1);
    make_config(rig);
    rig_pin(rig, RIG_PIN "\n");
    /* Every test begins so; two are about it, and it takes seconds under valgrind. */
    rig->not_judged = true;
    cr_assert_eq(rig_administer(rig, init, RIG_SO_PIN, RIG_PIN), 0);
    rig->not_judged = false;
    return rig;
}

static int
remove_one(const char *path, const struct stat *status, int flag, struct FTW *ftw)
{
    (void)status;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void
close_channels(struct rig *rig)
{
    message_deinit(&rig->message);
    rig->control = channel_free(rig->control);
    rig->front = channel_free(rig->front);
    rig->pulse = pulse_unmap(rig->pulse);
}

struct rig *
rig_free(struct rig *rig)
{
    close_channels(rig);
    if (rig->pid > 0)
        waitpid(rig->pid, NULL, 0);
    closep(&rig->store_lock);
    strv_deinit(&rig->token.profile.copies);
    strv_deinit(&rig->token.profile.read);
    for (size_t i = 0; i < ARRAY_LEN(rig->classes); i++)
        strv_deinit(&rig->classes[i].names);
    strv_deinit(&rig->token.profile.public_attributes);
    strv_deinit(&rig->token.profile.private_attributes);
    nftw(rig->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(rig);
    return NULL;
}

/* Runs keysvc-token, by the command in KEYSVC_VALGRIND if tests/run names one, with a control socket
 * and sends SETUP with two descriptors. */
static void
spawn(struct rig *rig, const char *const *arguments, const int *fds, size_t n_fds)
{
    const char *argv[12] = {"/bin/sh", "-c", "exec $KEYSVC_VALGRIND \"$@\"", "sh"};
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct control_setup setup = {.worker_index = rig->worker_index,
                                  .login_override = rig->login_override,
                                  .config = &rig->config};
    int ends[2];
    size_t n = getenv("KEYSVC_VALGRIND") && !rig->not_judged ? 4 : 0;
    ks_err err;

    argv[n++] = KEYSVC_TOKEN;
    for (; arguments && *arguments && n < ARRAY_LEN(argv) - 1; arguments++)
        argv[n++] = *arguments;
    argv[n] = NULL;
    cr_assert_eq(channel_pair(ends), KS_OK);
    rig->pid = fork();
    if (rig->pid == 0) {
        if (ends[1] == CONTROL_FD)
            fcntl(CONTROL_FD, F_SETFD, 0);
        else
            dup2(ends[1], CONTROL_FD);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    cr_assert(rig->pid > 0);
    close(ends[1]);
    cr_assert_eq(channel_new(ends[0], CHANNEL_MAX_CONFIG, &rig->control), KS_OK);
    control_setup_pack(&body, &setup);
    err = channel_send(rig->control, CONTROL_SETUP, &body, fds, n_fds, RIG_TIMEOUT_MS);
    /* A process that refuses its arguments may be gone already. */
    cr_assert(err == KS_OK || err == KS_ERR_NO_SERVICE);
}

static int
secret_fd(const char *text)
{
    int fd = text ? memfd_create("pin", MFD_CLOEXEC) : open("/dev/null", O_RDONLY | O_CLOEXEC);

    cr_assert(fd >= 0);
    if (text)
        cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

int
rig_administer(struct rig *rig, const char *const *arguments, const char *first, const char *second)
{
    const char *argv[6] = {"--administer"};
    int fds[CONTROL_PIN_COUNT] = {secret_fd(first), secret_fd(second), secret_fd(NULL)};
    int code;

    for (size_t i = 0; arguments[i] && i < ARRAY_LEN(argv) - 2; i++)
        argv[i + 1] = arguments[i];
    spawn(rig, argv, fds, ARRAY_LEN(fds));
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    code = rig_wait(rig);
    close_channels(rig);
    return code;
}

int
rig_wait(struct rig *rig)
{
    int status = 0;

    cr_assert_eq(waitpid(rig->pid, &status, 0), rig->pid);
    rig->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static ks_err
send_go(struct rig *rig)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    pack_bool(&body, rig->store_lock >= 0);
    return channel_send(rig->control, CONTROL_START_GO, &body, NULL, 0, RIG_TIMEOUT_MS);
}

static ks_err
send_pin(struct rig *rig)
{
    char path[128];
    ks_err err;
    int fd;

    rig_path(rig, "pin", path, sizeof(path));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert(fd >= 0);
    err = channel_send(rig->control, CONTROL_LOGIN_GO, NULL, &fd, 1, RIG_TIMEOUT_MS);
    close(fd);
    return err;
}

ks_err
rig_control(struct rig *rig, uint16_t *type)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    struct control_result result;
    ks_err err = channel_receive(rig->control, &message, RIG_TIMEOUT_MS);

    if (err)
        return err;
    *type = message.type;
    switch (message.type) {
    case CONTROL_START_WANTED:
        return send_go(rig);
    case CONTROL_STORE_LOCK:
        rig->store_lock = message_take_fd(&message, 0);
        return rig->store_lock < 0 ? KS_ERR_BAD_REQUEST : KS_OK;
    case CONTROL_LOGIN_WANTED:
        rig->n_logins_wanted++;
        return send_pin(rig);
    case CONTROL_LOGIN_RESULT:
        err = control_result_unpack(message.body, message.len, &result);
        rig->login_result = result.err;
        return err;
    case CONTROL_READY:
    case CONTROL_STATE:
        return control_state_unpack(message.body, message.len, &rig->state);
    case CONTROL_CHECKPOINT:
        rig->n_checkpoints++;
        return control_checkpoint_unpack(message.body, message.len, &rig->checkpoint);
    default:
        return KS_OK;
    }
}

void
rig_store(struct rig *rig)
{
    char conf[128];

    rig_path(rig, "tokens", rig->token.store, sizeof(rig->token.store));
    /* With a store the process sees no other file but those that it is told of. */
    rig_path(rig, "softhsm2.conf", conf, sizeof(conf));
    cr_assert_eq(strv_add(&rig->token.profile.read, conf), KS_OK);
    cr_assert_eq(strv_add(&rig->token.profile.copies, "*/token.object"), KS_OK);
}

void
rig_launch(struct rig *rig)
{
    char path[128];
    int audit, pulse;

    snprintf(path, sizeof(path), "%s/main-%u.log", rig->folder, rig->worker_index);
    audit = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(audit >= 0);
    cr_assert_eq(pulse_new(&pulse, &rig->pulse), KS_OK);
    spawn(rig, NULL, (const int[]){pulse, audit}, 2);
    close(audit);
    close(pulse);
}

bool
rig_start(struct rig *rig)
{
    uint16_t type = 0;

    rig_launch(rig);
    while (type != CONTROL_READY) {
        if (rig_control(rig, &type) != KS_OK)
            return false;
    }
    return true;
}

int
rig_kill(struct rig *rig)
{
    int code;

    kill(rig->pid, SIGKILL);
    code = rig_wait(rig);
    close_channels(rig);
    return code;
}

int
rig_stop(struct rig *rig)
{
    uint16_t type;
    int code;

    cr_assert_eq(channel_send(rig->control, CONTROL_STOP, NULL, NULL, 0, RIG_TIMEOUT_MS), KS_OK);
    while (rig_control(rig, &type) == KS_OK)
        ;
    code = rig_wait(rig);
    close_channels(rig);
    return code;
}

static void
take_key(struct rig *rig, const struct message *message)
{
    struct job_key key;

    cr_assert_eq(job_key_unpack(message->body, message->len, &key), KS_OK);
    cr_assert(rig->n_keys < RIG_MAX_KEYS);
    rig->keys[rig->n_keys++] = key;
}

static void
receive(struct rig *rig)
{
    cr_assert_eq(channel_receive(rig->front, &rig->message, RIG_TIMEOUT_MS), KS_OK);
    if (rig->message.type == JOB_MESSAGE_DIRECTORY_BEGIN)
        rig->n_keys = 0;
    if (rig->message.type == JOB_MESSAGE_DIRECTORY_KEY)
        take_key(rig, &rig->message);
}

void
rig_read_directory(struct rig *rig)
{
    do
        receive(rig);
    while (rig->message.type != JOB_MESSAGE_DIRECTORY_END);
}

void
rig_front(struct rig *rig)
{
    int ends[2];

    rig->front = channel_free(rig->front);
    cr_assert_eq(channel_pair(ends), KS_OK);
    cr_assert_eq(channel_send(rig->control, CONTROL_FRONT, NULL, &ends[1], 1, RIG_TIMEOUT_MS),
                 KS_OK);
    close(ends[1]);
    cr_assert_eq(channel_new(ends[0], CHANNEL_MAX_BODY, &rig->front), KS_OK);
    if (rig->worker_index == 1)
        rig_read_directory(rig);
}

void
rig_send(struct rig *rig, struct job *job)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    job->id = rig->next_id++;
    if (job->generation == 0)
        job->generation = rig->config.generation;
    job_pack(&body, job);
    cr_assert_eq(
        channel_send(rig->front, JOB_MESSAGE_JOB, &body, job->fds, job->n_fds, RIG_TIMEOUT_MS),
        KS_OK);
}

struct job_reply
rig_receive(struct rig *rig)
{
    struct job_reply reply;

    do
        receive(rig);
    while (rig->message.type != JOB_MESSAGE_REPLY);
    cr_assert_eq(job_reply_unpack(rig->message.body, rig->message.len, &reply), KS_OK);
    return reply;
}

struct job_reply
rig_job(struct rig *rig, struct job *job)
{
    struct job_reply reply;

    rig_send(rig, job);
    reply = rig_receive(rig);
    cr_assert_eq(reply.id, job->id);
    return reply;
}

struct job_reply
rig_generate(struct rig *rig, const char *name)
{
    struct job job = {.operation = JOB_GENERATE};

    text_copy(job.name, sizeof(job.name), name);
    return rig_job(rig, &job);
}

const struct job_key *
rig_key(const struct rig *rig, const char *name, uint32_t version)
{
    for (size_t i = rig->n_keys; i > 0; i--) {
        if (rig->keys[i - 1].version == version && strcmp(rig->keys[i - 1].name, name) == 0)
            return &rig->keys[i - 1];
    }
    return NULL;
}

struct job
rig_job_for(struct rig *rig, enum job_operation operation, const char *name, uint32_t version)
{
    const struct job_key *key = rig_key(rig, name, version);
    struct job job = {.operation = operation, .version = version};

    text_copy(job.name, sizeof(job.name), name);
    job.caller = (struct job_caller){.uid = 1000, .gid = 1000, .pid = 4711, .rule = "nginx"};
    if (key)
        SHA256(key->public_key, key->public_key_len, job.public_key_sha256);
    return job;
}

char *
rig_audit(struct rig *rig)
{
    char path[128];
    struct stat status;
    char *text;
    FILE *file;

    snprintf(path, sizeof(path), "%s/main-%u.log", rig->folder, rig->worker_index);
    file = fopen(path, "r");
    cr_assert(file && fstat(fileno(file), &status) == 0);
    text = calloc(1, (size_t)status.st_size + 1);
    cr_assert(text);
    cr_assert_eq(fread(text, 1, (size_t)status.st_size, file), (size_t)status.st_size);
    fclose(file);
    return text;
}

void
rig_break_module(struct rig *rig, const char *breaking)
{
    setenv("PKCS11_BREAK_MODULE", rig->token.profile.module, 1);
    setenv("PKCS11_BREAK_DIR", rig->folder, 1);
    text_copy(rig->token.profile.module, sizeof(rig->token.profile.module), breaking);
}

void
rig_break(struct rig *rig, const char *rules)
{
    char path[128], new_path[128];

    rig_path(rig, "rules", path, sizeof(path));
    rig_path(rig, "rules.new", new_path, sizeof(new_path));
    write_file(rig, "rules.new", rules);
    cr_assert_eq(rename(new_path, path), 0);
}

ks_err
rig_job_with_login(struct rig *rig, struct job job)
{
    uint16_t type = 0;

    rig_send(rig, &job);
    while (type != CONTROL_LOGIN_RESULT)
        cr_assert_eq(rig_control(rig, &type), KS_OK);
    return rig_receive(rig).err;
}
