/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login - the marker before each attempt, and the identity of PIN files
 */
#include "supervisor/login.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/secret.h"
#include "supervisor/durable.h"

#define IDENTITY_LEN 192
#define MARKER_SUFFIX ".login-tried"
#define MARKER_NAME_LEN (CONFIG_TITLE_MAX + sizeof(MARKER_SUFFIX))
#define ABSENT_IDENTITY "absent"
#define CREDENTIAL_IDENTITY "credential"

struct login {
    char token[CONFIG_TITLE_MAX + 1];
    char state_dir[CONFIG_PATH_MAX + 1];
    char pin_file[2 * CONFIG_PATH_MAX + 2]; /* empty: the token wants none */
    char marker[MARKER_NAME_LEN];
    char tried[IDENTITY_LEN];  /* the identity that is blocked, as in the marker; empty: none */
    char proven[IDENTITY_LEN]; /* the identity that last logged in, in this run; empty: none */
    char text[256];            /* why it is blocked */
    bool is_credential;        /* of the service manager's */
    bool blocked;
    bool under_way;
    bool override;
};

static ks_err find_pin_file(struct login *login, const struct config_token *token,
                            struct fault *why);
static void identity_of(const struct login *login, const struct stat *status,
                        char out[static IDENTITY_LEN]);
static void identity_now(const struct login *login, char out[static IDENTITY_LEN]);
static ks_err open_pin_file(const struct login *login, int *fd, char identity[static IDENTITY_LEN],
                            struct fault *why);
static void hint_write(const struct login *login, const char *how, struct fault *why);
static void set_blocked(struct login *login, const char *identity, const char *text);
static void clear_marker(struct login *login);
static void say_blocked(const struct login *login, struct fault *why);

ks_err
login_new(const char *state_dir, const struct config_token *token, struct login **out,
          struct fault *why)
{
    struct login *login;
    ks_err err;

    if (!durable_name_valid(token->name)) {
        fault_set(why, "\"%s\" cannot be the name of a token", token->name);
        return KS_ERR_BAD_REQUEST;
    }
    login = calloc(1, sizeof(*login));
    if (!login) {
        fault_set(why, "no memory");
        return KS_ERR_INTERNAL;
    }
    text_copy(login->token, sizeof(login->token), token->name);
    text_copy(login->state_dir, sizeof(login->state_dir), state_dir);
    snprintf(login->marker, sizeof(login->marker), "%s" MARKER_SUFFIX, token->name);
    err = find_pin_file(login, token, why);
    if (err) {
        free(login);
        return err;
    }
    *out = login;
    return KS_OK;
}

struct login *
login_free(struct login *login)
{
    free(login);
    return NULL;
}

static ks_err
find_pin_file(struct login *login, const struct config_token *token, struct fault *why)
{
    const char *folder = secure_getenv("CREDENTIALS_DIRECTORY");

    if (token->pin_credential[0] == '\0') {
        text_copy(login->pin_file, sizeof(login->pin_file), token->pin_file);
        return KS_OK;
    }
    if (!folder || folder[0] != '/' || strlen(folder) > CONFIG_PATH_MAX ||
        !durable_name_valid(token->pin_credential)) {
        fault_set(why, "token %s: there is no credential \"%s\": CREDENTIALS_DIRECTORY is not set",
                  token->name, token->pin_credential);
        fault_hint(why, "start keysvcd from a unit with LoadCredential=%s:FILE",
                   token->pin_credential);
        return KS_ERR_BAD_REQUEST;
    }
    snprintf(login->pin_file, sizeof(login->pin_file), "%s/%s", folder, token->pin_credential);
    login->is_credential = true;
    return KS_OK;
}

/* A marker that cannot be understood blocks like any other: only an administrator's word takes it
 * away. */
void
login_open(struct login *login)
{
    struct fault why = FAULT_INIT;
    char tried[IDENTITY_LEN];
    bool exists;
    ks_err err = durable_read(login->state_dir, login->marker, tried, sizeof(tried), &exists, &why);
    char *end;

    if (!err && !exists)
        return;
    end = strchr(tried, '\n');
    if (err || !end || end[1] != '\0') {
        set_blocked(login, "", "the marker of an earlier login attempt cannot be read");
        return;
    }
    *end = '\0';
    set_blocked(login, tried, "an earlier login attempt was refused, or nobody saw its end");
}

static void
set_blocked(struct login *login, const char *identity, const char *text)
{
    login->blocked = true;
    if (identity != login->tried)
        text_copy(login->tried, sizeof(login->tried), identity);
    snprintf(login->text, sizeof(login->text), "%.255s", text);
}

/* systemd writes a credential anew at each start: the file tells nothing of what is in it, nor does
 * that it is not there. */
static void
identity_of(const struct login *login, const struct stat *status, char out[static IDENTITY_LEN])
{
    if (login->is_credential) {
        text_copy(out, IDENTITY_LEN, CREDENTIAL_IDENTITY);
        return;
    }
    snprintf(out, IDENTITY_LEN,
             "dev=%" PRIu64 " ino=%" PRIu64 " size=%" PRIu64 " mtime=%lld.%09ld ctime=%lld.%09ld",
             (uint64_t)status->st_dev, (uint64_t)status->st_ino, (uint64_t)status->st_size,
             (long long)status->st_mtim.tv_sec, status->st_mtim.tv_nsec,
             (long long)status->st_ctim.tv_sec, status->st_ctim.tv_nsec);
}

static void
identity_now(const struct login *login, char out[static IDENTITY_LEN])
{
    struct stat status = {.st_size = 0};

    if (login->is_credential ||
        (login->pin_file[0] != '\0' && lstat(login->pin_file, &status) == 0))
        identity_of(login, &status, out);
    else
        text_copy(out, IDENTITY_LEN, ABSENT_IDENTITY);
}

bool
login_blocked(struct login *login, struct fault *why)
{
    char now[IDENTITY_LEN];

    if (!login->blocked)
        return false;
    identity_now(login, now);
    if (login->tried[0] != '\0' && strcmp(now, login->tried) != 0) {
        log_info("token=%s event=pin-file-changed file=\"%s\"", login->token,
                 LOG_TEXT(login->pin_file));
        login->blocked = false;
        /* The refused try has left the token's PIN count low: who wrote another PIN wants it tried
         * all the same. */
        login->override = true;
        return false;
    }
    say_blocked(login, why);
    return true;
}

static void
say_blocked(const struct login *login, struct fault *why)
{
    if (login->pin_file[0] == '\0' || strstr(login->text, login->pin_file))
        fault_set(why, "%s", login->text);
    else
        fault_set(why, "%.200s (PIN file %.120s)", login->text, login->pin_file);
    if (login->is_credential)
        fault_hint(why,
                   "put the right PIN where the unit's LoadCredential= takes it from, restart "
                   "keysvcd, then: keysvc token retry-login %s",
                   login->token);
    else
        fault_hint(why, "put the right PIN there, or: keysvc token retry-login %s", login->token);
}

ks_err
login_begin(struct login *login, int *pin_fd, struct fault *why)
{
    char identity[IDENTITY_LEN];
    char line[IDENTITY_LEN + 2];
    ks_auto(closep) int fd = -1;
    ks_err err;

    if (login->under_way) {
        fault_set(why, "another login of token %s is under way", login->token);
        return KS_ERR_BUSY;
    }
    if (login_blocked(login, why))
        return KS_ERR_LOGIN_BLOCKED;
    err = open_pin_file(login, &fd, identity, why);
    if (err) {
        set_blocked(login, identity, why->text);
        return err;
    }
    snprintf(line, sizeof(line), "%s\n", identity);
    err = durable_write(login->state_dir, login->marker, line, strlen(line), why);
    if (err)
        return err;
    login->under_way = true;
    text_copy(login->tried, sizeof(login->tried), identity);
    *pin_fd = ks_steal_fd(&fd);
    return KS_OK;
}

/* `identity` is what was judged, also of a file that is of no use: another one is tried. */
static ks_err
open_pin_file(const struct login *login, int *fd, char identity[static IDENTITY_LEN],
              struct fault *why)
{
    struct stat status;

    identity_now(login, identity);
    *fd = open(login->pin_file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT) {
        fault_set(why, "no login was tried: the PIN file %s of token %s does not exist",
                  login->pin_file, login->token);
        hint_write(login, "mode 0600", why);
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    if (*fd < 0 || fstat(*fd, &status) < 0) {
        fault_set(why, "no login was tried: cannot open the PIN file %s of token %s: %s",
                  login->pin_file, login->token, strerror(errno));
        hint_write(login, "mode 0600, no symbolic link", why);
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    identity_of(login, &status, identity);
    if (!S_ISREG(status.st_mode) || status.st_size < 1 || status.st_size > SECRET_MAX_LEN + 1) {
        fault_set(why, "no login was tried: the PIN file %s of token %s is %s", login->pin_file,
                  login->token,
                  !S_ISREG(status.st_mode) ? "no regular file"
                  : status.st_size < 1     ? "empty"
                                           : "too long for a PIN");
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        log_warning("token=%s file=\"%s\" error=\"the PIN file is open to its group or to others\" "
                    "hint=\"chmod 0600\"",
                    login->token, LOG_TEXT(login->pin_file));
    return KS_OK;
}

static void
hint_write(const struct login *login, const char *how, struct fault *why)
{
    const char *name = strrchr(login->pin_file, '/');

    if (login->is_credential && name)
        fault_hint(why, "start keysvcd from a unit with LoadCredential=%s:FILE", name + 1);
    else
        fault_hint(why, "write the user PIN into that file (%s)", how);
}

void
login_end(struct login *login, ks_err outcome, const struct fault *said)
{
    if (!login->under_way)
        return;
    login->under_way = false;
    if (outcome == KS_ERR_LOGIN_BLOCKED) {
        set_blocked(login, login->tried, said->text[0] ? said->text : "the token refused the PIN");
        login->proven[0] = '\0';
        log_error("token=%s event=login-blocked file=\"%s\" error=\"%s\"", login->token,
                  LOG_TEXT(login->pin_file), LOG_TEXT(login->text));
        return;
    }
    if (outcome == KS_OK)
        text_copy(login->proven, sizeof(login->proven), login->tried);
    clear_marker(login);
}

/* If it cannot be removed it blocks the next attempt: the safe side, and it is said aloud. */
static void
clear_marker(struct login *login)
{
    struct fault why = FAULT_INIT;

    if (durable_remove(login->state_dir, login->marker, &why) == KS_OK) {
        login->blocked = false;
        login->tried[0] = '\0';
        return;
    }
    log_error("token=%s event=login-marker error=\"%s\"", login->token, LOG_TEXT(why.text));
    set_blocked(login, login->tried, why.text);
}

void
login_interrupted(struct login *login)
{
    if (!login->under_way)
        return;
    login->under_way = false;
    if (login->proven[0] != '\0' && strcmp(login->proven, login->tried) == 0) {
        login->proven[0] = '\0';
        clear_marker(login);
        return;
    }
    set_blocked(login, login->tried,
                "a process died inside C_Login, so nobody knows whether the PIN is right");
    log_error("token=%s event=login-blocked file=\"%s\" error=\"%s\"", login->token,
              LOG_TEXT(login->pin_file), LOG_TEXT(login->text));
}

void
login_block(struct login *login, const struct fault *said)
{
    char identity[IDENTITY_LEN];

    if (login->blocked)
        return;
    if (login->proven[0] != '\0')
        text_copy(identity, sizeof(identity), login->proven);
    else
        identity_now(login, identity);
    set_blocked(login, identity,
                said->text[0] ? said->text : "the token's process found its PIN blocked");
}

ks_err
login_retry(struct login *login, struct fault *why)
{
    ks_err err;

    if (login->under_way) {
        fault_set(why, "a login of token %s is under way", login->token);
        return KS_ERR_BUSY;
    }
    err = durable_remove(login->state_dir, login->marker, why);
    if (err)
        return err;
    login->blocked = false;
    login->tried[0] = '\0';
    login->override = true;
    return KS_OK;
}

bool
login_take_override(struct login *login)
{
    bool override = login->override;

    login->override = false;
    return override;
}
