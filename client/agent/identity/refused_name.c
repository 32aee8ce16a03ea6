/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refused_name - which name keysvcd has refused, from its message
 *
 * The outcome NAME_NOT_ALLOWED has no field for the name; the message ends with it (token/csr_check.c:
 * "keys ... does not allow the alternative name 10.0.0.1"), and system tests hold both together. A
 * message that reads otherwise only means that nothing is left out.
 */
#include "client/agent/identity/refused_name.h"

#include "base/log.h"

static const char ALTERNATIVE_NAME[] = "does not allow the alternative name ";
static const char COMMON_NAME[] = "does not allow the common name ";

static const char *name_behind(const struct ks_error *error, const char *phrase);

bool
refused_name_drop(struct ks_alternative_name *names, size_t *n_names, const char *common_name,
                  const struct ks_error *error, struct report *report)
{
    const char *at = name_behind(error, ALTERNATIVE_NAME);
    size_t i = 0;

    if (!at)
        return false;
    while (i < *n_names && strcmp(names[i].value, at) != 0)
        i++;
    if (i == *n_names || strcmp(at, common_name) == 0)
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
    const char *name = name_behind(error, ALTERNATIVE_NAME);

    if (!name)
        name = name_behind(error, COMMON_NAME);
    /* An address of e-mail or a URI is not written there as it is: keysvcd's own hint stays. */
    if (err == KS_ERR_NAME_NOT_ALLOWED && name && !strpbrk(name, "@/"))
        report_hint(report,
                    "add the name to the option names of the section of keysvcd.conf that %s is "
                    "in: names = {\"%s\"}; then keysvc reload",
                    key, name);
    return err;
}

static const char *
name_behind(const struct ks_error *error, const char *phrase)
{
    const char *at = strstr(error->message, phrase);

    return at ? at + strlen(phrase) : NULL;
}
