/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_program_files - the references and certificates that a program is given
 *
 * Programs' configurations are as many languages as programs. What they share is that a file is named
 * in them, so each word that is the path of a file is looked at: from the root, from the folder of the
 * configuration, and from that of the file it stands in.
 */
#include <errno.h>
#include <fts.h>
#include <stdio.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "client/cli/doctor_program.h"

#define CONFIGURATION_MAX (1024 * 1024) /* bytes of one file */
#define PEM_MAX (256 * 1024)            /* a chain of the longest certificates that are in use */
#define MAX_CONFIGURATIONS 2000
#define MAX_ENTRIES 20000 /* of all folders; links may lead anywhere */
#define MAX_DEPTH 8
#define MAX_SEEN 4096      /* files that words named */
#define MAX_IN_FOLDER 1024 /* files in one folder that a word named */

struct search {
    struct program_files *files;
    const char *folder;
    struct {
        dev_t device;
        ino_t inode;
    } seen[MAX_SEEN];
    size_t n_seen, n_configurations, n_entries;
    const char *in; /* the file that is read, */
    size_t line;    /* and where in it */
};

static bool add(struct program_files *files, const char *path, bool named, bool references_only);
static bool look(struct search *search, const char *path, bool references_only);
static void read_words(struct search *search, const FTSENT *entry);
static void try_word(struct search *search, const char *word, const char *beside);
static bool is_pem_by_name(const char *path);
static void take_bad(struct search *search, const char *path, const char *what);
static bool take_missing(struct search *search, const char *path);
static void try_folder(struct search *search, const char *path);
static void parse(const char *data, size_t len, struct program_file *out);
static void take_reference(const unsigned char *der, long len, struct program_file *out);

static void
file_deinit(struct program_file *file)
{
    X509_free(file->certificate);
    file->certificate = NULL;
}

void
program_files_deinit(struct program_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        file_deinit(&files->list[i]);
    free(files->list);
    memset(files, 0, sizeof(*files));
}

bool
program_is_systems(const char *path)
{
    return strncmp(path, "/etc/ssl/", strlen("/etc/ssl/")) == 0;
}

/* Takes the certificate of `file`. */
static bool
keep(struct program_files *files, struct program_file *file)
{
    struct program_file *list = NULL;

    files->more |= files->n == PROGRAM_MAX_FILES;
    if (!files->more)
        list = reallocarray(files->list, files->n + 1, sizeof(*list));
    if (!list) {
        file_deinit(file);
        return false;
    }
    files->list = list;
    list[files->n++] = *file;
    return true;
}

bool
program_files_add(struct program_files *files, const char *path, bool named)
{
    return add(files, path, named, false);
}

static bool
add(struct program_files *files, const char *path, bool named, bool references_only)
{
    ks_auto(closep) int fd = program_open(-1, path);
    struct program_file file = {.named = named};
    char *data = NULL;
    size_t len = 0;

    if (!text_copy(file.path, sizeof(file.path), path))
        return false;
    if (fd < 0 || !program_read(fd, PEM_MAX, &data, &len)) {
        if (!named)
            return false;
        file.bad = KS_ERR_USAGE;
        snprintf(file.why, sizeof(file.why), "%s", strerror(fd < 0 ? -fd : errno));
        keep(files, &file);
        return false;
    }
    parse(data, len, &file);
    OPENSSL_cleanse(data, len); /* there may be a private key in it */
    free(data);
    if (file.n_references > 0 || file.bad || named ||
        (!references_only && (file.certificate || file.is_private)))
        return keep(files, &file);
    file_deinit(&file);
    return false;
}

/* --- what a file holds --- */

static void
parse(const char *data, size_t len, struct program_file *out)
{
    char *name, *header;
    unsigned char *der;
    long der_len;
    BIO *in = NULL;

    if (len <= INT_MAX && memmem(data, len, "-----BEGIN ", strlen("-----BEGIN ")))
        in = BIO_new_mem_buf(data, (int)len);
    while (in && PEM_read_bio(in, &name, &header, &der, &der_len) > 0) {
        size_t name_len = strlen(name), suffix_len = strlen("PRIVATE KEY");

        if (strcmp(name, KS_REFERENCE_PEM_NAME) == 0) {
            take_reference(der, der_len, out);
        } else if (!out->certificate && (strcmp(name, PEM_STRING_X509) == 0 ||
                                         strcmp(name, PEM_STRING_X509_TRUSTED) == 0)) {
            const unsigned char *at = der;

            out->certificate = d2i_X509(NULL, &at, der_len);
        } else if (name_len >= suffix_len &&
                   strcmp(name + name_len - suffix_len, "PRIVATE KEY") == 0) {
            out->is_private = true;
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)der_len);
    }
    if (in && out->n_references == 0 && !out->bad &&
        memmem(data, len, "-----BEGIN " KS_REFERENCE_PEM_NAME,
               strlen("-----BEGIN " KS_REFERENCE_PEM_NAME))) {
        out->bad = KS_ERR_BAD_REQUEST;
        snprintf(out->why, sizeof(out->why), "its PEM is cut off or damaged");
    }
    BIO_free(in);
    ERR_clear_error();
}

static void
take_reference(const unsigned char *der, long len, struct program_file *out)
{
    struct ks_error error;
    struct ks_key key;
    ks_err err = ks_reference_decode(der, (size_t)len, &key, &error);

    if (err && !out->bad) {
        out->bad = err;
        snprintf(out->why, sizeof(out->why), "%s", error.message);
    }
    if (!err && out->n_references++ == 0)
        out->reference = key;
}

/* --- where files are named --- */

bool
program_files_search(struct program_files *files, const char *folder)
{
    char *folders[] = {(char *)folder, NULL};
    FTS *walk = fts_open(folders, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    struct search *search = calloc(1, sizeof(*search));
    const FTSENT *first = NULL;
    FTSENT *entry;
    int why = ENOENT;

    if (search) {
        search->files = files;
        search->folder = folder;
    }
    while (walk && search && search->n_configurations < MAX_CONFIGURATIONS &&
           search->n_entries++ < MAX_ENTRIES && (entry = fts_read(walk))) {
        if (!first && (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR))
            why = entry->fts_errno;
        else
            first = entry;
        if (entry->fts_info == FTS_D && entry->fts_level >= MAX_DEPTH)
            fts_set(walk, entry, FTS_SKIP);
        if (entry->fts_info == FTS_F)
            read_words(search, entry);
    }
    if (walk)
        fts_close(walk);
    free(search);
    errno = why;
    return first != NULL;
}

static void
read_words(struct search *search, const FTSENT *entry)
{
    static const char between[] = " \t\r\n\"'`;,=(){}[]<>|";
    ks_auto(closep) int fd = program_open(-1, entry->fts_accpath);
    ks_auto(freep) char *text = NULL;
    char beside[PATH_MAX], *slash, *words, *line, *next, *word;
    size_t len;

    search->n_configurations++;
    if (fd < 0 || !program_read(fd, CONFIGURATION_MAX, &text, &len) || memchr(text, '\0', len))
        return;
    if (!text_copy(beside, sizeof(beside), entry->fts_path))
        return;
    slash = strrchr(beside, '/');
    if (slash)
        *slash = '\0';
    else
        strcpy(beside, "."); /* the folder that was named is a file, and here */
    if (strstr(text, "-----BEGIN ")) {
        /* A key or a certificate itself: nothing is named in it. */
        OPENSSL_cleanse(text, len);
        return;
    }
    search->in = entry->fts_path;
    search->line = 0;
    for (line = text; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        search->line++;
        if (line[strspn(line, " \t")] == '#')
            continue;
        for (word = strtok_r(line, between, &words); word; word = strtok_r(NULL, between, &words))
            try_word(search, word, beside);
    }
}

/* A word that could be a file's name has a dot or a slash in it. */
static void
try_word(struct search *search, const char *word, const char *beside)
{
    const char *bases[] = {search->folder, beside};
    char path[PATH_MAX];

    if (strncmp(word, "file:", strlen("file:")) == 0)
        word += strlen("file:");
    if (strlen(word) < 3 || strlen(word) > PATH_MAX / 2 || !strpbrk(word, "./"))
        return;
    if (word[0] == '/') {
        if (!look(search, word, false) && !take_missing(search, word))
            try_folder(search, word);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        if ((size_t)snprintf(path, sizeof(path), "%s/%s", bases[i], word) < sizeof(path) &&
            look(search, path, false))
            return;
    }
}

/* Is it a regular file? One that was not seen yet is looked into. */
static bool
look(struct search *search, const char *path, bool references_only)
{
    ks_auto(closep) int fd = program_open(-1, path);
    size_t n = search->files->n;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    for (size_t i = 0; i < search->n_seen; i++) {
        if (search->seen[i].device == st.st_dev && search->seen[i].inode == st.st_ino)
            return true;
    }
    if (search->n_seen == MAX_SEEN || (size_t)st.st_size > PEM_MAX)
        return true;
    search->seen[search->n_seen].device = st.st_dev;
    search->seen[search->n_seen++].inode = st.st_ino;
    if (st.st_size == 0 && is_pem_by_name(path)) {
        take_bad(search, path, "it is empty");
        return true;
    }
    add(search->files, path, false, references_only);
    if (search->files->n > n) {
        struct program_file *file = &search->files->list[n];

        file->line = text_copy(file->in, sizeof(file->in), search->in) ? search->line : 0;
    }
    return true;
}

/* Configurations name many a file that a program makes, or never needs; one with such a name it reads. */
static bool
is_pem_by_name(const char *path)
{
    static const char *const ENDS[] = {".pem", ".key", ".crt", ".cer"};
    size_t len = strlen(path);

    for (size_t i = 0; i < ARRAY_LEN(ENDS); i++) {
        size_t end = strlen(ENDS[i]);

        if (len > end && strcmp(path + len - end, ENDS[i]) == 0)
            return !program_is_systems(path);
    }
    return false;
}

static void
take_bad(struct search *search, const char *path, const char *what)
{
    struct program_file file = {.bad = KS_ERR_USAGE};

    for (size_t i = 0; i < search->files->n; i++) {
        if (strcmp(search->files->list[i].path, path) == 0)
            return;
    }
    snprintf(file.why, sizeof(file.why), "%s, and %.300s names it in line %zu", what, search->in,
             search->line);
    if (text_copy(file.path, sizeof(file.path), path))
        keep(search->files, &file);
}

/* Is it the name of a key or certificate that is not there? */
static bool
take_missing(struct search *search, const char *path)
{
    ks_auto(closep) int fd = program_open(-1, path);

    if ((fd != -ENOENT && fd != -ENOTDIR) || strpbrk(path, "*?$%~") || !is_pem_by_name(path))
        return false;
    take_bad(search, path, strerror(-fd));
    return true;
}

/* haproxy takes folders of bundles. Most folders that are named are others: for logs, of CAs. */
static void
try_folder(struct search *search, const char *path)
{
    char *folders[] = {(char *)path, NULL};
    FTS *walk;
    const FTSENT *entry;
    size_t n = 0;

    if (strcmp(path, "/") == 0 || strncmp(path, "/dev/", strlen("/dev/")) == 0 ||
        strncmp(path, "/proc/", strlen("/proc/")) == 0 || access(path, R_OK | X_OK) != 0 ||
        strncmp(path, "/etc/ssl/certs", strlen("/etc/ssl/certs")) == 0)
        return;
    walk = fts_open(folders, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    if (!walk || !fts_read(walk)) {
        if (walk)
            fts_close(walk);
        return;
    }
    for (entry = fts_children(walk, 0); entry && n < MAX_IN_FOLDER; entry = entry->fts_link, n++) {
        char file[PATH_MAX];

        if (entry->fts_info == FTS_F &&
            (size_t)snprintf(file, sizeof(file), "%s/%s", path, entry->fts_name) < sizeof(file))
            look(search, file, true);
    }
    fts_close(walk);
}
