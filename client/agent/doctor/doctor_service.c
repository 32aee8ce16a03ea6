/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_service - whether keysvcd answers, what it allows this user, and what the identity's key may do
 */
#include <pwd.h>
#include <stdio.h>

#include "client/agent/doctor/doctor.h"
#include "client/agent/identity/default_names.h"

#define ASK_TIMEOUT_MS 5000 /* a healthy service answers in milliseconds */
#define LIST_MAX 256
#define MEND_MAX 1024

static void check_tokens(struct doctor *doctor, const struct ks_status *status);
static bool check_rules(struct doctor *doctor, const char *key);
static bool find_key(struct doctor *doctor, const char *name, struct ks_key *out);
static void check_purpose(struct doctor *doctor, const struct ks_key *key);
static void check_names(struct doctor *doctor, const struct ks_key *key);

void
doctor_service(struct doctor *doctor)
{
    const char *socket = doctor->config->socket[0] ? doctor->config->socket : NULL;
    struct ks_status *status = NULL;
    struct ks_error error;
    ks_err err = ks_client_new(socket, &doctor->client, &error);

    if (!err) {
        ks_client_set_timeout(doctor->client, ASK_TIMEOUT_MS);
        ks_client_set_program(doctor->client, "keysvc-agent doctor");
        err = ks_status(doctor->client, &status, &error);
    }
    if (err) {
        doctor_add(doctor, DOCTOR_WRONG, err, "keysvcd",
                   error.hint[0] ? error.hint : "keysvc doctor says more.", "%s", error.message);
        doctor->client = ks_client_free(doctor->client);
        return;
    }
    doctor_add(doctor, DOCTOR_FINE, KS_OK, "keysvcd", "", "version %s answers at %s, to user %u",
               status->version, ks_client_socket(doctor->client), status->uid);
    check_tokens(doctor, status);
    ks_status_free(status);
}

static void
check_tokens(struct doctor *doctor, const struct ks_status *status)
{
    for (size_t i = 0; i < status->n_tokens; i++) {
        const struct ks_token *token = &status->tokens[i];

        if (strcmp(token->state, "ready") != 0)
            doctor_add(doctor, DOCTOR_NOTE, KS_OK, "token",
                       "keysvc doctor, as an administrator, says why.",
                       "%s is %s: keys on it do not sign", token->name, token->state);
    }
}

void
doctor_key(struct doctor *doctor)
{
    char name[KS_NAME_MAX + 1 + IDENTITY_NAME_MAX + 1];
    struct ks_key key;

    if (!doctor->client) {
        doctor_add(doctor, DOCTOR_SKIPPED, KS_OK, "rules", "", "keysvcd does not answer");
        return;
    }
    snprintf(name, sizeof(name), "%s/%s", doctor->config->keys, doctor->identity);
    if (!check_rules(doctor, name) || !find_key(doctor, name, &key))
        return;
    check_purpose(doctor, &key);
    check_names(doctor, &key);
}

/* --- rules --- */

/* False: keysvcd does not say. */
static bool
ask(struct doctor *doctor, const char *key, const char *operation, bool *allowed, bool *has_class)
{
    const struct ks_explain_request request = {.key = key, .operation = operation};
    struct ks_explanation *explanation = NULL;
    struct ks_error error;

    if (ks_explain(doctor->client, &request, &explanation, &error)) {
        doctor_add(doctor, DOCTOR_SKIPPED, KS_OK, "rules", "", "%s", error.message);
        return false;
    }
    *allowed = explanation->allowed;
    *has_class = explanation->class_glob[0] != '\0';
    ks_explanation_free(explanation);
    return true;
}

static void
append(char list[static LIST_MAX], const char *word)
{
    size_t len = strlen(list);

    snprintf(list + len, LIST_MAX - len, "%s%s", len > 0 ? ", " : "", word);
}

static void
tell_denied(struct doctor *doctor, enum doctor_verdict verdict, const char *key, const char *denied,
            const char *what)
{
    const struct passwd *account = getpwuid(geteuid());
    char user[LIST_MAX], mend[MEND_MAX];

    if (account)
        snprintf(user, sizeof(user), "%s", account->pw_name);
    else
        snprintf(user, sizeof(user), "%u", geteuid());
    /* No two pieces of advice have one title: the first operation is allowed behind the first of them. */
    snprintf(
        mend, sizeof(mend),
        "Add to keysvcd.conf, then keysvc reload: allow agent-%s-%.*s { user = {\"%s\"}  keys = "
        "{\"%s/**\"}  operations = {%s} }",
        user, (int)strcspn(denied, ","), denied, user, doctor->config->keys, denied);
    doctor_add(doctor, verdict, KS_ERR_DENIED, "rules", mend, "user %u may not %s %s%s", geteuid(),
               denied, key, what);
}

static bool
check_rules(struct doctor *doctor, const char *key)
{
    static const char *const NEEDED[] = {"get", "sign", "csr", "self-sign", "generate", "rotate"};
    static const char *const FOR_UPLOADS[] = {"import", "destroy"};
    char denied[LIST_MAX] = "", uploads[LIST_MAX] = "", mend[MEND_MAX];
    bool allowed, has_class = false;

    for (size_t i = 0; i < ARRAY_LEN(NEEDED); i++) {
        if (!ask(doctor, key, NEEDED[i], &allowed, &has_class))
            return false;
        if (!allowed)
            append(denied, NEEDED[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(FOR_UPLOADS); i++) {
        if (ask(doctor, key, FOR_UPLOADS[i], &allowed, &has_class) && !allowed)
            append(uploads, FOR_UPLOADS[i]);
    }
    if (!has_class) {
        snprintf(mend, sizeof(mend),
                 "Add to keysvcd.conf, then keysvc reload: keys \"%s/**\" { token = TOKEN  type = "
                 "ec-p256  purpose = tls-server  names = {\"HOST.EXAMPLE\"} }",
                 doctor->config->keys);
        doctor_add(doctor, DOCTOR_WRONG, KS_ERR_NO_KEY, "class", mend,
                   "no class of keysvcd.conf has %s", key);
    }
    if (denied[0])
        tell_denied(doctor, DOCTOR_WRONG, key, denied, "");
    else if (uploads[0])
        tell_denied(doctor, DOCTOR_NOTE, key, uploads, ": PKCS#12 files are refused");
    else
        doctor_add(doctor, DOCTOR_FINE, KS_OK, "rules", "", "all that is needed for %s is allowed",
                   key);
    return has_class && !denied[0];
}

/* --- the key --- */

/* What the certificate was made for is compared in the status; here is what a new one would be made with. */
static bool
find_key(struct doctor *doctor, const char *name, struct ks_key *out)
{
    const char *state = json_string_value(json_object_get(doctor->status, "key_state"));
    const char *label = json_string_value(json_object_get(doctor->status, "key"));
    const char *why = json_string_value(json_object_get(doctor->status, "key_error"));
    char mend[MEND_MAX];
    struct ks_error error;
    ks_err err;

    snprintf(mend, sizeof(mend),
             "Look for it with keysvc key list; without it make a new one: keysvc-agent "
             "certificate-apply-self-signed --rekey%s.",
             doctor->option);
    if (state && strcmp(state, "present") == 0)
        doctor_add(doctor, DOCTOR_FINE, KS_OK, "key", "", "%s is on its token", label);
    else if (state && strcmp(state, "unknown") != 0) /* of that the service says more, below */
        doctor_add(doctor, DOCTOR_WRONG,
                   strcmp(state, "changed") == 0 ? KS_ERR_KEY_CHANGED : KS_ERR_NO_KEY, "key", mend,
                   "%s is %s: %s", label, state, why ? why : "");
    err = ks_get(doctor->client, name, out, &error);
    if (err == KS_ERR_NO_KEY && !doctor->status)
        doctor_add(doctor, DOCTOR_NOTE, KS_OK, "key", "The first start makes it.",
                   "%s is not there yet", name);
    else if (err && err != KS_ERR_NO_KEY)
        doctor_add(doctor, DOCTOR_WRONG, err, "key", error.hint, "%s", error.message);
    return err == KS_OK;
}

static void
check_purpose(struct doctor *doctor, const struct ks_key *key)
{
    if (key->purpose == KS_PURPOSE_TLS_SERVER || key->purpose == KS_PURPOSE_TLS)
        doctor_add(doctor, DOCTOR_FINE, KS_OK, "class", "", "%s: keys for %s", key->class_glob,
                   ks_purpose_name(key->purpose));
    else
        doctor_add(doctor, key->purpose == KS_PURPOSE_SIGN ? DOCTOR_NOTE : DOCTOR_WRONG,
                   KS_ERR_PURPOSE, "class",
                   "Set purpose = tls-server in that class of keysvcd.conf, then keysvc reload.",
                   "%s: keys for %s; the agent serves TLS", key->class_glob,
                   ks_purpose_name(key->purpose));
}

/* keysvcd alone knows which names the class allows: it is asked for a request, which is thrown away. */
static void
check_names(struct doctor *doctor, const struct ks_key *key)
{
    ks_auto(freep) struct default_names *names = calloc(1, sizeof(*names));
    struct report report = REPORT_INIT;
    struct ks_csr_request request = {0};
    struct ks_error error;
    uint8_t *der = NULL;
    size_t len;
    ks_err err;

    if (!names)
        return;
    if (default_names_get(names, &report)) {
        doctor_add(doctor, DOCTOR_WRONG, report.code, "names", report.hint, "%s", report.message);
        return;
    }
    request.common_name = names->common_name;
    err = ks_csr(doctor->client, key, &request, &der, &len, &error);
    if (!err)
        doctor_add(doctor, DOCTOR_FINE, KS_OK, "names", "", "%s allows %s", key->class_glob,
                   names->common_name);
    else
        doctor_add(doctor, DOCTOR_WRONG, err, "names",
                   err == KS_ERR_NAME_NOT_ALLOWED
                       ? "Add this host's name to names of that class in keysvcd.conf, then keysvc "
                         "reload; or mend the host's name."
                       : error.hint,
                   "%s", error.message);
    free(der);
}
