/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_files - the state folder, the certificate that serves, and certificate-file of agent.conf
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "client/agent/doctor/doctor.h"
#include "client/agent/folder.h"
#include "client/agent/identity/configured.h"
#include "client/agent/identity/fileset.h"
#include "client/agent/identity/operations.h"

#define SOON_DAYS 14 /* left of a certificate that should be replaced */
#define DAY_S 86400

static void check_validity(struct doctor *doctor);
static void check_files_shown(struct doctor *doctor);
static void check_password(struct doctor *doctor);

/* --- the folder --- */

bool
doctor_state(struct doctor *doctor)
{
    const char *folder = doctor->config->state_dir;
    char store[PATH_MAX + sizeof("/agent.db")];
    struct stat st;

    if (stat(folder, &st) != 0) {
        doctor_add(doctor, DOCTOR_WRONG, KS_ERR_USAGE, "state-dir",
                   "Make it for the agent's user: systemd-tmpfiles --create, or install -d -m 750 "
                   "-o USER -g USER.",
                   "%s: %s", folder, strerror(errno));
        return false;
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid == 0 || st.st_uid != geteuid() ||
        (st.st_mode & (S_IWGRP | S_IWOTH))) {
        doctor_add(doctor, DOCTOR_WRONG, KS_ERR_USAGE, "state-dir",
                   "It must be a folder of the agent's own user, who is not root, and nobody else "
                   "may write to it: chown -R USER, chmod go-w. Ask as that user or as root.",
                   "%s: belongs to user %u, mode %04o; this is user %u", folder, st.st_uid,
                   st.st_mode & 07777u, geteuid());
        return false;
    }
    doctor_add(doctor, DOCTOR_FINE, KS_OK, "state-dir", "", "%s: of user %u, mode %04o", folder,
               st.st_uid, st.st_mode & 07777u);
    snprintf(store, sizeof(store), "%s/agent.db", folder);
    if (access(store, F_OK) == 0)
        return true;
    doctor_add(doctor, DOCTOR_NOTE, KS_OK, "state-dir", "keysvc-agent run makes the first.",
               "%s: nothing is in it yet", folder);
    return false;
}

/* --- the certificate --- */

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

void
doctor_certificate(struct doctor *doctor)
{
    struct report report = REPORT_INIT;

    if (certificate_status(doctor->agent, doctor->identity, &doctor->status, &report) == KS_OK) {
        check_validity(doctor);
        check_files_shown(doctor);
    } else if (report.code == KS_ERR_NOT_FOUND &&
               strcmp(doctor->identity, IDENTITY_OF_LISTENER) == 0) {
        doctor_add(doctor, DOCTOR_NOTE, KS_OK, "certificate", "keysvc-agent run makes it.",
                   "identity %s is not there yet", doctor->identity);
    } else {
        doctor_add(doctor, DOCTOR_WRONG, report.code, "certificate", report.hint, "%s",
                   report.message);
    }
}

static time_t
time_of(const char *text)
{
    struct tm tm = {0};

    return strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) ? timegm(&tm) : 0;
}

static void
check_validity(struct doctor *doctor)
{
    const char *state = text_of(doctor->status, "state");
    const char *until = text_of(doctor->status, "not_after");
    bool self_signed = strcmp(text_of(doctor->status, "kind"), "self-signed") == 0;
    long long left_s = (long long)time_of(until) - (long long)time(NULL);
    char mend[256];

    if (self_signed)
        snprintf(mend, sizeof(mend),
                 "Make a new one: keysvc-agent certificate-apply-self-signed --rekey%s.",
                 doctor->option);
    else
        snprintf(mend, sizeof(mend),
                 "Have the CA issue a new one: keysvc-agent certificate-create-csr%s, "
                 "certificate-apply%s; or upload one.",
                 doctor->option, doctor->option);

    if (strcmp(state, "expired") == 0 || strcmp(state, "not-yet-valid") == 0)
        doctor_add(doctor, DOCTOR_WRONG, KS_ERR_CERTIFICATE_REFUSED, "certificate",
                   strcmp(state, "expired") == 0 ? mend : "Look at this host's clock.",
                   "%s, %s: valid from %s to %s", text_of(doctor->status, "subject"), state,
                   text_of(doctor->status, "not_before"), until);
    else
        doctor_add(doctor, left_s < SOON_DAYS * DAY_S ? DOCTOR_NOTE : DOCTOR_FINE, KS_OK,
                   "certificate", left_s < SOON_DAYS * DAY_S ? mend : "",
                   "%s, %s, valid until %s, for %lld days", text_of(doctor->status, "subject"),
                   text_of(doctor->status, "kind"), until, left_s / DAY_S);
}

/* Opening the agent has put them into place just now, if that was possible. */
static void
check_files_shown(struct doctor *doctor)
{
    ks_auto(closep) int folder = -1;
    long long wanted = json_integer_value(json_object_get(doctor->status, "set"));
    struct fault why = FAULT_INIT;

    if (folder_identity(doctor->config->state_dir, doctor->identity, false, &folder, &why) ==
            KS_OK &&
        fileset_current(folder) == wanted)
        return;
    doctor_add(doctor, DOCTOR_WRONG, KS_ERR_INTERNAL, "certificate-files",
               "Look at the folder's rights and its disk, and that \"current\" is a link; each "
               "keysvc-agent command tries again.",
               "%s/identities/%s/current does not lead to sets/%lld, the certificate that is "
               "current: programs that read it have another one",
               doctor->config->state_dir, doctor->identity, wanted);
}

/* --- certificate-file --- */

void
doctor_configured(struct doctor *doctor)
{
    json_t *trouble = doctor->agent ? configured_trouble(doctor->agent) : NULL;

    if (trouble)
        doctor_add(doctor, DOCTOR_WRONG,
                   json_is_true(json_object_get(trouble, "taken")) ? KS_ERR_INTERNAL
                                                                   : KS_ERR_CERTIFICATE_REFUSED,
                   "certificate-file", text_of(trouble, "hint"), "%s, at the start of %s: %s",
                   text_of(trouble, "file"), text_of(trouble, "at"), text_of(trouble, "message"));
    json_decref(trouble);
    if (doctor->config->certificate_file[0] && doctor->config->certificate_password)
        check_password(doctor);
}

/* It stands there as people write it, so the next start takes the file and replaces it. */
static void
check_password(struct doctor *doctor)
{
    const struct agent_config *config = doctor->config;
    char path[PATH_MAX], folder[PATH_MAX];
    struct stat st;

    if (access(config->certificate_file, R_OK) != 0)
        doctor_add(doctor, DOCTOR_WRONG, KS_ERR_USAGE, "certificate-file",
                   "Let the agent's user read it.", "%s: %s", config->certificate_file,
                   strerror(errno));
    if (!realpath(config->path, path) || stat(path, &st) != 0) {
        doctor_add(doctor, DOCTOR_SKIPPED, KS_OK, "certificate-file", "", "%s: %s", config->path,
                   strerror(errno));
        return;
    }
    memcpy(folder, path, sizeof(folder));
    if (st.st_uid != geteuid() || access(dirname(folder), W_OK) != 0)
        doctor_add(doctor, DOCTOR_WRONG, KS_ERR_INTERNAL, "certificate-file",
                   "Put agent.conf into a folder of the agent's user and give it to him (and with "
                   "systemd name the folder in ReadWritePaths=), or remove the password by hand "
                   "when the file was taken.",
                   "%s: user %u cannot replace the password in it", path, geteuid());
    else
        doctor_add(doctor, DOCTOR_FINE, KS_OK, "certificate-file", "",
                   "%s: the next start of keysvc-agent takes %s", path, config->certificate_file);
}
