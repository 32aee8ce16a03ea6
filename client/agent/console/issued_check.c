/* SPDX-License-Identifier: Apache-2.0 */
/*
 * issued_check - what the console itself can say of one issued certificate
 */
#include "client/agent/console/issued.h"

/* This agent's; NULL: it is not there. */
static const struct check_key *
request_of(const struct issued *issued, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < issued->n_requests; i++) {
        const char *label = issued->requests[i].label;

        if (strncmp(label, name, len) == 0 && label[len] == '.' && !strchr(label + len + 1, '.'))
            return &issued->requests[i];
    }
    return NULL;
}

static ks_err
check(const struct issued *issued, struct issued_file *file, time_t now, struct report *report)
{
    ks_auto(check_result_deinit) struct check_result result = {0};
    const struct check_key *request = request_of(issued, file->name);
    const struct check_wanted wanted = {.keys = request,
                                        .n_keys = request ? 1 : 0,
                                        .any_key = !request,
                                        .others = issued->requests,
                                        .n_others = issued->n_requests,
                                        .now_s = now};
    const struct check_files files = {.certificate = file->bytes.data,
                                      .certificate_len = file->bytes.len,
                                      .ca = issued->authorities_pem,
                                      .ca_len = strlen(issued->authorities_pem)};
    ks_err err = check_files(&files, &wanted, &result, report);

    if (!err) {
        sk_X509_pop_free(file->chain, X509_free);
        file->chain = ks_steal(&result.chain);
    }
    return err;
}

ks_err
issued_check(const struct issued *issued, struct issued_file *file, time_t now, json_t *checks,
             struct outcome *outcome)
{
    struct report report = REPORT_INIT;
    json_t *added;
    ks_err err;

    if (file->twice)
        return outcome_fail(outcome, KS_ERR_CERTIFICATE_REFUSED,
                            "%s: there is more than one file for this agent", file->path);
    if (file->fault.text[0])
        return outcome_fail(outcome, KS_ERR_CERTIFICATE_REFUSED, "%s", file->fault.text);
    err = check(issued, file, now, &report);
    added = report_checks_json(&report);
    (void)json_array_extend(checks, added);
    json_decref(added);
    return err ? outcome_fail(outcome, err, "%s: %s", file->path, report.message) : KS_OK;
}
