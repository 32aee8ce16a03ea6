/* SPDX-License-Identifier: Apache-2.0 */
/*
 * administer - keysvc-token --administer init | change-pin
 */
#include "supervisor/administer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/secret.h"
#include "ipc/channel.h"
#include "ipc/control.h"
#include "supervisor/config.h"
#include "supervisor/durable.h"
#include "supervisor/spawn.h"

#define PROGRAM "keysvc-token"
#define SEND_TIMEOUT_MS 10000
#define MARKER_SUFFIX ".pin-change"
#define MARKER_NAME_LEN (CONFIG_TITLE_MAX + sizeof(MARKER_SUFFIX))
#define SIGNAL_EXIT_BASE 128 /* as a shell says it */

static const char *const action_names[] = {
    [ADMINISTER_INIT] = "init",
    [ADMINISTER_CHANGE_PIN] = "change-pin",
};

/* As keysvc-token takes them, enum control_pin. */
struct pins {
    int fds[CONTROL_PIN_COUNT];
};

static ks_err check(const struct administer_request *request, const struct config_token *token,
                    struct fault *why);
static ks_err open_pins(const struct administer_request *request, const struct config_token *token,
                        int fds[static CONTROL_PIN_COUNT], struct fault *why);
static ks_err open_pin(const char *path, bool optional, int *fd, struct fault *why);
static ks_err start(const struct supervisor_options *options,
                    const struct administer_request *request, const struct config_token *token,
                    int control_fd, pid_t *pid, struct fault *why);
static ks_err send_setup(struct channel *channel, const struct config *config,
                         const struct config_token *token, const int fds[static CONTROL_PIN_COUNT]);
static void grant_start(struct channel *channel);
static ks_err mark(const struct administer_request *request, const struct config *config,
                   const struct config_token *token, bool *marked_before, struct fault *why);
static void unmark(const struct config *config, const struct config_token *token);
static ks_err put_in_place(const struct administer_request *request,
                           const struct config_token *token, struct fault *why);

static void
pins_close(struct pins *pins)
{
    for (size_t i = 0; i < ARRAY_LEN(pins->fds); i++)
        closep(&pins->fds[i]);
}

enum administer_action
administer_action_from_name(const char *name)
{
    for (size_t i = ADMINISTER_INIT; i < ARRAY_LEN(action_names); i++) {
        if (strcmp(name, action_names[i]) == 0)
            return (enum administer_action)i;
    }
    return ADMINISTER_NONE;
}

/* The first mistake is the outcome; keysvcd --check names the others. */
static void
ignore(const char *text)
{
    (void)text;
}

ks_err
administer_run(const struct supervisor_options *options, const struct administer_request *request,
               int *exit_code, struct fault *why)
{
    ks_auto(config_freep) struct config *config = NULL;
    ks_auto(channel_freep) struct channel *channel = NULL;
    ks_auto(pins_close) struct pins pins = {.fds = {-1, -1, -1}};
    const struct config_token *token;
    int ends[2], status;
    bool changes_pin = request->action == ADMINISTER_CHANGE_PIN, marked_before = false, refused;
    pid_t pid;
    ks_err err;

    err = config_check(options->config_path, options->profile_dir, spawn_can_switch_users(), ignore,
                       &config, why);
    if (err)
        return err;
    token = config_token_find(config, request->token);
    err = check(request, token, why);
    if (!err)
        err = open_pins(request, token, pins.fds, why);
    if (err)
        return err;
    if (channel_pair(ends) != KS_OK ||
        channel_new(ends[0], CHANNEL_MAX_CONFIG, &channel) != KS_OK) {
        fault_set(why, "no socketpair: %s", strerror(errno));
        return KS_ERR_INTERNAL;
    }
    if (changes_pin)
        err = mark(request, config, token, &marked_before, why);
    if (!err) {
        err = start(options, request, token, ends[1], &pid, why);
        if (err && changes_pin && !marked_before)
            unmark(config, token);
    }
    close(ends[1]);
    if (err)
        return err;
    if (send_setup(channel, config, token, pins.fds) == KS_OK)
        grant_start(channel);
    if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0) {
        fault_set(why, "waitpid: %s", strerror(errno));
        return KS_ERR_INTERNAL;
    }
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : SIGNAL_EXIT_BASE + WTERMSIG(status);
    if (*exit_code == 0 && changes_pin)
        err = put_in_place(request, token, why);
    /* A refusal has changed nothing, and says nothing about a change before it that was cut off. */
    refused = WIFEXITED(status) && *exit_code != KS_ERR_OUTCOME_UNKNOWN;
    if (!err && changes_pin && (*exit_code == 0 || (refused && !marked_before)))
        unmark(config, token);
    return err;
}

static bool
same_folder(const char *a, const char *b)
{
    char copy_a[CONFIG_PATH_MAX + 1], copy_b[CONFIG_PATH_MAX + 1];
    struct stat in_a, in_b;

    if (!text_copy(copy_a, sizeof(copy_a), a) || !text_copy(copy_b, sizeof(copy_b), b) ||
        stat(dirname(copy_a), &in_a) < 0 || stat(dirname(copy_b), &in_b) < 0)
        return false;
    return in_a.st_dev == in_b.st_dev && in_a.st_ino == in_b.st_ino;
}

/* All that could go wrong after the token has its new PIN is looked at before. */
static ks_err
check(const struct administer_request *request, const struct config_token *token, struct fault *why)
{
    if (!token) {
        fault_set(why, "there is no token \"%s\" in the configuration", request->token);
        fault_hint(why, "tokens are named by its sections `token`, see keysvcd.conf(5)");
        return KS_ERR_USAGE;
    }
    if (request->action != ADMINISTER_CHANGE_PIN)
        return KS_OK;
    if (!request->new_pin_file) {
        fault_set(why, "change-pin needs --new-pin-file");
        return KS_ERR_USAGE;
    }
    if (token->pin_file[0] == '\0') {
        fault_set(why,
                  "token %s has no pin-file but a pin-credential, which keysvcd cannot replace",
                  token->name);
        fault_hint(why, "change the PIN with the token's own tools, then the credential");
        return KS_ERR_UNSUPPORTED;
    }
    if (!same_folder(request->new_pin_file, token->pin_file)) {
        fault_set(why, "%s is not in the folder of %s, so it cannot take its place in one step",
                  request->new_pin_file, token->pin_file);
        return KS_ERR_USAGE;
    }
    return KS_OK;
}

static ks_err
open_pins(const struct administer_request *request, const struct config_token *token,
          int fds[static CONTROL_PIN_COUNT], struct fault *why)
{
    const char *pin_file = request->pin_file ? request->pin_file : token->pin_file;
    bool given = request->pin_file != NULL;
    ks_err err;

    if (request->action == ADMINISTER_INIT) {
        err = open_pin(request->so_pin_file, !request->so_pin_file, &fds[CONTROL_PIN_FIRST], why);
        if (!err)
            err = open_pin(pin_file, !given, &fds[CONTROL_PIN_SECOND], why);
        return err ? err
                   : open_pin(request->old_so_pin_file, !request->old_so_pin_file,
                              &fds[CONTROL_PIN_OLD_SO], why);
    }
    err = open_pin(pin_file, !given, &fds[CONTROL_PIN_FIRST], why);
    if (!err)
        err = open_pin(request->new_pin_file, false, &fds[CONTROL_PIN_SECOND], why);
    return err ? err : open_pin(NULL, true, &fds[CONTROL_PIN_OLD_SO], why);
}

/* What is not there and not asked for is /dev/null: the child then asks on the terminal, or
 * refuses. */
static ks_err
open_pin(const char *path, bool optional, int *fd, struct fault *why)
{
    struct stat status;

    *fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    if (*fd < 0 && optional && (!path || errno == ENOENT)) {
        *fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (*fd >= 0)
            return KS_OK;
        path = "/dev/null";
    }
    if (*fd < 0 || fstat(*fd, &status) < 0) {
        fault_set(why, "cannot open the PIN file %s: %s", path, strerror(errno));
        return KS_ERR_USAGE;
    }
    if (!S_ISREG(status.st_mode) || status.st_size > SECRET_MAX_LEN + 1) {
        fault_set(why, "the PIN file %s is no regular file or too long for a PIN", path);
        return KS_ERR_USAGE;
    }
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        fprintf(stderr, "warning: the PIN file %s is open to its group or to others; chmod 0600\n",
                path);
    return KS_OK;
}

static ks_err
start(const struct supervisor_options *options, const struct administer_request *request,
      const struct config_token *token, int control_fd, pid_t *pid, struct fault *why)
{
    char path[CONFIG_PATH_MAX + sizeof("/" PROGRAM)];
    struct spawn spawn = {
        .path = path,
        .argv = {PROGRAM, "--administer", action_names[request->action],
                 request->force ? "--force" : NULL},
        .environment = &token->profile.environment,
        .groups = &token->profile.groups,
        .switch_user = spawn_can_switch_users(),
        .uid = token->uid,
        .gid = token->gid,
        .keeps_terminal = true,
        .debug = options->debug,
    };

    snprintf(path, sizeof(path), "%s/" PROGRAM, options->libexec_dir);
    return spawn_process(&spawn, &control_fd, 1, pid, why);
}

static ks_err
send_setup(struct channel *channel, const struct config *config, const struct config_token *token,
           const int fds[static CONTROL_PIN_COUNT])
{
    struct control_setup setup = {
        .token_index = (uint32_t)(token - config->tokens),
        .worker_index = 1,
        .config = (struct config *)config, /* only packed */
    };
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    control_setup_pack(&body, &setup);
    return channel_send(channel, CONTROL_SETUP, &body, fds, CONTROL_PIN_COUNT, SEND_TIMEOUT_MS);
}

/* Until it closes its end. It needs no turn from us: we start nothing else. */
static void
grant_start(struct channel *channel)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    pack_bool(&body, true); /* the store's lock is the service's, if it runs */
    while (channel_receive(channel, &message, -1) == KS_OK) {
        if (message.type == CONTROL_START_WANTED &&
            channel_send(channel, CONTROL_START_GO, &body, NULL, 0, SEND_TIMEOUT_MS) != KS_OK)
            return;
    }
}

/* Between the token's new PIN and the file's is a moment in which a kill leaves both as nobody wants
 * them: TOKEN.pin-change in the state folder holds the new file's path as long, for keysvc doctor. While
 * that is open, and that file there, no change to another one begins. A host on which no service ever ran
 * has no such folder, and no service that could stay behind. */
static ks_err
mark(const struct administer_request *request, const struct config *config,
     const struct config_token *token, bool *marked_before, struct fault *why)
{
    char name[MARKER_NAME_LEN], before[PATH_MAX], path[PATH_MAX + 1];
    size_t len;
    ks_err err;

    if (access(config->state_dir, F_OK) != 0 && errno == ENOENT)
        return KS_OK;
    if (!realpath(request->new_pin_file, path)) {
        fault_set(why, "cannot find the PIN file %s: %s", request->new_pin_file, strerror(errno));
        return KS_ERR_USAGE;
    }
    snprintf(name, sizeof(name), "%s" MARKER_SUFFIX, token->name);
    err = durable_read(config->state_dir, name, before, sizeof(before), marked_before, why);
    if (err)
        return err;
    before[*marked_before ? strcspn(before, "\n") : 0] = '\0';
    if (*marked_before && strcmp(before, path) != 0 && access(before, F_OK) == 0) {
        fault_set(
            why,
            "token %s: a change of its PIN to that in %s was cut off or is under way, and the "
            "token may have that",
            token->name, before);
        fault_hint(why, "see `keysvc doctor`, or do that one again; remove %s if it is of no use",
                   before);
        return KS_ERR_EXISTS;
    }
    len = strlen(path);
    path[len++] = '\n';
    return durable_write(config->state_dir, name, path, len, why);
}

static void
unmark(const struct config *config, const struct config_token *token)
{
    char name[MARKER_NAME_LEN];
    struct fault why = FAULT_INIT;

    snprintf(name, sizeof(name), "%s" MARKER_SUFFIX, token->name);
    if (durable_remove(config->state_dir, name, &why) != KS_OK)
        fprintf(stderr, "warning: %s\n", why.text);
}

static ks_err
put_in_place(const struct administer_request *request, const struct config_token *token,
             struct fault *why)
{
    ks_auto(closep) int fd = open(request->new_pin_file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char folder[CONFIG_PATH_MAX + 1];
    ks_err err = KS_OK;

    if (fd < 0 || fsync(fd) < 0 || rename(request->new_pin_file, token->pin_file) < 0) {
        fault_set(why, "the token has its new PIN, but %s could not take the place of %s: %s",
                  request->new_pin_file, token->pin_file, strerror(errno));
        err = KS_ERR_INTERNAL;
    } else if (text_copy(folder, sizeof(folder), token->pin_file)) {
        err = durable_sync_folder(dirname(folder), why);
    }
    if (err)
        fault_hint(why, "mv %s %s", request->new_pin_file, token->pin_file);
    return err;
}
