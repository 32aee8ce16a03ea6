/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_program_socket - the service's socket, as the program's processes see it
 *
 * In a chroot another tree stands under the same path; and a socket that was mounted into it by
 * itself, not with its folder, is that of a keysvcd which has ended long ago.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/cli/doctor_program.h"

/* Connects as whoever runs this, which hands over nothing: there may be no way back from a jail. */
static bool
answers(int fd)
{
    ks_auto(closep) int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", fd);
    return peer >= 0 && (connect(peer, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
                         errno == EAGAIN);
}

static bool
is_confined(const struct program_process *process)
{
    return process && process->root[0] == '/' && process->root[1] != '\0';
}

/* "process 12 (www-data) in its root /jail" */
static const char *
whose(const struct program_process *process, char *out, size_t cap)
{
    bool confined = is_confined(process);

    if (!process)
        snprintf(out, cap, "the program");
    else if (process->user.name[0] != '\0')
        snprintf(out, cap, "process %d (%s)%s%.200s", process->pid, process->user.name,
                 confined ? " in its root " : "", confined ? process->root : "");
    else
        snprintf(out, cap, "process %d (uid %u)%s%.200s", process->pid, process->user.uid,
                 confined ? " in its root " : "", confined ? process->root : "");
    return out;
}

/* The folder of `path`, which is what to mount. */
static const char *
mend_jail(const struct program_process *process, const char *path, char *out, size_t cap)
{
    int folder = (int)(strrchr(path, '/') - path);

    snprintf(out, cap,
             "Mount the socket's folder, and not the socket itself, into the jail: mkdir -p "
             "%.200s%.*s && mount --bind %.*s %.200s%.*s. Or run the program without chroot.",
             process->root, folder, path, folder, path, process->root, folder, path);
    return out;
}

static void
out_of_reach(struct doctor *doctor, const struct program_process *process, const char *path,
             const struct program_stop *stop, int why)
{
    char who[PATH_MAX], mend[1024];

    whose(process, who, sizeof(who));
    if (why == EACCES)
        doctor_wrong(doctor, KS_ERR_NO_SERVICE, "socket",
                     S_ISDIR(stop->st.st_mode)
                         ? "Give everybody who is to use the service the right to pass that folder "
                           "(chmod a+x), or put the program's user into its group."
                         : "Put the program's user into the socket's group; see `socket-group` in "
                           "keysvcd.conf.",
                     "%s may not come to %.100s: %.100s has mode %03o (owner %u, group %u)", who,
                     path, stop->path, stop->st.st_mode & 07777, stop->st.st_uid, stop->st.st_gid);
    else
        doctor_wrong(doctor, KS_ERR_NO_SERVICE, "socket",
                     is_confined(process)
                         ? mend_jail(process, path, mend, sizeof(mend))
                         : "Start keysvcd (systemctl start keysvcd), or say the right socket in "
                           "openssl.cnf or KEYSVC_SOCKET.",
                     "%s does not see %.100s: %.100s: %s", who, path, stop->path, strerror(why));
}

void
program_socket(struct doctor *doctor, const struct program_process *process, const char *path)
{
    ks_auto(closep) int fd = -1;
    char who[PATH_MAX], mend[1024];
    struct program_stop stop;
    struct stat st;

    if (path[0] != '/') {
        doctor_wrong(doctor, KS_ERR_USAGE, "socket", "Write the path from the root on.",
                     "the socket %.100s is no absolute path", path);
        return;
    }
    if (process && process->root_fd < 0) {
        doctor_skip(doctor, "socket",
                    "what process %d sees of the files is not to be seen: ask "
                    "as root",
                    process->pid);
        return;
    }
    if (!program_reach(process ? process->root_fd : -1, process ? &process->user : NULL, path,
                       S_IWOTH, &stop)) {
        out_of_reach(doctor, process, path, &stop, errno);
        return;
    }
    whose(process, who, sizeof(who));
    fd = program_open(process ? process->root_fd : -1, path);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode))
        doctor_wrong(doctor, KS_ERR_NO_SERVICE, "socket",
                     "Say the right socket in openssl.cnf or KEYSVC_SOCKET.",
                     "for %s %.100s is no socket", who, path);
    else if (answers(fd))
        doctor_fine(doctor, "socket", "%s reaches %.100s", who, path);
    else
        doctor_wrong(doctor, KS_ERR_NO_SERVICE, "socket",
                     is_confined(process) ? mend_jail(process, path, mend, sizeof(mend))
                                          : "Start keysvcd (systemctl start keysvcd).",
                     "%s sees %.100s, but nobody listens there: %s", who, path, strerror(errno));
}
