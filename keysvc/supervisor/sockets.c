/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets - listening, and who may connect
 *
 * Mode 0666 means that the front decides who may ask; a group and 0660 let the kernel decide first.
 */
#include "supervisor/sockets.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "supervisor/durable.h"

#define FOLDER_MODE 0755
#define BACKLOG 32 /* whoever connects without a pause makes others wait for so many of his */

static bool is_grouped(const struct config *config);
static mode_t mode_of(const struct config *config);
static ks_err take_passed(int n_passed, struct sockets *out, struct fault *why);
static ks_err remove_stale(const struct sockaddr_un *address, struct fault *why);
static ks_err listen_at(const struct config *config, const struct sockaddr_un *address,
                        struct sockets *out, struct fault *why);
static int bind_with_rights(const struct config *config, const struct sockaddr_un *address, int fd);
static ks_err set_rights(const struct config *config, struct fault *why);

ks_err
sockets_open(const struct config *config, struct sockets *out, struct fault *why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[sizeof(config->socket)];
    int n_passed = sd_listen_fds(1);
    ks_err err;

    if (n_passed < 0) {
        fault_set(why, "cannot read LISTEN_FDS: %s", strerror(-n_passed));
        return KS_ERR_BAD_REQUEST;
    }
    if (n_passed > 0)
        return take_passed(n_passed, out, why);
    if (!text_copy(address.sun_path, sizeof(address.sun_path), config->socket) ||
        !text_copy(folder, sizeof(folder), config->socket)) {
        fault_set(why, "the path of the socket is too long");
        return KS_ERR_BAD_REQUEST;
    }
    err = durable_folder(dirname(folder), FOLDER_MODE, why);
    if (!err)
        err = remove_stale(&address, why);
    if (!err)
        err = listen_at(config, &address, out, why);
    return err;
}

static bool
is_grouped(const struct config *config)
{
    return config->socket_gid != CONFIG_NO_ID;
}

static mode_t
mode_of(const struct config *config)
{
    return is_grouped(config) ? 0660 : 0666;
}

static ks_err
take_passed(int n_passed, struct sockets *out, struct fault *why)
{
    if (n_passed > SOCKETS_MAX) {
        fault_set(why, "the service manager passed %d sockets, at most %d are served", n_passed,
                  SOCKETS_MAX);
        return KS_ERR_BAD_REQUEST;
    }
    for (int i = 0; i < n_passed; i++) {
        int fd = SD_LISTEN_FDS_START + i;

        if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0) {
            fault_set(
                why, "descriptor %d of the service manager is no listening Unix stream socket", fd);
            return KS_ERR_BAD_REQUEST;
        }
        out->fds[out->n_fds++] = fd;
    }
    return KS_OK;
}

static ks_err
remove_stale(const struct sockaddr_un *address, struct fault *why)
{
    ks_auto(closep) int fd = -1;
    struct stat status;

    if (lstat(address->sun_path, &status) < 0)
        return KS_OK; /* whatever is wrong, bind() will say it */
    if (!S_ISSOCK(status.st_mode)) {
        fault_set(why, "%s exists and is no socket", address->sun_path);
        return KS_ERR_BAD_REQUEST;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        fault_set(why, "socket: %s", strerror(errno));
        return KS_ERR_INTERNAL;
    }
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
        errno != ECONNREFUSED) {
        fault_set(why, "another program answers on %s", address->sun_path);
        fault_hint(why, "stop the other keysvcd, or give this one a socket of its own");
        return KS_ERR_BUSY;
    }
    if (unlink(address->sun_path) < 0) {
        fault_set(why, "cannot remove the stale socket %s: %s", address->sun_path, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

static ks_err
listen_at(const struct config *config, const struct sockaddr_un *address, struct sockets *out,
          struct fault *why)
{
    ks_auto(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat status;
    ks_err err;

    if (fd < 0) {
        fault_set(why, "socket: %s", strerror(errno));
        return KS_ERR_INTERNAL;
    }
    if (bind_with_rights(config, address, fd) < 0 || lstat(address->sun_path, &status) < 0) {
        fault_set(why, "cannot bind %s: %s", address->sun_path, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    text_copy(out->path, sizeof(out->path), address->sun_path);
    out->dev = (uint64_t)status.st_dev;
    out->ino = (uint64_t)status.st_ino;
    err = set_rights(config, why);
    if (!err && listen(fd, BACKLOG) < 0) {
        fault_set(why, "cannot listen on %s: %s", address->sun_path, strerror(errno));
        err = KS_ERR_INTERNAL;
    }
    if (!err)
        out->fds[out->n_fds++] = ks_steal_fd(&fd);
    else
        sockets_close(out);
    return err;
}

/*
 * An agent waits for a service that is not there or does not listen yet; one whom the file's mode
 * refuses is told so at once. So the file is born with its mode and, where that is allowed, its
 * group.
 */
static int
bind_with_rights(const struct config *config, const struct sockaddr_un *address, int fd)
{
    bool grouped = is_grouped(config);
    mode_t mask = umask((mode_t)~mode_of(config));
    int own_gid = grouped ? setfsgid(config->socket_gid) : 0;
    int bound = bind(fd, (const struct sockaddr *)address, sizeof(*address));

    if (grouped)
        setfsgid((gid_t)own_gid);
    umask(mask);
    return bound;
}

/* What a folder's own group and default ACL may have made of them. */
static ks_err
set_rights(const struct config *config, struct fault *why)
{
    if (is_grouped(config) && lchown(config->socket, (uid_t)-1, config->socket_gid) < 0) {
        fault_set(why, "cannot give %s to its group: %s", config->socket, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    if (chmod(config->socket, mode_of(config)) < 0) {
        fault_set(why, "cannot set the mode of %s: %s", config->socket, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

void
sockets_close(struct sockets *sockets)
{
    struct stat status;

    /* Before it stops answering: from then on another keysvcd may put its own there. */
    if (sockets->path[0] != '\0' && lstat(sockets->path, &status) == 0 &&
        (uint64_t)status.st_dev == sockets->dev && (uint64_t)status.st_ino == sockets->ino)
        unlink(sockets->path);
    sockets->path[0] = '\0';
    for (size_t i = 0; i < sockets->n_fds; i++)
        close(sockets->fds[i]);
    sockets->n_fds = 0;
}
