/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_program_keys - do references, keys, certificates and rules fit together?
 *
 * A rotation changes three things: the key's version on the token, the reference and the
 * certificate. A program that was given only some of them starts, and fails in its first handshake.
 */
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "client/cli/doctor_program.h"

#define MAX_VERSIONS_ASKED                                                                         \
    16 /* to say whose certificate it is; each is a question to the service */

struct check {
    struct doctor *doctor;
    struct ks_client *client; /* NULL: the service does not answer */
    const struct program_files *files;
    const struct program_user *users;
    size_t n_users;
    bool by_pkcs11;
    bool denied; /* said once that only administrators may ask about others */
};

static bool check_file(struct check *check, const struct program_file *file);
static bool check_key(struct check *check, const struct program_file *file, struct ks_key *key);
static void check_certificate(struct check *check, const struct program_file *file,
                              const struct ks_key *key);
static void no_certificate(struct check *check, const struct program_file *file,
                           const struct ks_key *key);
static void check_purpose(struct check *check, const struct ks_key *key, X509 *certificate);
static void check_rules(struct check *check, const struct ks_key *key);
static void check_rule(struct check *check, const struct ks_key *key,
                       const struct program_user *user);
static void denied(struct check *check, const struct ks_key *key, const char *who,
                   const struct ks_explanation *answer);
static void check_strangers(struct check *check);

void
program_keys(struct doctor *doctor, struct cli *cli, const struct program_files *files,
             const struct program_user *users, size_t n_users, bool by_pkcs11)
{
    struct check check = {
        doctor, doctor_answers(doctor) ? cli->client : NULL, files, users, n_users, by_pkcs11,
        false};
    size_t n_references = 0;

    for (size_t i = 0; i < files->n; i++)
        n_references += check_file(&check, &files->list[i]);
    if (n_references > 0 && n_users == 0)
        doctor_skip(doctor, "rules", "whose the program's processes are is not known: say --user");
    if (n_references > 0)
        check_strangers(&check);
}

/* Is a reference in it? */
static bool
check_file(struct check *check, const struct program_file *file)
{
    static const char again[] = "Make it again: keysvc key reference NAME --out-file FILE.";
    struct ks_key key;

    if (file->bad == KS_ERR_USAGE) {
        doctor_wrong(check->doctor, file->bad, "reference",
                     "Correct the path, or put the file there; a reference: keysvc key reference "
                     "NAME --out-file FILE.",
                     "%.200s: %s", file->path, file->why);
        return true;
    }
    if (file->bad) {
        doctor_wrong(check->doctor, file->bad, "reference",
                     file->bad == KS_ERR_UNSUPPORTED
                         ? "Give the host the keysvc that wrote it, or make it again: keysvc key "
                           "reference NAME --out-file FILE."
                         : again,
                     "%.200s: %s", file->path, file->why);
        return true;
    }
    if (file->n_references == 0 && file->is_private && !file->named &&
        program_is_systems(file->path))
        return false;
    if (file->n_references == 0 && file->is_private) {
        doctor_note(check->doctor, "reference",
                    "Bring it onto a token (keysvc key import), put a reference in its place and "
                    "destroy the file.",
                    "%.200s holds a private key itself", file->path);
        return false;
    }
    if (file->n_references == 0) {
        if (file->named && !file->certificate)
            doctor_wrong(check->doctor, KS_ERR_BAD_REQUEST, "reference", again,
                         "%.200s holds no reference and no certificate", file->path);
        return false;
    }
    if (file->n_references > 1)
        doctor_note(check->doctor, "reference", "Make one file for each key.",
                    "%.200s holds %zu references: programs read the first", file->path,
                    file->n_references);
    if (!check_key(check, file, &key))
        key = file->reference;
    check_certificate(check, file, &key);
    check_rules(check, &key);
    return true;
}

/* --- the key behind a reference --- */

static void
vanished(struct check *check, const struct program_file *file)
{
    static const char mend[] = "Make a reference and a certificate for the version that is there, "
                               "and reload the program with both.";
    const struct ks_key *reference = &file->reference;
    struct ks_error error;
    struct ks_key newest;

    if (ks_get(check->client, reference->name, &newest, &error))
        doctor_wrong(check->doctor, KS_ERR_NO_KEY, "reference",
                     "Generate it, or correct the reference; if another tool made the key: keysvc "
                     "token rescan.",
                     "%.200s names %s@%u: there is no key %s", file->path, reference->name,
                     reference->version, reference->name);
    else
        doctor_wrong(check->doctor, KS_ERR_NO_KEY, "reference", mend,
                     "%.200s names %s@%u, which is no more; the newest is %s@%u", file->path,
                     reference->name, reference->version, newest.name, newest.version);
}

/* False: the service has no such key, or does not say; `key` is not set then. */
static bool
check_key(struct check *check, const struct program_file *file, struct ks_key *key)
{
    const struct ks_key *reference = &file->reference;
    char label[KEYNAME_LABEL_MAX + 1];
    struct ks_error error;
    ks_err err;

    keyname_label(reference->name, reference->version, label);
    if (!check->client) {
        doctor_skip(check->doctor, "reference",
                    "%.200s names %s; the service does not answer, so no more is known", file->path,
                    label);
        return false;
    }
    err = ks_get(check->client, label, key, &error);
    if (err == KS_ERR_NO_KEY) {
        vanished(check, file);
    } else if (err == KS_ERR_DENIED) {
        doctor_skip(check->doctor, "reference",
                    "%.200s names %s, which no rule lets you look at: ask as an administrator",
                    file->path, label);
    } else if (err) {
        doctor_wrong(check->doctor, err, "reference", error.hint, "%.200s names %s: %s", file->path,
                     label, error.message);
    } else if (memcmp(key->public_key_sha256, reference->public_key_sha256, KS_SHA256_LEN) != 0) {
        doctor_wrong(check->doctor, KS_ERR_KEY_CHANGED, "reference",
                     "Make a new reference (keysvc key reference NAME --out-file FILE) and a new "
                     "certificate, and reload the program with both.",
                     "%.200s was made for another key than %s is now", file->path, label);
    } else {
        doctor_fine(check->doctor, "reference", "%.200s names %s, which is there", file->path,
                    label);
        if (key->n_versions > 0 && key->versions[key->n_versions - 1] > key->version)
            doctor_note(check->doctor, "reference",
                        "When there is a certificate for it: make a new reference, put both in "
                        "place, reload the program once.",
                        "%.200s names %s; %s@%u is newer", file->path, label, key->name,
                        key->versions[key->n_versions - 1]);
        return true;
    }
    return false;
}

/* --- its certificate --- */

static bool
is_for(X509 *certificate, const uint8_t *public_key, size_t len)
{
    unsigned char *der = NULL;
    int der_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool same = der_len >= 0 && (size_t)der_len == len && memcmp(der, public_key, len) == 0;

    OPENSSL_free(der);
    ERR_clear_error();
    return same;
}

/* A certificate that some file has for this reference; NULL: none has. */
static const struct program_file *
certificate_for(const struct check *check, const struct ks_key *reference)
{
    for (size_t i = 0; i < check->files->n; i++) {
        const struct program_file *file = &check->files->list[i];

        if (file->certificate &&
            is_for(file->certificate, reference->public_key, reference->public_key_len))
            return file;
    }
    return NULL;
}

static void
check_certificate(struct check *check, const struct program_file *file, const struct ks_key *key)
{
    const struct program_file *other = certificate_for(check, &file->reference);

    check_purpose(check, key, other ? other->certificate : NULL);
    if (!other) {
        no_certificate(check, file, key);
        return;
    }
    if (X509_cmp_current_time(X509_get0_notAfter(other->certificate)) < 0)
        doctor_wrong(check->doctor, KS_ERR_USAGE, "certificate",
                     "Have a new one made (keysvc csr) and reload the program.",
                     "%.200s has run out", other->path);
    else
        doctor_fine(check->doctor, "certificate", "%.200s is for %s@%u", other->path,
                    file->reference.name, file->reference.version);
}

/* For none of the references that were found, and not that of a CA. */
static bool
is_stranger(const struct check *check, const struct program_file *file)
{
    if (!file->certificate || X509_check_ca(file->certificate) > 0)
        return false;
    for (size_t i = 0; i < check->files->n; i++) {
        const struct ks_key *reference = &check->files->list[i].reference;

        if (check->files->list[i].n_references > 0 &&
            is_for(file->certificate, reference->public_key, reference->public_key_len))
            return false;
    }
    return true;
}

/* Another version of the same name that the certificate is for; 0: none. */
static uint32_t
version_of(const struct check *check, const struct ks_key *key, X509 *certificate)
{
    size_t n = key->n_versions < MAX_VERSIONS_ASKED ? key->n_versions : MAX_VERSIONS_ASKED;
    char label[KEYNAME_LABEL_MAX + 1];
    struct ks_error error;
    struct ks_key other;

    for (size_t i = 0; check->client && i < n; i++) {
        keyname_label(key->name, key->versions[key->n_versions - 1 - i], label);
        if (!ks_get(check->client, label, &other, &error) &&
            is_for(certificate, other.public_key, other.public_key_len))
            return other.version;
    }
    return 0;
}

/* How far from each other they are named; those of the system, named elsewhere, are for others. */
static size_t
lines_between(const struct program_file *a, const struct program_file *b)
{
    if (a->line > 0 && b->line > 0 && strcmp(a->in, b->in) == 0)
        return a->line > b->line ? a->line - b->line : b->line - a->line;
    return program_is_systems(b->path) && !b->named ? SIZE_MAX : SIZE_MAX - 1;
}

static void
no_certificate(struct check *check, const struct program_file *file, const struct ks_key *key)
{
    const struct ks_key *reference = &file->reference;
    const struct program_file *stranger = NULL;
    size_t nearest = SIZE_MAX;

    for (size_t i = 0; i < check->files->n; i++) {
        const struct program_file *other = &check->files->list[i];
        uint32_t version;

        if (!is_stranger(check, other))
            continue;
        if (lines_between(file, other) < nearest) {
            nearest = lines_between(file, other);
            stranger = other;
        }
        version = version_of(check, key, other->certificate);
        if (version == 0)
            continue;
        doctor_wrong(check->doctor, KS_ERR_KEY_CHANGED, "certificate",
                     "Give the program reference and certificate of one version (keysvc key "
                     "reference NAME@N --out-file FILE), and reload it with both.",
                     "%.150s is for %s@%u, but %.150s names %s@%u", other->path, key->name, version,
                     file->path, reference->name, reference->version);
        return;
    }
    if (stranger)
        doctor_wrong(check->doctor, KS_ERR_KEY_CHANGED, "certificate",
                     "Have a certificate made for this key (keysvc csr), or give the program the "
                     "reference that belongs to its certificate.",
                     "no certificate that was found is for %s@%u of %.150s; %.150s is for another "
                     "key",
                     reference->name, reference->version, file->path, stranger->path);
    else
        doctor_note(check->doctor, "certificate",
                    "If the program has one, name it with --file, so that it is compared.",
                    "no certificate for %s@%u of %.200s was found", reference->name,
                    reference->version, file->path);
}

/* Those of file keys are no concern of ours, and which is whose is not known. */
static void
check_strangers(struct check *check)
{
    for (size_t i = 0; i < check->files->n; i++) {
        if (check->files->list[i].bad ||
            (check->files->list[i].is_private && !program_is_systems(check->files->list[i].path)))
            return;
        if (check->files->list[i].n_references > 0 &&
            !certificate_for(check, &check->files->list[i].reference))
            return; /* said there */
    }
    for (size_t i = 0; i < check->files->n; i++) {
        if (is_stranger(check, &check->files->list[i]) &&
            !program_is_systems(check->files->list[i].path))
            doctor_note(check->doctor, "certificate",
                        "If the program is to prove it: make the reference of its key (keysvc key "
                        "reference).",
                        "%.200s is for none of the references", check->files->list[i].path);
    }
}

/* --- its purpose --- */

static void
check_purpose(struct check *check, const struct ks_key *key, X509 *certificate)
{
    uint32_t usage = certificate ? X509_get_extended_key_usage(certificate) : UINT32_MAX;
    bool tls = key->purpose == KS_PURPOSE_TLS_SERVER || key->purpose == KS_PURPOSE_TLS_CLIENT ||
               key->purpose == KS_PURPOSE_TLS;

    if (key->token[0] == '\0')
        return; /* the service has not told us */
    if (key->purpose == KS_PURPOSE_NONE)
        doctor_wrong(check->doctor, KS_ERR_PURPOSE, "purpose",
                     "Add a section `keys` whose glob matches to keysvcd.conf.",
                     "%s@%u is in no class: nobody can use it", key->name, key->version);
    else if (tls && check->by_pkcs11)
        doctor_note(check->doctor, "purpose",
                    "If handshakes fail with PURPOSE, the program signs digests (GnuTLS, NSS and "
                    "OpenSSH do): it needs a key of purpose sign.",
                    "%s@%u has purpose %s, which signs whole messages only", key->name,
                    key->version, ks_purpose_name(key->purpose));
    else if (usage != UINT32_MAX && (usage & XKU_SSL_SERVER) &&
             key->purpose == KS_PURPOSE_TLS_CLIENT)
        doctor_note(check->doctor, "purpose",
                    "A server needs a key of a class with purpose = tls-server, or tls.",
                    "%s@%u has purpose tls-client, its certificate is a server's", key->name,
                    key->version);
    else if (usage != UINT32_MAX && !(usage & XKU_SSL_SERVER) &&
             key->purpose == KS_PURPOSE_TLS_SERVER)
        doctor_note(check->doctor, "purpose",
                    "A client needs a key of a class with purpose = tls-client, or tls.",
                    "%s@%u has purpose tls-server, its certificate is not a server's", key->name,
                    key->version);
}

/* --- who may --- */

static void
check_rules(struct check *check, const struct ks_key *key)
{
    for (size_t i = 0; check->client && i < check->n_users && !check->denied; i++)
        check_rule(check, key, &check->users[i]);
}

static void
check_rule(struct check *check, const struct ks_key *key, const struct program_user *user)
{
    uint32_t gids[DOCTOR_MAX_GROUPS + 1] = {user->user.gid};
    struct ks_explain_request request = {
        .key = key->name,
        .operation = "sign",
        .for_other = true,
        .uid = user->user.uid,
        .gids = gids,
        .n_gids = (size_t)user->user.n_groups + 1,
        .unit = user->unit,
        .user = user->user.name,
    };
    struct ks_explanation *answer;
    struct ks_error error;
    char who[96];
    ks_err err;

    for (int i = 0; i < user->user.n_groups; i++)
        gids[i + 1] = user->user.groups[i];
    snprintf(who, sizeof(who), "uid %u", user->user.uid);
    if (user->user.name[0] != '\0')
        snprintf(who, sizeof(who), "%s", user->user.name);
    err = ks_explain(check->client, &request, &answer, &error);
    if (err == KS_ERR_DENIED) {
        check->denied = true;
        doctor_skip(check->doctor, "rules",
                    "whether %s may sign is told to administrators only: ask as one", who);
        return;
    }
    if (err) {
        doctor_skip(check->doctor, "rules", "whether %s may sign with %s is not known: %s", who,
                    key->name, error.message);
        return;
    }
    if (answer->allowed) {
        doctor_fine(check->doctor, "rules", "%s may sign with %s: rule %s", who, key->name,
                    answer->rule);
    } else {
        denied(check, key, who, answer);
    }
    ks_explanation_free(answer);
}

/* The reason of a rule that lacks nothing but the unit; NULL: there is none such. */
static const char *
unit_reason(const struct ks_explanation *answer)
{
    for (size_t i = 0; i < answer->n_reasons; i++) {
        const char *what = strstr(answer->reasons[i], ": ");

        if (what && strncmp(what, ": is for unit ", strlen(": is for unit ")) == 0 &&
            !strchr(what, ';'))
            return answer->reasons[i];
    }
    return NULL;
}

static void
denied(struct check *check, const struct ks_key *key, const char *who,
       const struct ks_explanation *answer)
{
    const char *reason = unit_reason(answer);
    char mend[600];

    snprintf(mend, sizeof(mend), "Add to keysvcd.conf, then keysvc reload: %.500s",
             answer->missing && answer->missing[0] != '\0' ? answer->missing : "a rule");
    if (reason && answer->missing && answer->missing[0] == '\0')
        snprintf(mend, sizeof(mend),
                 "Start it as that unit (systemctl), or correct `unit` in that rule.");
    doctor_wrong(check->doctor, KS_ERR_DENIED, "rules", mend, "%s may not sign with %s%s%.300s",
                 who, key->name, reason ? ": " : "", reason ? reason : "");
}
