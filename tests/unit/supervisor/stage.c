/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage - builds the folder, forks the supervisor, reads the log
 */
#include "stage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"

#define PATIENCE_MS 20000
#define LOOK_US 5000
#define LOG_MAX (256 * 1024)
#define PATH_LEN 256
#define FRONT_ID 64321 /* taken when root runs the tests; needs no account */
#define TOKEN_ID 64322

void
stage_path(const struct stage *stage, const char *name, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s", stage->folder, name);
}

void
stage_write(struct stage *stage, const char *name, const char *text, unsigned int mode)
{
    char path[PATH_LEN], temporary[PATH_LEN + 8];
    FILE *file;

    stage_path(stage, name, path, sizeof(path));
    snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    file = fopen(temporary, "w");
    cr_assert_not_null(file, "%s: %s", temporary, strerror(errno));
    fputs(text, file);
    fclose(file);
    cr_assert_eq(chmod(temporary, mode), 0);
    cr_assert_eq(rename(temporary, path), 0);
}

void
stage_read(struct stage *stage, const char *name, char *out, size_t cap)
{
    char path[PATH_LEN];
    size_t len = 0;
    FILE *file;

    stage_path(stage, name, path, sizeof(path));
    file = fopen(path, "r");
    if (file) {
        len = fread(out, 1, cap - 1, file);
        fclose(file);
    }
    out[len] = '\0';
}

bool
stage_exists(struct stage *stage, const char *name)
{
    char path[PATH_LEN];

    stage_path(stage, name, path, sizeof(path));
    return access(path, F_OK) == 0;
}

void
stage_script(struct stage *stage, const char *child, const char *lines)
{
    char name[PATH_LEN];

    snprintf(name, sizeof(name), "script-%s", child);
    stage_write(stage, name, lines, 0644);
}

void
stage_token(struct stage *stage, char *out, size_t cap, const char *name,
            const char *profile_options, const char *label)
{
    char profile[PATH_LEN], text[1024];

    snprintf(profile, sizeof(profile), "%s.conf", name);
    snprintf(text, sizeof(text), "module = /proc/nonexistent/module.so\n%s", profile_options);
    stage_write(stage, profile, text, 0600);
    snprintf(out, cap, "token %s { profile = %s label = %s pin-file = \"%s/%s.pin\" user = %u }\n",
             name, name, label, stage->folder, name, TOKEN_ID);
}

void
stage_config(struct stage *stage, const char *sections)
{
    char text[4096];

    snprintf(text, sizeof(text),
             "daemon { socket = \"%s/s\" audit-dir = \"%s/audit\" state-dir = \"%s/state\" "
             "front-user = %u }\n%s",
             stage->folder, stage->folder, stage->folder, FRONT_ID, sections);
    stage_write(stage, "keysvcd.conf", text, 0600);
}

/* A copy, since the users that the children become may not reach the build folder. */
static void
copy_fake(struct stage *stage, const char *name)
{
    ks_auto(closep) int from = open(FAKE_CHILD_PATH, O_RDONLY);
    ks_auto(closep) int to = -1;
    char path[PATH_LEN], part[65536];
    ssize_t len;

    stage_path(stage, name, path, sizeof(path));
    to = open(path, O_WRONLY | O_CREAT, 0755);
    cr_assert(from >= 0 && to >= 0, "%s: %s", FAKE_CHILD_PATH, strerror(errno));
    while ((len = read(from, part, sizeof(part))) > 0)
        cr_assert_eq(write(to, part, (size_t)len), len);
}

void
stage_open(struct stage *stage, unsigned int workers)
{
    char sections[1024], options[64];

    memset(stage, 0, sizeof(*stage));
    snprintf(stage->folder, sizeof(stage->folder), "/tmp/keysvc-stage-XXXXXX");
    cr_assert_not_null(mkdtemp(stage->folder));
    cr_assert_eq(chmod(stage->folder, 0755), 0);
    copy_fake(stage, "keysvc-token");
    copy_fake(stage, "keysvc-front");
    stage_write(stage, "log", "", 0666);
    stage_write(stage, "main.pin", "1234\n", 0600);
    snprintf(options, sizeof(options), "workers = %u\nhang-timeout = 200ms\n", workers);
    stage_token(stage, sections, sizeof(sections), "main", options, "keysvc");
    stage_config(stage, sections);
    stage_script(stage, "front", "ready serve\n");
    for (unsigned int i = 1; i <= workers; i++) {
        char child[32];

        snprintf(child, sizeof(child), "main-%u", i);
        stage_script(stage, child, "start login login-ok ready serve\n");
    }
}

static void
supervise(struct stage *stage)
{
    char text[PATH_LEN];
    int log;

    stage_path(stage, "stderr", text, sizeof(text));
    log = open(text, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log >= 0 && dup2(log, STDERR_FILENO) >= 0)
        execl(STAGE_SUPERVISOR_PATH, "stage-supervisor", stage->folder, (char *)NULL);
    _exit(127);
}

void
stage_start(struct stage *stage)
{
    stage->supervisor = fork();
    cr_assert_geq(stage->supervisor, 0);
    if (stage->supervisor == 0)
        supervise(stage);
}

void
stage_signal(struct stage *stage, int number)
{
    cr_assert_eq(kill(stage->supervisor, number), 0);
}

int
stage_stop(struct stage *stage)
{
    int status = -1;

    if (stage->supervisor <= 0)
        return -1;
    kill(stage->supervisor, SIGTERM);
    while (waitpid(stage->supervisor, &status, 0) < 0 && errno == EINTR)
        ;
    stage->supervisor = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void
stage_close(struct stage *stage)
{
    if (stage->supervisor > 0)
        stage_stop(stage);
    nftw(stage->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

size_t
stage_count(struct stage *stage, const char *text)
{
    static char log[LOG_MAX];
    const char *at = log;
    size_t n = 0;

    stage_read(stage, "log", log, sizeof(log));
    while ((at = strstr(at, text))) {
        n++;
        at += strlen(text);
    }
    return n;
}

static void
fail_with_logs(struct stage *stage, const char *what)
{
    static char log[LOG_MAX], errors[LOG_MAX];
    char folder[sizeof(stage->folder)];

    memcpy(folder, stage->folder, sizeof(folder));
    stage_read(stage, "log", log, sizeof(log));
    stage_read(stage, "stderr", errors, sizeof(errors));
    stage_close(stage);
    cr_assert_fail("%s: waited in vain for \"%s\"\n--- log\n%s--- stderr\n%s", folder, what, log,
                   errors);
}

void
stage_expect(struct stage *stage, const char *text, size_t n)
{
    uint64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    while (stage_count(stage, text) < n) {
        if (clock_mono_ms() > end_ms)
            fail_with_logs(stage, text);
        usleep(LOOK_US);
    }
}

void
stage_expect_file(struct stage *stage, const char *name, bool there)
{
    uint64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    while (stage_exists(stage, name) != there) {
        if (clock_mono_ms() > end_ms)
            fail_with_logs(stage, name);
        usleep(LOOK_US);
    }
}

bool
stage_in_order(struct stage *stage, const char *first, const char *second)
{
    static char log[LOG_MAX];
    const char *a, *b;

    stage_read(stage, "log", log, sizeof(log));
    a = strstr(log, first);
    b = strstr(log, second);
    return a && b && a < b;
}

pid_t
stage_pid(struct stage *stage, const char *child)
{
    static char log[LOG_MAX];
    char wanted[64];
    const char *at = log;
    int pid = 0;

    snprintf(wanted, sizeof(wanted), "%s began pid=", child);
    stage_read(stage, "log", log, sizeof(log));
    while ((at = strstr(at, wanted))) {
        at += strlen(wanted);
        pid = atoi(at);
    }
    cr_assert_gt(pid, 0);
    return pid;
}
