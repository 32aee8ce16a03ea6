/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload_config - certificate-file of agent.conf, taken at start
 *
 * The file is uploaded under its own name, as if by the REST interface, and activated. Then the password in
 * agent.conf gives way to a verifier, in a new file that is put in the old one's place at once; the old
 * one's bytes are overwritten. What a file system keeps of them (a journal, snapshots, a copy on write,
 * worn cells of a disk) is out of reach, as are copies that other programs made.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/log.h"
#include "client/agent/upload/conf_replace.h"
#include "client/agent/upload/upload.h"
#include "client/agent/upload/verifier.h"

/* Read whole into memory that is wiped. */
struct whole {
    uint8_t *data;
    size_t len;
};

static void
whole_deinit(struct whole *whole)
{
    if (whole->data)
        OPENSSL_clear_free(whole->data, KS_IMPORT_MAX_LEN + 1);
}

static ks_err
read_whole(const char *path, struct whole *out, struct report *report)
{
    ks_auto(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) != 0)
        return report_fail(report, KS_ERR_USAGE, "certificate-file %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return report_fail(report, KS_ERR_USAGE, "certificate-file %s: not a file", path);
    out->data = OPENSSL_malloc(KS_IMPORT_MAX_LEN + 1);
    if (!out->data)
        return report_fail(report, KS_ERR_INTERNAL, "no memory");
    do {
        n = read(fd, out->data + out->len, KS_IMPORT_MAX_LEN + 1 - out->len);
        out->len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n == 0 ? KS_OK
                  : report_fail(report, KS_ERR_USAGE, "certificate-file %s: %s", path,
                                strerror(errno));
}

/* "/etc/keysvc/Shop 1.p12" gives "shop-1". */
static void
name_of(const char *path, char out[static IDENTITY_NAME_MAX + 1])
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    size_t len = dot && dot > base ? (size_t)(dot - base) : strlen(base);

    if (len > IDENTITY_NAME_MAX)
        len = IDENTITY_NAME_MAX;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)base[i];

        out[i] = isalnum(c) && c < 0x80 ? (char)tolower(c) : c == '_' ? '_' : '-';
    }
    out[len] = '\0';
    if (!identity_name_valid(out))
        (void)text_copy(out, IDENTITY_NAME_MAX + 1, "configured");
}

static ks_err
forget_password(struct agent *agent, const char *name, struct report *report)
{
    ks_auto(upload_deinit) struct upload upload = {0};
    struct fault why = FAULT_INIT;
    ks_err err = store_upload_get(agent->store, name, &upload, &why);

    if (!err)
        err = conf_replace(agent->config->path, "certificate-password", upload.verifier, &why);
    return err ? report_fault(report, err, &why) : KS_OK;
}

/* Of an upload from before sources were remembered only the password says whether it was this file. */
static bool
is_source(struct agent *agent, struct upload *upload, const uint8_t source[static KS_SHA256_LEN])
{
    static const uint8_t unknown[KS_SHA256_LEN];
    struct fault why = FAULT_INIT;
    ks_err err;

    if (memcmp(upload->source_sha256, unknown, sizeof(unknown)) != 0)
        return memcmp(upload->source_sha256, source, KS_SHA256_LEN) == 0;
    memcpy(upload->source_sha256, source, KS_SHA256_LEN);
    err = store_begin(agent->store, &why);
    if (!err)
        err = store_end(agent->store, store_upload_put(agent->store, upload, &why), &why);
    if (err)
        log_warning("event=source-not-kept name=%s why=\"%s\"", upload->name, LOG_TEXT(why.text));
    return true;
}

/* Where the password cannot be replaced it stands there at the next start, too: if that and the file are what
 * they were, what was made current since stays. */
static bool
was_taken(struct agent *agent, const char *name, const struct upload_file *file)
{
    ks_auto(upload_deinit) struct upload upload = {0};
    struct report looking = REPORT_INIT;
    struct fault ignored = FAULT_INIT;
    uint8_t source[KS_SHA256_LEN];

    upload_source(file, source);
    return store_upload_get(agent->store, name, &upload, &ignored) == KS_OK &&
           verifier_matches(upload.verifier, file->password) && is_source(agent, &upload, source) &&
           identity_key_check(agent, &upload.key, &looking) == KS_OK;
}

ks_err
upload_config(struct agent *agent, bool *taken, struct report *report)
{
    const struct agent_config *config = agent->config;
    ks_auto(whole_deinit) struct whole whole = {0};
    char name[IDENTITY_NAME_MAX + 1];
    struct upload_file file = {.alias = config->certificate_alias, .replace_active = true};
    json_t *json = NULL;
    ks_err err;

    *taken = false;
    if (!config->certificate_file[0] || !config->certificate_password)
        return KS_OK;
    name_of(config->certificate_file, name);
    err = read_whole(config->certificate_file, &whole, report);
    if (err)
        return err;
    file.data = whole.data;
    file.len = whole.len;
    file.password = config->certificate_password->text;
    if (was_taken(agent, name, &file)) {
        *taken = true;
        return forget_password(agent, name, report);
    }
    err = upload_put(agent, name, &file, &json, report);
    json_decref(json);
    if (err)
        return err;
    *taken = true;
    log_info("event=certificate-file-taken name=%s", name);
    return forget_password(agent, name, report);
}
