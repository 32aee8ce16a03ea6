/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest_certificate - /e/ENVIRONMENT/api/v1/certificate: uploads of the listener's own certificate
 */
#include "client/agent/serve/rest_private.h"
#include "client/agent/upload/upload.h"

#define NAME 1 /* of the path's words; 0 is the environment */

/* A file that names its key otherwise is taken if it holds one only. */
static ks_err
put(struct rest_call *call, const char *name, struct upload_file *file, json_t **out,
    struct report *report)
{
    const char *configured = call->rest->config->certificate_alias;
    ks_err err;

    file->alias = web_header(call->request, "X-Alias");
    if (file->alias || !configured[0])
        return upload_put(call->agent, name, file, out, report);
    file->alias = configured;
    err = upload_put(call->agent, name, file, out, report);
    if (err != KS_ERR_BAD_REQUEST)
        return err;
    *report = (struct report)REPORT_INIT;
    file->alias = NULL;
    return upload_put(call->agent, name, file, out, report);
}

void
rest_certificate_put(struct web_request *request, const struct route_match *match, void *state)
{
    struct rest_call *call = state;
    struct rest_password password;
    struct report report = REPORT_INIT;
    struct upload_file file = {.password = password.text};
    json_t *json = NULL;

    file.data = web_body(request, &file.len);
    if (!rest_password_begin(call, false, &password))
        return;
    if (put(call, match->words[NAME], &file, &json, &report))
        rest_fail(call, &report);
    else
        rest_answer_noted(call, &report, json);
    rest_password_end(&password);
}

void
rest_certificate_delete(struct web_request *request, const struct route_match *match, void *state)
{
    struct rest_call *call = state;
    struct report report = REPORT_INIT;

    if (upload_delete(call->agent, match->words[NAME], &report))
        rest_fail(call, &report);
    else
        web_answer(request, 200);
}

typedef ks_err (*with_password_fn)(struct agent *agent, const char *name, const char *password,
                                   json_t **out, struct report *report);

static void
with_password(struct rest_call *call, const char *name, with_password_fn run)
{
    struct rest_password password;
    struct report report = REPORT_INIT;
    json_t *json = NULL;

    if (!rest_password_begin(call, true, &password))
        return;
    if (run(call->agent, name, password.text, &json, &report))
        rest_fail(call, &report);
    else
        rest_answer_noted(call, &report, json);
    rest_password_end(&password);
}

void
rest_certificate_activate(struct web_request *request, const struct route_match *match, void *state)
{
    (void)request;
    with_password(state, match->words[NAME], upload_activate);
}

void
rest_certificate_describe(struct web_request *request, const struct route_match *match, void *state)
{
    (void)request;
    with_password(state, match->words[NAME], upload_describe);
}

void
rest_certificate_list(struct web_request *request, const struct route_match *match, void *state)
{
    struct rest_call *call = state;
    struct report report = REPORT_INIT;
    json_t *json = NULL;

    (void)request;
    (void)match;
    if (upload_list(call->agent, &json, &report))
        rest_fail(call, &report);
    else
        rest_answer_json(call, json);
}
