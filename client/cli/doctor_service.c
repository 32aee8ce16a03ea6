/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_service - the socket's path, who answers on it, who it says we are, and its tokens
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "client/cli/doctor.h"

#define ASK_TIMEOUT_MS 5000 /* a healthy service answers in milliseconds */

static void check_caller(struct doctor *doctor, struct ks_client *client,
                         const struct ks_status *status);
static void check_sandboxes(struct doctor *doctor, const struct ks_status *status);
static void check_token(struct doctor *doctor, const struct ks_token *token);

/* One folder on the way to the socket: may we pass, and who else may put a socket there? */
static bool
check_folder(struct doctor *doctor, const char *folder)
{
    struct stat st;

    if (stat(folder, &st) != 0) {
        doctor_wrong(doctor, KS_ERR_NO_SERVICE, "socket",
                     "Start keysvcd (systemctl start keysvcd); it or tmpfiles.d makes the folder.",
                     "%s: %s", folder, strerror(errno));
        return false;
    }
    if (access(folder, X_OK) != 0) {
        doctor_wrong(doctor, KS_ERR_NO_SERVICE, "socket",
                     "Give everybody who is to use the service the right to pass (chmod a+x), or "
                     "put the user into the folder's group.",
                     "%s: %s", folder, strerror(errno));
        return false;
    }
    if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX)) {
        doctor_wrong(doctor, KS_ERR_NO_SERVICE, "socket", "Take the right away: chmod o-w.",
                     "%s: anybody may put another socket there", folder);
        return false;
    }
    return true;
}

static bool
check_folders(struct doctor *doctor, const char *path)
{
    char folder[PATH_MAX];

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t len = slash == path ? 1 : (size_t)(slash - path);

        if (len >= sizeof(folder))
            return false;
        memcpy(folder, path, len);
        folder[len] = '\0';
        if (!check_folder(doctor, folder))
            return false;
    }
    return true;
}

/* Root may everything, and would not see what stops the others; keysvcd makes it 0666 or 0660. */
static void
check_open_to_others(struct doctor *doctor, const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = "";
    struct stat st, socket;

    if (slash)
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
    if (folder[0] != '\0' && stat(folder, &st) == 0 && !(st.st_mode & (S_IXGRP | S_IXOTH)))
        doctor_note(doctor, "socket", "If others are to use the service: chmod a+x.",
                    "%s has mode %03o: nobody but its owner and root comes to the socket", folder,
                    st.st_mode & 0777);
    if (stat(path, &socket) == 0 && !(socket.st_mode & (S_IWGRP | S_IWOTH)))
        doctor_note(doctor, "socket",
                    "Restart keysvcd, which makes it anew: 0666, or 0660 with "
                    "`socket-group`.",
                    "%s has mode %03o: nobody but its owner and root may use it", path,
                    socket.st_mode & 0777);
}

void
doctor_socket(struct doctor *doctor, struct cli *cli)
{
    struct ks_client *client = cli_client(cli);
    const char *path;
    struct stat st = {0};

    if (!client) {
        doctor_wrong(doctor, (ks_err)cli->code, "socket", "", "no client could be made");
        return;
    }
    path = ks_client_socket(client);
    if (!check_folders(doctor, path))
        return;
    if (stat(path, &st) != 0)
        doctor_wrong(doctor, KS_ERR_NO_SERVICE, "socket",
                     "Start keysvcd (systemctl start keysvcd), or name its socket with --socket; "
                     "if it runs, somebody removed its socket: restart it.",
                     "%s: %s", path, strerror(errno));
    else if (!S_ISSOCK(st.st_mode))
        doctor_wrong(doctor, KS_ERR_NO_SERVICE, "socket",
                     "Remove it, and see `socket` in keysvcd.conf.", "%s is no socket", path);
    else if (access(path, W_OK) != 0)
        doctor_wrong(
            doctor, KS_ERR_NO_SERVICE, "socket",
            st.st_mode & S_IWGRP
                ? "Put the user into the socket's group; see `socket-group` in keysvcd.conf."
                : "Restart keysvcd, which makes it anew: 0666, or 0660 with `socket-group`.",
            "%s (owner %u, group %u, mode %03o): %s", path, st.st_uid, st.st_gid, st.st_mode & 0777,
            strerror(errno));
    else
        doctor_fine(doctor, "socket", "%s is there and open to this user", path);
    if (S_ISSOCK(st.st_mode) && access(path, W_OK) == 0)
        check_open_to_others(doctor, path);
}

static const char *
mend_service(const char *path, ks_err err, const struct ks_error *error)
{
    if (err == KS_ERR_DEADLINE)
        return "It hangs: see its log, then restart it.";
    if (err != KS_ERR_NO_SERVICE)
        return error->hint;
    if (access(path, W_OK) != 0 && errno == EACCES)
        return "See the finding on the socket: this user does not come to it.";
    return "Start keysvcd (systemctl start keysvcd); if it does not stay, its log says why "
           "(journalctl -u keysvcd).";
}

void
doctor_service(struct doctor *doctor, struct cli *cli)
{
    struct ks_client *client = cli->client;
    struct ks_status *status;
    struct ks_error error;
    ks_err err;

    if (!client)
        return;
    ks_client_set_timeout(client, cli->timeout_ms ? cli->timeout_ms : ASK_TIMEOUT_MS);
    err = ks_status(client, &status, &error);
    if (err) {
        doctor_wrong(doctor, err, "service", mend_service(ks_client_socket(client), err, &error),
                     "%s: %s", ks_err_name(err), error.message);
        return;
    }
    if (strcmp(status->version, ks_version()) == 0)
        doctor_fine(doctor, "service", "keysvcd %s answers, configuration %llu", status->version,
                    (unsigned long long)status->generation);
    else
        doctor_note(doctor, "service", "Restart it after an upgrade.",
                    "keysvcd %s answers; this program is %s", status->version, ks_version());
    doctor_note_answer(doctor, status);
    check_caller(doctor, client, status);
    for (size_t i = 0; i < status->n_tokens; i++)
        check_token(doctor, &status->tokens[i]);
    check_sandboxes(doctor, status);
    for (size_t i = 0; i < status->n_groups; i++)
        doctor_group(doctor, &status->groups[i]);
    if (status->n_tokens == 0)
        doctor_note(doctor, "token", "Add a section `token` to keysvcd.conf.",
                    "the service has no token");
    doctor_info(doctor, client, status);
    ks_status_free(status);
}

static bool
any_ready(const struct ks_status *status)
{
    for (size_t i = 0; i < status->n_tokens; i++) {
        if (strcmp(status->tokens[i].state, "ready") == 0)
            return true;
    }
    return false;
}

/* Who the service says we are, and whether any rule names us. */
static void
check_caller(struct doctor *doctor, struct ks_client *client, const struct ks_status *status)
{
    const struct ks_key *key = NULL;
    struct ks_list *list = NULL;
    struct ks_error error;
    ks_err err;

    doctor_fine(doctor, "caller", "the service sees uid %u, unit %s%s", status->uid,
                status->unit[0] ? status->unit : "none",
                status->administrator ? ", an administrator" : "");
    err = ks_list_new(client, NULL, &list, &error);
    do {
        if (!err)
            err = ks_list_next(list, &key, &error);
    } while (!err && key && keyname_reserved(key->name));
    if (err)
        doctor_wrong(doctor, err, "rules", error.hint, "%s: %s", ks_err_name(err), error.message);
    else if (key)
        doctor_fine(doctor, "rules", "you may see keys, %s@%u among them", key->name, key->version);
    else if (!any_ready(status))
        doctor_skip(doctor, "rules", "keys are seen once a token is ready");
    else
        doctor_note(doctor, "rules",
                    "If it should: keysvc policy explain --key NAME --operation get says which "
                    "rule is missing.",
                    "no rule lets you see a key, or there is none");
    ks_list_free(list);
}

const char *
doctor_known_trouble(const char *text, const char *otherwise)
{
    static const struct {
        const char *text, *mend;
    } KNOWN[] = {
        {"used by another keysvcd", "Stop the other keysvcd; this one takes over by itself."},
        {"another token than before",
         "Put the right token back; nothing was done with this one. If it was replaced on purpose: "
         "move that file away and keep it, since old records are verified with it; the token is "
         "served within a second."},
        {"no login was tried",
         "Write the user PIN into that file, one line, owner root, mode 0600; keysvcd then logs in "
         "by itself."},
        {"the module cannot be loaded",
         "See the finding on the module below; keysvcd tries again by itself."},
        {"cannot open its store",
         "See the findings on its folder below; keysvcd tries again by itself."},
        {"does not initialise",
         "See what it needs (device, daemon, configuration, rights of the token's user). Does it "
         "work with sandbox = off in the token's section? Then the log names the calls that are "
         "missing (event=call-refused), and for files see \"Adding a device\" in "
         "hsm-profiles/README.md."},
        {"CKR_PIN_LOCKED",
         "The token locked the PIN: unlock it with the SO PIN and the vendor's tool, a TPM with "
         "tpm2_dictionarylockout --clear-lockout; then keysvc token retry-login."},
        {"CKR_PIN_EXPIRED", "Set a new PIN: keysvc token change-pin."},
        {"CKR_USER_PIN_NOT_INITIALIZED", "Set the user PIN: keysvc token init."},
        {"CKR_DEVICE_MEMORY",
         "Destroy versions that are not used any more: keysvc key destroy NAME@N."},
        {"CKR_SESSION_COUNT",
         "End other programs that use the token, or lower `workers` in its section."},
        {"CKR_GENERAL_ERROR",
         "The module does not reach its token: look at the findings on its device, daemon and "
         "folder below, and at the log of keysvcd."},
        {"CKR_FUNCTION_FAILED",
         "The module does not reach its token: look at the findings on its device, daemon and "
         "folder below, and at the log of keysvcd."},
        {"CKR_HOST_MEMORY",
         "opencryptoki says this where its user is not in group pkcs11; else the host has no "
         "memory left."},
    };

    for (size_t i = 0; i < ARRAY_LEN(KNOWN); i++) {
        if (strstr(text, KNOWN[i].text))
            return KNOWN[i].mend;
    }
    return otherwise;
}

static void
check_token(struct doctor *doctor, const struct ks_token *token)
{
    const char *text = token->text[0] ? token->text : "administrators are told why";

    if (strcmp(token->state, "ready") == 0 && token->ready_workers == token->workers)
        doctor_fine(doctor, "token", "%s is ready, %u of %u workers", token->name,
                    token->ready_workers, token->workers);
    else if (strcmp(token->state, "ready") == 0)
        doctor_note(doctor, "token", "Wait a little; if it stays so, see the log of keysvcd.",
                    "%s is ready with %u of %u workers", token->name, token->ready_workers,
                    token->workers);
    else if (strcmp(token->state, "starting") == 0)
        doctor_note(doctor, "token", "Wait; if it stays so, see the log of keysvcd.",
                    "%s is starting", token->name);
    else if (strcmp(token->state, "login-blocked") == 0)
        doctor_wrong(doctor, KS_ERR_LOGIN_BLOCKED, "token",
                     doctor_known_trouble(text, DOCTOR_MEND_LOGIN), "%s: nothing logs in: %s",
                     token->name, text);
    else if (strcmp(token->state, "absent") == 0)
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "token",
                     doctor_known_trouble(text, "Plug it in, or see label, serial or uri of its "
                                                "section and the rights of the token's user; "
                                                "keysvc token init makes a new one."),
                     "%s is absent: %s", token->name, text);
    else
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "token",
                     doctor_known_trouble(text, "See the log of keysvcd."), "%s is %s: %s",
                     token->name, token->state, text);
}

/* What is in force now; what the kernel and the configuration could give is found below. */
static void
check_sandbox(struct doctor *doctor, const char *what, const char *name, const char *sandbox)
{
    if (strcmp(sandbox, "on") == 0)
        doctor_fine(doctor, "sandbox", "%s%s: system calls are filtered, files closed", what, name);
    else if (strcmp(sandbox, "calls") == 0)
        doctor_note(doctor, "sandbox",
                    "Name the files that its module changes, by `store` or `write` in its section "
                    "or profile; and see what the kernel has (below).",
                    "%s%s: system calls are filtered, but it may open every file that its user may",
                    what, name);
    else
        doctor_note(doctor, "sandbox",
                    "Take `sandbox = off` out of its section and profile, and see that keysvcd is "
                    "built with its sandbox (event=sandbox in its log).",
                    "%s%s: system calls are not filtered (%s)", what, name, sandbox);
}

/* Of what is not started, and to whom it is not shown, nothing is said. keysvcd opens files as long as it
 * lives: its calls are all that is filtered. */
static void
check_sandboxes(struct doctor *doctor, const struct ks_status *status)
{
    const char *keysvcd =
        strcmp(status->keysvcd_sandbox, "calls") == 0 ? "on" : status->keysvcd_sandbox;

    if (keysvcd[0] != '\0' && strcmp(keysvcd, "on") != 0)
        check_sandbox(doctor, "keysvcd", "", keysvcd);
    if (status->front_sandbox[0] != '\0' && strcmp(status->front_sandbox, "on") != 0)
        check_sandbox(doctor, "the front", "", status->front_sandbox);
    for (size_t i = 0; i < status->n_tokens; i++) {
        if (status->tokens[i].sandbox[0] != '\0')
            check_sandbox(doctor, "token ", status->tokens[i].name, status->tokens[i].sandbox);
    }
}

/* Whether its tokens are there is said of each of them. */
void
doctor_group(struct doctor *doctor, const struct ks_group *group)
{
    uint32_t alone = group->keys - group->keys_everywhere;

    if (group->ready_tokens == 0)
        doctor_skip(doctor, "group", "%s: none of its %zu tokens is ready", group->name,
                    group->n_tokens);
    else if (group->keys_differing > 0)
        doctor_wrong(
            doctor, KS_ERR_AMBIGUOUS_KEY, "group",
            "keysvc key list names them; take the token with the wrong keys out of the "
            "group, or destroy those with the vendor's tools, then keysvc token rescan.",
            "%s: %u keys are not the same on all tokens: only who names the public key gets them",
            group->name, group->keys_differing);
    else if (alone > 0)
        doctor_note(doctor, "group",
                    "If the tokens do not share their keys by themselves, use the vendor's tools; "
                    "then keysvc token rescan.",
                    "%s: %u of %u keys are not on all tokens: these go with the token that they "
                    "are on",
                    group->name, alone, group->keys);
    else
        doctor_fine(doctor, "group", "%s: %u keys, all on each of %zu tokens", group->name,
                    group->keys, group->n_tokens);
}
