/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry - one version of a key: lent, and completed by what the service says when it is asked
 */
#include "client/pkcs11/entry.h"

#include "base/clock.h"
#include "client/pkcs11/directory.h"
#include "client/pkcs11/report.h"

void
entry_put_locked(struct entry *entry)
{
    if (--entry->n_users > 0)
        return;
    key_info_free(entry->info);
    certificates_put_locked(entry->certificates);
    free(entry);
}

void
entry_put(struct entry *entry)
{
    if (!entry)
        return;
    module_lock();
    entry_put_locked(entry);
    module_unlock();
}

void
entry_putp(struct entry **entry)
{
    entry_put(*entry);
}

void
entry_label(const struct entry *entry, char out[static KEYNAME_LABEL_MAX + 1])
{
    keyname_label(entry->name, entry->version, out);
}

enum ks_purpose
entry_purpose(const struct entry *entry)
{
    enum ks_purpose purpose;

    module_lock();
    purpose = entry->purpose;
    module_unlock();
    return purpose;
}

void
entry_key(const struct entry *entry, struct ks_key *out)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->name, entry->name, sizeof(entry->name));
    out->version = entry->version;
    out->type = entry->type;
    memcpy(out->public_key_sha256, entry->sha256, sizeof(entry->sha256));
}

/* Any number of threads may come here at once; the first to finish is right. */
static const struct key_info *
keep_info(struct entry *entry, struct key_info *info)
{
    const struct key_info *kept;

    module_lock();
    if (entry->info)
        key_info_free(info);
    else
        entry->info = info;
    kept = entry->info;
    module_unlock();
    return kept;
}

static CK_RV
info_failed(struct module *module, const char *label, bool quiet, ks_err err,
            const struct ks_error *error)
{
    CK_RV rv = err == KS_ERR_NO_KEY ? CKR_OBJECT_HANDLE_INVALID : report_code(err);

    if (err == KS_ERR_NO_KEY || err == KS_ERR_DENIED)
        directory_spoil(module->directory);
    if (!quiet || (err != KS_ERR_NO_KEY && err != KS_ERR_DENIED))
        (void)report(label, err, error);
    return rv;
}

CK_RV
entry_info(struct module *module, struct entry *entry, bool quiet, const struct key_info **out)
{
    char label[KEYNAME_LABEL_MAX + 1];
    struct key_info *info;
    struct ks_error error;
    struct ks_key key;
    ks_err err;

    *out = keep_info(entry, NULL);
    if (*out)
        return CKR_OK;
    entry_label(entry, label);
    err = ks_get(module->client, label, &key, &error);
    if (err)
        return info_failed(module, label, quiet, err, &error);
    if (memcmp(key.public_key_sha256, entry->sha256, sizeof(entry->sha256)) != 0) {
        directory_spoil(module->directory);
        return CKR_OBJECT_HANDLE_INVALID;
    }
    info = key_info_new(&module->hashes, entry->type, key.public_key, key.public_key_len);
    if (!info) {
        report_text("%s: its public key cannot be read", label);
        return CKR_DEVICE_ERROR;
    }
    *out = keep_info(entry, info);
    return CKR_OK;
}

/* `fresh` NULL: only what is there, and if `young`, not if it is old. */
static struct certificates *
keep_certificates(struct entry *entry, struct certificates *fresh, bool young)
{
    uint64_t now_ms = clock_mono_ms();
    struct certificates *kept = NULL;

    module_lock();
    if (fresh) {
        certificates_put_locked(entry->certificates);
        entry->certificates = fresh;
        entry->certificates_ms = now_ms;
    }
    if (entry->certificates && (!young || now_ms < entry->certificates_ms + CERTIFICATES_AGE_MS)) {
        kept = entry->certificates;
        kept->n_users++;
    }
    module_unlock();
    return kept;
}

static CK_RV
certificates_failed(const struct entry *entry, ks_err err, const struct ks_error *error)
{
    char label[KEYNAME_LABEL_MAX + 1];
    CK_RV rv;

    entry_label(entry, label);
    rv = report(label, err, error);
    return err == KS_ERR_TOKEN_UNAVAILABLE || err == KS_ERR_LOGIN_BLOCKED ? CKR_TOKEN_NOT_PRESENT
                                                                          : rv;
}

/* That there are none, or none for us, is an answer too, and kept. */
CK_RV
entry_certificates(struct module *module, struct entry *entry, bool young,
                   struct certificates **out)
{
    struct certificates *fresh = NULL;
    struct ks_chain *chain = NULL;
    struct ks_error error;
    struct ks_key key;
    ks_err err;
    CK_RV rv;

    *out = keep_certificates(entry, NULL, young);
    if (*out)
        return CKR_OK;
    entry_key(entry, &key);
    err = ks_certificate_get(module->client, &key, &chain, &error);
    if (err == KS_ERR_KEY_CHANGED)
        directory_spoil(module->directory);
    if (err && err != KS_ERR_NO_KEY && err != KS_ERR_DENIED && err != KS_ERR_UNSUPPORTED &&
        err != KS_ERR_PURPOSE)
        return certificates_failed(entry, err, &error);
    rv = certificates_new(module->certificates, &module->hashes, err ? NULL : chain, &fresh);
    if (!err)
        ks_chain_free(chain);
    if (rv == CKR_DEVICE_MEMORY)
        report_text("the certificates beside the keys of this process are more than %u MiB; "
                    "narrow its rules in keysvcd.conf",
                    CERTIFICATES_MAX_BYTES / (1024 * 1024));
    if (rv)
        return rv;
    *out = keep_certificates(entry, fresh, false);
    return CKR_OK;
}
