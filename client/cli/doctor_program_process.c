/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_program_process - a program's processes, by what /proc says of them
 *
 * Each may end while it is looked at, and those of other users hide a part of it: what is not to
 * be seen is left empty.
 */
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>

#include "client/cli/doctor_program.h"

#define STATUS_MAX (64 * 1024)
#define ENVIRON_MAX (4 * 1024 * 1024)
#define MAPS_MAX (16 * 1024 * 1024)
#define PROVIDER_FILE "keysvc.so"
#define PKCS11_FILE "libkeysvc-pkcs11.so"

static bool is_named(int folder, const char *name);
static bool has_ended(int folder);
static void read_process(int folder, struct program_process *process);
static void read_status(int folder, struct program_process *process);
static void read_unit(int folder, struct program_process *process);
static void read_root(int folder, struct program_process *process);
static void read_environment(int folder, struct program_process *process);
static void read_auxiliary(int folder, struct program_process *process);
static void read_maps(int folder, struct program_process *process);

/* A whole file of /proc with a NUL behind it; NULL: it cannot be read. */
static char *
slurp(int folder, const char *name, size_t max, size_t *len)
{
    ks_auto(closep) int fd = openat(folder, name, O_PATH | O_CLOEXEC);
    char *text = NULL;

    return fd >= 0 && program_read(fd, max, &text, len) ? text : NULL;
}

static bool
is_number(const char *name)
{
    return name[0] != '\0' && strspn(name, "0123456789") == strlen(name) && strlen(name) < 10;
}

static int
by_pid(const void *a, const void *b)
{
    const struct program_process *one = a, *other = b;

    return (one->pid > other->pid) - (one->pid < other->pid);
}

void
program_find(const char *proc, const char *name, struct program_processes *out)
{
    DIR *all = opendir(proc);
    const struct dirent *entry;

    memset(out, 0, sizeof(*out));
    while (all && (entry = readdir(all))) {
        ks_auto(closep) int folder = -1;
        struct program_process *list;

        if (!is_number(entry->d_name) || atoi(entry->d_name) == getpid())
            continue;
        folder = openat(dirfd(all), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0 || !is_named(folder, name) || has_ended(folder))
            continue;
        out->more = out->n == PROGRAM_MAX_PROCESSES;
        list = out->more ? NULL : reallocarray(out->list, out->n + 1, sizeof(*list));
        if (!list)
            break;
        out->list = list;
        memset(&list[out->n], 0, sizeof(list[out->n]));
        list[out->n].pid = atoi(entry->d_name);
        read_process(folder, &list[out->n++]);
    }
    if (all)
        closedir(all);
    if (out->n > 0)
        qsort(out->list, out->n, sizeof(*out->list), by_pid);
}

void
program_processes_deinit(struct program_processes *processes)
{
    for (size_t i = 0; i < processes->n; i++)
        closep(&processes->list[i].root_fd);
    free(processes->list);
    memset(processes, 0, sizeof(*processes));
}

static bool
has_parent(const struct program_processes *processes, size_t i)
{
    for (size_t j = 0; j < processes->n; j++) {
        if (processes->list[j].pid == processes->list[i].parent)
            return true;
    }
    return false;
}

const struct program_process *
program_lead(const struct program_processes *processes)
{
    for (size_t i = 0; i < processes->n; i++) {
        if (!has_parent(processes, i))
            return &processes->list[i];
    }
    return processes->n > 0 ? &processes->list[0] : NULL;
}

size_t
program_instances(const struct program_processes *processes)
{
    size_t n = 0;

    for (size_t i = 0; i < processes->n; i++)
        n += !has_parent(processes, i);
    return n;
}

static bool
descends(const struct program_processes *processes, size_t i, pid_t pid)
{
    /* As many steps as there are processes: what /proc said may be a moment old. */
    for (size_t steps = 0; steps <= processes->n; steps++) {
        size_t j = 0;

        if (processes->list[i].pid == pid || processes->list[i].parent == pid)
            return true;
        while (j < processes->n && processes->list[j].pid != processes->list[i].parent)
            j++;
        if (j == processes->n)
            return false;
        i = j;
    }
    return false;
}

void
program_keep(struct program_processes *processes, pid_t pid)
{
    struct program_processes all = *processes;
    bool *keep = calloc(all.n + 1, sizeof(*keep));
    size_t n = 0;

    for (size_t i = 0; keep && i < all.n; i++)
        keep[i] = descends(&all, i, pid);
    for (size_t i = 0; keep && i < all.n; i++) {
        if (keep[i])
            processes->list[n++] = all.list[i];
        else
            closep(&all.list[i].root_fd);
    }
    if (keep)
        processes->n = n;
    free(keep);
}

bool
program_works(const struct program_processes *processes, size_t i)
{
    if (processes->list[i].user.uid != 0)
        return true;
    for (size_t j = 0; j < processes->n; j++) {
        if (processes->list[j].parent == processes->list[i].pid && processes->list[j].user.uid != 0)
            return false;
    }
    return true;
}

/* The kernel cuts the name to 15 bytes; an executable that was replaced has a word behind it. */
static bool
is_named(int folder, const char *name)
{
    ks_auto(freep) char *comm = NULL;
    char path[PATH_MAX];
    const char *base;
    size_t len;
    ssize_t n;

    comm = slurp(folder, "comm", STATUS_MAX, &len);
    if (comm && strcspn(comm, "\n") == strlen(name) && strncmp(comm, name, strlen(name)) == 0)
        return true;
    n = readlinkat(folder, "exe", path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    base = strrchr(path, '/');
    if (!base)
        return false;
    len = strlen(name);
    return strncmp(base + 1, name, len) == 0 &&
           (base[1 + len] == '\0' || strcmp(base + 1 + len, " (deleted)") == 0);
}

static void
read_process(int folder, struct program_process *process)
{
    process->root_fd = -1;
    read_status(folder, process);
    read_unit(folder, process);
    read_root(folder, process);
    read_environment(folder, process);
    read_auxiliary(folder, process);
    read_maps(folder, process);
}

/* --- status: whose it is --- */

/* What follows "NAME:" in its line; NULL: no such line. */
static const char *
field(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1;
    }
    return NULL;
}

/* The effective one, the second of four. */
static unsigned int
effective(const char *ids)
{
    unsigned int id = UINT_MAX;

    if (!ids || sscanf(ids, "%*u %u", &id) != 1)
        return UINT_MAX;
    return id;
}

/* One that its parent has not asked for has its name still, and nothing else. */
static bool
has_ended(int folder)
{
    ks_auto(freep) char *text = NULL;
    const char *state;
    size_t len;

    text = slurp(folder, "status", STATUS_MAX, &len);
    state = text ? field(text, "State") : NULL;
    return state && strchr("ZX", state[strspn(state, " \t")]);
}

static void
read_groups(const char *at, struct doctor_user *user)
{
    const char *end = at + strcspn(at, "\n");

    while (user->n_groups < DOCTOR_MAX_GROUPS) {
        char *next;
        unsigned long gid = strtoul(at, &next, 10);

        if (next == at || next > end)
            return;
        user->groups[user->n_groups++] = (gid_t)gid;
        at = next;
    }
}

static void
read_status(int folder, struct program_process *process)
{
    ks_auto(freep) char *text = NULL;
    const struct passwd *account;
    const char *groups, *parent;
    size_t len;

    text = slurp(folder, "status", STATUS_MAX, &len);
    if (!text)
        return;
    parent = field(text, "PPid");
    process->parent = parent ? atoi(parent) : 0;
    process->user.uid = effective(field(text, "Uid"));
    process->user.gid = effective(field(text, "Gid"));
    groups = field(text, "Groups");
    if (groups)
        read_groups(groups, &process->user);
    account = getpwuid(process->user.uid);
    if (account && !text_copy(process->user.name, sizeof(process->user.name), account->pw_name))
        process->user.name[0] = '\0';
}

/* The first part below the slices, as systemd counts: user@1000.service of a user's own units. */
static void
read_unit(int folder, struct program_process *process)
{
    ks_auto(freep) char *text = NULL;
    char *saved, *part;
    size_t len;

    text = slurp(folder, "cgroup", STATUS_MAX, &len);
    part = text ? strstr(text, "0::/") : NULL;
    if (!part || (part != text && part[-1] != '\n'))
        return;
    part[strcspn(part, "\n")] = '\0';
    for (part = strtok_r(part + strlen("0::"), "/", &saved); part;
         part = strtok_r(NULL, "/", &saved)) {
        const char *suffix = strrchr(part, '.');

        if (suffix && strcmp(suffix, ".slice") == 0)
            continue;
        if (suffix && (strcmp(suffix, ".service") == 0 || strcmp(suffix, ".scope") == 0) &&
            !text_copy(process->unit, sizeof(process->unit), part))
            process->unit[0] = '\0';
        return;
    }
}

static void
read_root(int folder, struct program_process *process)
{
    ssize_t n = readlinkat(folder, "root", process->root, sizeof(process->root) - 1);

    process->root[n > 0 ? n : 0] = '\0';
    process->root_fd = openat(folder, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* --- environment --- */

/* "NAME=", which no title of a program begins with. */
static bool
is_variable(const char *text)
{
    size_t n = 0;

    while (isgraph((unsigned char)text[n]) && text[n] != '=' && text[n] != '/')
        n++;
    return n > 0 && text[n] == '=';
}

static void
take_variable(const char *text, struct program_process *process)
{
    static const char conf[] = "OPENSSL_CONF=", modules[] = "OPENSSL_MODULES=",
                      socket[] = "KEYSVC_SOCKET=";
    const struct {
        const char *name;
        char *value;
    } wanted[] = {{conf, process->conf}, {modules, process->modules}, {socket, process->socket}};

    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        size_t len = strlen(wanted[i].name);

        if (strncmp(text, wanted[i].name, len) == 0)
            snprintf(wanted[i].value, PATH_MAX, "%s", text + len);
    }
}

/* The kernel shows the memory where the environment was: a program that writes its title over it
 * leaves runs of zeros or a piece of a title there. */
static void
read_environment(int folder, struct program_process *process)
{
    ks_auto(freep) char *text = NULL;
    size_t len, at = 0;

    text = slurp(folder, "environ", ENVIRON_MAX, &len);
    if (!text)
        return;
    process->environment = ENVIRONMENT_SEEN;
    while (at < len) {
        if (is_variable(text + at))
            take_variable(text + at, process);
        else
            process->environment = ENVIRONMENT_GONE;
        at += strlen(text + at) + 1;
    }
    if (process->conf[0] != '\0')
        process->environment = ENVIRONMENT_SEEN;
}

static void
read_auxiliary(int folder, struct program_process *process)
{
    ks_auto(freep) char *text = NULL;
    struct {
        unsigned long type, value;
    } entry;
    size_t len;

    text = slurp(folder, "auxv", STATUS_MAX, &len);
    for (size_t at = 0; text && at + sizeof(entry) <= len; at += sizeof(entry)) {
        memcpy(&entry, text + at, sizeof(entry));
        if (entry.type == AT_SECURE)
            process->secure = entry.value != 0;
    }
}

/* --- maps --- */

/* Does the line map a file of that name? *deleted: one that is not on the disk any more. */
static bool
maps_file(const char *line, const char *name, bool *deleted)
{
    static const char gone[] = " (deleted)";
    const char *path = strchr(line, '/');
    size_t len = path ? strlen(path) : 0, name_len = strlen(name);

    *deleted = len > strlen(gone) && strcmp(path + len - strlen(gone), gone) == 0;
    if (*deleted)
        len -= strlen(gone);
    return len > name_len && path[len - name_len - 1] == '/' &&
           strncmp(path + len - name_len, name, name_len) == 0;
}

static void
read_maps(int folder, struct program_process *process)
{
    ks_auto(freep) char *text = NULL;
    char *saved, *line;
    size_t len;

    text = slurp(folder, "maps", MAPS_MAX, &len);
    process->maps_seen = text && len > 0;
    for (line = text ? strtok_r(text, "\n", &saved) : NULL; line;
         line = strtok_r(NULL, "\n", &saved)) {
        bool deleted, ours;

        process->has_libcrypto |= strstr(line, "/libcrypto.so.") != NULL;
        ours = maps_file(line, PROVIDER_FILE, &deleted);
        process->has_provider |= ours;
        process->replaced |= ours && deleted;
        ours = maps_file(line, PKCS11_FILE, &deleted);
        process->has_pkcs11 |= ours;
        process->replaced |= ours && deleted;
    }
}
