/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest_identity - /api/v1/identity/IDENTITY: for a console what the commands certificate-... are for people
 */
#include <openssl/evp.h>
#include <stdio.h>

#include "client/agent/identity/operations.h"
#include "client/agent/serve/rest_private.h"

#define IDENTITY 0 /* of the path's words */

/* PEM as text, DER in base64. */
struct file {
    uint8_t *data;
    size_t len;
};

static void
file_deinit(struct file *file)
{
    free(file->data);
}

void
rest_identity_status(struct web_request *request, const struct route_match *match, void *state)
{
    struct rest_call *call = state;
    struct report report = REPORT_INIT;
    json_t *json = NULL;

    (void)request;
    if (certificate_status(call->agent, match->words[IDENTITY], &json, &report))
        rest_fail(call, &report);
    else
        rest_answer_json(call, json);
}

void
rest_identity_certificate(struct web_request *request, const struct route_match *match, void *state)
{
    struct rest_call *call = state;
    struct report report = REPORT_INIT;
    char *pem = NULL;

    if (certificate_get(call->agent, match->words[IDENTITY], &pem, &report))
        rest_fail(call, &report);
    else
        web_answer_bytes(request, 200, "application/x-pem-file", pem, strlen(pem));
    free(pem);
}

/* Each member is a text or left out. */
static bool
texts_of(struct rest_call *call, json_t *body, const char *const *names, const char **out)
{
    for (size_t i = 0; names[i]; i++) {
        json_t *value = json_object_get(body, names[i]);
        const char *text = json_string_value(value);

        out[i] = text;
        if (!value || (text && strlen(text) == json_string_length(value)))
            continue;
        rest_fail_with(call, 400, KS_ERR_BAD_REQUEST, "%s is no text", names[i]);
        return false;
    }
    return true;
}

/* False unless it is left out. */
static bool
flag_of(struct rest_call *call, json_t *body, const char *name, bool *out)
{
    json_t *value = json_object_get(body, name);

    *out = json_is_true(value);
    if (!value || json_is_boolean(value))
        return true;
    rest_fail_with(call, 400, KS_ERR_BAD_REQUEST, "%s is neither true nor false", name);
    return false;
}

static void
make_csr(struct rest_call *call, json_t *body)
{
    static const char *const NAMES[] = {
        "common_name", "organization", "organization_unit", "country",
        "state",       "locality",     "alternative_names", NULL};
    const char *texts[ARRAY_LEN(NAMES)];
    struct report report = REPORT_INIT;
    struct csr_fields fields;
    char *pem = NULL;

    if (!texts_of(call, body, NAMES, texts))
        return;
    fields =
        (struct csr_fields){texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6]};
    if (certificate_create_csr(call->agent, call->match->words[IDENTITY], &fields, &pem, &report))
        rest_fail(call, &report);
    else
        rest_answer_json(call, json_pack("{s:s}", "csr", pem));
    free(pem);
}

void
rest_identity_csr(struct web_request *request, const struct route_match *match, void *state)
{
    static const char *const KNOWN[] = {
        "common_name", "organization", "organization_unit", "country",
        "state",       "locality",     "alternative_names", NULL};
    struct rest_call *call = state;
    json_t *body = rest_body(call, KNOWN, true);

    (void)request;
    (void)match;
    if (body)
        make_csr(call, body);
    json_decref(body);
}

/* A text that begins like PEM is taken as it is. */
static bool
file_of(struct rest_call *call, const char *name, const char *text, struct file *out)
{
    size_t len = text ? strlen(text) : 0;
    int n;

    if (!text) {
        rest_fail_with(call, 400, KS_ERR_BAD_REQUEST, "%s is missing", name);
        return false;
    }
    out->data = malloc(len + 1);
    if (!out->data) {
        rest_fail_with(call, 500, KS_ERR_INTERNAL, "no memory");
        return false;
    }
    out->len = len;
    memcpy(out->data, text, len + 1);
    if (strstr(text, "-----BEGIN "))
        return true;
    n = len > APPLY_MAX_LEN * 2 ? -1
                                : EVP_DecodeBlock(out->data, (const unsigned char *)text, (int)len);
    if (n < 0) {
        rest_fail_with(call, 400, KS_ERR_BAD_REQUEST, "%s is neither PEM nor DER in base64", name);
        return false;
    }
    out->len = (size_t)n;
    while (len > 0 && out->len > 0 &&
           text[--len] == '=') /* EVP_DecodeBlock() counts them as zeros */
        out->len--;
    return true;
}

static void
apply(struct rest_call *call, json_t *body)
{
    static const char *const NAMES[] = {"certificate", "ca", NULL};
    ks_auto(file_deinit) struct file certificate = {0}, ca = {0};
    const char *texts[ARRAY_LEN(NAMES)];
    struct report report = REPORT_INIT;
    struct apply_request request = {0};
    json_t *json = NULL;

    if (!texts_of(call, body, NAMES, texts) || !flag_of(call, body, "what_if", &request.what_if) ||
        !file_of(call, NAMES[0], texts[0], &certificate) || !file_of(call, NAMES[1], texts[1], &ca))
        return;
    request.certificate = certificate.data;
    request.certificate_len = certificate.len;
    request.ca = ca.data;
    request.ca_len = ca.len;
    if (certificate_apply(call->agent, call->match->words[IDENTITY], &request, &json, &report))
        rest_fail(call, &report);
    else
        rest_answer_json(call, json);
}

void
rest_identity_apply(struct web_request *request, const struct route_match *match, void *state)
{
    static const char *const KNOWN[] = {"certificate", "ca", "what_if", NULL};
    struct rest_call *call = state;
    json_t *body = rest_body(call, KNOWN, false);

    (void)request;
    (void)match;
    if (body)
        apply(call, body);
    json_decref(body);
}

/* The change is made, whatever comes between it and its description. */
static void
answer_changed(struct rest_call *call, struct report *report)
{
    struct report looking = REPORT_INIT;
    json_t *json = NULL;

    if (certificate_status(call->agent, call->match->words[IDENTITY], &json, &looking)) {
        report_fail(report, KS_ERR_OUTCOME_UNKNOWN, "it is done, but cannot be described: %s",
                    looking.message);
        report_hint(report, "ask for its status");
        rest_fail(call, report);
        return;
    }
    rest_answer_noted(call, report, json);
}

void
rest_identity_self_signed(struct web_request *request, const struct route_match *match, void *state)
{
    static const char *const KNOWN[] = {"rekey", NULL};
    struct rest_call *call = state;
    struct report report = REPORT_INIT;
    json_t *body = rest_body(call, KNOWN, true);
    bool rekey;

    (void)request;
    if (body && flag_of(call, body, "rekey", &rekey)) {
        if (certificate_self_signed(call->agent, match->words[IDENTITY], rekey, &report))
            rest_fail(call, &report);
        else
            answer_changed(call, &report);
    }
    json_decref(body);
}

void
rest_identity_rollback(struct web_request *request, const struct route_match *match, void *state)
{
    static const char *const KNOWN[] = {NULL};
    struct rest_call *call = state;
    struct report report = REPORT_INIT;
    json_t *body = rest_body(call, KNOWN, true);

    (void)request;
    if (body) {
        if (certificate_rollback(call->agent, match->words[IDENTITY], &report))
            rest_fail(call, &report);
        else
            answer_changed(call, &report);
    }
    json_decref(body);
}
