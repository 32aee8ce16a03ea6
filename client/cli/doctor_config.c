/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_config - is the configuration right? asked of keysvcd itself
 *
 * `keysvcd --check` reads the files as the service does and prints, when they are right, the facts
 * that the later checks need: which PIN files, modules and folders.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/hex.h"
#include "client/cli/doctor.h"
#include "client/cli/keysvcd.h"

#define MAX_WORDS 32           /* of keysvcd's command line */
#define CHECK_MAX (256 * 1024) /* bytes of --check's text */

static void compare(struct doctor *doctor, struct cli *cli, const char *config);
static void take_output(struct doctor *doctor, const char *config, const char *text, int status);

void
doctor_config(struct doctor *doctor, struct cli *cli, const char *const *more)
{
    const char *config = keysvcd_config(cli);
    ks_auto(buf_deinit) struct buf out = {.max = CHECK_MAX};
    struct fault why = FAULT_INIT;
    char path[PATH_MAX];
    const char *arguments[MAX_WORDS + 1] = {path, "--config", config, "--check", "--facts"};
    size_t n_words = 5;
    int status = 0;

    if (access(config, R_OK) != 0 && errno == ENOENT) {
        doctor_wrong(doctor, KS_ERR_USAGE, "configuration",
                     "Name the file that keysvcd uses with --config.", "%s: %s", config,
                     strerror(errno));
        return;
    }
    if (access(config, R_OK) != 0) {
        doctor_skip(doctor, "configuration", "%s: %s; root sees more", config, strerror(errno));
        return;
    }
    while (more && *more && n_words < MAX_WORDS)
        arguments[n_words++] = *more++;
    if (keysvcd_find(cli, path, &why) || keysvcd_run(arguments, &out, &status, &why)) {
        doctor_note(doctor, "configuration", "Name the program with --keysvcd.", "not checked: %s",
                    why.text);
        return;
    }
    buf_append(&out, "", 1);
    take_output(doctor, config, out.failed ? "" : (const char *)out.data, status);
    compare(doctor, cli, config);
}

/* The later findings speak of the files that this configuration names: are they the service's? */
static void
compare(struct doctor *doctor, struct cli *cli, const char *config)
{
    const uint8_t *used = doctor_configuration(doctor);
    const char *text = doctor_fact_find(doctor, "daemon", "-", "sha256");
    const char *socket = doctor_fact_find(doctor, "daemon", "-", "socket");
    const char *asked = cli->client ? ks_client_socket(cli->client) : NULL;
    uint8_t own[KS_SHA256_LEN];

    if (!used || !text || !hex_parse(text, own, sizeof(own)))
        return;
    if (memcmp(own, used, sizeof(own)) == 0)
        doctor_fine(doctor, "in-use", "the service uses %s as it is, with its profiles", config);
    else if (socket && asked && strcmp(socket, asked) != 0)
        doctor_note(doctor, "in-use",
                    "Name the file that this service uses with --config, or the socket of the one "
                    "that uses this file with --socket.",
                    "the service uses another file than %s, which has its socket at %s and not at "
                    "%s: what is said of its files below may be of no service",
                    config, socket, asked);
    else
        doctor_note(doctor, "in-use",
                    "If the file or a profile was changed: keysvc reload. If keysvcd was started "
                    "with another file (systemctl cat keysvcd): name that with --config.",
                    "the service uses something else than %s holds now: what is said of its files "
                    "below may be of no service",
                    config);
}

bool
doctor_fact_parse(const char *line, struct doctor_fact *out)
{
    int len = 0;

    memset(out, 0, sizeof(*out));
    if (sscanf(line, "fact %15s %100s %31s %n", out->section, out->name, out->option, &len) != 3 ||
        len == 0)
        return false;
    return text_copy(out->value, sizeof(out->value), line + len);
}

/* Of a right file the lines are warnings and facts, of a wrong one its mistakes. */
static void
take_line(struct doctor *doctor, const char *line, bool right)
{
    static const char WARNING[] = "warning: ";
    struct doctor_fact fact;

    if (doctor_fact_parse(line, &fact))
        doctor_fact_add(doctor, &fact);
    else if (!right)
        doctor_wrong(doctor, KS_ERR_BAD_REQUEST, "configuration",
                     "Mend the line and run keysvcd --check again; a running service goes on with "
                     "what it has.",
                     "%s", line);
    else if (strncmp(line, WARNING, strlen(WARNING)) == 0)
        doctor_note(doctor, "configuration", "", "%s", line + strlen(WARNING));
}

static void
take_output(struct doctor *doctor, const char *config, const char *text, int status)
{
    ks_auto(freep) char *lines = strdup(text);
    char *rest = lines, *line;
    bool right = WIFEXITED(status) && WEXITSTATUS(status) == 0, said = false;

    if (right)
        doctor_fine(doctor, "configuration", "%s is right", config);
    while (rest && (line = strsep(&rest, "\n"))) {
        if (line[0] == '\0')
            continue;
        take_line(doctor, line, right);
        said = true;
    }
    if (!right && !said)
        doctor_wrong(doctor, KS_ERR_BAD_REQUEST, "configuration",
                     "Run keysvcd --check and see its log.", "%s: keysvcd ended without a word",
                     config);
}
