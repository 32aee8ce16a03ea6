/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refused_name - what keysvcd says of the name that it refuses, put to use
 */
#include "client/agent/identity/refused_name.h"

#include "base/log.h"

bool
refused_name_drop(struct ks_alternative_name *names, size_t *n_names, const char *common_name,
                  const struct ks_error *error, struct report *report)
{
    const char *refused = error->refused_name;
    size_t i = 0;

    while (i < *n_names && strcmp(names[i].value, refused) != 0)
        i++;
    if (i == *n_names || strcmp(refused, common_name) == 0)
        return false;
    log_warning("event=name-left-out name=\"%s\"", LOG_TEXT(names[i].value));
    report_note(report, "left out, since the key's class does not allow it: %s", names[i].value);
    memmove(&names[i], &names[i + 1], (*n_names - i - 1) * sizeof(names[0]));
    (*n_names)--;
    return true;
}

ks_err
refused_name_report(const char *key, const struct ks_error *error, struct report *report)
{
    ks_err err = report_error(report, error);
    const char *name = error->refused_name;

    /* An address of e-mail or a URI is not written there as it is: keysvcd's own hint stays. */
    if (err == KS_ERR_NAME_NOT_ALLOWED && name[0] && !strpbrk(name, "@/"))
        report_hint(report,
                    "add the name to the option names of the section of keysvcd.conf that %s is "
                    "in: names = {\"%s\"}; then keysvc reload",
                    key, name);
    return err;
}
