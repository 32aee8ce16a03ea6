/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_rig - made-up sets, and what stands in the files
 */
#include "agent_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "base/log.h"
#include "client/agent/identity/fileset.h"
#include "client/agent/store/store_identity.h"
#include "client/agent/store/store_set.h"

#define DAY_S (24L * 3600)

static void
must(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    abort();
}

void
rig_make_folder(char *out, size_t cap)
{
    const char *place = getenv("TMPDIR");

    snprintf(out, cap, "%s/keysvc-agent-XXXXXX", place ? place : "/tmp");
    must(mkdtemp(out), out);
}

void
rig_remove_folder(const char *folder)
{
    char command[PATH_MAX + 16];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    must(system(command) == 0, folder);
}

void
rig_open(struct rig *rig, const char *state_dir)
{
    struct report report = REPORT_INIT;

    log_init("rig", LOG_LEVEL_ERROR);
    *rig = (struct rig){0};
    must(text_copy(rig->config.state_dir, sizeof(rig->config.state_dir), state_dir), "path");
    snprintf(rig->config.socket, sizeof(rig->config.socket), "/nowhere/keysvc.sock");
    snprintf(rig->config.keys, sizeof(rig->config.keys), "rig");
    if (agent_open(&rig->config, "rig", &rig->agent, &report)) {
        report_print(&report, stderr);
        abort();
    }
}

void
rig_close(struct rig *rig)
{
    rig->agent = agent_close(rig->agent);
}

static X509 *
certificate(EVP_PKEY *key, uint32_t version)
{
    X509 *made = X509_new();
    X509_NAME *name = X509_get_subject_name(made);
    char text[32];

    snprintf(text, sizeof(text), "shop-%u.example", version);
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (unsigned char *)text, -1, -1, 0) &&
             X509_set_issuer_name(made, name) && X509_set_version(made, X509_VERSION_3) &&
             ASN1_INTEGER_set(X509_get_serialNumber(made), version) &&
             X509_gmtime_adj(X509_getm_notBefore(made), -DAY_S) &&
             X509_gmtime_adj(X509_getm_notAfter(made), DAY_S) && X509_set_pubkey(made, key) &&
             X509_sign(made, key, EVP_sha256()),
         "certificate");
    return made;
}

void
rig_set(struct identity_set *out, enum set_kind kind, uint32_t version)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *made = certificate(key, version);
    unsigned char *at = out->key.public_key;
    uint8_t *der = NULL;
    int len = i2d_X509(made, &der);

    *out = (struct identity_set){.kind = kind};
    snprintf(out->key.name, sizeof(out->key.name), "rig/" RIG_IDENTITY);
    out->key.version = version;
    out->key.type = KS_KEY_TYPE_EC_P256;
    out->key.purpose = KS_PURPOSE_TLS_SERVER;
    out->key.public_key_len = (size_t)i2d_PUBKEY(key, &at);
    SHA256(out->key.public_key, out->key.public_key_len, out->key.public_key_sha256);
    out->chain = calloc(1, sizeof(*out->chain));
    out->chain->certificates = calloc(1, sizeof(*out->chain->certificates));
    out->chain->n_certificates = 1;
    out->chain->certificates[0].len = (size_t)len;
    out->chain->certificates[0].data = malloc((size_t)len);
    memcpy(out->chain->certificates[0].data, der, (size_t)len);
    OPENSSL_free(der);
    X509_free(made);
    EVP_PKEY_free(key);
}

void
rig_identity(struct rig *rig)
{
    struct identity_row row = {
        .name = RIG_IDENTITY, .key = "rig/" RIG_IDENTITY, .current = 1, .next_number = 2};
    struct store *store = rig->agent->store;
    struct identity_set set;
    struct fault why = FAULT_INIT;

    rig_set(&set, SET_SELF_SIGNED, 1);
    set.number = 1;
    must(store_begin(store, &why) == KS_OK, "begin");
    must(store_set_put(store, row.name, &set, &why) == KS_OK, "set");
    must(store_end(store, store_identity_put(store, &row, &why), &why) == KS_OK, "identity");
    must(identity_recover(rig->agent, row.name, &why) == KS_OK, "files");
    identity_set_deinit(&set);
}

ks_err
rig_switch(struct rig *rig, enum set_kind kind, uint32_t version, struct report *report)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};

    rig_set(&set, kind, version);
    return identity_switch(rig->agent, RIG_IDENTITY, &set, "apply", NULL, report);
}

/* --- the files --- */

static FILE *
open_at(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? NULL : fdopen(fd, "r");
}

static bool
is_one_set(int folder)
{
    FILE *certificate_file = open_at(folder, "certificate.pem");
    FILE *reference_file = open_at(folder, "reference.pem");
    X509 *leaf = certificate_file ? PEM_read_X509(certificate_file, NULL, NULL, NULL) : NULL;
    unsigned char *public_key = NULL, *der = NULL;
    char *name = NULL, *header = NULL;
    struct ks_key key = {0};
    long len = 0;
    int n = leaf ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &public_key) : -1;
    bool one = n > 0 && reference_file && PEM_read(reference_file, &name, &header, &der, &len) &&
               ks_reference_decode(der, (size_t)len, &key, NULL) == KS_OK &&
               key.public_key_len == (size_t)n &&
               memcmp(key.public_key, public_key, (size_t)n) == 0;

    OPENSSL_free(public_key);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    X509_free(leaf);
    if (certificate_file)
        fclose(certificate_file);
    if (reference_file)
        fclose(reference_file);
    return one;
}

int64_t
rig_files(const char *state_dir)
{
    char path[PATH_MAX];
    ks_auto(closep) int identity = -1, current = -1;

    snprintf(path, sizeof(path), "%s/identities/" RIG_IDENTITY, state_dir);
    identity = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (identity < 0)
        return 0;
    current = openat(identity, "current", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (current < 0)
        return 0;
    return is_one_set(current) ? fileset_current(identity) : -1;
}

size_t
rig_n_sets(const char *state_dir, size_t *extra)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    size_t n = 0;
    DIR *list;

    *extra = 0;
    snprintf(path, sizeof(path), "%s/identities/" RIG_IDENTITY "/sets", state_dir);
    list = opendir(path);
    while (list && (entry = readdir(list))) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            n++;
        else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (*extra)++;
    }
    if (list)
        closedir(list);
    snprintf(path, sizeof(path), "%s/identities/" RIG_IDENTITY "/.current.new", state_dir);
    *extra += faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    return n;
}
