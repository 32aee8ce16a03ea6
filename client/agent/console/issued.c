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

/* One that is none is not there: without it the agent alone can say whose key it is. */
static ks_err
add_request(struct issued *issued, const char *path, const char *name)
{
    struct issued_request *grown =
        reallocarray(issued->requests, issued->n_requests + 1, sizeof(*issued->requests));
    BIO *bio = BIO_new_file(path, "r");
    X509_REQ *request = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    if (grown)
        issued->requests = grown;
    if (!grown || !request || !text_copy(grown[issued->n_requests].name, PEER_NAME_MAX + 1, name)) {
        X509_REQ_free(request);
        return grown ? KS_OK : KS_ERR_INTERNAL;
    }
    grown[issued->n_requests++].request = request;
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
    if (peercert_load(path, &file->certificates, NULL, NULL, &file->fault) == KS_OK)
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
    if (!fleet_find(fleet, name))
        return strv_add(&issued->surplus, path);
    return add_file(issued, path, name);
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
    err = peercert_load(ca_file, &out->authorities, NULL, NULL, why);
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
    for (size_t i = 0; i < issued->n_files; i++)
        sk_X509_pop_free(issued->files[i].certificates, X509_free);
    for (size_t i = 0; i < issued->n_requests; i++)
        X509_REQ_free(issued->requests[i].request);
    free(issued->requests);
    free(issued->files);
    strv_deinit(&issued->surplus);
    sk_X509_pop_free(issued->authorities, X509_free);
    free(issued->authorities_pem);
    memset(issued, 0, sizeof(*issued));
}

const struct issued_file *
issued_find(const struct issued *issued, const char *name)
{
    for (size_t i = 0; i < issued->n_files; i++) {
        if (strcmp(issued->files[i].name, name) == 0)
            return &issued->files[i];
    }
    return NULL;
}

X509_REQ *
issued_find_request(const struct issued *issued, const char *name)
{
    for (size_t i = 0; i < issued->n_requests; i++) {
        if (strcmp(issued->requests[i].name, name) == 0)
            return issued->requests[i].request;
    }
    return NULL;
}
