/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main - keysvc-front, as the supervisor starts it: descriptor 3 is its control socket
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <openssl/crypto.h>

#include "base/log.h"
#include "build-config.h"
#include "front/accounts.h"
#include "front/front.h"
#include "front/sandbox.h"
#include "ipc/control.h"

static bool harden(void);
static bool is_socket(int fd);

int
main(int argc, char **argv)
{
    ks_auto(front_freep) struct front *front = NULL;
    struct sandbox_state sandbox;
    struct fault why = FAULT_INIT;
    ks_err err;

    log_init("keysvc-front", getenv("KEYSVC_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("keysvc-front %s\n", KEYSVC_VERSION);
        return CONTROL_EXIT_OK;
    }
    if (argc > 1 || !is_socket(CONTROL_FD)) {
        log_error("event=not-started reason=\"keysvc-front is started by keysvcd\"");
        return CONTROL_EXIT_SETUP;
    }
    if (!harden()) {
        log_error("event=not-started reason=\"cannot give up privileges\"");
        return CONTROL_EXIT_SETUP;
    }
    err = accounts_start(&why);
    if (!err)
        err = front_new(CONTROL_FD, &front, &why);
    if (!err)
        err = front_sandbox_enter(&sandbox, &why);
    if (err) {
        log_error("event=not-started outcome=%s reason=\"%s\"", err_info(err)->name, why.text);
        return CONTROL_EXIT_SETUP;
    }
    front->sandbox = control_sandbox(sandbox.calls, sandbox.files);
    err = front_run(front);
    if (err) {
        log_error("event=ended outcome=%s reason=\"keysvcd has gone or talks nonsense\"",
                  err_info(err)->name);
        return CONTROL_EXIT_SETUP;
    }
    return CONTROL_EXIT_OK;
}

/* exec has made the process dumpable again, whoever it was before. Signals of a terminal or a service
 * manager are for keysvcd: it says STOP, or its socket closes. */
static bool
harden(void)
{
    static const int ignored[] = {SIGHUP,  SIGINT,  SIGPIPE, SIGQUIT,
                                  SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
    const struct rlimit none = {0, 0};
    struct rlimit files;

    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        signal(ignored[i], SIG_IGN);
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        setrlimit(RLIMIT_CORE, &none) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return false;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) == 0 && fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC) == 0 &&
           OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1;
}

static bool
is_socket(int fd)
{
    int domain = 0;
    socklen_t len = sizeof(domain);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}
