/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_program - from the program's processes to its keys, step by step
 *
 * The first process reads configuration, module and references, as whoever started it; those that
 * work sign, often as another user and in another root. Each thing is asked of those that do it.
 */
#include "client/cli/doctor_program.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>

#include <openssl/crypto.h>
#include <openssl/x509.h>

#include "build-config.h"

#define CONF_MAX (1024 * 1024)

struct look {
    struct doctor *doctor;
    struct cli *cli;
    const struct program_options *options;
    struct program_names names;
    struct program_processes processes;
    const struct program_process *lead; /* NULL: none runs */
    bool by_pkcs11;
    struct program_conf conf;
    struct program_user users[PROGRAM_MAX_PROCESSES];
    size_t n_users;
    char folder[PATH_MAX]; /* of its configuration */
    struct program_files files;
    int files_why; /* errno of the folder; 0: it was read */
    size_t n_references;
};

static void find_files(struct look *look);
static void look_at_processes(struct look *look);
static void look_at_users(struct look *look);
static bool find_conf(struct look *look, char path[static PATH_MAX]);
static void look_at_conf(struct look *look, const char *path);
static void look_at_module(struct look *look);
static void look_at_socket(struct look *look);
static void look_at_files(struct look *look);

void
doctor_program(struct doctor *doctor, struct cli *cli, const struct program_options *options)
{
    struct look *look = calloc(1, sizeof(*look));
    char conf[PATH_MAX];

    if (!look)
        return;
    look->doctor = doctor;
    look->cli = cli;
    look->options = options;
    look->names = program_names(options->name);
    find_files(look);
    program_find(options->proc, look->names.process, &look->processes);
    if (options->pid != 0)
        program_keep(&look->processes, (pid_t)options->pid);
    look->lead = program_lead(&look->processes);
    look_at_processes(look);
    look_at_users(look);
    if (!look->by_pkcs11 && find_conf(look, conf))
        look_at_conf(look, conf);
    if (!look->by_pkcs11)
        look_at_module(look);
    look_at_socket(look);
    look_at_files(look);
    program_processes_deinit(&look->processes);
    program_files_deinit(&look->files);
    free(look);
}

static size_t
count(const struct look *look, bool provider)
{
    size_t n = 0;

    for (size_t i = 0; i < look->processes.n; i++)
        n += provider ? look->processes.list[i].has_provider : look->processes.list[i].has_pkcs11;
    return n;
}

static void
look_at_processes(struct look *look)
{
    const char *name = look->names.process;

    if (!look->lead && look->options->pid != 0) {
        doctor_wrong(look->doctor, KS_ERR_USAGE, "program",
                     "Say the number of one that runs, or leave --pid out.",
                     "--pid %u: no such process is called %.64s", look->options->pid, name);
        return;
    }
    if (!look->lead) {
        doctor_skip(look->doctor, "program",
                    "no process is called %.64s: what it would be given is looked at", name);
        return;
    }
    doctor_fine(look->doctor, "program", "%.64s runs: processes: %zu%s, the first is %d (%.63s)",
                name, look->processes.n, look->processes.more ? " and more" : "", look->lead->pid,
                look->lead->user.name[0] ? look->lead->user.name : "no account");
    if (program_instances(&look->processes) > 1)
        doctor_note(
            look->doctor, "program", "Say which one with --pid.",
            "%zu instances of it run; configuration and environment are those of process %d",
            program_instances(&look->processes), look->lead->pid);
    look->by_pkcs11 = count(look, false) > 0 && count(look, true) == 0;
    if (look->by_pkcs11)
        doctor_fine(look->doctor, "program",
                    "it has loaded libkeysvc-pkcs11.so, which needs no OPENSSL_CONF");
}

/* --- who signs --- */

static void
add_user(struct look *look, const struct doctor_user *user, const char *unit)
{
    for (size_t i = 0; i < look->n_users; i++) {
        if (look->users[i].user.uid == user->uid && strcmp(look->users[i].unit, unit) == 0)
            return;
    }
    if (look->n_users < ARRAY_LEN(look->users))
        look->users[look->n_users++] = (struct program_user){*user, unit};
}

static void
add_account(struct look *look, const char *name)
{
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    const struct passwd *account = getpwnam(name);
    struct doctor_user user = {0};

    if (!account && (*end != '\0' || name[0] < '0' || name[0] > '9' || number >= UINT32_MAX)) {
        doctor_wrong(look->doctor, KS_ERR_USAGE, "rules", "Say a user's name or number.",
                     "--user %.64s: no such user", name);
        return;
    }
    user.uid = user.gid = (uid_t)number;
    if (account) {
        user.uid = account->pw_uid;
        user.gid = account->pw_gid;
        user.n_groups = DOCTOR_MAX_GROUPS;
        snprintf(user.name, sizeof(user.name), "%s", account->pw_name);
        if (getgrouplist(account->pw_name, account->pw_gid, user.groups, &user.n_groups) < 0)
            user.n_groups = DOCTOR_MAX_GROUPS;
    }
    add_user(look, &user, "");
}

static void
look_at_users(struct look *look)
{
    if (look->options->user) {
        add_account(look, look->options->user);
        return;
    }
    for (size_t i = 0; i < look->processes.n; i++) {
        if (program_works(&look->processes, i) && look->processes.list[i].user.uid != (uid_t)-1)
            add_user(look, &look->processes.list[i].user, look->processes.list[i].unit);
    }
}

/* --- openssl.cnf --- */

/* What libcrypto takes where OPENSSL_CONF says nothing. */
static void
default_conf(char path[static PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/openssl.cnf", X509_get_default_cert_area());
}

static bool
mentions_keysvc(const char *path)
{
    ks_auto(closep) int fd = program_open(-1, path);
    ks_auto(freep) char *text = NULL;
    size_t len;

    return fd >= 0 && program_read(fd, CONF_MAX, &text, &len) && strstr(text, "keysvc");
}

/* Something that makes it read the system's file; true: that configures us, too. */
static bool
falls_back(struct look *look, const char *mend, const char *why, char path[static PATH_MAX])
{
    default_conf(path);
    if (mentions_keysvc(path)) {
        doctor_note(look->doctor, "environment",
                    "Give it an OPENSSL_CONF of its own: some programs (ruby, ssh-keygen) crash on "
                    "keys that are not in memory.",
                    "%.300s; %.100s configures keysvc for the whole machine", why, path);
        return true;
    }
    doctor_wrong(look->doctor, KS_ERR_USAGE, "environment", mend, "%.300s", why);
    return false;
}

/* None runs, or what it was given is not to be seen; false: not known, or none, said why. */
static bool
find_start_conf(struct look *look, const char *unknown, char path[static PATH_MAX])
{
    char where[PATH_MAX], why[512];

    if (program_start_conf(look->options->root, look->options->name, path, where)) {
        doctor_fine(look->doctor, "environment", "%.200s gives it OPENSSL_CONF=%.200s", where,
                    path);
        return true;
    }
    if (look->lead || look->n_references == 0) {
        doctor_skip(look->doctor, "environment", "%s: say --openssl-conf", unknown);
        return false;
    }
    snprintf(
        why, sizeof(why),
        "there are references for it, and nothing that would start it sets OPENSSL_CONF (units "
        "%.64s*.service, their drop-ins, /etc/default/%.64s)",
        look->names.unit, look->names.unit);
    return falls_back(look,
                      "Start it with OPENSSL_CONF=" KEYSVC_OPENSSL_CONF
                      "; for a systemd unit: systemctl edit, [Service], "
                      "Environment=OPENSSL_CONF=" KEYSVC_OPENSSL_CONF
                      ", then restart it. If it has that by another way, say --openssl-conf.",
                      why, path);
}

/* False: not known, or none; said why. */
static bool
find_conf(struct look *look, char path[static PATH_MAX])
{
    const struct program_process *lead = look->lead;
    const char *asked = look->options->openssl_conf;
    char text[256];

    if (asked)
        return text_copy(path, PATH_MAX, asked);
    if (!lead)
        return find_start_conf(look, "which openssl.cnf it would be given is not known", path);
    if (lead->secure) {
        snprintf(text, sizeof(text),
                 "process %d gained rights when it was executed (AT_SECURE), so libcrypto reads no "
                 "OPENSSL_CONF",
                 lead->pid);
        return falls_back(
            look,
            "Start it without set-user-ID, set-group-ID or file capabilities (systemd "
            "can give AmbientCapabilities), or use the PKCS#11 module.",
            text, path);
    }
    if (lead->environment == ENVIRONMENT_SEEN && lead->conf[0] == '\0') {
        snprintf(text, sizeof(text), "process %d has no OPENSSL_CONF in its environment",
                 lead->pid);
        return falls_back(look,
                          "Start it with OPENSSL_CONF=" KEYSVC_OPENSSL_CONF
                          "; for a systemd unit: systemctl edit, [Service], "
                          "Environment=OPENSSL_CONF=" KEYSVC_OPENSSL_CONF ", then restart it.",
                          text, path);
    }
    if (lead->environment == ENVIRONMENT_SEEN) {
        doctor_fine(look->doctor, "environment", "process %d has OPENSSL_CONF=%.300s", lead->pid,
                    lead->conf);
        return text_copy(path, PATH_MAX, lead->conf);
    }
    snprintf(text, sizeof(text),
             lead->environment == ENVIRONMENT_GONE
                 ? "process %d wrote its title over its environment"
                 : "the environment of process %d is not to be seen: ask as root",
             lead->pid);
    return find_start_conf(look, text, path);
}

/* Where the lead read, or would read: what it loaded before it went into a jail is outside. */
static int
conf_root(const struct look *look)
{
    const struct program_process *lead = look->lead;
    bool jailed = lead && lead->root[0] != '\0' && strcmp(lead->root, "/") != 0;

    return lead && !(jailed && lead->has_provider) ? lead->root_fd : -1;
}

static void
look_at_conf(struct look *look, const char *path)
{
    const struct doctor_user *user = look->lead ? &look->lead->user : NULL;
    ks_auto(closep) int fd = -1;
    ks_auto(freep) char *text = NULL;
    struct program_stop stop;
    const char *modules;
    size_t len;

    if (path[0] != '/') {
        doctor_wrong(look->doctor, KS_ERR_USAGE, "openssl.cnf", "Write the path from the root on.",
                     "OPENSSL_CONF=%.200s depends on where the program was started", path);
        return;
    }
    if (look->lead && look->lead->has_provider)
        user = NULL; /* read long ago, perhaps as another user */
    if (!program_reach(conf_root(look), user, path, S_IROTH, &stop)) {
        doctor_wrong(
            look->doctor, KS_ERR_USAGE, "openssl.cnf",
            errno == EACCES ? "chmod a+rx the folders on the way and a+r the file."
                            : "Correct OPENSSL_CONF, or bring the file there (in a chroot: "
                              "below its root).",
            "%.200s cannot be read by the program: %.200s: %s", path, stop.path, strerror(errno));
        return;
    }
    fd = program_open(conf_root(look), path);
    if (fd < 0 || !program_read(fd, CONF_MAX, &text, &len)) {
        doctor_skip(look->doctor, "openssl.cnf", "%.300s cannot be read: %s", path,
                    strerror(fd < 0 ? -fd : errno));
        return;
    }
    modules = look->lead && look->lead->modules[0] ? look->lead->modules
                                                   : OPENSSL_info(OPENSSL_INFO_MODULES_DIR);
    program_conf(look->doctor, path, text, len, modules, &look->conf);
    if (look->conf.has_provider)
        program_module(look->doctor, conf_root(look), user, look->conf.module);
}

/* --- is the module in the processes? --- */

static void
look_at_module(struct look *look)
{
    const struct program_process *lead = look->lead;
    size_t n = count(look, true);

    for (size_t i = 0; i < look->processes.n; i++) {
        if (look->processes.list[i].replaced) {
            doctor_note(look->doctor, "module", "Restart the program.",
                        "process %d runs the module as it was before an upgrade",
                        look->processes.list[i].pid);
            break;
        }
    }
    if (!lead)
        return;
    if (n > 0)
        doctor_fine(look->doctor, "module", "processes that have loaded it: %zu of %zu", n,
                    look->processes.n);
    else if (!lead->maps_seen)
        doctor_skip(look->doctor, "module",
                    "what process %d has loaded is not to be seen: ask as root", lead->pid);
    else if (!lead->has_libcrypto)
        doctor_wrong(
            look->doctor, KS_ERR_USAGE, "module",
            "See docs/programs.md: programs of GnuTLS, NSS or Java use the PKCS#11 module.",
            "process %d has not loaded the system's libcrypto, so no provider", lead->pid);
    else
        doctor_wrong(look->doctor, KS_ERR_USAGE, "module",
                     "Restart the program (a reload is not enough) with the right OPENSSL_CONF; if "
                     "it stays so, OPENSSL_CONF=... openssl list -providers shows why.",
                     "process %d has not loaded keysvc.so: it was started with another "
                     "configuration or before it was there",
                     lead->pid);
}

/* --- the socket --- */

static bool
seen_before(const struct look *look, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (program_works(&look->processes, j) &&
            look->processes.list[j].user.uid == look->processes.list[i].user.uid &&
            strcmp(look->processes.list[j].root, look->processes.list[i].root) == 0)
            return true;
    }
    return false;
}

static void
look_at_socket(struct look *look)
{
    const char *path = KEYSVC_SOCKET;
    size_t n = 0;

    if (look->lead && look->lead->socket[0] != '\0' && !look->lead->secure)
        path = look->lead->socket;
    if (look->conf.socket[0] != '\0')
        path = look->conf.socket;
    else if (!look->lead && look->cli->client)
        path = ks_client_socket(look->cli->client);
    else if (look->lead && look->lead->environment != ENVIRONMENT_SEEN && look->cli->client)
        path = ks_client_socket(look->cli->client); /* not to be seen: ours, which may be told */
    if (look->cli->client && strcmp(path, ks_client_socket(look->cli->client)) != 0)
        doctor_note(look->doctor, "socket", "Say the program's own with --socket.",
                    "the program uses %.100s, and %.100s was asked here", path,
                    ks_client_socket(look->cli->client));
    for (size_t i = 0; i < look->processes.n; i++) {
        if (program_works(&look->processes, i) && !seen_before(look, i)) {
            program_socket(look->doctor, &look->processes.list[i], path);
            n++;
        }
    }
    if (n == 0)
        program_socket(look->doctor, NULL, path);
}

/* --- references and certificates --- */

static void
check_readable(struct look *look, const struct program_file *file)
{
    struct program_stop stop;

    if (!look->lead || look->lead->root_fd < 0 || file->n_references == 0 || file->path[0] != '/')
        return;
    if (!program_reach(-1, &look->lead->user, file->path, S_IROTH, &stop) && errno == EACCES)
        doctor_wrong(
            look->doctor, KS_ERR_USAGE, "reference",
            "Give the user who starts the program the right to read it (there is no secret "
            "in it).",
            "%.200s cannot be read by process %d (uid %u): %.200s has mode %03o", file->path,
            look->lead->pid, look->lead->user.uid, stop.path, stop.st.st_mode & 07777);
}

static void
find_files(struct look *look)
{
    const struct program_options *options = look->options;

    if (options->config_dir)
        snprintf(look->folder, sizeof(look->folder), "%s", options->config_dir);
    else
        snprintf(look->folder, sizeof(look->folder), "%s/etc/%s", options->root,
                 look->names.folder);
    for (size_t i = 0; i < options->n_files; i++)
        program_files_add(&look->files, options->files[i], true);
    if (options->n_files == 0 && !program_files_search(&look->files, look->folder))
        look->files_why = errno;
    for (size_t i = 0; i < look->files.n; i++)
        look->n_references += look->files.list[i].n_references;
}

static void
look_at_files(struct look *look)
{
    const struct program_options *options = look->options;
    bool damaged = false;

    if (look->files_why != 0)
        doctor_skip(look->doctor, "reference",
                    "%.200s: %s: say where its configuration is with --config-dir, or its "
                    "references and certificates with --file",
                    look->folder, strerror(look->files_why));
    for (size_t i = 0; i < look->files.n; i++) {
        damaged |= look->files.list[i].bad != KS_OK;
        check_readable(look, &look->files.list[i]);
    }
    if (look->files.more)
        doctor_skip(look->doctor, "reference",
                    "more than %d files are named: name some with --file", PROGRAM_MAX_FILES);
    if (look->n_references == 0 && !damaged && options->n_files == 0 && !look->by_pkcs11)
        doctor_note(look->doctor, "reference",
                    "Name them with --file, or write them into its configuration in the place of "
                    "private keys.",
                    "no file that %.200s names is a reference", look->folder);
    program_keys(look->doctor, look->cli, &look->files, look->users, look->n_users,
                 look->by_pkcs11);
}
