/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_host - the folders keysvcd writes to, the clock, limits and the kernel
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include <openssl/err.h>
#include <openssl/provider.h>

#include "base/clock.h"
#include "client/cli/doctor.h"

#define FREE_WRONG_MIB 16  /* less: signatures will soon be refused */
#define FREE_NOTE_MIB 1024 /* a million records */
#define YEAR_2024_US ((uint64_t)1704067200 * 1000000)
#define CLOCK_SLACK_US ((uint64_t)60 * 1000000)
#define DESCRIPTORS_WANTED 4096 /* connections, sockets to workers, files */
#define TAIL_LEN 8192           /* bytes: holds the last whole record of a chain */
#define LANDLOCK_ALL_ABI 6      /* has all that keysvcd's processes ask for */
#define FILE_FLAGS                                                                                 \
    (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY) /* a pipe may be there */
#define LOGIN_MARKER ".login-tried"
#define PIN_CHANGE_MARKER ".pin-change"
#define CHECKPOINT ".checkpoint"
#define REFUSED_CHECKPOINT CHECKPOINT ".refused"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5; missing in older headers */
#endif

/* NULL: not known, or not to be seen from here, which is then reported. */
static DIR *
open_folder(struct doctor *doctor, const char *check, const char *option, struct stat *st,
            const char **path)
{
    DIR *folder;

    *path = doctor_fact_find(doctor, "daemon", "-", option);
    if (!*path)
        return NULL;
    folder = opendir(*path);
    if (!folder && errno == EACCES)
        doctor_skip(doctor, check, "%s: %s; root sees more", *path, strerror(errno));
    else if (!folder || fstat(dirfd(folder), st) != 0)
        doctor_wrong(doctor, KS_ERR_AUDIT_UNWRITABLE, check,
                     "Make the folder, owner the user keysvcd runs as, mode 0750 or less.",
                     "%s: %s", *path, strerror(errno));
    return folder;
}

/* --- audit --- */

static void
check_free_space(struct doctor *doctor, const char *path)
{
    struct statvfs room;
    unsigned long long mib;

    if (statvfs(path, &room) != 0)
        return;
    mib = (unsigned long long)room.f_bavail * room.f_frsize / (1024 * 1024);
    if (mib < FREE_WRONG_MIB || (room.f_files > 0 && room.f_favail == 0))
        doctor_wrong(doctor, KS_ERR_AUDIT_UNWRITABLE, "audit-dir",
                     "Make room: without a record there is no signature.", "%s has %llu MiB left",
                     path, mib);
    else if (mib < FREE_NOTE_MIB)
        doctor_note(doctor, "audit-dir", "Make room, or move old files away.",
                    "%s has %llu MiB left", path, mib);
    else
        doctor_fine(doctor, "audit-dir", "%s has %llu MiB left", path, mib);
}

/* The time of the last record in a chain's tail; false: none is seen. */
static bool
last_time(int folder, const char *name, char out[static CLOCK_TEXT_LEN])
{
    ks_auto(closep) int fd = openat(folder, name, FILE_FLAGS);
    static const char MEMBER[] = "\"time\":\"";
    char tail[TAIL_LEN + 1];
    struct stat st;
    const char *at, *found = NULL;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    n = pread(fd, tail, TAIL_LEN, st.st_size > TAIL_LEN ? st.st_size - TAIL_LEN : 0);
    if (n <= 0)
        return false;
    tail[n] = '\0';
    for (at = strstr(tail, MEMBER); at; at = strstr(at + 1, MEMBER))
        found = at + strlen(MEMBER);
    if (!found || strlen(found) < CLOCK_TEXT_LEN)
        return false;
    memcpy(out, found, CLOCK_TEXT_LEN - 1);
    out[CLOCK_TEXT_LEN - 1] = '\0';
    return true;
}

/* What keysvcd refuses to write into (supervisor/auditfile.h) while it stands there. */
static void
check_chain_file(struct doctor *doctor, DIR *folder, const char *name)
{
    struct stat st;

    if (fstatat(dirfd(folder), name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        (S_ISREG(st.st_mode) && st.st_nlink == 1))
        return;
    doctor_wrong(doctor, KS_ERR_AUDIT_UNWRITABLE, "audit-file",
                 "Move it away, and keep it as evidence: keysvcd makes a new file within a second.",
                 "%s is %s: nothing is recorded there, and what needs a record is refused", name,
                 S_ISREG(st.st_mode) ? "a file with more than one name" : "no regular file");
}

/* A clock that went back would put new records before old ones. */
static void
check_chains(struct doctor *doctor, DIR *folder)
{
    char now[CLOCK_TEXT_LEN], last[CLOCK_TEXT_LEN];
    const struct dirent *entry;

    clock_text(clock_wall_us() + CLOCK_SLACK_US, now);
    while ((entry = readdir(folder))) {
        const char *dot = strrchr(entry->d_name, '.');

        if (!dot || strcmp(dot, ".log") != 0)
            continue;
        check_chain_file(doctor, folder, entry->d_name);
        if (last_time(dirfd(folder), entry->d_name, last) && strcmp(last, now) > 0)
            doctor_wrong(doctor, KS_ERR_INTERNAL, "clock",
                         "Set the clock (timedatectl); records keep their order by number and "
                         "hash, not by time.",
                         "the last record of %s is of %s, in the future", entry->d_name, last);
    }
}

void
doctor_audit(struct doctor *doctor)
{
    const char *path;
    struct stat st;
    DIR *folder = open_folder(doctor, "audit-dir", "audit-dir", &st, &path);

    if (!folder)
        return;
    if (st.st_mode & (S_IWGRP | S_IRWXO))
        doctor_wrong(doctor, KS_ERR_DENIED, "audit-dir", "chmod g-w,o-rwx.",
                     "%s has mode %03o: others can change or read what was recorded", path,
                     st.st_mode & 0777);
    check_free_space(doctor, path);
    check_chains(doctor, folder);
    closedir(folder);
}

/* --- state --- */

static bool
ends_with(const char *name, const char *suffix)
{
    size_t len = strlen(name), suffix_len = strlen(suffix);

    return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* A change of a PIN whose end nobody saw, or that is under way. Is its new file in its place since, somebody has
 * seen to it. */
static void
check_pin_change(struct doctor *doctor, int folder, const char *path, const char *name)
{
    ks_auto(closep) int fd = openat(folder, name, FILE_FLAGS);
    int token_len = (int)(strlen(name) - strlen(PIN_CHANGE_MARKER));
    char token[KEYNAME_MAX + 1], new_file[PATH_MAX], mend[4 * PATH_MAX];
    const char *pin_file;
    struct stat st;
    ssize_t n = fd < 0 ? -1 : read(fd, new_file, sizeof(new_file) - 1);

    if (n < 0) {
        doctor_skip(doctor, "pin-change", "%s/%s: %s; root sees more", path, name, strerror(errno));
        return;
    }
    new_file[n] = '\0';
    new_file[strcspn(new_file, "\n")] = '\0';
    if (lstat(new_file, &st) != 0 && errno == ENOENT)
        return;
    snprintf(token, sizeof(token), "%.*s", token_len, name);
    pin_file = doctor_fact_find(doctor, "token", token, "pin-file");
    snprintf(mend, sizeof(mend),
             "If the token is login-blocked, it has the new PIN: mv %s %s, and keysvcd logs in "
             "by itself. Else run keysvc token change-pin %s --new-pin-file %s again; only if "
             "that says that the old PIN is refused, mv.",
             new_file, pin_file ? pin_file : "PIN-FILE", token, new_file);
    doctor_wrong(doctor, KS_ERR_OUTCOME_UNKNOWN, "pin-change", mend,
                 "token %s: a change of its PIN to that in %s was cut off, ended with an error, "
                 "or is under way: the token has the new PIN or the old one",
                 token, new_file);
}

/* A chain does not go on from its kept checkpoint (supervisor/checkpoint.h), which so stays where it was:
 * the records since then can be cut off unnoticed. Is the kept one moved away, somebody has looked. */
static void
check_checkpoint(struct doctor *doctor, int folder, const char *path, const char *name)
{
    int chain_len = (int)(strlen(name) - strlen(REFUSED_CHECKPOINT));
    char kept[NAME_MAX + 1], mend[2 * PATH_MAX];

    snprintf(kept, sizeof(kept), "%.*s" CHECKPOINT, chain_len, name);
    if (faccessat(folder, kept, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    snprintf(mend, sizeof(mend),
             "keysvc audit verify says which records are missing. Keep the chain and both files as "
             "evidence; if it was done on purpose, move %s/%s away.",
             path, kept);
    doctor_wrong(doctor, KS_ERR_EXISTS, "checkpoint", mend,
                 "%s/%s: the audit chain %.*s was cut or replaced: no checkpoint is kept since",
                 path, name, chain_len, name);
}

void
doctor_state(struct doctor *doctor)
{
    const struct dirent *entry;
    bool marked = false;
    const char *path;
    struct stat st;
    DIR *folder = open_folder(doctor, "state-dir", "state-dir", &st, &path);

    if (!folder)
        return;
    while ((entry = readdir(folder))) {
        if (ends_with(entry->d_name, PIN_CHANGE_MARKER))
            check_pin_change(doctor, dirfd(folder), path, entry->d_name);
        if (ends_with(entry->d_name, REFUSED_CHECKPOINT))
            check_checkpoint(doctor, dirfd(folder), path, entry->d_name);
        if (!ends_with(entry->d_name, LOGIN_MARKER))
            continue;
        marked = true;
        doctor_wrong(doctor, KS_ERR_LOGIN_BLOCKED, "state-dir", DOCTOR_MEND_LOGIN,
                     "%s/%s: a login was begun and did not succeed", path, entry->d_name);
    }
    if (!marked)
        doctor_fine(doctor, "state-dir", "%s holds no marker of a failed login", path);
    closedir(folder);
}

/* --- host --- */

static void
check_clock(struct doctor *doctor)
{
    char now[CLOCK_TEXT_LEN];
    uint64_t wall_us = clock_wall_us();

    clock_text(wall_us, now);
    if (wall_us < YEAR_2024_US)
        doctor_wrong(doctor, KS_ERR_INTERNAL, "clock", "Set the clock (timedatectl).",
                     "it is %s on this host", now);
    else
        doctor_fine(doctor, "clock", "it is %s", now);
}

static void
check_descriptors(struct doctor *doctor)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_max < DESCRIPTORS_WANTED)
        doctor_note(doctor, "descriptors", "Raise LimitNOFILE of keysvcd's unit.",
                    "at most %llu open files a process", (unsigned long long)limit.rlim_max);
    else
        doctor_fine(doctor, "descriptors", "at most %llu open files a process",
                    (unsigned long long)limit.rlim_max);
}

static void
check_kernel(struct doctor *doctor)
{
    struct utsname name = {0};
    int pair[2], pidfd = -1;
    socklen_t len = sizeof(pidfd);
    bool has_pidfd;

    uname(&name);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return;
    has_pidfd = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0;
    if (has_pidfd && pidfd >= 0)
        close(pidfd);
    close(pair[0]);
    close(pair[1]);
    if (has_pidfd)
        doctor_fine(doctor, "kernel", "Linux %s proves the unit of a caller", name.release);
    else
        doctor_note(doctor, "kernel",
                    "Give rules with `unit` a user or group too, or use Linux 6.5 or later.",
                    "Linux %s has no SO_PEERPIDFD: the unit of a caller is not proven",
                    name.release);
}

/* Each ABI can do more; without any the processes' files are open as far as their users' rights go. */
static void
check_landlock(struct doctor *doctor)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (abi >= LANDLOCK_ALL_ABI)
        doctor_fine(doctor, "sandbox", "the kernel has Landlock, ABI %ld", abi);
    else if (abi > 0)
        doctor_fine(
            doctor, "sandbox",
            "the kernel has Landlock, ABI %ld: for files; what it has for the network (4) and "
            "signals (6) is left to the filters of system calls",
            abi);
    else
        doctor_note(doctor, "sandbox",
                    "Use a kernel with Landlock, and leave it in the list of lsm= if the kernel's "
                    "command line has one.",
                    "the kernel has no Landlock: keysvcd's processes may open every file that "
                    "their users may");
}

/* PKCS#12 files of older programs are encrypted with RC2-40, which only that provider knows. */
static void
check_legacy(struct doctor *doctor)
{
    OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *legacy = context ? OSSL_PROVIDER_load(context, "legacy") : NULL;

    if (legacy)
        doctor_fine(doctor, "import", "OpenSSL has its legacy provider");
    else
        doctor_note(doctor, "import",
                    "Install OpenSSL's legacy.so (Debian: libssl3), or export those files again "
                    "with a newer program.",
                    "OpenSSL has no legacy provider here: PKCS#12 files of older programs cannot "
                    "be imported");
    if (legacy)
        OSSL_PROVIDER_unload(legacy);
    OSSL_LIB_CTX_free(context);
    ERR_clear_error();
}

void
doctor_host(struct doctor *doctor)
{
    check_clock(doctor);
    check_descriptors(doctor);
    check_kernel(doctor);
    check_landlock(doctor);
    check_legacy(doctor);
}
