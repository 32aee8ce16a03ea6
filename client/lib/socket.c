/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket - a descriptor that the program may close behind our back, and connect()
 */
#include "client/lib/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"

static bool connect_in_line(int fd, const struct sockaddr_un *address, uint64_t deadline_ms);

bool
socket_open(struct socket *out)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;

    if (fd >= 0 && fd <= STDERR_FILENO) {
        int low = fd;

        fd = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        close(low);
    }
    if (fd < 0)
        return false;
    *out = (struct socket){.fd = fd};
    if (fstat(fd, &st) == 0)
        out->inode = st.st_ino;
    return true;
}

bool
socket_is_ours(const struct socket *socket)
{
    struct stat st;

    return fstat(socket->fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == socket->inode;
}

void
socket_close(const struct socket *socket)
{
    if (socket_is_ours(socket))
        close(socket->fd);
}

uint32_t
socket_time_left(uint64_t deadline_ms)
{
    uint64_t now_ms = clock_mono_ms();

    return now_ms < deadline_ms ? (uint32_t)(deadline_ms - now_ms) : 0;
}

ks_err
socket_dial(const struct socket *socket, const char *path, uint64_t deadline_ms,
            struct ks_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ks_err err;
    int why;

    if (!text_copy(address.sun_path, sizeof(address.sun_path), path))
        return error_set(error, KS_ERR_USAGE, "%s: longer than a socket's path can be", path);
    if (connect(socket->fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
        (errno == EAGAIN && connect_in_line(socket->fd, &address, deadline_ms)))
        return KS_OK;
    why = errno;
    if (why == EAGAIN)
        return error_set(error, KS_ERR_BUSY, "%s: too many wait for keysvcd to accept them", path);
    err = error_set(error, KS_ERR_NO_SERVICE, "%s: %s", path, strerror(why));
    if (error)
        error->retryable = why == ENOENT || why == ECONNREFUSED;
    /* It runs, most likely: who is told to start it would look in the wrong place. */
    if (why == EACCES)
        error_hint(error, "this user may not pass to the socket, or not write to it; keysvc doctor "
                          "says which folder stops it");
    return err;
}

/* There is no room among those that wait to be accepted. Who waits for it in connect() gets it before
 * those who only look again and again, of whom others may have many. False: errno. */
static bool
connect_in_line(int fd, const struct sockaddr_un *address, uint64_t deadline_ms)
{
    int flags = fcntl(fd, F_GETFL), done = -1, why = EAGAIN;
    uint32_t left_ms;

    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
        return false;
    while (done < 0 && (why == EAGAIN || why == EINTR) &&
           (left_ms = socket_time_left(deadline_ms)) > 0) {
        const struct timeval wait = {.tv_sec = left_ms / 1000,
                                     .tv_usec = (suseconds_t)(left_ms % 1000) * 1000};

        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
            break;
        done = connect(fd, (const struct sockaddr *)address, sizeof(*address));
        why = errno;
    }
    if (fcntl(fd, F_SETFL, flags) < 0)
        done = -1;
    errno = why;
    return done == 0;
}
