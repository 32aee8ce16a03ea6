/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refused_name - of names that nobody asked for, those that the key's class does not allow are left out
 *
 * So that a first start works where the class allows the host's DNS name and not its addresses. For
 * the default names only: what somebody asked for is refused as it is.
 *
 *     do
 *         err = ks_self_sign(..., &error);
 *     while (err == KS_ERR_NAME_NOT_ALLOWED && refused_name_drop(names, &n, common_name, &error, report));
 */
#pragma once

#include "client/agent/report.h"

/* Takes the alternative name that `error` names out of `names` and notes it in the report. False: it
 * is none of them, or the common name too, without which there is no certificate. */
bool refused_name_drop(struct ks_alternative_name *names, size_t *n_names, const char *common_name,
                       const struct ks_error *error, struct report *report);

/* Sets the report from `error`; for a name that is not allowed with a hint for keysvcd.conf. */
ks_err refused_name_report(const char *key, const struct ks_error *error, struct report *report);
