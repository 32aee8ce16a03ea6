/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor - the list, as text and as JSON
 */
#include "client/agent/doctor/doctor.h"

#include <stdarg.h>

static const char *const VERDICT[] = {
    [DOCTOR_FINE] = "ok",
    [DOCTOR_SKIPPED] = "skipped",
    [DOCTOR_NOTE] = "note",
    [DOCTOR_WRONG] = "wrong",
};

void
doctor_deinit(struct doctor *doctor)
{
    json_decref(doctor->status);
    doctor->client = ks_client_free(doctor->client);
}

/* Parts of it stand in other people's files and messages: nothing moves the cursor, JSON takes it all. */
static void
tame(char *text)
{
    for (; *text; text++) {
        if (*text < ' ' || *text > '~')
            *text = '?';
    }
}

void
doctor_add(struct doctor *doctor, enum doctor_verdict verdict, ks_err class, const char *check,
           const char *mend, const char *format, ...)
{
    struct doctor_finding *finding;
    va_list args;

    if (doctor->n_findings == DOCTOR_MAX)
        return;
    finding = &doctor->findings[doctor->n_findings++];
    finding->verdict = verdict;
    finding->class = class;
    finding->check = check;
    va_start(args, format);
    vsnprintf(finding->text, sizeof(finding->text), format, args);
    va_end(args);
    snprintf(finding->mend, sizeof(finding->mend), "%s", mend);
    tame(finding->text);
    tame(finding->mend);
}

const struct doctor_finding *
doctor_first_wrong(const struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->n_findings; i++) {
        if (doctor->findings[i].verdict == DOCTOR_WRONG)
            return &doctor->findings[i];
    }
    return NULL;
}

void
doctor_print(const struct doctor *doctor, FILE *out)
{
    for (size_t i = 0; i < doctor->n_findings; i++) {
        const struct doctor_finding *finding = &doctor->findings[i];

        fprintf(out, "%-8s %-16s %s\n", VERDICT[finding->verdict], finding->check, finding->text);
        if (finding->mend[0] != '\0')
            fprintf(out, "%-8s %-16s -> %s\n", "", "", finding->mend);
    }
}

json_t *
doctor_json(const struct doctor *doctor)
{
    json_t *list = json_array();

    for (size_t i = 0; i < doctor->n_findings; i++) {
        const struct doctor_finding *finding = &doctor->findings[i];

        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "check", finding->check, "verdict",
                            VERDICT[finding->verdict], "code",
                            finding->verdict == DOCTOR_WRONG ? ks_err_name(finding->class) : "OK",
                            "text", finding->text, "mend", finding->mend));
    }
    return json_pack("{s:b, s:o}", "fine", doctor_first_wrong(doctor) == NULL, "findings", list);
}
