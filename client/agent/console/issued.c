/* SPDX-License-Identifier: Apache-2.0 */
/*
 * issued - reading the folder: which file belongs to which agent
 */
#include "client/agent/console/issued.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "client/agent/tame.h"

static const char *const SUFFIXES[] = {".crt", ".pem", ".cer", ".der"};

#define REQUEST_SUFFIX ".req"

static bool
has_suffix(const char *name, const char *suffix)
{
    size_t len = strlen(name);

    return len > strlen(suffix) && strcasecmp(name + len - strlen(suffix), suffix) == 0;
}

/* NULL: it has none of them. */
static const char *
suffix_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(SUFFIXES); i++) {
        if (has_suffix(name, SUFFIXES[i]))
            return name + strlen(name) - strlen(SUFFIXES[i]);
    }
    return has_suffix(name, REQUEST_SUFFIX) ? name + strlen(name) - strlen(REQUEST_SUFFIX) : NULL;
}

static void
request_deinit(struct check_key *key)
{
    free((char *)(uintptr_t)key->label);
    OPENSSL_free((uint8_t *)(uintptr_t)key->public_key);
    X509_REQ_free(key->request);
}

/* One that is none is not there: without it the agent alone can say whose key it is. */
static ks_err
add_request(struct issued *issued, const char *path, const char *name)
{
    struct check_key *grown =
        reallocarray(issued->requests, issued->n_requests + 1, sizeof(*issued->requests));
    BIO *bio = BIO_new_file(path, "r");
    struct check_key key = {.request = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL};
    uint8_t *der = NULL;
    char *label = NULL;
    int len = key.request ? i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(key.request), &der) : 0;

    BIO_free(bio);
    ERR_clear_error();
    if (grown)
        issued->requests = grown;
    if (asprintf(&label, "%s" REQUEST_SUFFIX, name) < 0)
        label = NULL;
    key.label = label;
    key.public_key = der;
    key.public_key_len = len > 0 ? (size_t)len : 0;
    if (!grown || !label || len <= 0) {
        request_deinit(&key);
        return grown && label ? KS_OK : KS_ERR_INTERNAL;
    }
    grown[issued->n_requests++] = key;
    return KS_OK;
}

static ks_err
add_file(struct issued *issued, const char *path, const char *name)
{
    struct issued_file *grown =
        reallocarray(issued->files, issued->n_files + 1, sizeof(*issued->files));
    struct issued_file *file;

    if (!grown)
        return KS_ERR_INTERNAL;
    issued->files = grown;
    file = &grown[issued->n_files];
    memset(file, 0, sizeof(*file));
    for (size_t i = 0; i < issued->n_files; i++) {
        if (strcmp(grown[i].name, name) == 0)
            file->twice = grown[i].twice = true;
    }
    if (!text_copy(file->name, sizeof(file->name), name) ||
        !text_copy(file->path, sizeof(file->path), path))
        return KS_ERR_INTERNAL;
    file->bytes.max = PEERCERT_FILE_MAX;
    if (file_read(path, &file->bytes, &file->fault) == KS_OK)
        file->fault.text[0] = '\0';
    issued->n_files++;
    return KS_OK;
}

static ks_err
take_entry(struct issued *issued, const char *directory, const char *entry, const struct stat *ca,
           const struct fleet *fleet)
{
    const char *suffix = suffix_of(entry);
    char path[PATH_MAX], name[NAME_MAX + 1];
    struct stat st;

    if (!suffix || entry[0] == '.' ||
        (size_t)snprintf(path, sizeof(path), "%s/%s", directory, entry) >= sizeof(path) ||
        stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return KS_OK;
    if (st.st_dev == ca->st_dev && st.st_ino == ca->st_ino)
        return KS_OK;
    snprintf(name, sizeof(name), "%.*s", (int)(suffix - entry), entry);
    if (strcasecmp(suffix, REQUEST_SUFFIX) == 0)
        return fleet_find(fleet, name) ? add_request(issued, path, name) : KS_OK;
    if (fleet_find(fleet, name))
        return add_file(issued, path, name);
    tame_text(path);
    return strv_add(&issued->surplus, path);
}

static ks_err
read_directory(struct issued *issued, const char *directory, const struct stat *ca,
               const struct fleet *fleet, struct fault *why)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, NULL, alphasort);
    ks_err err = KS_OK;

    if (n < 0) {
        fault_set(why, "%s: %s", directory, strerror(errno));
        return KS_ERR_USAGE;
    }
    for (int i = 0; i < n; i++) {
        if (!err)
            err = take_entry(issued, directory, entries[i]->d_name, ca, fleet);
        free(entries[i]);
    }
    free(entries);
    if (err)
        fault_set(why, "%s: no memory to read it", directory);
    return err;
}

ks_err
issued_read(const char *directory, const char *ca_file, const struct fleet *fleet,
            struct issued *out, struct fault *why)
{
    struct stat ca;
    ks_err err;

    memset(out, 0, sizeof(*out));
    if (stat(ca_file, &ca) != 0) {
        fault_set(why, "%s: %s", ca_file, strerror(errno));
        return KS_ERR_USAGE;
    }
    err = peercert_load(ca_file, &out->authorities, why);
    if (err)
        return KS_ERR_USAGE;
    out->authorities_pem = peercert_pem(out->authorities);
    if (!out->authorities_pem)
        return KS_ERR_INTERNAL;
    return read_directory(out, directory, &ca, fleet, why);
}

void
issued_deinit(struct issued *issued)
{
    for (size_t i = 0; i < issued->n_files; i++) {
        buf_deinit(&issued->files[i].bytes);
        sk_X509_pop_free(issued->files[i].chain, X509_free);
    }
    for (size_t i = 0; i < issued->n_requests; i++)
        request_deinit(&issued->requests[i]);
    free(issued->requests);
    free(issued->files);
    strv_deinit(&issued->surplus);
    sk_X509_pop_free(issued->authorities, X509_free);
    free(issued->authorities_pem);
    memset(issued, 0, sizeof(*issued));
}

struct issued_file *
issued_find(const struct issued *issued, const char *name)
{
    for (size_t i = 0; i < issued->n_files; i++) {
        if (strcmp(issued->files[i].name, name) == 0)
            return &issued->files[i];
    }
    return NULL;
}
