/* SPDX-License-Identifier: Apache-2.0 */
/*
 * missing - the service is asked for the key by name, and its answer is what people read
 */
#include "client/pkcs11/missing.h"

#include "client/pkcs11/directory.h"
#include "client/pkcs11/report.h"

static bool named_by(const CK_ATTRIBUTE *wanted, char label[static KEYNAME_LABEL_MAX + 1]);

void
missing_report(struct module *module, const CK_ATTRIBUTE *wanted, CK_ULONG n)
{
    char label[KEYNAME_LABEL_MAX + 1];
    struct ks_error error;
    struct ks_key key;
    ks_err err;

    for (CK_ULONG i = 0; i < n; i++) {
        if (!named_by(&wanted[i], label))
            continue;
        err = ks_get(module->client, label, &key, &error);
        if (err)
            (void)report(label, err, &error);
        else if (key.purpose == KS_PURPOSE_NONE || key.purpose == KS_PURPOSE_AUDIT)
            report_text("%s: its purpose is %s, and it signs for no program", label,
                        ks_purpose_name(key.purpose));
        return;
    }
}

static bool
named_by(const CK_ATTRIBUTE *wanted, char label[static KEYNAME_LABEL_MAX + 1])
{
    char name[KEYNAME_MAX + 1];
    uint32_t version;

    if (wanted->type != CKA_LABEL || wanted->ulValueLen > KEYNAME_LABEL_MAX ||
        !keyname_split(wanted->pValue, wanted->ulValueLen, true, name, &version))
        return false;
    memcpy(label, wanted->pValue, wanted->ulValueLen);
    label[wanted->ulValueLen] = '\0';
    return true;
}
