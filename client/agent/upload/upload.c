/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload - bringing, activating and removing
 *
 * Of a new upload the key comes first, then the row and the switch in one transaction; if that fails the
 * key is destroyed. A crash in between leaves a key without a row, which the next upload of that name
 * removes (it makes the next version and then destroys all others).
 */
#include "client/agent/upload/upload.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/keyname.h"
#include "base/log.h"
#include "client/agent/certificate/chain.h"

#define IDENTITY IDENTITY_OF_LISTENER
#define AGAIN_MS 5000 /* a token process that ended is back much sooner */
#define AGAIN_STEP_US 100000

static ks_err put_locked(struct agent *agent, struct upload *upload, const struct upload_file *file,
                         json_t **out, struct report *report);
static ks_err newest_version(struct agent *agent, const char *key, uint32_t *out,
                             struct report *report);
static ks_err import(struct agent *agent, struct upload *upload, const struct upload_file *file,
                     uint32_t from, struct report *report);
static ks_err keep(struct agent *agent, const struct upload *upload, const char *password,
                   struct report *report);
static ks_err activate(struct agent *agent, const struct upload *upload,
                       const struct identity_also *also, struct report *report);
static ks_err remove_half(struct agent *agent, const char *key, uint32_t version,
                          struct report *report);
static ks_err destroy_key(struct agent *agent, const char *name, uint32_t version);
static void log_stays(const char *key, uint32_t version);
static void destroy_old(struct agent *agent, const char *key, uint32_t but);
static ks_err destroy_versions(struct agent *agent, const char *key, uint32_t but,
                               struct report *report);

static void
imported_freep(struct ks_imported **imported)
{
    *imported = ks_imported_free(*imported);
}

/* Which upload serves; empty: none. */
static ks_err
active_name(struct agent *agent, char out[static IDENTITY_NAME_MAX + 1], struct report *report)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};
    ks_err err = identity_current(agent, IDENTITY, &set, report);

    memcpy(out, set.upload, IDENTITY_NAME_MAX + 1);
    return err;
}

static ks_err
in_use(const char *name, const char *hint, struct report *report)
{
    report_fail(report, KS_ERR_IN_USE, "%s is active", name);
    report_hint(report, "%s", hint);
    return KS_ERR_IN_USE;
}

static ks_err
is_active(struct agent *agent, const char *name, bool *out, struct report *report)
{
    char active[IDENTITY_NAME_MAX + 1];
    ks_err err = active_name(agent, active, report);

    *out = !err && strcmp(active, name) == 0;
    return err;
}

static ks_err
get_upload(struct agent *agent, const char *name, struct upload *out, struct report *report)
{
    struct fault why = FAULT_INIT;
    ks_err err = store_upload_get(agent->store, name, out, &why);

    return err ? report_fault(report, err, &why) : KS_OK;
}

/* False: too long. */
static bool
key_name(const struct agent *agent, const char *name, char out[static KS_NAME_MAX + 1])
{
    return snprintf(out, KS_NAME_MAX + 1, "%s/" UPLOAD_KEYS "/%s", agent->config->keys, name) <=
           KS_NAME_MAX;
}

static ks_err
tell_active(const struct upload *upload, json_t **out, struct report *report)
{
    *out = upload_view(upload, true);
    return *out ? KS_OK
                : report_fail(report, KS_ERR_OUTCOME_UNKNOWN,
                              "%s: it is active, but there is no memory for the answer",
                              upload->name);
}

/* --- bringing --- */

void
upload_source(const struct upload_file *file, uint8_t out[static KS_SHA256_LEN])
{
    const char *alias = file->alias ? file->alias : "";
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    memset(out, 0, KS_SHA256_LEN);
    if (!digest || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1 ||
        EVP_DigestUpdate(digest, alias, strlen(alias) + 1) != 1 ||
        EVP_DigestUpdate(digest, file->data, file->len) != 1 ||
        EVP_DigestFinal_ex(digest, out, NULL) != 1)
        memset(out, 0, KS_SHA256_LEN);
    EVP_MD_CTX_free(digest);
}

ks_err
upload_put(struct agent *agent, const char *name, const struct upload_file *file, json_t **out,
           struct report *report)
{
    ks_auto(upload_deinit) struct upload upload = {.made_us = (int64_t)clock_wall_us()};
    bool active = false;
    ks_err err;

    if (!identity_name_valid(name) || !key_name(agent, name, upload.key.name))
        return report_fail(
            report, KS_ERR_BAD_REQUEST,
            "\"%s\" is no name: 1 to %u letters, digits, dots, underscores or dashes", name,
            IDENTITY_NAME_MAX);
    if (file->len == 0)
        return report_fail(report, KS_ERR_BAD_REQUEST, "the body is empty: it is the PKCS#12");
    if (file->len > KS_IMPORT_MAX_LEN)
        return report_fail(report, KS_ERR_TOO_LARGE, "%zu bytes; a PKCS#12 has at most %u",
                           file->len, KS_IMPORT_MAX_LEN);
    (void)text_copy(upload.name, sizeof(upload.name), name);
    upload_source(file, upload.source_sha256);
    err = identity_lock(agent, IDENTITY, report);
    if (err)
        return err;
    err = is_active(agent, name, &active, report);
    if (!err && active && !file->replace_active)
        err = in_use(name, "upload it under another name, or activate another one first", report);
    if (!err)
        err = put_locked(agent, &upload, file, out, report);
    identity_unlock(agent);
    return err;
}

static ks_err
put_locked(struct agent *agent, struct upload *upload, const struct upload_file *file, json_t **out,
           struct report *report)
{
    ks_auto(upload_deinit) struct upload before = {0};
    struct fault why = FAULT_INIT;
    uint32_t from = 0;
    ks_err found = store_upload_get(agent->store, upload->name, &before, &why);
    ks_err err = found == KS_ERR_NOT_FOUND ? KS_OK : found;

    if (err)
        return report_fault(report, err, &why);
    err = newest_version(agent, upload->key.name, &from, report);
    if (!err)
        err = import(agent, upload, file, from, report);
    if (err == KS_ERR_OUTCOME_UNKNOWN)
        err = remove_half(agent, upload->key.name, from + 1, report);
    if (err)
        return err;
    err = upload_check(&upload->key, upload->chain, report);
    if (!err)
        err = keep(agent, upload, file->password, report);
    if (err && err != KS_ERR_OUTCOME_UNKNOWN && /* by which it may be in use */
        destroy_key(agent, upload->key.name, upload->key.version))
        log_stays(upload->key.name, upload->key.version);
    if (err)
        return err;
    destroy_old(agent, upload->key.name, upload->key.version);
    /* `keys` of agent.conf changed: who else has what lies below the old one, nobody here knows. */
    if (!found && strcmp(before.key.name, upload->key.name) != 0)
        log_stays(before.key.name, before.key.version);
    return tell_active(upload, out, report);
}

static void
log_stays(const char *key, uint32_t version)
{
    log_warning("event=key-stays key=%s@%u", key, version);
}

/*
 * Of an import whose end nobody saw: if its key is there it is removed again, and nothing was done. That
 * there is none is the token's own word, behind the import: one process makes all changes of a token, one
 * after the other, and until it or its successor has told its keys the answer is TOKEN_UNAVAILABLE.
 */
static ks_err
remove_half(struct agent *agent, const char *key, uint32_t version, struct report *report)
{
    uint64_t end_ms = clock_mono_ms() + AGAIN_MS;
    ks_err err;

    while ((err = destroy_key(agent, key, version)) == KS_ERR_TOKEN_UNAVAILABLE &&
           clock_mono_ms() < end_ms)
        usleep(AGAIN_STEP_US);
    if (err && err != KS_ERR_NO_KEY) {
        log_stays(key, version);
        report_hint(report, "upload it again under the same name: that also removes the key that "
                            "this one may have left");
        return KS_ERR_OUTCOME_UNKNOWN;
    }
    return report_fail(report, KS_ERR_TOKEN_UNAVAILABLE,
                       "the token was lost in the middle of the import, and has no key of it now");
}

/* 0: the token has none of that name. */
static ks_err
newest_version(struct agent *agent, const char *key, uint32_t *out, struct report *report)
{
    struct ks_error error;
    struct ks_key found;
    ks_err err = ks_get(agent->client, key, &found, &error);

    *out = err ? 0 : found.version;
    return err && err != KS_ERR_NO_KEY ? report_error(report, &error) : KS_OK;
}

static ks_err
import(struct agent *agent, struct upload *upload, const struct upload_file *file, uint32_t from,
       struct report *report)
{
    ks_auto(imported_freep) struct ks_imported *imported = NULL;
    ks_auto(freep) struct ks_chain *chain = calloc(1, sizeof(*chain));
    const struct ks_import_request request = {.format = KS_IMPORT_PKCS12,
                                              .data = file->data,
                                              .len = file->len,
                                              .password = file->password,
                                              .select = file->alias,
                                              .from_version = from};
    struct ks_error error;

    if (!chain)
        return report_fail(report, KS_ERR_INTERNAL, "no memory");
    if (ks_import_all(agent->client, upload->key.name, &request, &imported, &error))
        return report_error(report, &error);
    upload->key = imported->key;
    memcpy(upload->alias, imported->alias, sizeof(upload->alias));
    chain->certificates = ks_steal(&imported->certificates);
    chain->n_certificates = imported->n_certificates;
    imported->n_certificates = 0;
    upload->chain = ks_steal(&chain);
    return KS_OK;
}

static ks_err
put_row(struct store *store, const void *context, struct fault *why)
{
    return store_upload_put(store, context, why);
}

/* The row and the switch. */
static ks_err
keep(struct agent *agent, const struct upload *upload, const char *password, struct report *report)
{
    struct upload row = *upload; /* borrows the chain */
    const struct identity_also also = {put_row, &row};
    struct fault why = FAULT_INIT;
    ks_err err = verifier_make(password, row.verifier, &why);

    if (err)
        return report_fault(report, err, &why);
    return activate(agent, upload, &also, report);
}

static ks_err
activate(struct agent *agent, const struct upload *upload, const struct identity_also *also,
         struct report *report)
{
    struct identity_set set = {.kind = SET_UPLOADED,
                               .key = upload->key,
                               .chain = upload->chain, /* borrowed: not freed with the set */
                               .made_us = (int64_t)clock_wall_us()};

    (void)text_copy(set.upload, sizeof(set.upload), upload->name);
    return identity_switch(agent, IDENTITY, &set, "activate", also, report);
}

/* --- activating --- */

static ks_err
wrong_password(struct report *report, const char *name)
{
    report_fail(report, KS_ERR_BAD_REQUEST, "%s: wrong password", name);
    report_hint(report, "it is the one that the file had when it was uploaded");
    return KS_ERR_BAD_REQUEST;
}

ks_err
upload_activate(struct agent *agent, const char *name, const char *password, json_t **out,
                struct report *report)
{
    ks_auto(upload_deinit) struct upload seen = {0}, upload = {0};
    bool active = false;
    ks_err err = get_upload(agent, name, &seen, report);

    if (err)
        return err;
    if (!verifier_matches(seen.verifier, password))
        return wrong_password(report, name);
    err = identity_lock(agent, IDENTITY, report);
    if (err)
        return err;
    /* Under the lock: somebody may have replaced or removed it, or made it active. */
    err = get_upload(agent, name, &upload, report);
    if (!err && strcmp(upload.verifier, seen.verifier) != 0 &&
        !verifier_matches(upload.verifier, password))
        err = wrong_password(report, name);
    if (!err)
        err = is_active(agent, name, &active, report);
    if (!err && !active)
        err = upload_check(&upload.key, upload.chain, report);
    if (!err && !active)
        err = identity_key_check(agent, &upload.key, report);
    if (!err && !active)
        err = activate(agent, &upload, NULL, report);
    identity_unlock(agent);
    if (err)
        return err;
    return tell_active(&upload, out, report);
}

/* --- removing --- */

/* The version that a failed upload made: nobody has used it. */
static ks_err
destroy_key(struct agent *agent, const char *name, uint32_t version)
{
    struct ks_key key = {.version = version};
    struct ks_error error;

    (void)text_copy(key.name, sizeof(key.name), name);
    return ks_destroy(agent->client, &key, &error);
}

static void
destroy_old(struct agent *agent, const char *key, uint32_t but)
{
    struct report ignored = REPORT_INIT;

    if (destroy_versions(agent, key, but, &ignored))
        log_warning("event=old-key-stays key=%s why=\"%s\"", key, LOG_TEXT(ignored.message));
}

/* All but one; `but` 0: all. */
static ks_err
destroy_versions(struct agent *agent, const char *key, uint32_t but, struct report *report)
{
    struct ks_error error;
    struct ks_key found;
    ks_err err = ks_get(agent->client, key, &found, &error);

    if (err == KS_ERR_NO_KEY)
        return KS_OK;
    if (err)
        return report_error(report, &error);
    for (size_t i = 0; i < found.n_versions; i++) {
        struct ks_key old = {.version = found.versions[i]};

        if (old.version == but)
            continue;
        (void)text_copy(old.name, sizeof(old.name), key);
        err = ks_destroy(agent->client, &old, &error);
        if (err && err != KS_ERR_NO_KEY)
            return report_error(report, &error);
    }
    return KS_OK;
}

/* As put_locked(): what lies below other `keys` than those of agent.conf now stays. */
static ks_err
destroy_all(struct agent *agent, const struct upload *upload, struct report *report)
{
    char own[KS_NAME_MAX + 1];

    if (key_name(agent, upload->name, own) && strcmp(own, upload->key.name) == 0)
        return destroy_versions(agent, own, 0, report);
    log_stays(upload->key.name, upload->key.version);
    return KS_OK;
}

static ks_err
remove_row(struct agent *agent, const char *name, struct fault *why)
{
    ks_err err = store_begin(agent->store, why);

    return err ? err : store_end(agent->store, store_upload_delete(agent->store, name, why), why);
}

ks_err
upload_delete(struct agent *agent, const char *name, struct report *report)
{
    ks_auto(upload_deinit) struct upload upload = {0};
    struct fault why = FAULT_INIT;
    bool active = false;
    ks_err err = identity_lock(agent, IDENTITY, report);

    if (err)
        return err;
    err = get_upload(agent, name, &upload, report);
    if (!err)
        err = is_active(agent, name, &active, report);
    if (!err && active)
        err = in_use(name, "activate another one first", report);
    /* The key first: a row without a key can be deleted again, a key without a row is forgotten. */
    if (!err)
        err = destroy_all(agent, &upload, report);
    if (!err) {
        err = remove_row(agent, name, &why);
        if (err)
            report_fault(report, err, &why);
    }
    identity_unlock(agent);
    return err;
}

/* --- looking --- */

ks_err
upload_describe(struct agent *agent, const char *name, const char *password, json_t **out,
                struct report *report)
{
    ks_auto(upload_deinit) struct upload upload = {0};
    bool active = false;
    ks_err err = get_upload(agent, name, &upload, report);

    if (!err && !verifier_matches(upload.verifier, password))
        err = wrong_password(report, name);
    if (!err)
        err = is_active(agent, name, &active, report);
    if (err)
        return err;
    *out = upload_view(&upload, active);
    return *out ? KS_OK : report_fail(report, KS_ERR_INTERNAL, "no memory for the answer");
}

static json_t *
list_item(struct agent *agent, const char *name, bool active)
{
    ks_auto(upload_deinit) struct upload upload = {0};
    struct fault ignored = FAULT_INIT;

    if (active && store_upload_get(agent->store, name, &upload, &ignored) == KS_OK)
        return upload_view(&upload, true);
    return json_pack("{s:s, s:b}", "name", name, "active", active);
}

ks_err
upload_list(struct agent *agent, json_t **out, struct report *report)
{
    ks_auto(strv_deinit) struct strv names = STRV_INIT;
    char active[IDENTITY_NAME_MAX + 1];
    struct fault why = FAULT_INIT;
    json_t *list;
    ks_err err = store_upload_names(agent->store, &names, &why);

    if (err)
        return report_fault(report, err, &why);
    err = active_name(agent, active, report);
    if (err)
        return err;
    list = json_array();
    for (size_t i = 0; i < names.n_items; i++)
        json_array_append_new(
            list, list_item(agent, names.items[i], strcmp(names.items[i], active) == 0));
    if (!list || json_array_size(list) != names.n_items) {
        json_decref(list);
        return report_fail(report, KS_ERR_INTERNAL, "no memory for the list");
    }
    *out = list;
    return KS_OK;
}
