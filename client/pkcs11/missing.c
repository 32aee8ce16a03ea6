/* SPDX-License-Identifier: Apache-2.0 */
/*
 * missing - the service is asked for the key by name, and its answer is what people read
 */
#include "client/pkcs11/missing.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/keyname.h"
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

/* All of a class. One key's name has a line of its own, and by an ID programs look for the keys of
 * certificates that may be anybody's. */
static bool
asks_for_keys(const CK_ATTRIBUTE *wanted, CK_ULONG n)
{
    char label[KEYNAME_LABEL_MAX + 1];
    CK_OBJECT_CLASS class;
    bool asks = false;

    for (CK_ULONG i = 0; i < n; i++) {
        if (wanted[i].type == CKA_ID || named_by(&wanted[i], label))
            return false;
        if (wanted[i].type != CKA_CLASS || wanted[i].ulValueLen != sizeof(class))
            continue;
        memcpy(&class, wanted[i].pValue, sizeof(class));
        asks = class == CKO_PRIVATE_KEY || class == CKO_PUBLIC_KEY;
    }
    return asks;
}

void
missing_all_report(struct module *module, const CK_ATTRIBUTE *wanted, CK_ULONG n)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;

    if (directory_count(module->directory) > 0 || !asks_for_keys(wanted, n) ||
        atomic_flag_test_and_set(&told))
        return;
    report_text("no key for uid %u: no rule allows it to `get` one that it can use; see keysvc "
                "policy explain --key NAME --operation get",
                geteuid());
}
