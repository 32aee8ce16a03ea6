/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_token - the files behind each token: PIN file, module, SoftHSM's configuration and folder
 *
 * Looks at owners, modes and sizes. Never opens a PIN file.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "client/cli/doctor_program.h"

#define PIN_FILE_MAX 1024 /* bytes; keysvcd refuses more */
#define SOFTHSM_ENVIRONMENT "SOFTHSM2_CONF="
#define SOFTHSM_CONF_MAX (64 * 1024) /* bytes */
#define SOFTHSM_FOLDER_OPTION "directories.tokendir"

static void check_fact(struct doctor *doctor, const struct doctor_fact *fact);
static void check_pin_file(struct doctor *doctor, const struct doctor_fact *fact);
static void check_module(struct doctor *doctor, const struct doctor_fact *fact);
static void check_environment(struct doctor *doctor, const struct doctor_fact *fact);

void
doctor_tokens(struct doctor *doctor)
{
    doctor_each_fact(doctor, "token", check_fact);
}

static void
check_fact(struct doctor *doctor, const struct doctor_fact *fact)
{
    static const struct {
        const char *option;
        doctor_fact_fn check;
    } CHECK[] = {
        {"pin-file", check_pin_file},
        {"module", check_module},
        {"environment", check_environment},
    };

    for (size_t i = 0; i < ARRAY_LEN(CHECK); i++) {
        if (strcmp(fact->option, CHECK[i].option) == 0)
            CHECK[i].check(doctor, fact);
    }
}

static void
check_pin_file(struct doctor *doctor, const struct doctor_fact *fact)
{
    const char *path = fact->value;
    struct stat st;

    if (lstat(path, &st) != 0 && errno == EACCES)
        doctor_skip(doctor, "pin-file", "%s: %s; root sees more", path, strerror(errno));
    else if (lstat(path, &st) != 0)
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "pin-file",
                     "Write the user PIN into it, one line, owner root, mode 0600.",
                     "token %s: %s: %s", fact->name, path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "pin-file",
                     "Put a regular file there, no link.", "token %s: %s is no regular file",
                     fact->name, path);
    else if (st.st_mode & (S_IRWXG | S_IRWXO))
        doctor_wrong(doctor, KS_ERR_DENIED, "pin-file",
                     "chmod 0600; and if others may have read it: keysvc token change-pin.",
                     "token %s: %s has mode %03o: others than its owner can read the PIN",
                     fact->name, path, st.st_mode & 0777);
    else if (geteuid() == 0 && st.st_uid != 0)
        doctor_wrong(doctor, KS_ERR_DENIED, "pin-file",
                     "chown root: keysvcd opens it and passes the open file on.",
                     "token %s: %s belongs to uid %u, who can read and change the PIN", fact->name,
                     path, st.st_uid);
    else if (st.st_size == 0 || st.st_size > PIN_FILE_MAX)
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "pin-file",
                     "It holds the user PIN and nothing else, one line.",
                     "token %s: %s has %lld bytes", fact->name, path, (long long)st.st_size);
    else
        doctor_fine(doctor, "pin-file", "token %s: %s has mode %03o", fact->name, path,
                    st.st_mode & 0777);
}

static void
wrong_way(struct doctor *doctor, const char *check, const char *token,
          const struct doctor_user *user, const char *path, const struct program_stop *stop)
{
    doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, check,
                 "Let the token's user pass that folder: by its group, or chmod a+x.",
                 "token %s: uid %u does not come to %s: %.200s has mode %03o (owner %u, group %u)",
                 token, user->uid, path, stop->path, stop->st.st_mode & 0777, stop->st.st_uid,
                 stop->st.st_gid);
}

/* The caller, who is the token's user, may not open it. */
static void
no_way_to_module(struct doctor *doctor, const char *token, const struct doctor_user *user,
                 const char *path)
{
    struct program_stop stop;

    if (!program_reach(-1, user, path, 0, &stop) && errno == EACCES)
        wrong_way(doctor, "module", token, user, path, &stop);
    else
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "module",
                     "chmod a+r; if that is so, look at ACLs and the LSM's log.",
                     "token %s: its user, uid %u, may not read %s", token, user->uid, path);
}

static void
check_module(struct doctor *doctor, const struct doctor_fact *fact)
{
    const char *path = fact->value;
    struct doctor_user user = doctor_token_user(doctor, fact->name);
    ks_auto(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    unsigned char magic[SELFMAG];
    struct program_stop stop;
    struct stat st;

    if (fd < 0 && errno == EACCES && !user.is_unknown && user.uid == geteuid())
        no_way_to_module(doctor, fact->name, &user, path);
    else if (fd < 0 && errno == EACCES)
        doctor_skip(doctor, "module", "token %s: %s: %s; root sees more", fact->name, path,
                    strerror(errno));
    else if (fd < 0 || fstat(fd, &st) != 0)
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "module",
                     "Install the vendor's package, or mend `module` of the profile.",
                     "token %s: %s: %s", fact->name, path, strerror(errno));
    else if (read(fd, magic, sizeof(magic)) != sizeof(magic) || memcmp(magic, ELFMAG, SELFMAG) != 0)
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "module",
                     "Name the PKCS#11 module itself in the profile, a shared object.",
                     "token %s: %s is no shared object", fact->name, path);
    else if (!doctor_user_known(doctor, &user, "module", fact->name, path))
        return;
    else if (!doctor_may(&st, &user, S_IROTH))
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "module", "chmod a+r.",
                     "token %s: its user, uid %u, may not read %s", fact->name, user.uid, path);
    else if (!program_reach(-1, &user, path, S_IROTH, &stop) && errno == EACCES)
        wrong_way(doctor, "module", fact->name, &user, path, &stop);
    else
        doctor_fine(doctor, "module", "token %s: %s is there", fact->name, path);
}

/* --- SoftHSM --- */

/* As SoftHSM reads a line: up to a comment, without the blanks around the value; false: another one. */
static bool
take_token_folder(char *line, char *out, size_t cap)
{
    char *text = line + strspn(line, " \t"), *end;
    size_t name_len = strlen(SOFTHSM_FOLDER_OPTION);

    if (strncmp(text, SOFTHSM_FOLDER_OPTION, name_len) != 0)
        return false;
    text += name_len;
    text += strspn(text, " \t=");
    end = text + strcspn(text, "#\r");
    while (end > text && strchr(" \t", end[-1]))
        end--;
    *end = '\0';
    return text_copy(out, cap, text);
}

/* The option's value in softhsm2.conf, of several the last; false: none. */
static bool
read_token_folder(const char *path, char *out, size_t cap)
{
    ks_auto(closep) int fd = program_open(-1, path);
    ks_auto(freep) char *text = NULL;
    char *saved, *line;
    bool found = false;
    size_t len;

    if (fd < 0 || !program_read(fd, SOFTHSM_CONF_MAX, &text, &len))
        return false;
    for (line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved))
        found |= take_token_folder(line, out, cap);
    return found;
}

static void
check_token_folder(struct doctor *doctor, const struct doctor_fact *fact, const char *folder,
                   const struct doctor_user *user)
{
    char mend[256];
    struct program_stop stop;
    struct stat st;

    if (stat(folder, &st) != 0 && errno == EACCES)
        doctor_skip(doctor, "token-folder", "%s: %s; root sees more", folder, strerror(errno));
    else if (stat(folder, &st) != 0)
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "token-folder",
                     "Make the folder for the token's user, then keysvc token init.",
                     "token %s: %s: %s", fact->name, folder, strerror(errno));
    else if (!doctor_user_known(doctor, user, "token-folder", fact->name, folder))
        return;
    else if (!doctor_may(&st, user, S_IRWXO))
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "token-folder",
                     doctor_mend_folder(&st, S_IRWXO, mend, sizeof(mend)),
                     "token %s: uid %u cannot use %s (owner %u, mode %03o)", fact->name, user->uid,
                     folder, st.st_uid, st.st_mode & 0777);
    else if (!program_reach(-1, user, folder, S_IRWXO, &stop) && errno == EACCES)
        wrong_way(doctor, "token-folder", fact->name, user, folder, &stop);
    else if (st.st_mode & S_IRWXO)
        doctor_wrong(doctor, KS_ERR_DENIED, "token-folder", "chmod 0700.",
                     "token %s: everybody can look into %s (mode %03o)", fact->name, folder,
                     st.st_mode & 0777);
    else
        doctor_fine(doctor, "token-folder", "token %s: %s is open to its user", fact->name, folder);
}

static void
check_environment(struct doctor *doctor, const struct doctor_fact *fact)
{
    const char *path = fact->value + strlen(SOFTHSM_ENVIRONMENT);
    struct doctor_user user = doctor_token_user(doctor, fact->name);
    char folder[1024];
    struct stat st;

    if (strncmp(fact->value, SOFTHSM_ENVIRONMENT, strlen(SOFTHSM_ENVIRONMENT)) != 0)
        return;
    if (stat(path, &st) != 0 && errno == EACCES)
        doctor_skip(doctor, "softhsm2.conf", "%s: %s; root sees more", path, strerror(errno));
    else if (stat(path, &st) != 0)
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "softhsm2.conf",
                     "Write the file: directories.tokendir = /var/lib/...", "token %s: %s: %s",
                     fact->name, path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "softhsm2.conf",
                     "Write the file: directories.tokendir = /var/lib/...",
                     "token %s: %s is no regular file", fact->name, path);
    else if (!doctor_user_known(doctor, &user, "softhsm2.conf", fact->name, path))
        return;
    else if (!doctor_may(&st, &user, S_IROTH))
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "softhsm2.conf",
                     "Let the token's user read it.", "token %s: uid %u may not read %s",
                     fact->name, user.uid, path);
    else if (!read_token_folder(path, folder, sizeof(folder)))
        doctor_note(doctor, "softhsm2.conf", "Add directories.tokendir = /var/lib/...",
                    "token %s: %s names no token folder", fact->name, path);
    else
        check_token_folder(doctor, fact, folder, &user);
}
