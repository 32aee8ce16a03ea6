/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fileset - writing, publishing and removing the files of a set
 *
 * Each step is durable before the next begins: files, their folder, the rename, the folder around.
 */
#include "client/agent/identity/fileset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "client/agent/certificate/chain.h"

#define FOLDER_MODE 0750 /* certificates are for the group to read, and nobody else */
#define FILE_MODE 0640
#define SETS "sets"
#define NEW_SET ".new" /* below sets; under the identity's lock there is one at most */
#define CURRENT "current"
#define NEW_CURRENT ".current.new"
#define PLACE_MAX 32 /* bytes of "sets/NUMBER" */

enum { CERTIFICATE, CHAIN, FULLCHAIN, REFERENCE, N_FILES };
static const char *const FILE_NAME[N_FILES] = {"certificate.pem", "chain.pem", "fullchain.pem",
                                               "reference.pem"};

struct content {
    struct buf files[N_FILES];
};

static ks_err make_content(const struct identity_set *set, struct content *out, struct fault *why);
static bool is_there(int sets, const char *name, const struct content *content);
static ks_err write_new(int sets, const struct content *content, struct fault *why);
static ks_err write_file(int folder, const char *name, const struct buf *content,
                         struct fault *why);
static ks_err move_in(int sets, const char *name, struct fault *why);
static void remove_set(int sets, const char *name);

static void
content_deinit(struct content *content)
{
    for (size_t i = 0; i < N_FILES; i++)
        buf_deinit(&content->files[i]);
}

static ks_err
failed(struct fault *why, const char *what)
{
    int code = errno;

    fault_set(why, "%s: %s", what, strerror(code));
    fault_hint(why, "look at the state folder's free space and rights; nothing was changed");
    return KS_ERR_INTERNAL;
}

static int
open_folder(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* The rights are ours to choose, whatever the umask. */
static int
make_folder(int at, const char *name)
{
    ks_auto(closep) int fd = -1;

    if (mkdirat(at, name, FOLDER_MODE) && errno != EEXIST)
        return -1;
    fd = open_folder(at, name);
    if (fd < 0 || fchmod(fd, FOLDER_MODE))
        return -1;
    return ks_steal_fd(&fd);
}

ks_err
fileset_write(int folder, const struct identity_set *set, struct fault *why)
{
    ks_auto(content_deinit) struct content content = {0};
    ks_auto(closep) int sets = -1;
    char name[PLACE_MAX];
    ks_err err = make_content(set, &content, why);

    if (err)
        return err;
    sets = make_folder(folder, SETS);
    if (sets < 0 || fsync(folder))
        return failed(why, SETS);
    snprintf(name, sizeof(name), "%" PRId64, set->number);
    if (is_there(sets, name, &content))
        return KS_OK;
    remove_set(sets, NEW_SET);
    err = write_new(sets, &content, why);
    if (!err)
        err = move_in(sets, name, why);
    remove_set(sets, NEW_SET);
    return err;
}

static ks_err
make_content(const struct identity_set *set, struct content *out, struct fault *why)
{
    ks_auto(freep) char *reference = NULL;
    struct ks_error error;
    ks_err err = ks_reference_encode(&set->key, &reference, &error);

    if (err) {
        fault_set(why, "%s", error.message);
        return err;
    }
    buf_append(&out->files[REFERENCE], reference, strlen(reference));
    if (chain_pem(set->chain, 0, 1, &out->files[CERTIFICATE]) ||
        chain_pem(set->chain, 1, SIZE_MAX, &out->files[CHAIN]) ||
        chain_pem(set->chain, 0, SIZE_MAX, &out->files[FULLCHAIN]) ||
        out->files[REFERENCE].failed) {
        fault_set(why, "no memory for the certificates' files");
        return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

static bool
file_is(int folder, const char *name, const struct buf *content)
{
    ks_auto(closep) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ks_auto(freep) uint8_t *found = NULL;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || (size_t)st.st_size != content->len)
        return false;
    if (content->len == 0)
        return true;
    found = malloc(content->len);
    return found && pread(fd, found, content->len, 0) == (ssize_t)content->len &&
           memcmp(found, content->data, content->len) == 0;
}

static bool
is_there(int sets, const char *name, const struct content *content)
{
    ks_auto(closep) int folder = open_folder(sets, name);

    for (size_t i = 0; folder >= 0 && i < N_FILES; i++) {
        if (!file_is(folder, FILE_NAME[i], &content->files[i]))
            return false;
    }
    return folder >= 0;
}

static ks_err
write_new(int sets, const struct content *content, struct fault *why)
{
    ks_auto(closep) int folder = make_folder(sets, NEW_SET);
    ks_err err = KS_OK;

    if (folder < 0)
        return failed(why, SETS "/" NEW_SET);
    for (size_t i = 0; !err && i < N_FILES; i++)
        err = write_file(folder, FILE_NAME[i], &content->files[i], why);
    if (!err && fsync(folder))
        err = failed(why, SETS "/" NEW_SET);
    return err;
}

static ks_err
write_file(int folder, const char *name, const struct buf *content, struct fault *why)
{
    ks_auto(closep) int fd =
        openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);

    return fd < 0 || !file_write_all(fd, content->data, content->len) || fchmod(fd, FILE_MODE) ||
                   fsync(fd)
               ? failed(why, name)
               : KS_OK;
}

/* What stands there with another content, left by a crash or changed by hand, changes places with it. */
static ks_err
move_in(int sets, const char *name, struct fault *why)
{
    if (renameat(sets, NEW_SET, sets, name) &&
        ((errno != EEXIST && errno != ENOTEMPTY) ||
         renameat2(sets, NEW_SET, sets, name, RENAME_EXCHANGE)))
        return failed(why, SETS);
    return fsync(sets) ? failed(why, SETS) : KS_OK;
}

ks_err
fileset_prepare(int folder, int64_t number, struct fault *why)
{
    char target[PLACE_MAX];

    snprintf(target, sizeof(target), SETS "/%" PRId64, number);
    if ((unlinkat(folder, NEW_CURRENT, 0) && errno != ENOENT) ||
        symlinkat(target, folder, NEW_CURRENT))
        return failed(why, NEW_CURRENT);
    return KS_OK;
}

ks_err
fileset_publish(int folder, struct fault *why)
{
    if (renameat(folder, NEW_CURRENT, folder, CURRENT) == 0)
        return fsync(folder) ? failed(why, CURRENT) : KS_OK;
    if (errno != EISDIR && errno != ENOTEMPTY && errno != EEXIST)
        return failed(why, CURRENT);
    fault_set(why, CURRENT " is a folder, where a link to the current files belongs: move it away");
    return KS_ERR_INTERNAL;
}

int64_t
fileset_current(int folder)
{
    char target[PLACE_MAX];
    ssize_t len = readlinkat(folder, CURRENT, target, sizeof(target) - 1);
    int64_t number;
    int end = 0;

    if (len < 0)
        return 0;
    target[len] = '\0';
    if (sscanf(target, SETS "/%" SCNd64 "%n", &number, &end) != 1 || target[end] != '\0')
        return 0;
    return number;
}

/* --- what goes --- */

static bool
is_kept(const char *name, const int64_t *keep, size_t n_keep)
{
    char number[PLACE_MAX];

    for (size_t i = 0; i < n_keep; i++) {
        snprintf(number, sizeof(number), "%" PRId64, keep[i]);
        if (strcmp(name, number) == 0)
            return true;
    }
    return false;
}

/* What cannot be removed now is removed the next time. */
void
fileset_prune(int folder, const int64_t *keep, size_t n_keep)
{
    ks_auto(closep) int sets = open_folder(folder, SETS);
    int listed = sets < 0 ? -1 : open_folder(folder, SETS);
    DIR *list = listed < 0 ? NULL : fdopendir(listed);
    const struct dirent *entry;

    (void)unlinkat(folder, NEW_CURRENT, 0);
    if (!list) {
        closep(&listed);
        return;
    }
    while ((entry = readdir(list))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            is_kept(entry->d_name, keep, n_keep))
            continue;
        remove_set(sets, entry->d_name);
    }
    closedir(list);
}

/* A folder with our files; with others in it, it stays. */
static void
remove_set(int sets, const char *name)
{
    ks_auto(closep) int folder = open_folder(sets, name);

    if (folder < 0)
        return;
    for (size_t i = 0; i < N_FILES; i++)
        (void)unlinkat(folder, FILE_NAME[i], 0);
    (void)unlinkat(sets, name, AT_REMOVEDIR);
}
