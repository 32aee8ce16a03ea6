/* SPDX-License-Identifier: Apache-2.0 */
/*
 * default_names - the host's names as a request for a certificate wants them
 */
#include "client/agent/identity/default_names.h"

#define COMMON_NAME_MAX 64 /* characters; ub-common-name of RFC 5280 */

static void
add(struct default_names *names, enum ks_name_kind kind, const char *value)
{
    for (size_t i = 0; i < names->n_names; i++) {
        if (strcmp(names->names[i].value, value) == 0)
            return;
    }
    if (value[0] != '\0')
        names->names[names->n_names++] = (struct ks_alternative_name){.kind = kind, .value = value};
}

ks_err
default_names_get(struct default_names *out, struct report *report)
{
    struct fault why = FAULT_INIT;
    ks_err err = hostnames_get(&out->host, &why);

    if (err)
        return report_fault(report, err, &why);
    out->n_names = 0;
    add(out, KS_NAME_DNS, out->host.host);
    add(out, KS_NAME_DNS, out->host.full);
    for (size_t i = 0; i < out->host.n_addresses; i++)
        add(out, KS_NAME_IP, out->host.addresses[i]);
    out->common_name = strlen(out->host.full) <= COMMON_NAME_MAX ? out->host.full : out->host.host;
    if (out->common_name[0] != '\0' && strlen(out->common_name) <= COMMON_NAME_MAX)
        return KS_OK;
    report_fail(report, KS_ERR_BAD_REQUEST,
                "this host has no name that could stand in a certificate");
    report_hint(report,
                "give it one, as hostnamectl does: at most %d letters, digits, dots and "
                "dashes",
                COMMON_NAME_MAX);
    return KS_ERR_BAD_REQUEST;
}
