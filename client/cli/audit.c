/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit - finding and ordering the files of the audit chains
 */
#include "client/cli/audit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define SUFFIX ".log"
#define MAX_ROTATION_DIGITS 6

void
audit_files_deinit(struct audit_files *files)
{
    free(files->items);
    *files = (struct audit_files){0};
}

/* "main-1.log" and "main-1.log.3"; false: no name of an audit file. */
static bool
split_name(const char *name, char chain[static CHAIN_NAME_MAX + 1], unsigned int *rotation)
{
    const char *suffix = strstr(name, SUFFIX), *digits;
    size_t len, n_digits;

    /* The last one: a chain may be called a.log-b. */
    for (const char *next = suffix; next; next = strstr(next + 1, SUFFIX))
        suffix = next;
    if (!suffix || suffix == name || (size_t)(suffix - name) > CHAIN_NAME_MAX)
        return false;
    digits = suffix + strlen(SUFFIX);
    *rotation = 0;
    if (*digits == '.') {
        digits++;
        n_digits = strspn(digits, "0123456789");
        if (n_digits == 0 || n_digits > MAX_ROTATION_DIGITS || *digits == '0')
            return false;
        *rotation = (unsigned int)strtoul(digits, NULL, 10);
        digits += n_digits;
    }
    if (*digits != '\0')
        return false;
    len = (size_t)(suffix - name);
    memcpy(chain, name, len);
    chain[len] = '\0';
    return true;
}

static ks_err
add_file(struct audit_files *files, const char *dir, const char *name, struct fault *why)
{
    struct audit_file *file;
    void *grown;
    const char *slash;
    int len;

    grown = files->n_items < AUDIT_MAX_FILES
                ? reallocarray(files->items, files->n_items + 1, sizeof(*files->items))
                : NULL;
    if (!grown) {
        fault_set(why, "more audit files than can be read at once");
        return KS_ERR_INTERNAL;
    }
    files->items = grown;
    file = &files->items[files->n_items];
    len = snprintf(file->path, sizeof(file->path), "%s%s%s", dir, dir[0] ? "/" : "", name);
    if (len < 0 || (size_t)len >= sizeof(file->path)) {
        fault_set(why, "%.200s: a path too long", name);
        return KS_ERR_INTERNAL;
    }
    slash = strrchr(name, '/');
    if (!split_name(slash ? slash + 1 : name, file->chain, &file->rotation)) {
        file->chain[0] = '\0';
        file->rotation = 0;
    }
    file->is_found = false;
    files->n_items++;
    return KS_OK;
}

static int
compare(const void *left, const void *right)
{
    const struct audit_file *a = left, *b = right;
    int order = strcmp(a->chain, b->chain);

    if (order)
        return order;
    return (a->rotation < b->rotation) - (a->rotation > b->rotation);
}

static void
sort_files(struct audit_files *files)
{
    qsort(files->items, files->n_items, sizeof(*files->items), compare);
    for (size_t i = 0; i < files->n_items; i++) {
        const char *slash = strrchr(files->items[i].path, '/');

        files->items[i].name = slash ? slash + 1 : files->items[i].path;
    }
}

static void
closedirp(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static ks_err
unreadable(const char *dir, const char *problem, struct fault *why)
{
    fault_set(why, "%s: %s", dir, problem);
    fault_hint(why, "audit files are readable by root; name another folder with an option");
    return KS_ERR_INTERNAL;
}

static ks_err
files_in(const char *dir, struct audit_files *files, struct fault *why)
{
    ks_auto(closedirp) DIR *stream = opendir(dir);
    char chain[CHAIN_NAME_MAX + 1];
    unsigned int rotation;
    struct dirent *entry;
    ks_err err;

    if (!stream)
        return unreadable(dir, strerror(errno), why);
    while ((errno = 0, entry = readdir(stream))) {
        if (!split_name(entry->d_name, chain, &rotation))
            continue;
        err = add_file(files, dir, entry->d_name, why);
        if (err)
            return err;
        files->items[files->n_items - 1].is_found = true;
    }
    if (errno || files->n_items == 0)
        return unreadable(dir, errno ? strerror(errno) : "no audit files in it", why);
    sort_files(files);
    return KS_OK;
}

ks_err
audit_files_choose(const char *const *paths, size_t max, const char *dir, struct audit_files *files,
                   struct fault *why)
{
    if (!paths[0])
        return files_in(dir, files, why);
    for (size_t i = 0; i < max && paths[i]; i++) {
        ks_err err = add_file(files, "", paths[i], why);

        if (err)
            return err;
    }
    sort_files(files);
    return KS_OK;
}

ks_err
audit_file_open(const struct audit_file *file, FILE **out, struct fault *why)
{
    int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (file->is_found ? O_NONBLOCK : 0);
    ks_auto(closep) int fd = open(file->path, flags);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && file->is_found && !S_ISREG(st.st_mode)) {
        fault_set(why, "is no regular file");
        return KS_ERR_INTERNAL;
    }
    *out = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (!*out) {
        fault_set(why, "%s", strerror(errno));
        return KS_ERR_INTERNAL;
    }
    (void)ks_steal_fd(&fd); /* the stream's */
    return KS_OK;
}

ks_err
audit_names_in(const char *dir, const char *suffix, struct strv *out, struct fault *why)
{
    ks_auto(closedirp) DIR *stream = opendir(dir);
    struct dirent *entry;
    ks_err err;

    if (!stream)
        return unreadable(dir, strerror(errno), why);
    while ((errno = 0, entry = readdir(stream))) {
        size_t len = strlen(entry->d_name), suffix_len = strlen(suffix);

        if (len <= suffix_len || strcmp(entry->d_name + len - suffix_len, suffix) != 0)
            continue;
        entry->d_name[len - suffix_len] = '\0';
        err = strv_add(out, entry->d_name);
        if (err)
            return err;
    }
    return errno ? unreadable(dir, strerror(errno), why) : KS_OK;
}
