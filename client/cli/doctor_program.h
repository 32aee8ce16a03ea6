/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_program - keysvc doctor --program: what keeps an unmodified program from using its keys
 *
 * The way of a key into a program, each step a file: the program's processes (_process), their
 * openssl.cnf (_conf; which one they are started with: _start), the module that it names (_module), the
 * socket as these processes see it (_socket, by _path), the references and certificates that they are given (_files), and whether those fit
 * together and to the service (_keys). Nothing of the program is executed or changed.
 */
#pragma once

#include <limits.h>
#include <sys/stat.h>

#include <openssl/x509.h>

#include "client/cli/doctor_files.h"

#define PROGRAM_MAX_PROCESSES 256
#define PROGRAM_MAX_FILES 64 /* of references and certificates, together */

struct program_options {
    const char *name;                     /* --program; NULL: doctor is about the service */
    const char *config_dir;               /* --config-dir; NULL: /etc/NAME */
    const char *openssl_conf;             /* --openssl-conf; NULL: what its processes were given */
    uint32_t pid;                         /* --pid: of several instances this one; 0: all of them */
    const char *user;                     /* --user; NULL: those of its processes */
    const char *proc;                     /* "/proc", or a test's own folder */
    const char *root;                     /* "", or a test's own folder: before /etc and /lib */
    const char *files[PROGRAM_MAX_FILES]; /* --file */
    size_t n_files;
};

/* --- how it is started --- */

/* Of what somebody calls a program: the name of its processes, of its folder in /etc, of its unit. */
struct program_names {
    const char *process, *folder, *unit;
};
struct program_names program_names(const char *name);

/* The OPENSSL_CONF that its units, their drop-ins and its files of variables set, and which file does.
 * False: none. */
bool program_start_conf(const char *root, const char *name, char conf[static PATH_MAX],
                        char where[static PATH_MAX]);

/* --- processes --- */

enum program_environment {
    ENVIRONMENT_HIDDEN, /* another user's: only root may look */
    ENVIRONMENT_GONE,   /* the program wrote its title over it, as nginx does */
    ENVIRONMENT_SEEN,
};

struct program_process {
    pid_t pid, parent;
    struct doctor_user user;
    char unit[256];      /* of systemd; empty: none */
    char root[PATH_MAX]; /* "/", or where it is confined; empty: not to be seen */
    int root_fd;         /* O_PATH; negative: not to be seen */
    enum program_environment environment;
    bool secure; /* AT_SECURE: libcrypto reads no environment */
    char conf[PATH_MAX], modules[PATH_MAX], socket[PATH_MAX]; /* of the environment; empty: unset */
    bool maps_seen, has_libcrypto, has_provider, has_pkcs11;
    bool replaced; /* the mapped module is no more the one on the disk */
};

struct program_processes {
    struct program_process *list;
    size_t n;
    bool more; /* than PROGRAM_MAX_PROCESSES */
};

/* Those whose name or executable is `name`, by pid, and that have not ended; this process is none of
 * them. */
void program_find(const char *proc, const char *name, struct program_processes *out);
/* Leaves that one, and those that it or they started. */
void program_keep(struct program_processes *processes, pid_t pid);
void program_processes_deinit(struct program_processes *processes);

/* The first that no other of them started: it reads configuration and keys. NULL: none runs. */
const struct program_process *program_lead(const struct program_processes *processes);

/* How many no other of them started. */
size_t program_instances(const struct program_processes *processes);

/* False: a master of root's, whose children of other users do the work. */
bool program_works(const struct program_processes *processes, size_t i);

/* --- files, as a program sees them --- */

/* O_PATH on `path` inside of a root, where absolute links lead inside, too; root_fd negative: the
 * caller's own. Negative: errno. */
int program_open(int root_fd, const char *path);

/* Reads what program_open() found, at most `max` bytes; false: errno. EFBIG: more; EINVAL: no
 * regular file. */
bool program_read(int path_fd, size_t max, char **out, size_t *len);

/*
 * May this user (NULL: whoever) come to `path` inside of that root and do `bits` with it? False: errno,
 * and `out` says at which folder, of what mode.
 */
struct program_stop {
    char path[PATH_MAX];
    struct stat st;
};
bool program_reach(int root_fd, const struct doctor_user *user, const char *path, mode_t bits,
                   struct program_stop *out);

/* --- openssl.cnf --- */

struct program_conf {
    bool has_provider;     /* the rest is empty otherwise */
    char module[PATH_MAX]; /* absolute */
    char socket[PATH_MAX]; /* empty: not said */
};

/* What libcrypto makes of the file's text; `modules` is where it looks for a module without a folder. Adds
 * findings; `path` is for them. */
void program_conf(struct doctor *doctor, const char *path, const char *text, size_t len,
                  const char *modules, struct program_conf *out);

/* --- the module --- */

/* A shared object of this machine that is an OpenSSL provider, and may be read by `user` (NULL:
 * whoever)? False: a finding says what else. */
bool program_module(struct doctor *doctor, int root_fd, const struct doctor_user *user,
                    const char *path);

/* --- the socket --- */

/* Does somebody listen there, for that process (NULL: for whoever runs this)? */
void program_socket(struct doctor *doctor, const struct program_process *process, const char *path);

/* --- references and certificates --- */

struct program_file {
    char path[PATH_MAX];
    bool named;        /* by --file, and not found by us */
    char in[PATH_MAX]; /* the file that names it, */
    size_t line;       /* in this line; empty, 0: none does */
    bool is_private;   /* it holds a private key itself */
    size_t n_references;
    struct ks_key reference; /* the first */
    ks_err bad;              /* it is damaged: */
    char why[512];
    X509 *certificate; /* the first; NULL: none */
};

struct program_files {
    struct program_file *list;
    size_t n;
    bool more; /* than PROGRAM_MAX_FILES */
};

/* One file; true: a reference, certificate or private key is in it. */
bool program_files_add(struct program_files *files, const char *path, bool named);
/* All that the words of the files below `folder` name. False: errno, the folder cannot be read. */
bool program_files_search(struct program_files *files, const char *folder);
void program_files_deinit(struct program_files *files);

/* Below /etc/ssl: what packages make and name in examples, used or not. Not worth a word. */
bool program_is_systems(const char *path);

/* `users`: who signs with them. */
struct program_user {
    struct doctor_user user;
    const char *unit;
};
void program_keys(struct doctor *doctor, struct cli *cli, const struct program_files *files,
                  const struct program_user *users, size_t n_users, bool by_pkcs11);

/* The checks, in their order. */
void doctor_program(struct doctor *doctor, struct cli *cli, const struct program_options *options);
