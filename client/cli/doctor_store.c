/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_store - the folder of a token that is made of files, and the copies kept in it
 *
 * SoftHSM rewrites token.object inside of C_Login: a kill at that moment leaves it empty, and with
 * it the token. keysvcd puts the copy back at its next start; without a copy nobody can.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "client/cli/doctor_files.h"

#define COPY_SUFFIX ".keysvc-copy"
#define TOKEN_FILE "token.object"
#define MAX_FOLDERS 1000 /* tokens in one store; more are not looked at */

struct store {
    struct doctor *doctor;
    const char *token, *path;
    size_t n_copies, n_tokens, n_empty;
};

static off_t
size_of(int folder, const char *name)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : -1;
}

static void
check_token_file(struct store *store, int folder, const char *name)
{
    off_t size = size_of(folder, TOKEN_FILE), copy = size_of(folder, TOKEN_FILE COPY_SUFFIX);

    if (size < 0)
        return;
    store->n_tokens++;
    store->n_copies += copy > 0;
    if (size > 0)
        return;
    store->n_empty++;
    if (copy > 0)
        doctor_note(store->doctor, "store", "Restart keysvcd: it puts the copy back.",
                    "token %s: %s/%s/%s is empty, cut short by a crash; there is a copy",
                    store->token, store->path, name, TOKEN_FILE);
    else
        doctor_wrong(store->doctor, KS_ERR_TOKEN_UNAVAILABLE, "store",
                     "Put the folder back from a backup; else the token and its keys are lost and "
                     "keysvc token init makes a new one.",
                     "token %s: %s/%s/%s is empty and has no copy", store->token, store->path, name,
                     TOKEN_FILE);
}

static void
check_folders(struct store *store, DIR *folder)
{
    const struct dirent *entry;

    for (size_t n = 0; n < MAX_FOLDERS && (entry = readdir(folder)); n++) {
        ks_auto(closep) int inner = -1;

        if (entry->d_name[0] == '.')
            continue;
        inner =
            openat(dirfd(folder), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner >= 0)
            check_token_file(store, inner, entry->d_name);
    }
}

static void
check_owner(struct store *store, const struct stat *st)
{
    struct doctor_user user = doctor_token_user(store->doctor, store->token);
    char mend[256];

    if (!doctor_user_known(store->doctor, &user, "store", store->token, store->path))
        return;
    if (!doctor_may(st, &user, S_IRWXO))
        doctor_wrong(store->doctor, KS_ERR_TOKEN_UNAVAILABLE, "store",
                     doctor_mend_folder(st, S_IRWXO, mend, sizeof(mend)),
                     "token %s: uid %u cannot use %s (owner %u, mode %03o)", store->token, user.uid,
                     store->path, st->st_uid, st->st_mode & 0777);
}

static void
check_fact(struct doctor *doctor, const struct doctor_fact *fact)
{
    struct store store = {.doctor = doctor, .token = fact->name, .path = fact->value};
    struct stat st;
    DIR *folder;

    if (strcmp(fact->option, "store") != 0)
        return;
    folder = opendir(store.path);
    if (!folder && errno == EACCES) {
        doctor_skip(doctor, "store", "%s: %s; root sees more", store.path, strerror(errno));
        return;
    }
    if (!folder) {
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "store",
                     "Make the folder for the token's user, mode 0700, or mend `store` of its "
                     "section.",
                     "token %s: %s: %s", store.token, store.path, strerror(errno));
        return;
    }
    if (fstat(dirfd(folder), &st) == 0)
        check_owner(&store, &st);
    check_folders(&store, folder);
    closedir(folder);
    if (store.n_empty == 0)
        doctor_fine(doctor, "store", "token %s: %s, tokens: %zu, with a copy: %zu", store.token,
                    store.path, store.n_tokens, store.n_copies);
}

void
doctor_stores(struct doctor *doctor)
{
    doctor_each_fact(doctor, "token", check_fact);
}
