/* SPDX-License-Identifier: Apache-2.0 */
/*
 * configured - one small file, written whole or not at all
 */
#include "client/agent/identity/configured.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "client/agent/certificate/certview.h"

#define NAME "/certificate-file.json"
#define NEW ".new"
#define FILE_MODE 0600
#define TIME_MAX 32

static void
path_of(const struct agent *agent, char out[static PATH_MAX + sizeof(NAME)])
{
    snprintf(out, PATH_MAX + sizeof(NAME), "%s" NAME, agent->config->state_dir);
}

static json_t *
trouble_of(const struct agent *agent, bool taken, const struct report *report)
{
    json_t *error = report_json(report);
    json_t *from = json_object_get(error, "error");
    char at[TIME_MAX] = "";
    time_t now = time(NULL);
    struct tm tm;
    json_t *out;

    if (gmtime_r(&now, &tm))
        strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm);
    out = json_pack("{s:o, s:s, s:b, s:O, s:O, s:O}", "file",
                    certview_text(agent->config->certificate_file), "at", at, "taken", taken,
                    "code", json_object_get(from, "code"), "message",
                    json_object_get(from, "message"), "hint", json_object_get(from, "hint"));
    json_decref(error);
    return out;
}

static bool
write_file(const char *path, const json_t *json)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    bool written = fd >= 0 && json_dumpfd(json, fd, JSON_INDENT(2)) == 0;

    if (fd >= 0 && close(fd))
        written = false;
    return written;
}

void
configured_refused(struct agent *agent, bool taken, const struct report *report)
{
    char path[PATH_MAX + sizeof(NAME)], temporary[sizeof(path) + sizeof(NEW)];
    json_t *json = trouble_of(agent, taken, report);

    path_of(agent, path);
    snprintf(temporary, sizeof(temporary), "%s" NEW, path);
    if (!json || !write_file(temporary, json) || rename(temporary, path)) {
        log_warning("event=not-kept path=\"%s\" why=\"%s\"", LOG_TEXT(path), strerror(errno));
        (void)unlink(temporary);
    }
    json_decref(json);
}

void
configured_clear(struct agent *agent)
{
    char path[PATH_MAX + sizeof(NAME)];

    path_of(agent, path);
    if (unlink(path) && errno != ENOENT)
        log_warning("event=not-removed path=\"%s\" why=\"%s\"", LOG_TEXT(path), strerror(errno));
}

json_t *
configured_trouble(struct agent *agent)
{
    char path[PATH_MAX + sizeof(NAME)];
    json_t *json;

    path_of(agent, path);
    json = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}
