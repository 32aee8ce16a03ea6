/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subject - taking the options of a request or a certificate
 */
#include "client/cli/subject.h"

#include "client/cli/output.h"

static void
add_names(struct subject *subject, const char *text)
{
    struct fault why = FAULT_INIT;
    ks_err err = altname_add(&subject->names, text, &why);

    if (err)
        exit(output_fault(subject->cli, err, &why));
}

static int
take_choice(struct subject *subject, int key, const char *value)
{
    if (key == SUBJECT_KEY_ALGORITHM) {
        subject->request.algorithm = ks_algorithm_from_name(value);
        if (subject->request.algorithm == KS_ALGORITHM_COUNT)
            cli_usage(subject->cli, "--algorithm %s: no such algorithm", value);
        return 0;
    }
    subject->der = strcmp(value, "der") == 0;
    if (!subject->der && strcmp(value, "pem") != 0)
        cli_usage(subject->cli, "--format %s: pem or der", value);
    return 0;
}

int
subject_option(struct subject *subject, int key, char *value)
{
    struct ks_csr_request *request = &subject->request;
    const struct {
        int key;
        const char **place;
    } texts[] = {
        {SUBJECT_KEY_COMMON_NAME, &request->common_name},
        {SUBJECT_KEY_ORGANIZATION, &request->organization},
        {SUBJECT_KEY_ORGANIZATION_UNIT, &request->organization_unit},
        {SUBJECT_KEY_COUNTRY, &request->country},
        {SUBJECT_KEY_STATE, &request->state},
        {SUBJECT_KEY_LOCALITY, &request->locality},
        {SUBJECT_KEY_EMAIL, &request->email},
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].key != key)
            continue;
        *texts[i].place = value;
        return 0;
    }
    if (key == SUBJECT_KEY_ALGORITHM || key == SUBJECT_KEY_FORMAT)
        return take_choice(subject, key, value);
    if (key != SUBJECT_KEY_ALTERNATIVE_NAMES)
        return ARGP_ERR_UNKNOWN;
    add_names(subject, value);
    return 0;
}

void
subject_finish(struct subject *subject)
{
    subject->request.alternative_names = subject->names.names;
    subject->request.n_alternative_names = subject->names.n_names;
}

void
subject_deinit(struct subject *subject)
{
    altname_deinit(&subject->names);
}
